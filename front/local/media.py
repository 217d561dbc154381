"""The pages of key media: the office's register, and each medium with its history and what is open."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from functools import partial

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import BadInput, Conflict, NotFound
from ca.model import Role
from ca.revoking.deciding import custody
from ca.rules.custody import Medium, MediumStep, medium_id, steps_open_to
from ca.rules.registration import ENDED
from ca.rules.validity import JST
from ca.store import applications, media, officers
from front.assembly import World
from front.local.access import names_of, of_local, of_sub_office, office_of
from front.local.filing import good_of
from front.pages.forms import Fields
from front.pages.rendering import page, said
from front.pages.visit import SignedIn

_OFFERED = (MediumStep.TAKE_BACK, MediumStep.LOSE, MediumStep.DESTROY)
"""The steps that are taken on a medium's own page; the others belong to a case."""
_LONGEST_NOTE = 400
_MOST = media.PAGE


def add(blueprint: Blueprint, world: World) -> None:
    """Give a blueprint the pages of media over a world."""
    blueprint.add_url_rule("/local/media", "medium_register", partial(register, world))
    blueprint.add_url_rule("/local/media", "medium_enter", partial(enter, world), methods=["POST"])
    blueprint.add_url_rule("/local/media/<number>", "medium_show", partial(show, world))
    blueprint.add_url_rule(
        "/local/media/<number>/<step>", "medium_take", partial(take, world), methods=["POST"]
    )


def register(world: World) -> Response:
    """The media that an office answers for."""
    return _register(world, of_local(), {})


def enter(world: World) -> AnyResponse:
    """Register a medium."""
    who = of_sub_office(Role.RECEPTION, Role.EXAMINER)
    fields = Fields(request.form)
    number = fields.text("medium", most=40)
    if not fields.problems:
        try:
            custody.register(world.stores, number, who.officer.id, at=world.clock())
        except BadInput:
            fields.refuse("medium", "local.medium.malformed")
        except Conflict:
            if not _entered(world, who, number):
                fields.refuse("medium", "local.medium.known")
    if fields.problems:
        return _register(world, who, said(fields.problems), 422)
    return redirect("/local/media", 303)


def show(world: World, number: str) -> Response:
    """A medium."""
    return _show(world, of_local(), number)


def take(world: World, number: str, step: str) -> AnyResponse:
    """Take it back, report it lost, or destroy it."""
    who, at = of_sub_office(Role.RECEPTION, Role.EXAMINER), world.clock()
    medium = _find(world, who, number)
    if step not in _OFFERED:
        raise NotFound(f"step {step!r}", "is none")
    fields = Fields(request.form)
    note = fields.text("note", most=_LONGEST_NOTE, required=step != MediumStep.TAKE_BACK) or None
    since = _since(fields, at) if step == MediumStep.LOSE else None
    if fields.problems:
        return _show(world, who, medium.id, said(fields.problems), 422)
    stores, officer = world.stores, who.officer.id
    try:
        match MediumStep(step):
            case MediumStep.LOSE:
                custody.report_lost(stores, medium.id, officer, at=at, since=since, note=note)
            case MediumStep.DESTROY:
                custody.destroy(stores, medium.id, officer, at=at, note=note)
            case _:
                custody.take_back(stores, medium.id, officer, at=at, note=note)
    except Conflict:
        last = _find(world, who, number).history[-1]
        if (last.step, last.officer) != (step, officer):
            raise
        # A second press of the same button: what it asks for is done.
    return redirect(f"/local/media/{medium.id}", 303)


def _entered(world: World, who: SignedIn, number: str) -> bool:
    """Whether this very officer has just registered it: a second press of the button."""
    with world.stores.nation.reading() as connection:
        history = media.find(connection, medium_id(number)).history
    return len(history) == 1 and history[0].officer == who.officer.id


def _since(fields: Fields, at: datetime) -> datetime | None:
    """The beginning, in Japan, of the day since when it is missing; a day to come is a problem."""
    day = fields.day("since", required=False)
    if day is None:
        return None
    since = datetime.combine(day, time(), JST)
    if since > at:
        fields.refuse("since", "local.medium.since_to_come")
    return since


def _find(world: World, who: SignedIn, number: str) -> Medium:
    """A medium that this officer may see, or NotFound: which others there are is not told."""
    with world.stores.nation.reading() as connection:
        try:
            found = media.find(connection, medium_id(number))
        except BadInput:
            found = None
        if found is None or not (who.of_centre or found.office == who.office.id):
            raise NotFound("medium", "none of this number is registered here")
        return found


def _register(world: World, who: SignedIn, problems: Mapping[str, str], status: int = 200) -> Response:
    with world.stores.nation.reading() as connection:
        if who.of_centre:
            wanted = request.args.get("office", "")
            offices = [each for each in officers.all_offices(connection) if each.kind == "local-government"]
            office = office_of(connection, who, wanted) if wanted else None
        else:
            offices, office = [], who.office
        after = request.args.get("after")
        found = media.MediaPage(())
        if office is not None:
            found = media.of_office(connection, office.id, after=after, limit=_MOST)
    return page(
        "local/media.html", status=status, media=found.media, next=found.after,
        office=office, offices=offices, problems=problems,
        typed=request.form, may_enter=not who.of_centre and bool(who.officer.roles & {Role.RECEPTION, Role.EXAMINER}),
    )  # fmt: skip


def _show(
    world: World, who: SignedIn, number: str, problems: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    medium, at = _find(world, who, number), world.clock()
    with world.stores.reading() as reading:
        office = office_of(reading.nation, who, medium.office)
        names = names_of(reading.nation, {taken.officer for taken in medium.history})
        cases = [applications.find(reading.nation, case) for case in dict.fromkeys(medium.cases)]
        good = [(case.case, life) for case in cases for life in good_of(reading, case, at)]
    under_way = any(case.case.id == medium.case and case.case.state not in ENDED for case in cases)
    steps = [step for step in steps_open_to(medium, who.officer, who.office) if step in _OFFERED]
    return page(
        "local/medium.html", status=status, medium=medium, office=office, names=names, cases=cases, good=good,
        # What is for a case that is under way comes back when that has ended; what is still needed is not destroyed.
        steps=[
            step for step in steps
            if not (step is MediumStep.TAKE_BACK and under_way) and not (step is MediumStep.DESTROY and good)
        ],
        problems=problems or {}, typed=request.form,
    )  # fmt: skip
