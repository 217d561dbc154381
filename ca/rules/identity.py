"""How a window knows who stands before it: the documents that count, and how many of them make a person known.

Which documents count, and from when to when, is data: ordinances and the practice of windows change it, not the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from ca.errors import BadInput
from ca.model import CertificateId
from ca.rules.validity import japanese_day

CLAUSE = "identity at the window: one document with a photograph, or two others"


class Weight(StrEnum):
    """What a document says of whoever shows it."""

    PHOTO = "photo"
    OTHER = "other"


class Document(StrEnum):
    """What people show at a window. The value is the word in forms and in the store."""

    INDIVIDUAL_NUMBER_CARD = "individual-number-card"
    RESIDENT_CARD_WITH_PHOTO = "resident-card-with-photo"
    DRIVING_LICENCE = "driving-licence"
    DRIVING_HISTORY = "driving-history"
    PASSPORT = "passport"
    RESIDENCE_CARD = "residence-card"
    SPECIAL_PERMANENT_RESIDENT = "special-permanent-resident"
    ALIEN_REGISTRATION = "alien-registration"
    DISABILITY_HANDBOOK = "disability-handbook"
    PUBLIC_CARD_WITH_PHOTO = "public-card-with-photo"
    RESIDENT_CARD = "resident-card"
    HEALTH_INSURANCE = "health-insurance"
    CARE_INSURANCE = "care-insurance"
    PENSION = "pension"
    CHILD_ALLOWANCE = "child-allowance"
    MEDICAL_CARE = "medical-care"
    INQUIRY_ANSWER = "inquiry-answer"
    STUDENT_CARD = "student-card"
    EMPLOYEE_CARD = "employee-card"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a kind of document counts for.

    Attributes:
        since: The first day on which it counts; None for what has always counted.
        until: The last day.
        ends: Whether it bears a day on which it ends, which has to be told.
    """

    weight: Weight
    since: date | None = None
    until: date | None = None
    ends: bool = False

    def counts(self, day: date) -> bool:
        """Whether it counts on this day."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


DOCUMENTS: Mapping[Document, Evidence] = MappingProxyType(
    {
        Document.INDIVIDUAL_NUMBER_CARD: Evidence(Weight.PHOTO, since=date(2016, 1, 1), ends=True),
        # The last were given out in December 2015, for ten years.
        Document.RESIDENT_CARD_WITH_PHOTO: Evidence(Weight.PHOTO, until=date(2025, 12, 31), ends=True),
        Document.DRIVING_LICENCE: Evidence(Weight.PHOTO, ends=True),
        # Of those of before, the address is not kept up.
        Document.DRIVING_HISTORY: Evidence(Weight.PHOTO, since=date(2012, 4, 1)),
        Document.PASSPORT: Evidence(Weight.PHOTO, ends=True),
        # The Immigration Control Act as amended from 9 July 2012; the old cards stood for the new ones for three years.
        Document.RESIDENCE_CARD: Evidence(Weight.PHOTO, since=date(2012, 7, 9), ends=True),
        Document.SPECIAL_PERMANENT_RESIDENT: Evidence(Weight.PHOTO, since=date(2012, 7, 9), ends=True),
        Document.ALIEN_REGISTRATION: Evidence(Weight.PHOTO, until=date(2015, 7, 8), ends=True),
        Document.DISABILITY_HANDBOOK: Evidence(Weight.PHOTO),
        Document.PUBLIC_CARD_WITH_PHOTO: Evidence(Weight.PHOTO),
        Document.RESIDENT_CARD: Evidence(Weight.OTHER, until=date(2025, 12, 31), ends=True),
        # None was given out after 1 December 2024, and those that there were lasted a year at most.
        Document.HEALTH_INSURANCE: Evidence(Weight.OTHER, until=date(2025, 12, 1)),
        Document.CARE_INSURANCE: Evidence(Weight.OTHER),
        Document.PENSION: Evidence(Weight.OTHER),
        Document.CHILD_ALLOWANCE: Evidence(Weight.OTHER),
        Document.MEDICAL_CARE: Evidence(Weight.OTHER),
        # The municipality's own letter, which comes by post to the address in the register.
        Document.INQUIRY_ANSWER: Evidence(Weight.OTHER),
        Document.STUDENT_CARD: Evidence(Weight.OTHER),
        Document.EMPLOYEE_CARD: Evidence(Weight.OTHER),
    }
)
"""What each document counts for."""

ENOUGH: tuple[Mapping[Weight, int], ...] = (
    MappingProxyType({Weight.PHOTO: 1}),
    MappingProxyType({Weight.OTHER: 2}),
)
"""The combinations of which any one makes a person known: so many different documents of that weight, at least."""

assert DOCUMENTS.keys() == set(Document), "each document needs a row"


@dataclass(frozen=True, slots=True)
class SeenDocument:
    """A document that an officer has seen. Its number is not kept: nobody needs it afterwards.

    Attributes:
        ends: Its last day, if it bears one.
    """

    kind: Document
    ends: date | None = field(default=None, repr=False)


class Purpose(StrEnum):
    """Why somebody applies. The value is the word in forms and in the store."""

    NEW = "new"
    RENEWAL = "renewal"
    REPLACEMENT = "replacement"


@dataclass(frozen=True, slots=True)
class Reception:
    """What an office wrote down when it received an application, besides for whom and for what.

    Attributes:
        purpose: ``renewal`` is for what ends within three months; ``replacement`` for a certificate that is to end
            before that, because a card or what stands in the register is new.
        documents: What the applicant showed; none for a post.
        card_number: The number printed on the card that the keys lie in: 4 to 20 capital letters, digits and
            hyphens.
        renews: The certificates of a post that this application's replace; a resident's are found by the resident.

    Raises:
        BadInput: The card's number is none.
    """

    purpose: Purpose = Purpose.NEW
    documents: tuple[SeenDocument, ...] = field(default=(), repr=False)
    card_number: str | None = field(default=None, repr=False)
    renews: tuple[CertificateId, ...] = ()

    def __post_init__(self) -> None:
        if self.card_number is not None and not _CARD_NUMBER.fullmatch(self.card_number):
            raise BadInput("card number", "is not 4 to 20 capital letters, digits and hyphens")


_CARD_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9-]{2,18}[A-Z0-9]")


def accepted_on(day: date) -> tuple[Document, ...]:
    """The documents that count on this day in Japan, in the order of the table: those with a photograph first."""
    return tuple(document for document, evidence in DOCUMENTS.items() if evidence.counts(day))


def require_identified(documents: Iterable[SeenDocument], at: datetime) -> None:
    """Raise BadInput unless these documents make whoever showed them known.

    The place names the document, or ``documents`` if each is right and they are too few. No document's day is shown.
    """
    day = japanese_day(at)
    seen: dict[Document, SeenDocument] = {}
    for document in documents:
        if document.kind in seen:
            raise BadInput(document.kind, "is shown twice", clause=CLAUSE, remedy="Ask for another document")
        seen[document.kind] = document
        _require_good(document, day)
    weights = [DOCUMENTS[kind].weight for kind in seen]
    if not any(
        all(weights.count(weight) >= count for weight, count in combination.items()) for combination in ENOUGH
    ):
        raise BadInput(
            "documents",
            f"{len(seen)} of them do not make the applicant known",
            clause=CLAUSE,
            remedy="Ask for a document with a photograph, or for two others",
        )


def _require_good(document: SeenDocument, day: date) -> None:
    evidence = DOCUMENTS[document.kind]
    if not evidence.counts(day):
        raise BadInput(document.kind, "does not count any more, or not yet", clause=CLAUSE)
    if evidence.ends and document.ends is None:
        raise BadInput(document.kind, "bears a last day, which is not told", clause=CLAUSE)
    if document.ends is not None and document.ends < day:
        raise BadInput(document.kind, "has ended", clause=CLAUSE, remedy="Ask for one that has not ended")
