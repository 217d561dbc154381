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


@dataclass(frozen=True, slots=True)
class Suite:
    """A signature algorithm with a key size, and how long it may sign and be believed.

    Attributes:
        algorithm: The dotted object identifier of the signature algorithm.
        key_bits: Modulus length of the signing key.
    """

    id: SuiteId
    algorithm: str
    digest: Digest
    key_bits: int
    sign_until: datetime
    verify_until: datetime


SHA256_RSA2048 = Suite(
    id=SuiteId("sha256-rsa2048"),
    algorithm="1.2.840.113549.1.1.11",  # sha256WithRSAEncryption, RFC 4055 5
    digest=Digest.SHA256,
    key_bits=2048,
    # RSA-2048 is to be retired from 2031 (NIST IR 8547); what it signed is believed a certificate's life longer.
    sign_until=datetime(2030, 12, 31, 14, 59, 59, tzinfo=UTC),
    verify_until=datetime(2041, 12, 31, 14, 59, 59, tzinfo=UTC),
)

SUITES: Mapping[SuiteId, Suite] = MappingProxyType({suite.id: suite for suite in (SHA256_RSA2048,)})


def suite(name: str, place: str) -> Suite:
    """The suite of this name, or BadInput naming the place and the suites there are."""
    try:
        return SUITES[SuiteId(name)]
    except KeyError:
        raise BadInput(place, f"{name!r} is not a suite", remedy=f"One of: {', '.join(SUITES)}") from None


def require(suite: Suite, use: Use, at: datetime) -> None:
    """Raise SuiteRetired unless the suite may be used so at this moment."""
    until = suite.sign_until if use is Use.SIGN else suite.verify_until
    if at.replace(microsecond=0) > until:  # the last second counts (RFC 5280 4.1.2.5)
        raise SuiteRetired(f"suite {suite.id}", f"may not {use} after {until:%Y-%m-%dT%H:%M:%SZ}")


@dataclass(frozen=True, slots=True)
class SubjectKeyRule:
    """Which RSA keys are certified (FIPS 186-5 A.1.1: exponent odd and above 2**16)."""

    minimum_bits: int
    maximum_bits: int
    minimum_exponent: int = 65537
    maximum_exponent: int = (1 << 256) - 1


RSA2048_KEYS = SubjectKeyRule(minimum_bits=2048, maximum_bits=4096)
