"""The machine interface of cases: filing, their steps, the work list and the search."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from ca.errors import BadInput, Conflict, CsrRefused, NotFound, NotPermitted
from ca.issuing.intake import read_csr
from ca.keys.codes import keyed_code
from ca.model import (
    Applicant,
    ApplicationId,
    CertificateKind,
    LocalHolder,
    OfficeKind,
    ResidentCode,
)
from ca.revoking.deciding import custody, local_delivery
from ca.revoking.deciding.at_window import Delivered, Window
from ca.rules.registration import State
from ca.store import applications, deeds
from ca.store.applications import Application
from ca.store.search import search, work_list
from front.applicants import (
    LocalParticulars,
    PostParticulars,
    ReceptionParticulars,
    ResidentParticulars,
    local_of,
    post_of,
    reception_of,
    resident_of,
)
from front.looking import SEARCH, Sought, note_auditor, noting_refusals
from front.receipts import record_receipt_fields
from front.registration.answers import CaseAnswer, CasesAnswer, DeliveredAnswer, Receipt
from front.registration.filed_before import filed_before
from front.registration.operations import Call, Nothing, Operation, Reply

_SUBJECT = "cases"
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Number = Annotated[str, msgspec.Meta(max_length=60)]
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Filing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An application: one applicant, and a PEM request for each kind.

    Attributes:
        csrs: The kind of certificate, and its PKCS#10 request in PEM.
        reception: What else the office writes down; one with a system of its own may keep it there.
        medium: The number of the key medium in which a local government's keys lie.
    """

    csrs: dict[str, str]
    resident: ResidentParticulars | None = None
    post: PostParticulars | None = None
    local: LocalParticulars | None = None
    reception: ReceptionParticulars | None = None
    medium: Annotated[str, msgspec.Meta(max_length=20)] | None = None


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step that may say why.

    Attributes:
        note: The reason, which the office reads.
    """

    note: Annotated[str, msgspec.Meta(min_length=1, max_length=400)] | None = None


class AfterCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page of a list.

    Attributes:
        after: What the page before ended with; none for the first.
    """

    after: _Number | None = None


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What cases are looked for; they fit everything that is said.

    Attributes:
        words: A case's number or its last part, or how the applicant's name begins.
        states: Where they stand; any if none is said.
        since: Filed at this moment or later.
        until: Filed before this moment.
        after: See ``AfterCase``.
    """

    words: Annotated[str, msgspec.Meta(max_length=200)] = ""
    states: Annotated[tuple[State, ...], msgspec.Meta(max_length=20)] = ()
    since: _Moment | None = None
    until: _Moment | None = None
    after: _Number | None = None


def own_case(call: Call[Any]) -> Application:
    """The case that the path names, if the caller may see it: one of the caller's office; the centre sees all.

    To be asked before the rules are: what state another office's case is in is not this office's to know, nor whether
    there is one of that number, so it is refused before anybody looks.
    """
    officer, office = call.person()
    number = call.places["case"]
    with noting_refusals(call.world, officer, Sought.CASE, client=call.client):
        if office.kind is not OfficeKind.CENTRE and number.rpartition("-")[0] != office.id:
            raise NotPermitted("case", "is another office's")
        with call.world.stores.nation.reading() as connection:
            found = applications.find(connection, number)
    note_auditor(call.world, officer, found.case.id)
    return found


def _file(call: Call[Filing]) -> Reply:
    """Receive an application at the caller's office; or find that this very one was received before."""
    world, filing, at = call.world, call.sent, call.world.clock()
    csrs = {_kind(kind): text.encode() for kind, text in filing.csrs.items()}
    applicant, code, card_expires = _applicant(filing)
    if filing.medium is not None and not isinstance(applicant, LocalHolder):
        raise BadInput("body, medium", "is for a local government's application")
    try:
        if filing.medium is not None:
            with world.stores.reading() as reading:
                custody.require_assignable(reading, filing.medium, call.officer, applicant, at=at)
        found = world.registration.file(
            call.officer,
            applicant,
            csrs,
            code=code,
            card_expires=card_expires,
            reception=None if filing.reception is None else reception_of(filing.reception),
            at=at,
        )
    except (CsrRefused, Conflict):
        # Its keys, or its medium, are taken: by the same that was sent before, or by something else.
        before = _before(call, applicant, code, csrs)
        if before is None:
            raise
        _give_medium(call, before.case.id)
        return 200, CaseAnswer.of(world, before.case.id)
    _give_medium(call, found.case.id)
    return 201, CaseAnswer.of(world, found.case.id)


def _applicant(filing: Filing) -> tuple[Applicant, ResidentCode | None, Any]:
    """Who applies, with a resident's code and the last day of the card."""
    given = [one for one in (filing.resident, filing.post, filing.local) if one is not None]
    if len(given) != 1:
        raise BadInput("body", "is for one applicant: resident, post or local")
    if filing.resident is not None:
        filed = resident_of(filing.resident, "resident")
        return filed.resident, filed.code, filed.card_expires
    if filing.post is not None:
        return post_of(filing.post), None, None
    assert filing.local is not None, "one of the three is given"
    return local_of(filing.local, "local"), None, None


def _before(
    call: Call[Filing],
    applicant: Applicant,
    code: ResidentCode | None,
    csrs: dict[CertificateKind, bytes],
) -> Application | None:
    """The case that this very filing made before. A request that cannot be read made none."""
    world = call.world
    _, office = call.person()
    practices = {
        kind: practice
        for authority in office.authorities
        for kind, practice in world.plan.practices[authority].holders.items()
    }
    if not csrs or not csrs.keys() <= practices.keys():
        return None
    try:
        # Whatever the day: what was filed while its keys were certified is found when they are no more.
        keys = {kind: read_csr(csr, practices[kind].keys, kind) for kind, csr in csrs.items()}
    except CsrRefused:
        return None
    holder = None if code is None else keyed_code(world.issuers.vault.code_key(), code)
    with world.stores.nation.reading() as connection:
        return filed_before(connection, call.officer, applicant, holder, keys)


def _give_medium(call: Call[Filing], case_id: ApplicationId) -> None:
    """Give the case its key medium. The same again changes nothing."""
    if call.sent.medium is not None:
        world = call.world
        # If another case was quicker, this one is there without a medium, and hand-over asks for one.
        with suppress(Conflict):
            custody.assign(world.stores, call.sent.medium, case_id, call.officer, at=world.clock())


def _show(call: Call[Nothing]) -> CaseAnswer:
    own_case(call)
    return CaseAnswer.of(call.world, call.places["case"])


def _examine(call: Call[Nothing]) -> CaseAnswer:
    return _taken(call, call.world.registration.examine)


def _reexamine(call: Call[Nothing]) -> CaseAnswer:
    return _taken(call, call.world.registration.reexamine)


def _approve(call: Call[Nothing]) -> CaseAnswer:
    return _taken(call, call.world.registration.approve)


def _issue(call: Call[Nothing]) -> CaseAnswer:
    return _taken(call, call.world.registration.issue)


def _reject(call: Call[Note]) -> CaseAnswer:
    own_case(call)
    case, world = call.places["case"], call.world
    world.registration.reject(case, call.officer, at=world.clock(), note=call.sent.note)
    return CaseAnswer.of(world, case)


def _taken(call: Call[Nothing], take: Callable[..., object]) -> CaseAnswer:
    own_case(call)
    take(call.places["case"], call.officer, at=call.world.clock())
    return CaseAnswer.of(call.world, call.places["case"])


def _hand_over(call: Call[Nothing]) -> DeliveredAnswer:
    case, world, at = own_case(call).case, call.world, call.world.clock()
    if case.course is OfficeKind.LOCAL_GOVERNMENT:
        return _delivered(call, local_delivery.hand_over(world.stores, case.id, call.officer, at=at))
    return _delivered(call, Window(world.events).hand_over(case.id, call.officer, at=at))


def _discard(call: Call[Note]) -> DeliveredAnswer:
    case, world, at, note = own_case(call).case, call.world, call.world.clock(), call.sent.note
    if case.course is OfficeKind.LOCAL_GOVERNMENT:
        done = local_delivery.discard(world.stores, case.id, call.officer, at=at, note=note)
    else:
        done = Window(world.events).discard(case.id, call.officer, at=at, note=note)
    return _delivered(call, done)


def _delivered(call: Call[Any], done: Delivered) -> DeliveredAnswer:
    case = CaseAnswer.of(call.world, done.case.id)
    receipt = None if done.head is None else record_receipt_fields(call.world, done.head.count)
    ended = tuple(map(str, done.ended))
    return DeliveredAnswer(**msgspec.structs.asdict(case), ended=ended, receipt=Receipt.of(receipt))


def _work(call: Call[AfterCase]) -> CasesAnswer:
    officer, office = call.person()
    with call.world.stores.nation.reading() as connection:
        return CasesAnswer.of(work_list(connection, officer, office, after=_after(call.sent.after)))


def _search(call: Call[Search]) -> CasesAnswer:
    officer, office = call.person()
    wanted, nation = call.sent, call.world.stores.nation
    with nation.reading() as connection:
        found = search(
            connection,
            None if office.kind is OfficeKind.CENTRE else office.id,
            words=wanted.words,
            states=wanted.states,
            since=wanted.since,
            until=wanted.until,
            after=_after(wanted.after),
        )
    with nation.writing() as connection:
        at = call.world.clock()
        deeds.note(connection, deeds.Deed.LOOKED_UP, who=officer, about=SEARCH, at=at)
    return CasesAnswer.of(found)


def _after(number: str | None) -> ApplicationId | None:
    return None if number is None else ApplicationId(number)


def _kind(word: str) -> CertificateKind:
    try:
        return CertificateKind(word)
    except ValueError:
        raise NotFound(f"kind {word!r}", "is not a kind of certificate") from None


def _step(
    name: str,
    says: str,
    run: Callable[[Call[_Struct]], Reply],
    sends: type[_Struct],
    gives: type[msgspec.Struct] = CaseAnswer,
) -> Operation[_Struct]:
    path = f"/cases/{{case}}/{name}"
    ident = name.replace("-", "_")
    return Operation(ident, "POST", path, says, run, sends, gives, _SUBJECT, body_needed=False)


CASES: tuple[Operation[Any], ...] = (
    Operation(
        "file_case", "POST", "/cases",
        "File an application at the caller's office: 201. The same again is answered with its case: 200.",
        _file, Filing, CaseAnswer, _SUBJECT, statuses=(201, 200),
    ),
    Operation("find_cases", "POST", "/cases/search", "Find cases of the caller's office, or of all at the centre, the newest first.",
        _search, Search, CasesAnswer, _SUBJECT, body_needed=False),
    Operation("work", "GET", "/work", "The cases of which the caller may take a step now, those that wait longest first.",
        _work, AfterCase, CasesAnswer, _SUBJECT),
    Operation("show_case", "GET", "/cases/{case}", "A case of the caller's office; the centre sees every office's.",
        _show, Nothing, CaseAnswer, _SUBJECT),
    _step("examination", "Examine an application at its office.", _examine, Nothing),
    _step("re-examination", "Examine a local government's application once more, at the centre.", _reexamine, Nothing),
    _step("approval", "Approve it, at the centre.", _approve, Nothing),
    _step("rejection", "End it without a certificate.", _reject, Note),
    _step("issuance", "Issue; again, it carries on where an issuance broke off.", _issue, Nothing),
    _step("hand-over", "Give the holder what was issued; what it renews ends.", _hand_over, Nothing, DeliveredAnswer),
    _step("discard", "End what was issued and not handed over.", _discard, Note, DeliveredAnswer),
)  # fmt: skip
"""The operations of cases."""
