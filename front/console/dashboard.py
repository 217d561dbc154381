"""The dashboard: what the centre sees at a glance, and its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from flask import Blueprint, Response, request

from ca.errors import NotFound
from ca.model import OfficeId
from ca.store import officers
from ca.store.counts import Days
from ca.store.deeds import Deed, note
from front.assembly import World
from front.console import plots
from front.console.access import of_centre
from front.console.figures import Counting, Figures, Measure, OfficeLine
from front.console.plots import Look, Width
from front.console.sheets import sheet
from front.pages.offices import called
from front.pages.rendering import page, say
from front.pages.texts import Language
from front.pages.visit import language

PERIODS = (7, 28, 91)
"""Days that may be looked at."""

_USUAL_PERIOD = 28
_NAMED = 10
_SHOWN = 50
COLOURS = {Measure.ISSUED: "#0b5c6b", Measure.REVOKED: "#a4262c", Measure.WAITING: "#8a5a00"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def add(blueprint: Blueprint, world: World, counting: Counting) -> None:
    """``/centre``, its pictures and its numbers as a file."""

    @blueprint.get("/centre")
    def dashboard() -> Response:
        """Everything at a glance."""
        of_centre()
        days, at = period(world), world.clock()
        lines = counting.by_office(days)
        return page(
            "console/dashboard.html",
            **shown(counting.figures(days), None),
            lines=lines[:_SHOWN],
            left_out=max(len(lines) - _SHOWN, 0),
            unusual=counting.unusual(at),
            at=at,
        )

    @blueprint.get("/centre/plots/<any(issued, revoked, waiting):measure>.svg")
    def plot(measure: str) -> Response:
        """A picture of numbers by day."""
        of_centre()
        what, office = Measure(measure), _office_asked(world)
        numbers = counting.figures(period(world), office).by_day[what]
        draw = plots.line if what is Measure.WAITING else plots.bars
        return _picture(
            draw(numbers, _look(what, say(f"console.measure.{what}"), say(f"console.unit.{what}")))
        )

    @blueprint.get("/centre/plots/offices/<any(issued, revoked, waiting):measure>.svg")
    def plot_offices(measure: str) -> Response:
        """A picture of the offices with most of something."""
        of_centre()
        what = Measure(measure)
        ranked = _ranked(counting.by_office(period(world)), what)[:_NAMED]
        return _picture(plots.ranking(ranked, _look(what, say(f"console.ranking.{what}"), "")))

    @blueprint.get("/centre/counts.csv")
    def counted() -> Response:
        """What is counted by office, as a file."""
        who, days = of_centre(), period(world)
        with world.stores.nation.writing() as connection:
            note(connection, Deed.EXPORTED, who=who.officer, about="counts", at=world.clock())
        heading = ("office", "name", "issued", "revoked", "waiting", "oldest waiting since (UTC)")
        return sheet(f"counts-{days.first}-{days.last}", heading, _rows(counting.by_office(days)))


def period(world: World) -> Days:
    """The days that are asked for, up to the present one."""
    asked = request.args.get("days", "")
    count = int(asked) if asked in {str(each) for each in PERIODS} else _USUAL_PERIOD
    return Days.until(world.clock(), count)


def shown(found: Figures, office: OfficeId | None) -> dict[str, Any]:
    """What a template needs to show figures with their pictures."""
    return {
        "figures": found,
        "measures": list(Measure),
        "period_choices": PERIODS,
        "length": (found.days.last - found.days.first).days + 1,
        "about": "" if office is None else f"&office={office}",
    }


def _ranked(lines: list[OfficeLine], measure: Measure) -> list[tuple[str, int]]:
    counted = [(called(line.office), int(getattr(line, measure.value))) for line in lines]
    return sorted((one for one in counted if one[1]), key=lambda one: (-one[1], one[0]))


def _rows(lines: list[OfficeLine]) -> Iterator[tuple[object, ...]]:
    for line in lines:
        oldest = "" if line.oldest is None else line.oldest.isoformat(timespec="seconds")
        yield line.office.id, line.office.name, line.issued, line.revoked, line.waiting, oldest


def _office_asked(world: World) -> OfficeId | None:
    asked = request.args.get("office")
    if asked is None:
        return None
    if len(asked) > 24:
        raise NotFound("office", "is not one of this home's")
    with world.stores.nation.reading() as connection:
        return officers.office(connection, asked).id


def _look(measure: Measure, title: str, unit: str) -> Look:
    width = Width.NARROW if "narrow" in request.args else Width.WIDE
    spoken = language()
    return Look(
        title, unit, COLOURS[measure], spoken, _japanese if spoken is Language.JAPANESE else _english, width
    )


def _japanese(day: date) -> str:
    return f"{day.month}/{day.day}"


def _english(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"


def _picture(text: str) -> Response:
    response = Response(text, mimetype="image/svg+xml")
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response
