"""The pages of offices: all of them, one with its figures and its people, and its suspension."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from ca.model import Office, OfficeKind, Role
from ca.store import counts, officers
from ca.store.deed_search import suspensions
from ca.store.deeds import Deed, DeedRecord, note
from front.assembly import World
from front.console.access import of_centre, operator
from front.console.dashboard import period, shown
from front.console.figures import Counting
from front.pages.forms import Fields, FormRefused
from front.pages.offices import every_name
from front.pages.rendering import page, said

_PAGE = 100
_REASON = 200


def add(blueprint: Blueprint, world: World, counting: Counting) -> None:
    """``/centre/offices``."""

    @blueprint.get("/centre/offices")
    def all_offices() -> Response:
        """The offices that fit what is looked for."""
        of_centre()
        words, kind = request.args.get("words", "")[:60], request.args.get("kind", "")
        closed = "suspended" in request.args
        with world.stores.nation.reading() as connection:
            every = officers.all_offices(connection)
            people = officers.all_officers(connection)
            waiting = counts.waiting(connection)
        fits = _filter(words, kind, closed=closed)
        found = [office for office in every if fits(office)]
        first = _number(request.args.get("from", "0"))
        active = [officer.office for officer in people if officer.ended_at is None]
        return page(
            "console/offices.html",
            offices=found[first : first + _PAGE],
            found=len(found),
            next=urlencode(request.args.to_dict() | {"from": first + _PAGE})
            if len(found) > first + _PAGE
            else None,
            people={office.id: active.count(office.id) for office in found[first : first + _PAGE]},
            waiting=waiting,
            words=words,
            kind=kind,
            closed=closed,
            kinds=list(OfficeKind),
        )

    @blueprint.get("/centre/offices/<office_id>")
    def one_office(office_id: str) -> Response:
        """An office."""
        of_centre()
        return _office_page(world, counting, office_id)

    @blueprint.post("/centre/offices/<office_id>/suspend")
    def suspend(office_id: str) -> AnyResponse:
        """Let nobody work there."""
        return _change(office_id, Deed.OFFICE_SUSPENDED)

    @blueprint.post("/centre/offices/<office_id>/resume")
    def resume(office_id: str) -> AnyResponse:
        """Let them work there again."""
        return _change(office_id, Deed.OFFICE_RESUMED)

    def _change(office_id: str, what: Deed) -> AnyResponse:
        who, at = operator(), world.clock()
        fields = Fields(request.form)
        reason = fields.text("reason", most=_REASON)
        try:
            fields.settle()
        except FormRefused as error:
            return _office_page(world, counting, office_id, said(error.problems), status=422)
        suspended = what is Deed.OFFICE_SUSPENDED
        with world.stores.nation.writing() as connection:
            giver = officers.operator_of_centre(connection, who.officer.id)
            before = officers.office(connection, office_id)
            if (before.suspended_at is not None) is not suspended:  # else a second press of the button
                officers.suspend_office(connection, before.id, at if suspended else None)
                note(connection, what, who=giver, about=f"{before.id}: {reason}", at=at)
        return redirect(f"/centre/offices/{before.id}", 303)


def suspension(connection: Connection, office: Office) -> DeedRecord | None:
    """Who suspended an office, and why; None for an office at work, or where the machine's owner did it."""
    if office.suspended_at is None:
        return None
    return suspensions(connection, [office]).get(office.id)


def _office_page(
    world: World,
    counting: Counting,
    office_id: str,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    who = of_centre()
    with world.stores.nation.reading() as connection:
        office = officers.office(connection, office_id)
        people = officers.of_office(connection, office.id)
        why = suspension(connection, office)
    values: dict[str, Any] = {}
    if office.kind is not OfficeKind.CENTRE:
        values = shown(counting.figures(period(world), office.id), office.id)
    return page(
        "console/office.html",
        status=status,
        office=office,
        people=sorted(people, key=lambda officer: (officer.ended_at is not None, officer.id)),
        why=why,
        reason="" if why is None else (why.about or "").partition(": ")[2],
        problems=problems or {},
        typed=request.form,
        changes=Role.OPERATOR in who.officer.roles,
        **values,
    )


def _filter(words: str, kind: str, *, closed: bool) -> Callable[[Office], bool]:
    sought = _folded(words)

    def fits(office: Office) -> bool:
        named = any(sought in _folded(name) for name in every_name(office)) or office.id.startswith(sought)
        return named and kind in {"", office.kind} and not (closed and office.suspended_at is None)

    return fits


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace(" ", "")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
