"""Signature suites and subject-key rules, each with a dated life: may-sign is not may-verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from types import MappingProxyType
from typing import NewType, Protocol

from ca.errors import BadInput, SuiteRetired

SuiteId = NewType("SuiteId", str)


class Use(StrEnum):
    """What a suite is asked for. May-sign is not may-verify, and what a list says is needed longer than new certificates."""

    SIGN = "sign"
    SIGN_STATUS = "sign lists or answers"
    VERIFY = "verify"


class Digest(StrEnum):
    """A hash function, by the name that standards and libraries share."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class Hashing(Protocol):
    """What hashes a message that comes in parts, as a suite wants it before it signs."""

    def update(self, part: bytes, /) -> None:
        """Take the next part."""
        ...

    def digest(self) -> bytes:
        """What is signed; nothing may be added afterwards."""
        ...


class KeyFamily(StrEnum):
    """What kind of key signs."""

    RSA = "RSA"
    EC = "EC"
    ML_DSA = "ML-DSA"


@dataclass(frozen=True, slots=True)
class Suite:
    """A signature algorithm with its key, and how long it may sign and be believed.

    Attributes:
        algorithm: The dotted object identifier of the signature algorithm.
        digest: What hashes the message; with ML-DSA, which hashes by itself, what is named beside it in a CMS message.
        key_size: Bits of an RSA key's modulus, or of an EC key's curve, which is NIST's; ML-DSA's parameter set.
        sign_until: The last second in which it signs certificates.
        status_until: The last second in which it signs lists and answers about certificates.
        verify_until: The last second in which it is believed.
        legacy: It is broken, or near it: only an edition that names it uses it, and whoever believes it must say so.
    """

    id: SuiteId
    algorithm: str
    digest: Digest
    family: KeyFamily
    key_size: int
    sign_until: datetime
    status_until: datetime
    verify_until: datetime
    legacy: bool = False

    def __hash__(self) -> int:
        # Suites are keys of caches on the way of every signature; their names tell them apart well enough.
        return hash(self.id)

    def until(self, use: Use) -> datetime:
        """The last second of this use."""
        match use:
            case Use.SIGN:
                return self.sign_until
            case Use.SIGN_STATUS:
                return self.status_until
            case Use.VERIFY:
                return self.verify_until


def _year_ends(year: int) -> datetime:
    """The last second of a year in Japan."""
    return datetime(year, 12, 31, 14, 59, 59, tzinfo=UTC)


# The guideline of 2008-04-22, revised 2012-10-26: SHA-1 is believed exceptionally to the end of fiscal 2019. Until 2015
# the prefecture CAs issued with it.
_SHA1_SIGN_UNTIL = _year_ends(2015)
_SHA1_VERIFY_UNTIL = datetime(2020, 3, 31, 14, 59, 59, tzinfo=UTC)
_SHORTEST_RSA = 2048  # bits, since then (NIST SP 800-131A 3)
# RSA-2048 is to be retired from 2031 (NIST IR 8547); what it signed is believed a certificate's life longer. RSA-3072 has
# 128 bits of strength, as P-256 has.
_RSA2048_SIGN_UNTIL, _RSA2048_VERIFY_UNTIL = _year_ends(2030), _year_ends(2041)
# NIST IR 8547 ends what has 128 bits of strength and more after 2035, when quantum computers may break it.
_CLASSICAL_SIGN_UNTIL, _CLASSICAL_VERIFY_UNTIL = _year_ends(2035), _year_ends(2046)
# FIPS 204 has no end in sight; an end is written all the same, so that somebody will look.
_LATTICE_SIGN_UNTIL, _LATTICE_VERIFY_UNTIL = _year_ends(2060), _year_ends(2071)

_SHA1_RSA = "1.2.840.113549.1.1.5"  # sha-1WithRSAEncryption, RFC 3279 2.2.1
_SHA256_RSA = "1.2.840.113549.1.1.11"  # sha256WithRSAEncryption, RFC 4055 5

SHA1_RSA1024 = Suite(
    SuiteId("sha1-rsa1024"), _SHA1_RSA, Digest.SHA1, KeyFamily.RSA, 1024,
    _SHA1_SIGN_UNTIL, _SHA1_VERIFY_UNTIL, _SHA1_VERIFY_UNTIL, legacy=True,
)  # fmt: skip
SHA1_RSA2048 = Suite(
    SuiteId("sha1-rsa2048"), _SHA1_RSA, Digest.SHA1, KeyFamily.RSA, 2048,
    _SHA1_SIGN_UNTIL, _SHA1_VERIFY_UNTIL, _SHA1_VERIFY_UNTIL, legacy=True,
)  # fmt: skip
SHA256_RSA2048 = Suite(
    SuiteId("sha256-rsa2048"), _SHA256_RSA, Digest.SHA256, KeyFamily.RSA, 2048,
    _RSA2048_SIGN_UNTIL, _RSA2048_VERIFY_UNTIL, _RSA2048_VERIFY_UNTIL,
)  # fmt: skip
SHA256_RSA3072 = Suite(
    SuiteId("sha256-rsa3072"), _SHA256_RSA, Digest.SHA256, KeyFamily.RSA, 3072,
    _CLASSICAL_SIGN_UNTIL, _CLASSICAL_VERIFY_UNTIL, _CLASSICAL_VERIFY_UNTIL,
)  # fmt: skip
SHA256_P256 = Suite(
    SuiteId("sha256-p256"), "1.2.840.10045.4.3.2",  # ecdsa-with-SHA256, RFC 5758 3.2
    Digest.SHA256, KeyFamily.EC, 256,
    _CLASSICAL_SIGN_UNTIL, _CLASSICAL_VERIFY_UNTIL, _CLASSICAL_VERIFY_UNTIL,
)  # fmt: skip
SHA384_P384 = Suite(
    SuiteId("sha384-p384"), "1.2.840.10045.4.3.3",  # ecdsa-with-SHA384, RFC 5758 3.2
    Digest.SHA384, KeyFamily.EC, 384,
    _CLASSICAL_SIGN_UNTIL, _CLASSICAL_VERIFY_UNTIL, _CLASSICAL_VERIFY_UNTIL,
)  # fmt: skip


def _ml_dsa(parameter_set: int, algorithm: str) -> Suite:
    """Pure ML-DSA, its context empty (RFC 9881 3); SHA-512 goes beside it in CMS (RFC 9882 3.3)."""
    return Suite(
        SuiteId(f"ml-dsa-{parameter_set}"), algorithm, Digest.SHA512, KeyFamily.ML_DSA, parameter_set,
        _LATTICE_SIGN_UNTIL, _LATTICE_VERIFY_UNTIL, _LATTICE_VERIFY_UNTIL,
    )  # fmt: skip


ML_DSA_44 = _ml_dsa(44, "2.16.840.1.101.3.4.3.17")  # id-ml-dsa-44 and so on, RFC 9881 2
ML_DSA_65 = _ml_dsa(65, "2.16.840.1.101.3.4.3.18")
ML_DSA_87 = _ml_dsa(87, "2.16.840.1.101.3.4.3.19")

SUITES: Mapping[SuiteId, Suite] = MappingProxyType(
    {
        suite.id: suite
        for suite in (
            SHA1_RSA1024, SHA1_RSA2048, SHA256_RSA2048, SHA256_RSA3072, SHA256_P256, SHA384_P384,
            ML_DSA_44, ML_DSA_65, ML_DSA_87,
        )
    }
)  # fmt: skip

LEGACY = frozenset(suite.id for suite in SUITES.values() if suite.legacy)
"""The names of the legacy suites."""

ML_DSA_SETS = frozenset(suite.key_size for suite in SUITES.values() if suite.family is KeyFamily.ML_DSA)
"""The parameter sets of ML-DSA (FIPS 204 4)."""


def suite(name: str, place: str) -> Suite:
    """The suite of this name, or BadInput naming the place and the suites there are."""
    try:
        return SUITES[SuiteId(name)]
    except KeyError:
        raise BadInput(place, f"{name!r} is not a suite", remedy=f"One of: {', '.join(SUITES)}") from None


def of_algorithm(algorithm: str) -> tuple[Suite, ...]:
    """The suites of this signature algorithm (a dotted object identifier), shortest keys first; or SuiteRetired."""
    found = tuple(suite for suite in SUITES.values() if suite.algorithm == algorithm)
    if not found:
        raise SuiteRetired(f"algorithm {algorithm}", "is not one that is believed")
    return found


def require(suite: Suite, use: Use, at: datetime) -> None:
    """Raise SuiteRetired unless the suite may be used so at this moment."""
    until = suite.until(use)
    if at.replace(microsecond=0) > until:  # the last second counts (RFC 5280 4.1.2.5)
        raise SuiteRetired(f"suite {suite.id}", f"may not {use} after {until:%Y-%m-%dT%H:%M:%SZ}")


MAXIMUM_EXPONENT = (1 << 256) - 1
"""The largest exponent of an RSA key that FIPS 186-5 A.1.1 allows; the smallest is 65537."""


class Curve(StrEnum):
    """An elliptic curve, by NIST's name (SP 800-186 3.2.1)."""

    P256 = "P-256"
    P384 = "P-384"


@dataclass(frozen=True, slots=True)
class RsaKeys:
    """RSA keys of these lengths and odd exponents.

    Of holders one exponent is certified. Whoever has the private key to one exponent of a modulus can reckon that to
    another: with two there would be two SubjectPublicKeyInfos, and so two keys, of one key. FIPS 186-5 A.1.1 has more.
    """

    minimum_bits: int
    maximum_bits: int
    minimum_exponent: int = 65537
    maximum_exponent: int = 65537

    def spanning(self, other: RsaKeys) -> RsaKeys:
        """From the shortest of both to the longest."""
        return RsaKeys(
            min(self.minimum_bits, other.minimum_bits),
            max(self.maximum_bits, other.maximum_bits),
            min(self.minimum_exponent, other.minimum_exponent),
            max(self.maximum_exponent, other.maximum_exponent),
        )


@dataclass(frozen=True, slots=True)
class SubjectKeyRule:
    """Which keys of holders are certified: of any of the kinds that are named.

    Attributes:
        curves: Those of EC keys.
        ml_dsa: The parameter sets of ML-DSA keys (FIPS 204 4).
        sha1: A request may prove possession of its key by a signature with SHA-1, as the cards of the past do.
        encrypted_to: Others encrypt to these keys; EC and ML-DSA keys are not for that (RFC 8813 3, RFC 9881 5).
    """

    rsa: RsaKeys | None = None
    curves: frozenset[Curve] = frozenset()
    ml_dsa: frozenset[int] = frozenset()
    sha1: bool = False
    encrypted_to: bool = False

    def __post_init__(self) -> None:
        assert self.rsa or self.curves or self.ml_dsa, "a rule allows some key"
        assert not self.encrypted_to or self.families == {KeyFamily.RSA}, "a rule allows no key in vain"

    @property
    def families(self) -> frozenset[KeyFamily]:
        """The kinds of keys that are allowed."""
        allowed = {KeyFamily.RSA: self.rsa, KeyFamily.EC: self.curves, KeyFamily.ML_DSA: self.ml_dsa}
        return frozenset(family for family, keys in allowed.items() if keys)

    def __or__(self, other: SubjectKeyRule) -> SubjectKeyRule:
        """The rule that allows what either does; of RSA keys also the lengths between."""
        rsa = [one.rsa for one in (self, other) if one.rsa is not None]
        return SubjectKeyRule(
            rsa=reduce(RsaKeys.spanning, rsa) if rsa else None,
            curves=self.curves | other.curves,
            ml_dsa=self.ml_dsa | other.ml_dsa,
            sha1=self.sha1 or other.sha1,
            encrypted_to=self.encrypted_to or other.encrypted_to,
        )

    def on(self, at: datetime) -> SubjectKeyRule:
        """The rule at a moment: what only the past allowed ends with its suites' signing."""
        if not self.sha1 or at.replace(microsecond=0) <= _SHA1_SIGN_UNTIL:  # as ``require``
            return self
        rsa = self.rsa and replace(self.rsa, minimum_bits=max(self.rsa.minimum_bits, _SHORTEST_RSA))
        return replace(self, rsa=rsa, sha1=False)

    def __str__(self) -> str:
        allowed = (
            [] if self.rsa is None else [f"RSA of {self.rsa.minimum_bits} to {self.rsa.maximum_bits} bits"]
        )
        sets = (f"ML-DSA-{number}" for number in sorted(self.ml_dsa))
        return " or ".join([*allowed, *sorted(self.curves), *sets])


RSA1024_KEYS = SubjectKeyRule(rsa=RsaKeys(minimum_bits=1024, maximum_bits=2048), sha1=True)
"""Residents' cards of 2004 to 2015; legacy, as the suites of that time."""
RSA2048_KEYS = SubjectKeyRule(rsa=RsaKeys(minimum_bits=2048, maximum_bits=4096))
RSA3072_KEYS = SubjectKeyRule(rsa=RsaKeys(minimum_bits=3072, maximum_bits=4096))
P256_KEYS = SubjectKeyRule(curves=frozenset({Curve.P256}))
P384_KEYS = SubjectKeyRule(curves=frozenset({Curve.P384}))
ML_DSA_65_KEYS = SubjectKeyRule(ml_dsa=frozenset({65}))
