"""Invented residents. No name, address or code here is a real person's."""

from __future__ import annotations

from ca.birth import BirthDate
from ca.model import MunicipalityCode, Resident, ResidentCode, Sex, resident_code
from ca.names import Municipality

_WEIGHTS = (2, 3, 4, 5, 6, 7, 2, 3, 4, 5)


def invented_code(number: int) -> ResidentCode:
    """A resident code for the given ten-digit number: the check digit is put behind it."""
    digits = f"{number:010}"
    remainder = (
        sum(int(digit) * weight for digit, weight in zip(reversed(digits), _WEIGHTS, strict=True)) % 11
    )
    return resident_code(f"{digits}{0 if remainder <= 1 else 11 - remainder}")


def invented_resident(municipality: Municipality) -> Resident:
    """Somebody who lives in this municipality."""
    name = "試験\u3000花子"
    address = f"{municipality.prefecture}{municipality.name}試験町1-2-3"
    return Resident(
        name=name,
        name_substitutes="0" * len(name),
        sex=Sex.FEMALE,
        birth_date=BirthDate(1985, 4, 1),
        address=address,
        address_substitutes="0" * len(address),
        municipality=MunicipalityCode(municipality.code),
    )
