"""The pages of officers: all of them, one, a new one; how one comes in (a code) and how one leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import BadInput, NotFound, NotPermitted
from ca.model import Office, OfficeKind, Officer, OfficerId, Role
from ca.rules.registration import CENTRE_ROLES, require_roles
from ca.store import deeds, officers, passkeys, sessions
from ca.store.deeds import Deed, note
from front.assembly import World
from front.console.access import of_centre, operator
from front.pages.forms import Fields, FormRefused
from front.pages.offices import every_name
from front.pages.rendering import page, said
from front.signing_in.enrolment import new_code
from front.signing_in.terms import terms_of

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PAGE = 100
_DEEDS = 10


def add(blueprint: Blueprint, world: World) -> None:  # noqa: C901, PLR0915 - a page after the other
    """``/centre/officers``, and new ones under their offices."""
    nation, terms = world.stores.nation, terms_of(world)

    @blueprint.get("/centre/officers")
    def all_officers() -> Response:
        """The officers that fit what is looked for."""
        of_centre()
        words, role = request.args.get("words", "").strip()[:60], request.args.get("role", "")
        with nation.reading() as connection:
            every = officers.all_officers(connection)
            offices = {office.id: office for office in officers.all_offices(connection)}
        found = [
            one
            for one in every
            if (
                words in one.name
                or one.id.startswith(words)
                or any(words in name for name in every_name(offices[one.office]))
            )
            and (not role or role in one.roles)
        ]
        found.sort(key=lambda one: (one.ended_at is not None, one.id))
        return page(
            "console/officers.html",
            officers=found[:_PAGE],
            more=max(len(found) - _PAGE, 0),
            offices=offices,
            words=words,
            role=role,
            roles=list(Role),
        )

    @blueprint.get("/centre/officers/<officer_id>")
    def one_officer(officer_id: str) -> Response:
        """An officer."""
        of_centre()
        return _officer_page(officer_id)

    @blueprint.get("/centre/offices/<office_id>/officers/new")
    def ask(office_id: str) -> Response:
        """The form for a new one."""
        operator()
        with nation.reading() as connection:
            return _form(officers.office(connection, office_id))

    @blueprint.post("/centre/offices/<office_id>/officers/check")
    def check(office_id: str) -> Response:
        """What is wrong with what is typed so far."""
        operator()
        with nation.reading() as connection:
            office = officers.office(connection, office_id)
            try:
                _read(office, officers.all_officers(connection))
            except FormRefused as error:
                return jsonify(problems=said(error.problems))
        return jsonify(problems={})

    @blueprint.post("/centre/offices/<office_id>/officers")
    def make(office_id: str) -> AnyResponse:
        """Make an officer known."""
        who, at = operator(), world.clock()
        with nation.writing() as connection:
            giver = officers.operator_of_centre(connection, who.officer.id)
            office = officers.office(connection, office_id)
            try:
                new = _read(office, officers.all_officers(connection))
            except FormRefused as error:
                return _form(office, said(error.problems), status=422)
            officers.add_officer(connection, new)
            note(connection, Deed.OFFICER_ADDED, who=giver, about=new.id, at=at)
        return redirect(f"/centre/officers/{new.id}", 303)

    @blueprint.post("/centre/officers/<officer_id>/code")
    def give_code(officer_id: str) -> Response:
        """Give a code to enrol a passkey with: this page shows it, and no other ever does."""
        who, at = operator(), world.clock()
        with nation.writing() as connection:
            code = new_code(connection, officer_id, who.officer.id, at, lasting=terms.code)
        return _officer_page(officer_id, code=code, good_until=at + terms.code)

    @blueprint.post("/centre/officers/<officer_id>/end")
    def end(officer_id: str) -> AnyResponse:
        """Have an officer do nothing any more, from this moment on."""
        who, at = operator(), world.clock()
        with nation.writing() as connection:
            giver = officers.operator_of_centre(connection, who.officer.id)
            if officer_id == giver.id:  # so that an operator is always left
                raise NotPermitted("officer", "cannot end the own work", remedy="Another operator does it")
            ended = officers.end_officer(connection, officer_id, at)
            sessions.end_all(connection, ended.id, at)
            passkeys.end_all(connection, ended.id, at)
            note(connection, Deed.OFFICER_ENDED, who=giver, about=ended.id, at=at)
        return redirect(f"/centre/officers/{ended.id}", 303)

    def _officer_page(officer_id: str, **values: Any) -> Response:
        who = of_centre()
        if len(officer_id) > 64:
            raise NotFound("officer", "is not one of this home's")
        with nation.reading() as connection:
            officer, office = officers.known(connection, officer_id)
            mine = passkeys.in_use(connection, officer.id)
            # What somebody did is the auditors' to read.
            audits = Role.AUDITOR in who.officer.roles
            done = deeds.latest(connection, officer=officer.id, limit=_DEEDS) if audits else []
        return page(
            "console/officer.html",
            officer=officer,
            office=office,
            passkeys=mine,
            deeds=done,
            changes=Role.OPERATOR in who.officer.roles
            and officer.id != who.officer.id
            and officer.ended_at is None,
            **values,
        )


def _read(office: Office, there: Iterable[Officer]) -> Officer:
    """The officer that a form describes, or FormRefused."""
    fields = Fields(request.form)
    wanted = fields.text("id", most=64).lower()
    if wanted and not _ID.fullmatch(wanted):
        fields.refuse("id", "console.officer.id_wrong")
    if wanted in {one.id for one in there}:
        fields.refuse("id", "console.officer.id_taken")
    name = fields.text("name", most=60)
    known = {str(role) for role in Role}
    roles = frozenset(Role(sent) for sent in request.form.getlist("roles") if sent in known)
    try:
        require_roles(office.kind, roles)
    except BadInput:
        fields.refuse("roles", "console.officer.auditor_alone" if roles else "console.officer.no_role")
    fields.settle()
    return Officer(OfficerId(wanted), office.id, roles, name)


def _form(office: Office, problems: dict[str, str] | None = None, status: int = 200) -> Response:
    centre = office.kind is OfficeKind.CENTRE
    return page(
        "console/new_officer.html",
        status=status,
        office=office,
        roles=[role for role in Role if (role in CENTRE_ROLES) is centre],
        typed=request.form,
        chosen=request.form.getlist("roles"),
        problems=problems or {},
    )
