"""The page of a case, the steps that are this officer's, its certificates and its slip."""

from __future__ import annotations

from asn1crypto import pem
from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import Conflict, NotFound, NotPermitted
from ca.model import OfficeKind, Role
from ca.revoking.deciding.at_window import Window
from ca.rules.registration import Step
from ca.store import officers
from ca.store.applications import Application
from ca.store.certificates import CertificateRecord, CertificateState
from front.assembly import World
from front.pages.downloads import disposition
from front.pages.forms import Fields, FormRefused
from front.pages.offices import called
from front.pages.rendering import page, said
from front.pages.texts import Language, Texts
from front.pages.visit import SignedIn, signed_in
from front.registration.window_case import CLOSING, facts_of, name_of, own_case, view
from front.registration.window_slip import slip

_STEPS = tuple(step for step in Step if step is not Step.FILE)
_LONGEST_NOTE = 400


def add_cases(blueprint: Blueprint, world: World, texts: Texts) -> None:
    """``/cases/<case>`` and everything below it."""

    @blueprint.get("/cases/<case_id>")
    def show(case_id: str) -> AnyResponse:
        """A case. A local government's has a page of its own, with the medium that its keys lie in."""
        who = signed_in()
        application = own_case(world, who, case_id)
        if application.case.course is OfficeKind.LOCAL_GOVERNMENT:
            return redirect(f"/local/cases/{application.case.id}", 303)
        return _case_page(world, who, application)

    @blueprint.post(f"/cases/<case_id>/<any({', '.join(map(repr, map(str, _STEPS)))}):name>")
    def take(case_id: str, name: str) -> AnyResponse:
        """Take a step, and go on with what waits. Sent twice, it is taken once."""
        who, step = signed_in(), Step(name)
        application = own_case(world, who, case_id)
        note = None
        if step in CLOSING:
            fields = Fields(request.form)
            note = fields.text("note", most=_LONGEST_NOTE)
            try:
                fields.settle()
            except FormRefused as error:
                return _case_page(world, who, application, step, error)
        try:
            _take(world, who, application, step, note)
        except (Conflict, NotPermitted):
            if not _has_taken(own_case(world, who, case_id), who, step):
                raise
        return redirect(f"/?done={application.case.id}", 303)

    @blueprint.get("/cases/<case_id>/<kind>.cer")
    def certificate(case_id: str, kind: str) -> Response:
        """A certificate of a case in PEM, to be written into the card."""
        who = signed_in()
        application = own_case(world, who, case_id)
        record = _ready(world, application, kind)
        response = Response(
            pem.armor("CERTIFICATE", record.require_encoded()), mimetype="application/x-pem-file"
        )
        name = f"{application.case.id}-{record.kind}.cer"
        response.headers["Content-Disposition"] = disposition(name)
        return response

    @blueprint.get("/cases/<case_id>/slip.pdf")
    def print_slip(case_id: str) -> Response:
        """The slip that the applicant takes home."""
        who = signed_in()
        application = own_case(world, who, case_id)
        with world.stores.nation.reading() as connection:
            office = officers.office(connection, application.case.office)
        application.require_applicant()
        octets = slip(
            application,
            name_of(application.applicant),
            called(office, Language.JAPANESE),
            texts,
            world.clock(),
        )
        response = Response(octets, mimetype="application/pdf")
        response.headers["Content-Disposition"] = disposition(f"{application.case.id}.pdf", shown=True)
        return response


def _ready(world: World, application: Application, kind: str) -> CertificateRecord:
    """The case's certificate of this kind, signed; or NotFound."""
    for record in world.stores.certificates(application.certificates):
        if record.kind == kind and record.state is CertificateState.ISSUED:
            return record
    raise NotFound("certificate", "is not issued in this case")


def _take(world: World, who: SignedIn, application: Application, step: Step, note: str | None) -> None:
    case, officer, at = application.case.id, who.officer.id, world.clock()
    match step:
        case Step.EXAMINE:
            world.registration.examine(case, officer, at=at)
        case Step.REEXAMINE:
            world.registration.reexamine(case, officer, at=at)
        case Step.APPROVE:
            world.registration.approve(case, officer, at=at)
        case Step.ISSUE:
            world.registration.issue(case, officer, at=at)
        case Step.REJECT:
            world.registration.reject(case, officer, at=at, note=note)
        case Step.HAND_OVER:
            Window(world.events).hand_over(case, officer, at=at)
        case Step.DISCARD:
            Window(world.events).discard(case, officer, at=at, note=note)
        case Step.FILE:
            raise AssertionError("a case is filed with its form")


def _has_taken(application: Application, who: SignedIn, step: Step) -> bool:
    """Whether this officer's last step of the case is this one: the form was sent twice."""
    last = application.case.history[-1]
    return last.step is step and last.officer == who.officer.id


def _case_page(
    world: World,
    who: SignedIn,
    application: Application,
    opened: Step | None = None,
    refused: FormRefused | None = None,
) -> Response:
    seen = view(world, who, application, world.clock())
    return page(
        "registration/case.html",
        status=200 if refused is None else 422,
        seen=seen,
        case=application.case,
        facts=list(facts_of(application)),
        kinds=[request.kind for request in application.requests],
        filed=request.args.get("filed") == "1",
        opened=opened,
        typed=request.form.to_dict(),
        problems={} if refused is None else said(refused.problems),
        may_request=who.office.kind is OfficeKind.WINDOW and Role.RECEPTION in who.officer.roles,
    )
