"""What the machine interface answers, as structs: the description is made of the same ones that are encoded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import msgspec
from asn1crypto import pem

from ca.clock import utc_text
from ca.model import CertificateId, CertificateKind, RevocationReason
from ca.revoking.deciding.at_window import Prospect
from ca.revoking.deciding.desk import Outcome
from ca.rules.fate import Order
from ca.rules.registration import State, Step, StepTaken, next_steps
from ca.store import applications
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.search import CasePage, FoundCase, HolderCertificate
from front.assembly import World
from front.outcomes import order_fields, outcome_fields

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""In UTC, to the second."""


class Receipt(msgspec.Struct, frozen=True):
    """The world's signed word that something was acknowledged.

    Attributes:
        statement: What it says, JSON.
        signature: A detached CMS signature over it, base64.
    """

    statement: str
    signature: str

    @classmethod
    def of(cls, fields: dict[str, str] | None) -> Receipt | None:
        """From what is handed out; None where nothing can be signed now."""
        return None if fields is None else cls(**fields)


class TakenStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step of a case.

    Attributes:
        officer: The id of who took it.
        note: Why, where a reason was given.
    """

    step: Step
    officer: str
    at: Moment
    note: str | None = None

    @classmethod
    def of(cls, taken: StepTaken) -> TakenStep:
        """From the case's history."""
        return cls(taken.step, taken.officer, utc_text(taken.at), taken.note)


class CaseCertificate(msgspec.Struct, frozen=True):
    """A certificate that came of a case.

    Attributes:
        certificate: Its id.
        list: The list in which it would stand.
        pem: It, once it is issued; None again once its time was over and it was destroyed.
    """

    certificate: str
    kind: CertificateKind
    state: CertificateState
    not_before: Moment
    not_after: Moment
    list: str
    pem: str | None

    @classmethod
    def of(cls, record: CertificateRecord) -> CaseCertificate:
        """From the store."""
        there = record.state is CertificateState.ISSUED and record.encoded
        return cls(
            str(record.id),
            record.kind,
            record.state,
            utc_text(record.period.not_before),
            utc_text(record.period.not_after),
            f"{record.id.generation}/{record.scope}",
            pem.armor("CERTIFICATE", record.encoded).decode() if there else None,
        )


class CaseAnswer(msgspec.Struct, frozen=True):
    """A case, without the applicant's particulars: who asks knows them, and nobody else needs them here.

    Attributes:
        case: Its number.
        next: The steps that may follow, whoever takes them.
    """

    case: str
    office: str
    state: State
    next: tuple[Step, ...]
    steps: tuple[TakenStep, ...]
    kinds: tuple[CertificateKind, ...]
    certificates: tuple[CaseCertificate, ...]

    @classmethod
    def of(cls, world: World, case_id: str) -> CaseAnswer:
        """As it stands now."""
        with world.stores.nation.reading() as connection:
            found = applications.find(connection, case_id)
        case = found.case
        assert case.state is not None, "what is written down was filed"
        return cls(
            case.id,
            case.office,
            case.state,
            next_steps(case),
            tuple(map(TakenStep.of, case.history)),
            tuple(wanted.kind for wanted in found.requests),
            tuple(map(CaseCertificate.of, world.stores.certificates(found.certificates))),
        )


class DeliveredAnswer(CaseAnswer, frozen=True):
    """A case after its last step.

    Attributes:
        ended: The ids of the certificates that ended by it: what was renewed, or what was discarded.
        receipt: For those; null if nothing ended.
    """

    ended: tuple[str, ...]
    receipt: Receipt | None


class ListedCase(msgspec.Struct, frozen=True):
    """A case of a list.

    Attributes:
        open: Of a work list, the steps that whoever asks may take now.
    """

    case: str
    office: str
    state: State
    kinds: tuple[CertificateKind, ...]
    filed_at: Moment
    open: tuple[Step, ...]

    @classmethod
    def of(cls, found: FoundCase) -> ListedCase:
        """From the store."""
        case = found.case
        assert case.state is not None, "what is written down was filed"
        return cls(case.id, case.office, case.state, found.kinds, utc_text(found.filed_at), found.open)


class CasesAnswer(msgspec.Struct, frozen=True):
    """Some cases, 50 at most.

    Attributes:
        after: What the next page is asked for with; null at the end.
    """

    cases: tuple[ListedCase, ...]
    after: str | None

    @classmethod
    def of(cls, page: CasePage) -> CasesAnswer:
        """From the store."""
        return cls(tuple(map(ListedCase.of, page.cases)), page.after)


class EndedAnswer(msgspec.Struct, frozen=True):
    """A certificate that has ended.

    Attributes:
        reason: In the RFC's spelling.
        lists: The lists that name it from the next publication on.
        receipt: Null if it cannot be signed now.
    """

    certificate: str
    revoked_at: Moment
    reason: str
    lists: tuple[str, ...]
    receipt: Receipt | None

    @classmethod
    def of(
        cls,
        certificate: CertificateId,
        at: datetime,
        reason: RevocationReason,
        scopes: Iterable[str],
        receipt: dict[str, str] | None,
    ) -> EndedAnswer:
        """From what was acknowledged."""
        lists = tuple(f"{certificate.generation}/{scope}" for scope in scopes)
        return cls(str(certificate), utc_text(at), reason.word, lists, Receipt.of(receipt))


class OrderedEnd(msgspec.Struct, frozen=True):
    """What becomes of a certificate.

    Attributes:
        reason: In the RFC's spelling; removeFromCRL lets go of one that was on hold.
        invalid_since: From when on it is not to be believed, if that is before it ended.
    """

    certificate: str
    reason: str
    revoked_at: Moment
    invalid_since: Moment | None

    @classmethod
    def of(cls, order: Order) -> OrderedEnd:
        """From the rules."""
        return msgspec.convert(order_fields(order), cls)


class EventOutcomeAnswer(msgspec.Struct, frozen=True):
    """What came of an event.

    Attributes:
        event: Its name.
        outcome: In a word: docs/event-feed.md explains each.
        case: The case of the quarantine that it opened, and ``problem`` why.
    """

    event: str
    kind: str
    outcome: str
    orders: tuple[OrderedEnd, ...]
    case: int | None
    problem: str | None

    @classmethod
    def of(cls, outcome: Outcome) -> EventOutcomeAnswer:
        """From the desk."""
        return msgspec.convert(outcome_fields(outcome), cls)


class FeedAnswer(msgspec.Struct, frozen=True):
    """What came of a feed file.

    Attributes:
        outcomes: One for each event, in the file's order.
        receipt: For what was acknowledged; null if there is nothing, or it cannot be signed now.
        warnings: What the file's number gives to notice: files before it that have not come, or that it came before.
    """

    feed: str
    sequence: int
    outcomes: tuple[EventOutcomeAnswer, ...]
    receipt: Receipt | None
    warnings: tuple[str, ...] = ()


class ReportAnswer(msgspec.Struct, frozen=True):
    """What came of what a holder asked for or reported; the same again is ``replayed``."""

    outcome: EventOutcomeAnswer
    receipt: Receipt | None


class HeldCertificate(msgspec.Struct, frozen=True):
    """A certificate that a holder has.

    Attributes:
        on_hold: Whether it is suspended.
    """

    certificate: str
    kind: CertificateKind
    list: str
    not_before: Moment
    not_after: Moment
    on_hold: bool

    @classmethod
    def of(cls, held: HolderCertificate) -> HeldCertificate:
        """From the store."""
        return cls(
            str(held.certificate),
            held.kind,
            f"{held.certificate.generation}/{held.scope}",
            utc_text(held.period.not_before),
            utc_text(held.period.not_after),
            held.revocation is not None,
        )


class ProspectAnswer(msgspec.Struct, frozen=True):
    """What a holder's request or report would do; nothing is done.

    Attributes:
        held: What the holder has that neither ended nor expired.
        orders: What would become of which of them.
        problem: What the centre would have to decide.
    """

    held: tuple[HeldCertificate, ...]
    orders: tuple[OrderedEnd, ...]
    problem: str | None

    @classmethod
    def of(cls, prospect: Prospect) -> ProspectAnswer:
        """From the window."""
        return cls(
            tuple(map(HeldCertificate.of, prospect.held)),
            tuple(map(OrderedEnd.of, prospect.orders)),
            prospect.problem,
        )
