"""Names: of authorities, keys, certificates, offices, cases and residents. A different type for each, so that none can be swapped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

from ca.errors import BadInput

AuthorityId = NewType("AuthorityId", str)
"""The short name of a certificate authority, such as ``jpki-13``: lower-case letters, digits and hyphens."""

MunicipalityCode = NewType("MunicipalityCode", str)
"""Six digits of JIS X 0401/0402 with the check digit, such as ``131016``."""

OfficeId = NewType("OfficeId", str)
"""A municipality code (its window), ``centre``, or the name of another registration sub-office."""

OfficerId = NewType("OfficerId", str)
ApplicationId = NewType("ApplicationId", str)
"""The number of a case, ``<office>-<six digits>``."""

ResidentCode = NewType("ResidentCode", str)
"""The resident code (住民票コード): eleven digits, the last a check digit. Personal: never shown, never stored."""

_AUTHORITY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_GENERATION = re.compile(r"(?P<authority>[a-z0-9-]+)\.g(?P<number>[1-9][0-9]{0,3})")


def authority_id(text: str, place: str = "authority id") -> AuthorityId:
    """Read an authority's short name, or raise BadInput."""
    if not _AUTHORITY.fullmatch(text) or len(text) > 40:
        raise BadInput(place, f"{text!r} is not lower-case letters, digits and single hyphens, at most 40")
    return AuthorityId(text)


def resident_code(text: str) -> ResidentCode:
    """Read a resident code, or raise BadInput that does not show it.

    The check digit is reckoned as the individual number's is (Ordinance 85 of 2014 of the Ministry of Internal
    Affairs, article 5): modulus 11; counted from the last of ten digits the weights are 2 to 7, then 2 to 5.
    """
    if not (len(text) == 11 and text.isascii() and text.isdigit()):
        raise BadInput("resident code", "is not eleven digits")
    weights = (2, 3, 4, 5, 6, 7, 2, 3, 4, 5)
    digits = zip(reversed(text[:10]), weights, strict=True)
    remainder = sum(int(digit) * weight for digit, weight in digits) % 11
    if int(text[10]) != (0 if remainder <= 1 else 11 - remainder):
        raise BadInput("resident code", "its check digit is wrong")
    return ResidentCode(text)


@dataclass(frozen=True, slots=True, order=True)
class GenerationId:
    """One key of one authority. A name alone is not an issuer: all generations carry the same DN."""

    authority: AuthorityId
    number: int

    def __str__(self) -> str:
        return f"{self.authority}.g{self.number}"

    @classmethod
    def parse(cls, text: str) -> GenerationId:
        """Read ``jpki-13.g1``, or raise BadInput."""
        match = _GENERATION.fullmatch(text)
        if match is None:
            raise BadInput("generation id", f"{text!r} is not of the form authority.gN, such as jpki-13.g1")
        return cls(authority_id(match["authority"]), int(match["number"]))


@dataclass(frozen=True, slots=True, order=True)
class Serial:
    """A certificate's serial number: positive, at most 20 octets (RFC 5280 4.1.2.2)."""

    value: int

    def __post_init__(self) -> None:
        if not 0 < self.value < 1 << 159:
            raise BadInput("serial", "not positive, or longer than 20 octets", clause="RFC 5280 4.1.2.2")

    def __str__(self) -> str:
        return f"{self.value:040x}"

    @property
    def octets(self) -> bytes:
        """Twenty octets, big-endian: the form in which the store keeps and orders serials."""
        return self.value.to_bytes(20, "big")

    @classmethod
    def of(cls, octets: bytes) -> Serial:
        """The serial whose octets these are."""
        return cls(int.from_bytes(octets, "big"))


@dataclass(frozen=True, slots=True, order=True)
class CertificateId:
    """What names a certificate in commands, URLs and logs: ``jpki-13.g1:5a3f...``."""

    generation: GenerationId
    serial: Serial

    def __str__(self) -> str:
        return f"{self.generation}:{self.serial}"

    @classmethod
    def parse(cls, text: str) -> CertificateId:
        """Read ``jpki-13.g1:5a3f...``, or raise BadInput."""
        generation, _, serial = text.partition(":")
        if not re.fullmatch(r"[0-9a-fA-F]{1,40}", serial):
            raise BadInput(
                "certificate id",
                f"{text!r} is not of the form authority.gN:serial in hexadecimal digits",
                remedy="`kakehashi case show` prints the id of an issued certificate",
            )
        return cls(GenerationId.parse(generation), Serial(int(serial, 16)))
