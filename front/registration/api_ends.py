"""The machine interface of what ends: on an officer's word, at a window for a holder, by the holder's own card.

A local government's certificate ends by two persons' word: its office asks, the centre grants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from ca.errors import Conflict, NotFound
from ca.keys.codes import keyed_code
from ca.model import CertificateId, RevocationReason, resident_code
from ca.revoking.deciding import abolition
from ca.revoking.deciding.at_window import Deed, Window
from ca.revoking.deciding.by_hand import revoke
from ca.store import register
from ca.store.abolitions import Why
from ca.store.search import HolderCertificate, holder_certificates
from front.assembly import World
from front.looking import note_holder
from front.receipts import record_receipt_fields, revocation_receipt_fields
from front.registration.answers import (
    EndedAnswer,
    EventOutcomeAnswer,
    ProspectAnswer,
    Receipt,
    ReportAnswer,
)
from front.registration.operations import Call, Nothing, Operation

_SUBJECT = "ends"
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
STATEMENT = "application/vnd.kakehashi.statement+json"
"""What a card sends: ``front.card.statements.MEDIA_TYPE``, without what that module loads."""


class RevocationSent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a certificate ends.

    Attributes:
        reason: In the RFC's spelling.
        invalid_since: From when on it is not to be believed, if that is before now.
    """

    reason: str
    invalid_since: _Moment | None = None


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a holder asks for or reports at a window.

    Attributes:
        code: The holder's resident code; it is kept only as a keyed hash.
        occurred: Since when the card is gone or the key known, if that is before now.
    """

    deed: Deed
    code: str
    occurred: _Moment | None = None


class NumberedReport(Report, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, to be done.

    Attributes:
        number: 20 hexadecimal digits that the caller has chosen by lot, by which the same report sent again is known.
    """

    number: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{20}\Z")]


class AbolitionSent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a local government needs a certificate no more."""

    why: Why


class AbolitionAnswer(msgspec.Struct, frozen=True):
    """How a request for a certificate's end stands.

    Attributes:
        receipt: For the end, if it was granted; null if it cannot be signed now.
    """

    certificate: str
    state: Literal["asked", "granted", "declined"]
    receipt: Receipt | None = None


def _revoke(call: Call[RevocationSent]) -> EndedAnswer:
    """End a certificate. The answers of OCSP follow at once, the lists by the worker."""
    world = call.world
    ended = revoke(
        world.stores,
        CertificateId.parse(call.places["certificate"]),
        RevocationReason.parse(call.sent.reason),
        call.officer,
        at=world.clock(),
        invalid_since=call.sent.invalid_since,
    )
    told, receipt = ended.revocation, revocation_receipt_fields(world, ended)
    return EndedAnswer.of(ended.certificate, told.revoked_at, told.reason, ended.scopes, receipt)


def _look(call: Call[Report]) -> ProspectAnswer:
    world, report, at = call.world, call.sent, call.world.clock()
    officer, _ = call.person()
    holder = _holder(world, report.code)
    with _noting_in_vain(call, holder):
        prospect = Window(world.events).look(
            report.deed, holder, call.officer, at=at, occurred=report.occurred
        )
    note_holder(world, officer, prospect.held[0].certificate if prospect.held else None)
    return ProspectAnswer.of(prospect)


def _report(call: Call[NumberedReport]) -> ReportAnswer:
    world, report = call.world, call.sent
    holder = _holder(world, report.code)
    with _noting_in_vain(call, holder):
        outcome = Window(world.events).end(
            report.deed,
            holder,
            call.officer,
            number=report.number,
            at=world.clock(),
            occurred=report.occurred,
        )
    with world.stores.nation.reading() as connection:
        record = register.journal_index_of(connection, outcome.event)
    assert record is not None, "it is acknowledged"
    receipt = Receipt.of(record_receipt_fields(world, record))
    return ReportAnswer(EventOutcomeAnswer.of(outcome), receipt)


@contextmanager
def _noting_in_vain(call: Call[Any], holder: bytes) -> Iterator[None]:
    """Write down who was looked for, if nothing comes of it: whoever tries codes leaves traces.

    That nothing would end tells of somebody who is known here; who is not to be found is nobody.
    """
    try:
        yield
    except (Conflict, NotFound) as error:
        held: Sequence[HolderCertificate] = ()
        if isinstance(error, Conflict):
            with call.world.stores.reading() as reading:
                held = holder_certificates(reading, holder)
        officer, _ = call.person()
        note_holder(call.world, officer, held[0].certificate if held else None)
        raise


def _holder(world: World, code: str) -> bytes:
    return keyed_code(world.issuers.vault.code_key(), resident_code(code))


def _end_for_holder(call: Call[bytes]) -> EndedAnswer:
    """Do what a holder's card asks for: the request proves itself, and no client key is asked for."""
    from front.registration.holder_requests import end_as_asked  # noqa: PLC0415 - reading paths takes long to load

    ended = end_as_asked(call.world, call.sent, call.world.clock())
    told, receipt = ended.revocation, record_receipt_fields(call.world, ended.record)
    return EndedAnswer.of(ended.certificate, told.revoked_at, told.reason, ended.scopes, receipt)


def _ask_abolition(call: Call[AbolitionSent]) -> AbolitionAnswer:
    world, certificate = call.world, CertificateId.parse(call.places["certificate"])
    abolition.ask(world.stores, certificate, call.officer, call.sent.why, at=world.clock())
    return AbolitionAnswer(str(certificate), "asked")


def _grant_abolition(call: Call[Nothing]) -> AbolitionAnswer:
    world, certificate = call.world, CertificateId.parse(call.places["certificate"])
    done = abolition.grant(world.stores, certificate, call.officer, at=world.clock())
    return AbolitionAnswer(
        str(certificate), "granted", Receipt.of(record_receipt_fields(world, done.head.count))
    )


def _decline_abolition(call: Call[Nothing]) -> AbolitionAnswer:
    world, certificate = call.world, CertificateId.parse(call.places["certificate"])
    abolition.decline(world.stores, certificate, call.officer, at=world.clock())
    return AbolitionAnswer(str(certificate), "declined")


ENDS: tuple[Operation[Any], ...] = (
    Operation("revoke", "POST", "/certificates/{certificate}/revocation", "Revoke, as an operator of the centre.",
        _revoke, RevocationSent, EndedAnswer, _SUBJECT),
    Operation("look_at_holder", "POST", "/holder-reports/look", "What a holder's request or report would do; nothing is done.",
        _look, Report, ProspectAnswer, _SUBJECT, looks_up=True),
    Operation("report_for_holder", "POST", "/holder-reports", "Do what a holder asks for or reports at a window.",
        _report, NumberedReport, ReportAnswer, _SUBJECT, looks_up=True),
    Operation("end_for_holder", "POST", "/revocation-requests", "End a certificate as the holder's card asks, in a signed statement.",
        _end_for_holder, bytes, EndedAnswer, _SUBJECT, key=None, media=(STATEMENT,)),
    Operation("ask_abolition", "POST", "/certificates/{certificate}/abolition",
        "Ask the centre to end a certificate of the caller's own local government.",
        _ask_abolition, AbolitionSent, AbolitionAnswer, _SUBJECT),
    Operation("grant_abolition", "POST", "/certificates/{certificate}/abolition/grant", "End it, as its office asked.",
        _grant_abolition, Nothing, AbolitionAnswer, _SUBJECT),
    Operation("decline_abolition", "POST", "/certificates/{certificate}/abolition/refusal", "Leave it as it is.",
        _decline_abolition, Nothing, AbolitionAnswer, _SUBJECT),
)  # fmt: skip
"""The operations by which certificates end."""
