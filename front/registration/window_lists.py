"""The lists of cases: what waits for an officer, and the search."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from flask import Blueprint, Response, redirect, request
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import NotFound, NotPermitted
from ca.model import ApplicationId, OfficeKind, Role
from ca.rules.registration import State
from ca.rules.validity import JST
from ca.store import deeds, officers
from ca.store.deeds import Deed
from ca.store.search import CasePage, FoundCase, search, work_list
from front.assembly import World
from front.looking import SEARCH
from front.pages.forms import Fields, FormRefused
from front.pages.offices import called
from front.pages.rendering import page, said
from front.pages.visit import SignedIn, signed_in
from front.registration.window_case import name_of, own_case


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a list of cases."""

    id: ApplicationId
    name: str = field(repr=False)
    office: str
    state: State
    filed_at: datetime

    @classmethod
    def of(cls, found: FoundCase, office: str) -> Row:
        """The line of a case of the office of this name."""
        case = found.case
        assert case.state is not None, "a case that was found is filed"
        return cls(case.id, name_of(found.applicant), office, case.state, found.filed_at)


def add_lists(blueprint: Blueprint, world: World) -> None:
    """``/`` and ``/cases``."""

    @blueprint.get("/")
    def work() -> AnyResponse:
        """What waits for this officer, the oldest first; local governments and auditors have first pages of their own."""
        who = signed_in()
        if who.office.kind is OfficeKind.LOCAL_GOVERNMENT:
            return redirect("/local", 303)
        if who.officer.roles == {Role.AUDITOR}:
            return redirect("/centre/audit", 303)
        after = request.args.get("after")
        with world.stores.nation.reading() as connection:
            found = work_list(
                connection, who.officer, who.office, after=None if after is None else ApplicationId(after)
            )
            rows = _rows(connection, found)
        return page(
            "registration/work.html",
            work=rows,
            next=found.after,
            done=_just_done(world, who),
            files=Role.RECEPTION in who.officer.roles and who.office.kind is OfficeKind.WINDOW,
        )

    @blueprint.get("/cases")
    def ask() -> Response:
        """The form of the search."""
        signed_in()
        return _search_page({}, None)

    @blueprint.post("/cases")
    def find() -> Response:
        """What is found. A name is sent in the body: addresses stand in logs."""
        who = signed_in()
        fields = Fields(request.form)
        words = fields.text("words", required=False, most=100)
        state = fields.choice("state", State) if request.form.get("state") else None
        since, until = fields.day("since", required=False), fields.day("until", required=False)
        if since and until and until < since:
            fields.refuse("until", "registration.search.order")
        after = request.form.get("after")
        try:
            fields.settle()
        except FormRefused as error:
            return _search_page(request.form.to_dict(), None, said(error.problems), status=422)
        with world.stores.nation.reading() as connection:
            found = search(
                connection,
                None if who.of_centre else who.office.id,
                words=words,
                states=() if state is None else (state,),
                since=None if since is None else datetime.combine(since, time(), JST),
                until=None if until is None else datetime.combine(until + timedelta(days=1), time(), JST),
                after=ApplicationId(after) if after else None,
            )
            rows = _rows(connection, found)
        with world.stores.nation.writing() as connection:
            deeds.note(connection, Deed.LOOKED_UP, who=who.officer, about=SEARCH, at=world.clock())
        return _search_page(request.form.to_dict(), rows, after=found.after)


def _rows(connection: Connection, found: CasePage) -> list[Row]:
    """The lines of what was found, with the names of their offices: nobody knows the numbers by heart."""
    wanted = {each.case.office for each in found.cases}
    names = {each: called(officers.office(connection, each)) for each in wanted}
    return [Row.of(each, names[each.case.office]) for each in found.cases]


def _just_done(world: World, who: SignedIn) -> Row | None:
    """The case that this officer comes from, if the address names one that may be seen."""
    done = request.args.get("done")
    if done is None:
        return None
    try:
        application = own_case(world, who, done)
    except (NotFound, NotPermitted):
        return None
    case = application.case
    assert case.state is not None, "a case that was found is filed"
    return Row(case.id, name_of(application.applicant), case.office, case.state, case.history[0].at)


def _search_page(
    typed: dict[str, str],
    rows: list[Row] | None,
    problems: dict[str, str] | None = None,
    *,
    after: ApplicationId | None = None,
    status: int = 200,
) -> Response:
    return page(
        "registration/search.html",
        status=status,
        typed=typed,
        problems=problems or {},
        states=list(State),
        found=rows,
        next=after,
    )
