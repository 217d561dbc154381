"""The two certificates of a resident: signature (署名用) and user authentication (利用者証明用)."""

from __future__ import annotations

import struct
from datetime import date
from functools import lru_cache

from ca.birth import BirthDate
from ca.chance import Chance
from ca.model import CertificateKind, MunicipalityCode, Resident
from ca.names import Attribute, DirectoryName, Municipality
from ca.profiles.drafting import CertificateProfile, Slot
from ca.profiles.extensions import (
    CLIENT_AUTH,
    AuthorityAccess,
    AuthorityKey,
    CertificatePolicies,
    DistributionPoint,
    ExtendedKeyUsage,
    IssuerDirectoryName,
    KeyUsage,
    KeyUse,
    SubjectKey,
    SubjectOtherNames,
)

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
        Slot(AuthorityAccess),
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
        Slot(AuthorityAccess),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""Carries no name of the resident at all."""

_ITEMS = "1.2.392.200149.8.5.5"
_NAME, _NAME_FLAGS, _SEX, _BIRTH_DATE, _ADDRESS, _ADDRESS_FLAGS = (f"{_ITEMS}.{n}" for n in range(1, 7))
_ERAS = (  # the first day of each era, newest first; the digit stands for the era
    (date(2019, 5, 1), "5"),  # Reiwa
    (date(1989, 1, 8), "4"),  # Heisei
    (date(1926, 12, 25), "3"),  # Showa
    (date(1912, 7, 30), "2"),  # Taisho
    (date(1868, 1, 25), "1"),  # Meiji
)


@lru_cache(maxsize=1 << 16)  # in a batch there are more holders than days
def birth_date_text(born: BirthDate) -> str:
    """EYYYYMMDD: the era's digit, then the Gregorian date; what is unknown is zero.

    The era is told only if every day that fits the known parts lies in it: 1989-00-00 is of 1989, but of no era.
    """
    eras = {"0"} if born.year is None else {_era(day) for day in born.span(born.year)}
    digit = eras.pop() if len(eras) == 1 else "0"
    return digit + str(born).replace("-", "")


def _era(day: date) -> str:
    return next((digit for begins, digit in _ERAS if day >= begins), "0")


def four_items(resident: Resident) -> SubjectOtherNames:
    """The otherNames of a signature certificate, in the order in which they are seen: 1, 4, 3, 5, 2, 6."""
    return SubjectOtherNames(
        (
            (_NAME, resident.name),
            (_BIRTH_DATE, birth_date_text(resident.birth_date)),
            (_SEX, resident.sex.value),
            (_ADDRESS, resident.address),
            (_NAME_FLAGS, resident.name_substitutes),
            (_ADDRESS_FLAGS, resident.address_substitutes),
        )
    )


_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def pseudonym(chance: Chance, purpose: str, municipality: MunicipalityCode) -> str:
    """A common name of 23 characters that tells nobody's name.

    14 alphanumerics, the municipality's five digits, three digits and a letter, all but the municipality by
    chance.
    """
    # Two octets a character: 65,536 modulo 36 prefers some characters by less than one part in 1,800.
    numbers = struct.unpack(">18H", chance.octets(f"pseudonym {purpose}", 36))
    letters = "".join([_ALPHANUMERIC[number % 36] for number in numbers[:14]])
    digits = f"{numbers[14] % 10}{numbers[15] % 10}{numbers[16] % 10}"
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
