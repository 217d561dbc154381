"""Windows at their busiest: officers of many offices at once, each in a browser, over the real server."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from threading import Event, Lock

from asn1crypto import pem

from ca.model import RESIDENT_KINDS, Office, OfficeKind, Officer, OfficerId, ResidentCode, Role
from ca.store import officers
from ca.suites import KeyFamily
from front.assembly import World, open_world
from front.demo.served import free_port
from front.signing_in import entering
from front.signing_in.terms import terms_of
from tests.bench import homes, materials, web
from tests.bench.bench import Bench
from tests.bench.people import Browser, Diary
from tests.bench.report import Budget, Row
from tests.commands import COMMAND

_OFFICES = 60
_TOKYO = "13"  # sixty-two windows
_THINK = 2.0
"""Seconds that an officer looks at a page; a form takes four pages and a minute."""

_RESIDENTS = 60
"""Who may apply in a second of the two runs, at most; no two have a key in common."""

_SLOWEST = 300.0
"""Milliseconds within which 95 of 100 pages are wanted."""

CARD_ENDS = str(date.today() + timedelta(days=1500))  # noqa: DTZ011 - some day that is years away

_AT_AN_OFFICE = (Role.RECEPTION, Role.RECEPTION, Role.EXAMINER)
_AT_THE_CENTRE = (Role.APPROVER, Role.OPERATOR)


def rows(bench: Bench) -> Iterator[Row]:
    """Officers who receive, examine, approve, issue and hand over at once; then as fast as pages come."""
    scale = bench.scale
    count = scale.officers
    bench.say(f"{count} officers at once ...")
    with bench.fresh("windows") as folder:
        home = homes.make_home(folder, prefectures=(_TOKYO,))
        staff = _staff(home, count)
        forms = _Forms(bench.kept, _RESIDENTS * scale.desk)
        port = free_port()
        command = [COMMAND, "serve", "--home", home, "--port", port, "--no-work"]
        with web.served(command, port, folder / "log", KAKEHASHI_PASSPHRASE=homes.PASSPHRASE):
            calm = _day(port, staff, forms, scale.desk, _THINK)
            hurried = _day(port, staff, forms, scale.desk, 0.0)
    offices = len({officer.office for officer, *_ in staff} - {"centre"})
    yield _pages(
        f"a page, p95, {count} officers of {offices} offices at once", calm, Budget("ours", "<=", _SLOWEST)
    )
    yield _finished(
        f"steps of cases by {count} officers, each looking {_THINK:g} s at a page", calm, scale.desk
    )
    yield _pages("a page, p95, the same as fast as pages come", hurried, None)
    yield _finished("steps of cases, the same", hurried, scale.desk)


def _pages(name: str, diary: Diary, budget: Budget | None) -> Row:
    waits = [1000 * wait for wait in diary.waits]
    middle, slow = quantiles(waits, n=20)[9], quantiles(waits, n=20)[18]
    wrong = f", {len(diary.others)} refused: {diary.others[0]}" if diary.others else ""
    return Row(
        name, "ms", slow, budget=budget, note=f"{len(waits):,} pages, the median {middle:.0f} ms{wrong}"
    )


def _finished(name: str, diary: Diary, seconds: float) -> Row:
    steps = ", ".join(f"{step} {number}" for step, number in sorted(diary.steps.items()))
    issued = diary.steps["issue"] * 60 / seconds
    return Row(
        name,
        "steps/minute",
        diary.steps.total() * 60 / seconds,
        note=f"{issued:.0f} issued a minute: {steps}",
    )


class _Forms:
    """Applications, each of another resident with keys of its own; every thread takes the next."""

    def __init__(self, kept: Path, count: int) -> None:
        self._csrs = materials.requests(kept / "requests", KeyFamily.RSA, 2 * count)
        self._codes = materials.codes()
        self._number = 0
        self._lock = Lock()

    def at(self, address: str) -> Iterator[dict[str, str]]:
        """Forms of residents who live in this municipality."""
        while True:
            yield self._next(address)

    def _next(self, address: str) -> dict[str, str]:
        with self._lock:
            number, code = self._number, next(self._codes)
            self._number += 1
        assert 2 * number < len(self._csrs), "more residents came than have cards"
        return _form(number, code, address, self._csrs[2 * number : 2 * number + 2])


def _form(number: int, code: ResidentCode, address: str, csrs: Sequence[bytes]) -> dict[str, str]:
    person = materials.person(number)
    return {
        "purpose": "new",
        "document-disability-handbook": "on",
        "code": code,
        "birth_date": str(person.birth_date),
        "name": person.name,
        "sex": person.sex.value,
        "address": f"{address}{number}番地",
        "card_number": f"AA{number:08}",
        "card_expires": CARD_ENDS,
        "kinds": "both",
        **{
            f"csr-{kind}": pem.armor("CERTIFICATE REQUEST", csr).decode()
            for kind, csr in zip(RESIDENT_KINDS, csrs, strict=True)
        },
    }


def _staff(home: Path, count: int) -> list[tuple[Officer, str, str]]:
    """So many officers, nine in ten of them at windows, each signed in; with the address of the office's town."""
    made: list[tuple[Officer, str, str]] = []
    with open_world(home, lambda: homes.PASSPHRASE) as world, world.stores.nation.writing() as connection:
        there = officers.all_offices(connection)
        windows = [office for office in there if office.kind is OfficeKind.WINDOW][:_OFFICES]
        (centre,) = (office for office in there if office.kind is OfficeKind.CENTRE)
        places = [(office, role) for office in windows for role in _AT_AN_OFFICE]
        centre_places = [(centre, role) for role in _AT_THE_CENTRE]
        at_centre = max(count // 10, len(centre_places))
        chosen = places[: count - at_centre]
        chosen += [place for place, _ in zip(cycle(centre_places), range(at_centre), strict=False)]
        for number, (office, role) in enumerate(chosen):
            officer = Officer(OfficerId(f"officer-{number}"), office.id, frozenset({role}), f"係員{number}")
            officers.add_officer(connection, officer)
            entered = entering.begin_session(connection, terms_of(world), officer, old=None, at=world.clock())
            made.append((officer, entered.token, _town(world, office)))
    return made


def _town(world: World, office: Office) -> str:
    if office.kind is not OfficeKind.WINDOW:
        return ""
    town = world.plan.municipalities.window(office.id)
    return town.prefecture + town.name


def _day(
    port: int, staff: Sequence[tuple[Officer, str, str]], forms: _Forms, seconds: float, think: float
) -> Diary:
    """What all of them saw together in so many seconds."""
    over = Event()
    browsers = [
        Browser(port, token, think, random.Random(number), over) for number, (_, token, _) in enumerate(staff)
    ]
    with ThreadPoolExecutor(len(staff)) as pool:
        jobs = [
            pool.submit(browser.work, *officer.roles, forms.at(town))
            for browser, (officer, _, town) in zip(browsers, staff, strict=True)
        ]
        ends = time.monotonic() + seconds
        # A short day at a slow desk is made longer, until there is something to tell of.
        while time.monotonic() < ends or not (
            any(browser.diary.steps for browser in browsers) or all(job.done() for job in jobs)
        ):
            time.sleep(0.05)
        over.set()
        for job in jobs:
            job.result()
    together = Diary()
    for browser in browsers:
        together.waits += browser.diary.waits
        together.steps += browser.diary.steps
        together.others += browser.diary.others
    return together
