"""People and offices: who applies, and who has the case in hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import TypeAlias

from ca.birth import BirthDate
from ca.model.identifiers import AuthorityId, MunicipalityCode, OfficeId, OfficerId


class Role(StrEnum):
    """What an officer may be trusted with. One officer may have several; one case never sees one officer twice."""

    RECEPTION = "reception"
    EXAMINER = "examiner"
    CENTRE_EXAMINER = "centre-examiner"
    APPROVER = "approver"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class OfficeKind(StrEnum):
    """A municipality's window, the centre, or a ministry's or a local government's registration sub-office."""

    WINDOW = "window"
    CENTRE = "centre"
    MINISTRY = "ministry"
    LOCAL_GOVERNMENT = "local-government"


@dataclass(frozen=True, slots=True)
class Office:
    """A registration sub-office: a row, never a CA. ``authorities`` issue what it applies for; none at the centre.

    No kind is issued by two authorities of one office.

    Attributes:
        suspended_at: Since when the centre lets nobody work there; None for an office at work.
    """

    id: OfficeId
    kind: OfficeKind
    name: str
    authorities: tuple[AuthorityId, ...]
    suspended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Officer:
    """A person who takes steps of cases in one office.

    Attributes:
        name: What colleagues call the person; empty if nobody wrote it down.
        ended_at: Since when the officer may do nothing any more.
    """

    id: OfficerId
    office: OfficeId
    roles: frozenset[Role]
    name: str = ""
    ended_at: datetime | None = None


class Sex(Enum):
    """The digit that the signature certificate carries (JIS X 0303 has 1 and 2; 9 is not applicable)."""

    MALE = "1"
    FEMALE = "2"
    NOT_APPLICABLE = "9"


@dataclass(frozen=True, slots=True)
class Resident:
    """The four items of a resident as the register has them, and where the resident lives.

    Attributes:
        name: Family and given name separated by a full-width space.
        name_substitutes: One 0 or 1 per character of the name: 1 where a substitute character stands.
        address_substitutes: The same for the address.
    """

    name: str
    name_substitutes: str
    sex: Sex
    birth_date: BirthDate
    address: str
    address_substitutes: str
    municipality: MunicipalityCode


@dataclass(frozen=True, slots=True)
class OfficialPost:
    """A post in a ministry that signs in its own name (官職)."""

    ministry: str
    post: str


@dataclass(frozen=True, slots=True)
class LocalHolder:
    """Who holds a certificate of a local government: a post, a member, or a desk that is written to.

    Attributes:
        unit: The department, if the government names one.
    """

    government: str
    unit: str | None
    name: str


Applicant: TypeAlias = Resident | OfficialPost | LocalHolder
"""Who a holder's certificate is for."""
