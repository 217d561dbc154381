"""What is written down about an applicant and a reception, as the store keeps it: JSON, which alone of a case is personal."""

from __future__ import annotations

from datetime import date

import msgspec

from ca.birth import BirthDate
from ca.model import (
    Applicant,
    CertificateId,
    LocalHolder,
    MunicipalityCode,
    OfficialPost,
    Resident,
    Sex,
)
from ca.rules.identity import Purpose, Reception, SeenDocument


class _Resident(msgspec.Struct, frozen=True):
    """A resident as the store keeps one: the date of birth as YYYY-MM-DD, an unknown part zeros."""

    name: str
    name_substitutes: str
    sex: Sex
    birth_date: str
    address: str
    address_substitutes: str
    municipality: MunicipalityCode

    @classmethod
    def of(cls, resident: Resident) -> _Resident:
        fields = {name: getattr(resident, name) for name in cls.__struct_fields__}
        return cls(**fields | {"birth_date": str(resident.birth_date)})

    def resident(self) -> Resident:
        fields = msgspec.structs.asdict(self)
        return Resident(**fields | {"birth_date": BirthDate.parse(self.birth_date)})


class _Reception(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was written down at the reception, as the store keeps it: certificates by their ids."""

    purpose: Purpose
    documents: tuple[SeenDocument, ...] = ()
    card_number: str | None = None
    renews: tuple[str, ...] = ()

    @classmethod
    def of(cls, reception: Reception) -> _Reception:
        renews = tuple(map(str, reception.renews))
        return cls(reception.purpose, reception.documents, reception.card_number, renews)

    def reception(self) -> Reception:
        renews = tuple(map(CertificateId.parse, self.renews))
        return Reception(self.purpose, self.documents, self.card_number, renews)


class Particulars(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a case is about and what was seen at the reception; nothing at all once its retention has ended."""

    resident: _Resident | None = None
    post: OfficialPost | None = None
    local: LocalHolder | None = None
    card_expires: date | None = None
    reception: _Reception | None = None

    @classmethod
    def of(cls, applicant: Applicant, card_expires: date | None, reception: Reception | None) -> Particulars:
        """What a new case has."""
        return cls(
            resident=_Resident.of(applicant) if isinstance(applicant, Resident) else None,
            post=applicant if isinstance(applicant, OfficialPost) else None,
            local=applicant if isinstance(applicant, LocalHolder) else None,
            card_expires=card_expires,
            reception=None if reception is None else _Reception.of(reception),
        )

    @classmethod
    def read(cls, text: str) -> Particulars:
        """From a row of the store."""
        return msgspec.json.decode(text, type=cls)

    def text(self) -> str:
        """For a row of the store."""
        return msgspec.json.encode(self).decode()

    @property
    def applicant(self) -> Applicant | None:
        """Whom the case is about; None if that was destroyed."""
        return self.resident.resident() if self.resident else self.post or self.local

    @property
    def received(self) -> Reception | None:
        """What was written down at the reception, if anything was, and is still there."""
        return None if self.reception is None else self.reception.reception()


DESTROYED = Particulars().text()
"""What a row has once its time was over."""
