"""The pages of local governments' cases: work, the form of a new one, and each with its history and what is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial

from asn1crypto import pem
from flask import Blueprint, Response, jsonify, redirect, request
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import Conflict, CsrRefused, KakehashiError, NotFound
from ca.model import ApplicationId, LocalHolder, OfficeKind, RevocationReason, Role
from ca.revoking.deciding import abolition, custody
from ca.revoking.deciding.local_delivery import discard, hand_over
from ca.rules.custody import NEEDS_MEDIUM, Medium, MediumState
from ca.rules.registration import ENDED, State, Step, next_steps, resume, steps_open_to
from ca.store import abolitions, applications, lives, media, officers, search, self_checks
from ca.store.applications import Application
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Connections
from ca.store.lives import Life
from front.assembly import World
from front.local.access import case_of, names_of, of_local, of_sub_office, own_case
from front.local.filing import Asked, Choices, choices_of, good_of, read_asked, read_filing
from front.looking import Sought, note_auditor, noting_refusals
from front.pages.forms import LARGEST_FILE, Fields, FormRefused
from front.pages.offices import called
from front.pages.refusals import explained
from front.pages.rendering import page, said
from front.pages.visit import SignedIn
from front.registration.filed_before import filed_before

_NOTED = frozenset({Step.REJECT, Step.DISCARD})
"""The steps that need a reason."""
_LONGEST_NOTE = 400
_MOST = 50


def add(blueprint: Blueprint, world: World) -> None:
    """Give a blueprint the pages of cases over a world."""
    blueprint.add_url_rule("/local", "case_work", partial(work, world))
    blueprint.add_url_rule("/local/cases/new", "case_new", partial(new, world))
    blueprint.add_url_rule("/local/cases/check", "case_check", partial(check, world), methods=["POST"])
    blueprint.add_url_rule("/local/cases/new", "case_file", partial(file, world), methods=["POST"])
    blueprint.add_url_rule("/local/cases/<case_id>", "case_show", partial(show, world))
    blueprint.add_url_rule(
        "/local/cases/<case_id>/<kind>.pem", "case_certificate", partial(certificate, world)
    )
    blueprint.add_url_rule(
        "/local/cases/<case_id>/medium", "case_assign", partial(assign, world), methods=["POST"]
    )
    blueprint.add_url_rule(
        "/local/cases/<case_id>/<step>", "case_take", partial(take, world), methods=["POST"]
    )


def work(world: World) -> Response:
    """What waits for this officer, and the office's latest cases; for the centre what offices have sent."""
    who, at, after = of_local(), world.clock(), request.args.get("after")
    with world.stores.nation.reading() as connection:
        latest: tuple[search.FoundCase, ...] = ()
        waiting = search.work_list(
            connection, who.officer, who.office, course=OfficeKind.LOCAL_GOVERNMENT, after=after, limit=_MOST
        )
        if who.of_centre:
            offices = {each.id: called(each) for each in officers.all_offices(connection)}
        else:
            latest = search.search(connection, who.office.id, limit=_MOST).cases
            offices = {who.office.id: called(who.office)}
        asked = Role.CENTRE_EXAMINER in who.officer.roles and self_checks.unreviewed(connection)
    ends = abolition.waiting(world.stores, at, limit=_MOST) if who.of_centre else []
    return page(
        "local/work.html", waiting=waiting.cases, next=waiting.after, latest=latest, offices=offices, ends=ends, unreviewed=asked or 0,
        done=_shown_done(world, who), may_file=Role.RECEPTION in who.officer.roles and not who.of_centre,
    )  # fmt: skip


def new(world: World) -> Response:
    """The form of an application, empty, or for a renewal with its holder."""
    who = of_sub_office(Role.RECEPTION)
    renewed = request.args.get("renews")
    with world.stores.reading() as reading:
        choices = _choices(world, reading, who, renewed)
        return _form(reading.nation, choices, {}, {})


def check(world: World) -> Response:
    """What is wrong with the form so far."""
    who, at = of_sub_office(Role.RECEPTION), world.clock()
    with world.stores.reading() as reading:
        choices, fields = _choices(world, reading, who, request.form.get("renews")), Fields(request.form)
        asked = read_asked(choices, fields, at)
        try:
            read_filing(choices, reading, who.officer.id, fields, asked, at)
        except FormRefused as error:
            return jsonify(problems=said(error.problems))
    return jsonify(problems={})


def file(world: World) -> AnyResponse:
    """Receive the application, and give it its medium. The same again leads to its case."""
    who, at = of_sub_office(Role.RECEPTION), world.clock()
    fields = Fields(request.form, request.files)
    with world.stores.reading() as reading:
        choices = _choices(world, reading, who, request.form.get("renews"))
        asked = read_asked(choices, fields, at)
        try:
            filing = read_filing(choices, reading, who.officer.id, fields, asked, at)
        except FormRefused as error:
            # Its medium is assigned to it since.
            if there := _filed_before(reading.nation, who, asked):
                return redirect(f"/local/cases/{there.case.id}", 303)
            return _form(reading.nation, choices, request.form, said(error.problems), 422)
    csrs = {filing.kind: filing.csr}
    try:
        case = world.registration.file(
            who.officer.id, filing.holder, csrs, code=None, at=at, reception=filing.reception
        ).case
    except CsrRefused as error:
        fields.refuse("csr", "local.csr.refused", detail=explained(error))
        with world.stores.nation.reading() as connection:
            there = _filed_before(connection, who, asked)
            if there is None:
                return _form(connection, choices, request.form, said(fields.problems), 422)
        case = there.case
    if filing.medium is not None:
        # If another case was quicker, this one is there without a medium, and its page asks for one.
        with suppress(Conflict):
            custody.assign(world.stores, filing.medium, case.id, who.officer.id, at=at)
    return redirect(f"/local/cases/{case.id}", 303)


def show(world: World, case_id: str) -> Response:
    """A case: facts, history, certificates, and the steps open to this officer."""
    who = of_local()
    with noting_refusals(world, who.officer, Sought.CASE):
        shown = _show(world, who, case_id)
    note_auditor(world, who.officer, ApplicationId(case_id))
    return shown


def certificate(world: World, case_id: str, kind: str) -> Response:
    """A certificate of a case, to be written to its medium."""
    who = of_local()
    found = own_case(world, who, case_id)
    for record in world.stores.certificates(found.certificates):
        if record.kind == kind and record.state is CertificateState.ISSUED:
            response = Response(_armoured(record.require_encoded()), mimetype="application/x-pem-file")
            response.headers.set(
                "Content-Disposition", "attachment", filename=f"{found.case.id}-{record.kind}.pem"
            )
            return response
    raise NotFound(f"case {found.case.id}", "has no such certificate")


def assign(world: World, case_id: str) -> AnyResponse:
    """Give a case its medium."""
    who = of_sub_office(Role.RECEPTION)
    found = own_case(world, who, case_id)
    fields = Fields(request.form)
    medium = fields.text("medium", most=40)
    if fields.problems:
        return _show(world, who, case_id, said(fields.problems), 422)
    custody.assign(world.stores, medium, found.case.id, who.officer.id, at=world.clock())
    return redirect(f"/local/cases/{found.case.id}", 303)


def take(world: World, case_id: str, step: str) -> AnyResponse:
    """Take a step of a case. The same again, by the same officer, changes nothing."""
    who = of_local()
    found = own_case(world, who, case_id)
    if step not in set(Step) - {Step.FILE}:
        raise NotFound(f"step {step!r}", "is none")
    return _take(world, who, found, Step(step))


def _armoured(encoded: bytes) -> bytes:
    """In PEM; asn1crypto is untyped."""
    octets: bytes = pem.armor("CERTIFICATE", encoded)
    return octets


def _take(world: World, who: SignedIn, found: Application, step: Step) -> AnyResponse:
    case_id, officer, at = found.case.id, who.officer.id, world.clock()
    note = None
    if step in _NOTED:
        fields = Fields(request.form)
        note = fields.text("note", most=_LONGEST_NOTE)
        if fields.problems:
            return _show(world, who, case_id, said(fields.problems), 422)
    desk = world.registration
    steps: Mapping[Step, Callable[[], object]] = {
        Step.EXAMINE: lambda: desk.examine(case_id, officer, at=at),
        Step.REEXAMINE: lambda: desk.reexamine(case_id, officer, at=at),
        Step.APPROVE: lambda: desk.approve(case_id, officer, at=at),
        Step.ISSUE: lambda: desk.issue(case_id, officer, at=at),
        Step.REJECT: lambda: desk.reject(case_id, officer, at=at, note=note),
        Step.HAND_OVER: lambda: hand_over(world.stores, case_id, officer, at=at),
        Step.DISCARD: lambda: discard(world.stores, case_id, officer, at=at, note=note),
    }
    try:
        steps[step]()
    except Conflict:
        with world.stores.nation.reading() as connection:
            last = applications.find(connection, case_id).case.history[-1]
        if (last.step, last.officer) != (step, officer):
            raise
        # A second press of the same button: what it asks for is done.
    if step in {Step.HAND_OVER, Step.DISCARD}:
        return redirect(f"/local/cases/{case_id}", 303)
    return redirect(f"/local?done={case_id}", 303)


def _choices(world: World, connections: Connections, who: SignedIn, renewed: str | None) -> Choices:
    with noting_refusals(world, who.officer, Sought.CASE):
        before = case_of(connections.nation, who, renewed) if renewed else None
    return choices_of(world, connections, who.office, before, world.clock())


def _filed_before(connection: Connection, who: SignedIn, asked: Asked) -> Application | None:
    """The case that this officer made by sending this before."""
    if asked.kind is None or asked.key is None:
        return None
    return filed_before(connection, who.officer.id, asked.holder, None, {asked.kind: asked.key})


def _form(
    connection: Connection,
    choices: Choices,
    typed: Mapping[str, str],
    problems: Mapping[str, str],
    status: int = 200,
) -> Response:
    at_hand = media.at_hand(connection, choices.office.id, limit=_MOST)
    return page(
        "local/filing.html", status=status, choices=choices, typed=typed, problems=problems, at_hand=at_hand,
        needing=NEEDS_MEDIUM, largest=LARGEST_FILE,
    )  # fmt: skip


def _show(
    world: World, who: SignedIn, case_id: str, problems: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    at = world.clock()
    with world.stores.reading() as reading:
        found = case_of(reading.nation, who, case_id)
        case = found.case
        medium = media.of_case(reading.nation, case.office, case.id)
        steps = _open(found, who, medium)
        names = names_of(reading.nation, {taken.officer for taken in case.history})
        asked = abolitions.of_certificates(reading.nation, found.certificates)
        names |= names_of(reading.nation, {step.officer for step in asked})
        known = {life.certificate: life for life in lives.of(reading, found.certificates)}
        good = {life.certificate for life in good_of(reading, found, at)}
        ending = {step.certificate for step in abolitions.waiting_among(reading.nation, found.certificates)}
        office = officers.office(reading.nation, case.office)
    records = world.stores.certificates(found.certificates)
    mine = not who.of_centre
    open_to_ask = mine and Role.EXAMINER in who.officer.roles and case.state is State.DELIVERED
    return page(
        "local/case.html", status=status, found=found, case=case, office=office, medium=medium, problems=problems or {},
        typed=request.form, steps=[step for step in steps if step not in _NOTED], noted=[step for step in steps if step in _NOTED],
        next=next_steps(case), names=names, asked=asked,
        certificates=[(record, standing(record, known.get(record.id), at), record.id in good) for record in records],
        ending=ending, open_to_ask=open_to_ask, whys=[(why, f"local.why.{why}") for why in abolitions.Why],
        may_grant=who.of_centre and Role.OPERATOR in who.officer.roles,
        may_assign=mine and Role.RECEPTION in who.officer.roles and medium is None and _awaits_medium(found),
        may_renew=mine and Role.RECEPTION in who.officer.roles and case.state is State.DELIVERED and bool(good),
        needs_medium=any(each.kind in NEEDS_MEDIUM for each in found.requests),
        holder=found.applicant if isinstance(found.applicant, LocalHolder) else None,
    )  # fmt: skip


def _awaits_medium(found: Application) -> bool:
    return found.case.state not in ENDED


def _open(found: Application, who: SignedIn, medium: Medium | None) -> tuple[Step, ...]:
    """The steps open to an officer; of an issuance that broke off, to go on with it.

    What cannot be handed over, since its medium is not there, is not offered.
    """
    if found.case.state is State.ISSUING:
        try:
            resume(found.case, who.officer, who.office)
        except KakehashiError:
            return ()
        return (Step.ISSUE,)
    needed = any(each.kind in NEEDS_MEDIUM for each in found.requests)
    there = not needed if medium is None else medium.state is MediumState.ASSIGNED
    steps = steps_open_to(found.case, who.officer, who.office)
    return tuple(step for step in steps if step is not Step.HAND_OVER or there)


def standing(record: CertificateRecord, life: Life | None, at: datetime) -> str:
    """How a certificate stands, as a word of the texts."""
    if record.state is not CertificateState.ISSUED:
        return "unsigned"
    if life is not None and life.reason not in {None, RevocationReason.REMOVE_FROM_CRL}:
        return "hold" if life.reason is RevocationReason.CERTIFICATE_HOLD else "ended"
    return "expired" if record.period.not_after < at else "good"


def _shown_done(world: World, who: SignedIn) -> Application | None:
    """The case that the last step was taken of, if the address names one that this officer may see."""
    wanted = request.args.get("done")
    if not wanted:
        return None
    with world.stores.nation.reading() as connection:
        try:
            return case_of(connection, who, wanted)
        except NotFound:
            return None
