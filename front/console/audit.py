"""The auditors' pages: the journal, the deeds, and what a case did. They see everything and change nothing.

What they read of a case, and what they take away as a file, is itself a deed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from bridge.repository.heads import published_head
from ca.errors import HomeRefused, KakehashiError, NotFound
from ca.journal.segments import Head
from ca.rules.validity import JST
from ca.store.deed_search import WantedDeeds, find_deeds
from ca.store.deeds import Deed, note
from front.assembly import World
from front.console.access import auditor
from front.console.journal_search import KINDS, Wanted, find, matching, moment_of, search, summary, told
from front.console.sheets import sheet
from front.console.stories import tell
from front.console.verifying import LARGEST, size_of, verify
from front.pages.forms import Fields, FormRefused
from front.pages.rendering import page, said

_LINES = 50
_FILE_SCANNED = 200_000
_FILE_DEEDS = 1000
_FILE_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was typed into a search, and what it comes to."""

    typed: dict[str, str]
    problems: dict[str, str]

    def link(self, **changed: object) -> str:
        """The same search with something changed, as an address's end."""
        kept = {name: value for name, value in self.typed.items() if value}
        return urlencode(kept | {name: str(value) for name, value in changed.items()})


def add(blueprint: Blueprint, world: World) -> None:  # noqa: C901, PLR0915 - a page after the other
    """``/centre/audit``."""
    nation, folder = world.stores.nation, world.home.journal

    @blueprint.get("/centre/audit")
    def overview() -> Response:
        """Where an audit begins."""
        auditor()
        return _overview()

    @blueprint.post("/centre/audit/verify")
    def verify_now() -> Response:
        """Read the whole journal and say whether it holds together."""
        who = auditor()
        _note(who, Deed.LOOKED_UP, "journal verify")
        try:
            return _overview(verified=verify(world))
        except KakehashiError as error:
            return _overview(status=409, refused=error)

    @blueprint.get("/centre/audit/journal")
    def journal() -> Response:
        """Records of the journal."""
        auditor()
        wanted, asked = _wanted_records()
        found = None if asked.problems else search(folder, wanted, _LINES)
        return page(
            "console/journal.html",
            status=422 if asked.problems else 200,
            asked=asked,
            found=found,
            kinds=KINDS,
            next=None if found is None or found.behind is None else asked.link(first=found.behind + 1),
        )

    @blueprint.get("/centre/audit/journal/<int:index>")
    def record(index: int) -> Response:
        """A record."""
        auditor()
        found = find(folder, index) if index < 10**15 else None
        if found is None:
            raise NotFound(f"record {index}", "is not in the journal")
        return page(
            "console/record.html",
            record=found,
            line=summary(found),
            at=moment_of(found),
            parts=told(found),
        )

    @blueprint.get("/centre/audit/journal.csv")
    def journal_file() -> Response:
        """The records that are looked for, as a file."""
        who = auditor()
        wanted, asked = _wanted_records()
        if asked.problems:
            return page("console/journal.html", status=422, asked=asked, found=None, kinds=KINDS, next=None)
        _note(who, Deed.EXPORTED, "journal")
        heading = ("index", "kind", "moment (UTC)", "about", "outcome", "officer", "ended", "issued")
        rows = (
            (one.index, one.kind, _utc(one.at), one.what, one.outcome, one.officer, one.ended, one.issued)
            for one in matching(folder, wanted, _FILE_SCANNED)
        )
        return sheet("journal", heading, rows)

    @blueprint.get("/centre/audit/deeds")
    def deeds() -> Response:
        """What officers did that is no step of a case."""
        auditor()
        wanted, asked = _wanted_deeds()
        found = []
        if not asked.problems:
            with nation.reading() as connection:
                found = find_deeds(connection, wanted, before=_before(), limit=_LINES + 1)
        return page(
            "console/deeds.html",
            status=422 if asked.problems else 200,
            asked=asked,
            found=found[:_LINES],
            kinds=list(Deed),
            next=asked.link(before=found[_LINES - 1].number) if len(found) > _LINES else None,
        )

    @blueprint.get("/centre/audit/deeds.csv")
    def deeds_file() -> Response:
        """The deeds that are looked for, as a file."""
        who = auditor()
        wanted, asked = _wanted_deeds()
        if asked.problems:
            return page("console/deeds.html", status=422, asked=asked, found=[], kinds=list(Deed), next=None)
        _note(who, Deed.EXPORTED, "deeds")
        return sheet(
            "deeds", ("number", "moment (UTC)", "officer", "office", "what", "about"), _deeds(wanted)
        )

    @blueprint.get("/centre/audit/case")
    def ask_for_case() -> AnyResponse:
        """From a typed number to its page."""
        auditor()
        number = request.args.get("number", "").strip().lower()
        plain = number.isascii() and number.replace("-", "").isalnum() and len(number) <= 24
        if not plain:
            raise NotFound("case", "is not one of this home's")
        return redirect(f"/centre/audit/cases/{number}", 303)

    @blueprint.get("/centre/audit/cases/<case_id>")
    def case(case_id: str) -> Response:
        """What a case did."""
        return page("console/story.html", story=tell(world, auditor(), case_id, world.clock()))

    def _overview(status: int = 200, **values: Any) -> Response:
        with nation.reading() as connection:
            latest = find_deeds(connection, WantedDeeds(), limit=8)
        octets = size_of(folder)
        return page(
            "console/audit.html",
            status=status,
            head=_head(),
            public=published_head(world.repository),
            octets=octets,
            too_large=octets > LARGEST,
            deeds=latest,
            **values,
        )

    def _head() -> Head | None:
        try:
            return world.stores.journal.head()
        except HomeRefused:  # that is what an auditor has come to see
            return None

    def _note(who: Any, what: Deed, about: str) -> None:
        with nation.writing() as connection:
            note(connection, what, who=who.officer, about=about, at=world.clock())

    def _deeds(wanted: WantedDeeds) -> Iterator[tuple[object, ...]]:
        before, left = None, _FILE_ROWS
        while left > 0:
            with nation.reading() as connection:
                found = find_deeds(connection, wanted, before=before, limit=min(_FILE_DEEDS, left))
            for one in found:
                yield one.number, _utc(one.at), one.officer, one.office, one.what.value, one.about
            left = left - len(found) if len(found) == _FILE_DEEDS else 0
            before = found[-1].number if found else None


def _wanted_records() -> tuple[Wanted, _Asked]:
    fields = Fields(request.args)
    first, last = _index(fields, "first"), _index(fields, "last")
    since, until = _days(fields)
    kind = fields.text("kind", required=False, most=40)
    if kind and kind not in KINDS:
        fields.refuse("kind", "form.not_a_choice")
    wanted = Wanted(
        first or 1,
        last,
        kind,
        since,
        until,
        fields.text("certificate", required=False, most=120),
        fields.text("case", required=False, most=24),
    )
    return wanted, _asked(fields)


def _wanted_deeds() -> tuple[WantedDeeds, _Asked]:
    fields = Fields(request.args)
    what = fields.choice("what", Deed) if request.args.get("what") else None
    officer = fields.text("officer", required=False, most=64)
    about = fields.text("about", required=False, most=64)
    return WantedDeeds(what, officer, about, *_days(fields)), _asked(fields)


def _asked(fields: Fields) -> _Asked:
    try:
        fields.settle()
    except FormRefused as error:
        return _Asked(dict(fields.sent), said(error.problems))
    return _Asked(dict(fields.sent), {})


def _index(fields: Fields, name: str) -> int | None:
    typed = fields.text(name, required=False, most=15)
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit()) or int(typed) < 1:
        fields.refuse(name, "console.audit.not_an_index")
        return None
    return int(typed)


def _days(fields: Fields) -> tuple[datetime | None, datetime | None]:
    """From the beginning of one day in Japan to the end of another."""
    since, until = fields.day("since", required=False), fields.day("until", required=False)
    if since and until and until < since:
        fields.refuse("until", "console.audit.order")
    try:
        return _begins(since), _begins(until and until + timedelta(days=1))
    except OverflowError:
        fields.refuse("until", "form.not_a_day")
        return None, None


def _begins(day: date | None) -> datetime | None:
    # In UTC at once: the first and the last day of all have no moment there.
    return None if day is None else datetime.combine(day, time(), JST).astimezone(UTC)


def _before() -> int | None:
    typed = request.args.get("before", "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 16 else None


def _utc(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="seconds")
