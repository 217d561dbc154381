"""Officers as a server meets them: browsers that read pages, follow the links and send the forms that stand in them."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from html import unescape
from http.client import HTTPConnection
from threading import Event
from urllib.parse import urlencode

from ca.model import Role
from front.pages.guard import FORM_TOKEN
from front.signing_in.visitor import COOKIE

_TOKEN = re.compile(rf'name="{FORM_TOKEN}" value="([^"]+)"')
_CASE = re.compile(r'href="(/cases/[0-9a-z-]+-[0-9]{6,})"')
_STEP = re.compile(r'<form method="post" action="(/cases/[0-9a-z-]+/[a-z-]+)">')
_CLOSING = ("reject", "discard")
_REDIRECTS = 303
_MET = frozenset({200, 303, 403, 409})
"""What an officer may be answered: two who take the same case at once are told so."""


@dataclass
class Diary:
    """What one officer, or all together, saw.

    Attributes:
        waits: Seconds for each page.
        steps: How often each step was taken.
        others: Answers that should not have come.
    """

    waits: list[float] = field(default_factory=list)
    steps: Counter[str] = field(default_factory=Counter)
    others: list[str] = field(default_factory=list)


@dataclass
class Browser:
    """A browser in which an officer is signed in.

    Attributes:
        think: Seconds that somebody looks at a page, on average; half as long or half as long again.
    """

    port: int
    session: str
    think: float
    chance: random.Random
    over: Event
    diary: Diary = field(default_factory=Diary)
    _connection: HTTPConnection | None = None

    def work(self, role: Role, forms: Iterator[dict[str, str]]) -> None:
        """Do what the role does until it is over: receive residents and hand over, or take the next case's step."""
        try:
            with suppress(_DayIsOver):
                self._think(0, 1)
                while True:
                    if role is not Role.RECEPTION or self.chance.random() < 0.5:
                        self._next_case()
                    else:
                        self._receive(next(forms))
        finally:
            if self._connection is not None:
                self._connection.close()

    def _next_case(self) -> None:
        cases = _CASE.findall(self.get("/"))
        if not cases:
            return
        path = self.chance.choice(cases)
        page = self.get(path)
        steps = [step for step in _STEP.findall(page) if not step.endswith(_CLOSING)]
        if steps and self.post(steps[0], {FORM_TOKEN: _token(page)}).startswith("/"):
            self.diary.steps[steps[0].rpartition("/")[2]] += 1

    def _receive(self, form: dict[str, str]) -> None:
        token = {FORM_TOKEN: _token(self.get("/cases/new"))}
        self.post("/cases/new/check", form | token, think=False)
        self.post("/cases/new/check", form | token, think=False)
        case = self.post("/cases/new", form | token)
        if case.startswith("/"):
            self.diary.steps["file"] += 1
            self.get(case)

    def get(self, path: str) -> str:
        """The text of a page."""
        return self._ask("GET", path, None)

    def post(self, path: str, form: dict[str, str], *, think: bool = True) -> str:
        """Where a form leads, or the page that it is answered with."""
        return self._ask("POST", path, urlencode(form).encode(), think=think)

    def _ask(self, method: str, path: str, body: bytes | None, *, think: bool = True) -> str:
        if think:
            self._think(0.5, 1.5)
        headers = {"Cookie": f"{COOKIE}={self.session}", "Accept-Language": "ja"}
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        begun = time.perf_counter()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        octets = answer.read()
        self.diary.waits.append(time.perf_counter() - begun)
        if answer.status not in _MET:
            self.diary.others.append(f"{method} {path}: {answer.status} {octets[:200]!r}")
        where = answer.headers.get("Location", "")
        return where if answer.status == _REDIRECTS else octets.decode()

    def _think(self, least: float, most: float) -> None:
        """Look at a page for some time; nobody begins anything once the day is over."""
        if self.over.wait(self.chance.uniform(least, most) * self.think):
            raise _DayIsOver


class _DayIsOver(Exception):
    """Everybody goes home."""


def _token(page: str) -> str:
    found = _TOKEN.search(page)
    return "" if found is None else unescape(found[1])  # what was no page is noted as such
