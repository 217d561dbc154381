"""Signature suites and subject-key rules, each with a dated life: may-sign is not may-verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from ca.errors import BadInput, SuiteRetired

SuiteId = NewType("SuiteId", str)


class Use(StrEnum):
    """What a suite is asked for."""

    SIGN = "sign"
    VERIFY = "verify"


class Digest(StrEnum):
    """A hash function, by the name that standards and libraries share."""

    SHA256 = "sha256"
    SHA384 = "sha384"


class KeyFamily(StrEnum):
    """What kind of key signs."""

    RSA = "RSA"
    EC = "EC"


@dataclass(frozen=True, slots=True)
class Suite:
    """A signature algorithm with its key, and how long it may sign and be believed.

    Attributes:
        algorithm: The dotted object identifier of the signature algorithm.
        key_bits: Modulus length of an RSA key; of an EC key the size of its curve, which is NIST's of this size.
    """

    id: SuiteId
    algorithm: str
    digest: Digest
    family: KeyFamily
    key_bits: int
    sign_until: datetime
    verify_until: datetime

    def __hash__(self) -> int:
        # Suites are keys of caches on the way of every signature; their names tell them apart well enough.
        return hash(self.id)


SHA256_RSA2048 = Suite(
    id=SuiteId("sha256-rsa2048"),
    algorithm="1.2.840.113549.1.1.11",  # sha256WithRSAEncryption, RFC 4055 5
    digest=Digest.SHA256,
    family=KeyFamily.RSA,
    key_bits=2048,
    # RSA-2048 is to be retired from 2031 (NIST IR 8547); what it signed is believed a certificate's life longer.
    sign_until=datetime(2030, 12, 31, 14, 59, 59, tzinfo=UTC),
    verify_until=datetime(2041, 12, 31, 14, 59, 59, tzinfo=UTC),
)

# NIST IR 8547 ends elliptic curves of 128 bits of strength and more after 2035, when quantum computers may break them.
_EC_SIGN_UNTIL = datetime(2035, 12, 31, 14, 59, 59, tzinfo=UTC)
_EC_VERIFY_UNTIL = datetime(2046, 12, 31, 14, 59, 59, tzinfo=UTC)

SHA256_P256 = Suite(
    id=SuiteId("sha256-p256"),
    algorithm="1.2.840.10045.4.3.2",  # ecdsa-with-SHA256, RFC 5758 3.2
    digest=Digest.SHA256,
    family=KeyFamily.EC,
    key_bits=256,
    sign_until=_EC_SIGN_UNTIL,
    verify_until=_EC_VERIFY_UNTIL,
)

SHA384_P384 = Suite(
    id=SuiteId("sha384-p384"),
    algorithm="1.2.840.10045.4.3.3",  # ecdsa-with-SHA384, RFC 5758 3.2
    digest=Digest.SHA384,
    family=KeyFamily.EC,
    key_bits=384,
    sign_until=_EC_SIGN_UNTIL,
    verify_until=_EC_VERIFY_UNTIL,
)

SUITES: Mapping[SuiteId, Suite] = MappingProxyType(
    {suite.id: suite for suite in (SHA256_RSA2048, SHA256_P256, SHA384_P384)}
)


def suite(name: str, place: str) -> Suite:
    """The suite of this name, or BadInput naming the place and the suites there are."""
    try:
        return SUITES[SuiteId(name)]
    except KeyError:
        raise BadInput(place, f"{name!r} is not a suite", remedy=f"One of: {', '.join(SUITES)}") from None


_BY_ALGORITHM = {suite.algorithm: suite for suite in SUITES.values()}
assert len(_BY_ALGORITHM) == len(SUITES), (
    "an algorithm names one suite; its key is checked with the signature"
)


def of_algorithm(algorithm: str) -> Suite:
    """The suite of this signature algorithm (a dotted object identifier), or SuiteRetired."""
    suite = _BY_ALGORITHM.get(algorithm)
    if suite is None:
        raise SuiteRetired(f"algorithm {algorithm}", "is not one that is believed")
    return suite


def require(suite: Suite, use: Use, at: datetime) -> None:
    """Raise SuiteRetired unless the suite may be used so at this moment."""
    until = suite.sign_until if use is Use.SIGN else suite.verify_until
    if at.replace(microsecond=0) > until:  # the last second counts (RFC 5280 4.1.2.5)
        raise SuiteRetired(f"suite {suite.id}", f"may not {use} after {until:%Y-%m-%dT%H:%M:%SZ}")


class Curve(StrEnum):
    """An elliptic curve, by NIST's name (SP 800-186 3.2.1)."""

    P256 = "P-256"
    P384 = "P-384"


@dataclass(frozen=True, slots=True)
class RsaKeys:
    """RSA keys of these lengths and exponents (FIPS 186-5 A.1.1: exponent odd and above 2**16)."""

    minimum_bits: int
    maximum_bits: int
    minimum_exponent: int = 65537
    maximum_exponent: int = (1 << 256) - 1


@dataclass(frozen=True, slots=True)
class SubjectKeyRule:
    """Which keys of holders are certified: RSA keys, EC keys on the curves named, or both."""

    rsa: RsaKeys | None = None
    curves: frozenset[Curve] = frozenset()

    def __post_init__(self) -> None:
        assert self.rsa or self.curves, "a rule allows some key"

    def __str__(self) -> str:
        allowed = (
            [] if self.rsa is None else [f"RSA of {self.rsa.minimum_bits} to {self.rsa.maximum_bits} bits"]
        )
        return " or ".join([*allowed, *sorted(self.curves)])


RSA2048_KEYS = SubjectKeyRule(rsa=RsaKeys(minimum_bits=2048, maximum_bits=4096))
P256_KEYS = SubjectKeyRule(curves=frozenset({Curve.P256}))
P384_KEYS = SubjectKeyRule(curves=frozenset({Curve.P384}))
