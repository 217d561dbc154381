"""The two certificates of a resident: signature (署名用) and user authentication (利用者証明用)."""

from __future__ import annotations

from datetime import date

from ca.chance import Chance
from ca.model import CertificateKind, MunicipalityCode, Resident
from ca.names import Attribute, DirectoryName, Municipality
from ca.profiles.drafting import CertificateProfile, Slot
from ca.profiles.extensions import (
    AuthorityKey,
    CertificatePolicies,
    DistributionPoint,
    ExtendedKeyUsage,
    IssuerDirectoryName,
    KeyUsage,
    KeyUse,
    StatusService,
    SubjectKey,
    SubjectOtherNames,
)

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"

SIGNATURE = CertificateProfile(
    CertificateKind.SIGNATURE,
    (
        Slot(
            KeyUsage,
            critical=True,
            fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION})),
        ),
        Slot(CertificatePolicies, critical=True),
        Slot(SubjectOtherNames),
        Slot(IssuerDirectoryName),
        Slot(DistributionPoint),
        Slot(StatusService),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""Carries the four items (name, sex, date of birth, address) as otherNames; no extKeyUsage."""

USER_AUTHENTICATION = CertificateProfile(
    CertificateKind.USER_AUTHENTICATION,
    (
        Slot(KeyUsage, critical=True, fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE}))),
        Slot(ExtendedKeyUsage, fixed=ExtendedKeyUsage((CLIENT_AUTH,))),
        Slot(CertificatePolicies, critical=True),
        Slot(IssuerDirectoryName),
        Slot(DistributionPoint),
        Slot(StatusService),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""Carries no name of the resident at all."""

_ITEMS = "1.2.392.200149.8.5.5"
_ERAS = (  # the first day of each era, newest first; the digit stands for the era
    (date(2019, 5, 1), "5"),  # Reiwa
    (date(1989, 1, 8), "4"),  # Heisei
    (date(1926, 12, 25), "3"),  # Showa
    (date(1912, 7, 30), "2"),  # Taisho
    (date(1868, 1, 25), "1"),  # Meiji
)


def birth_date_text(day: date) -> str:
    """EYYYYMMDD: the era's digit (0 unknown), then the Gregorian date."""
    era = next((digit for begins, digit in _ERAS if day >= begins), "0")
    return f"{era}{day:%Y%m%d}"


def four_items(resident: Resident) -> SubjectOtherNames:
    """The otherNames of a signature certificate, in the order in which they are seen: 1, 4, 3, 5, 2, 6."""
    return SubjectOtherNames(
        (
            (f"{_ITEMS}.1", resident.name),
            (f"{_ITEMS}.4", birth_date_text(resident.birth_date)),
            (f"{_ITEMS}.3", resident.sex.value),
            (f"{_ITEMS}.5", resident.address),
            (f"{_ITEMS}.2", resident.name_substitutes),
            (f"{_ITEMS}.6", resident.address_substitutes),
        )
    )


_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def pseudonym(chance: Chance, purpose: str, municipality: MunicipalityCode) -> str:
    """A common name of 23 characters that tells nobody's name.

    14 alphanumerics, the municipality's five digits, three digits and a letter, all but the municipality by
    chance.
    """
    octets = chance.octets(f"pseudonym {purpose}", 36)
    # Two octets a character: 65,536 modulo 36 prefers some characters by less than one part in 1,800.
    numbers = [int.from_bytes(octets[i : i + 2], "big") for i in range(0, 36, 2)]
    letters = "".join(_ALPHANUMERIC[number % 36] for number in numbers[:14])
    digits = "".join(str(number % 10) for number in numbers[14:17])
    return f"{letters}{municipality[:5]}{digits}{_ALPHANUMERIC[10 + numbers[17] % 26]}"


def signature_subject(municipality: Municipality, common_name: str) -> DirectoryName:
    """C=JP, L=prefecture, L=municipality, CN=pseudonym."""
    return DirectoryName(
        (
            (Attribute.C, "JP"),
            (Attribute.L, municipality.prefecture_romaji),
            (Attribute.L, municipality.romaji),
            (Attribute.CN, common_name),
        )
    )


def user_authentication_subject(common_name: str) -> DirectoryName:
    """C=JP, CN=pseudonym."""
    return DirectoryName(((Attribute.C, "JP"), (Attribute.CN, common_name)))
