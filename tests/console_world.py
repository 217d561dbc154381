"""The centre's pages over a small world with cases in every state, and officers who look at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask, g, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ca.model import RESIDENT_KINDS, ApplicationId, OfficeId, Officer, OfficerId, Role, resident_code
from ca.store import officers
from front import problems
from front.assembly import World, open_world
from front.console.room import console_room
from front.pages.offices import call_offices
from front.pages.rendering import install
from front.pages.visit import SignedIn
from tests.engine_world import RESIDENT, csr_for
from tests.small_edition import TOKYO

AT = datetime(2014, 9, 5, 3, 0, tzinfo=UTC)  # Friday, noon in Japan
TOKEN = "a session's own token"  # noqa: S105 - of no session that there is
PEOPLE = {
    "kansa": ("centre", Role.AUDITOR, "監査 花子"),
    "endo": ("centre", Role.OPERATOR, "遠藤 次郎"),
    "shin": (TOKYO, Role.EXAMINER, "審査 一郎"),
}
_ADDRESS = "東京都千代田区見本町一丁目二番三号"
PERSON = replace(RESIDENT, municipality=TOKYO, address=_ADDRESS, address_substitutes="0" * len(_ADDRESS))
CODE = resident_code("12345678903")


@dataclass
class ConsoleWorld:
    """A world, its pages, and a clock that goes when it is told to."""

    world: World
    app: Flask = field(init=False)
    at: datetime = AT
    _keys: Iterator[int] = field(default_factory=lambda: iter(range(2000, 9000)))

    def __post_init__(self) -> None:
        self.world.clock = lambda: self.at
        self.app = pages_of(self.world)

    @property
    def nation(self):
        return self.world.stores.nation

    def filed(self, at: datetime | None = None) -> ApplicationId:
        csrs = {kind: csr_for(next(self._keys)) for kind in RESIDENT_KINDS}
        return self.world.registration.file("sato", PERSON, csrs, code=CODE, at=at or self.at).case.id

    def rejected(self, at: datetime | None = None) -> ApplicationId:
        case = self.filed(at)
        self.world.registration.reject(case, "suzuki", at=at or self.at, note="the photo is somebody else's")
        return case

    def issued(self, at: datetime | None = None) -> ApplicationId:
        at = at or self.at
        case, desk = self.filed(at - timedelta(hours=1)), self.world.registration
        desk.examine(case, "suzuki", at=at)
        desk.approve(case, "tanaka", at=at)
        desk.issue(case, "ito", at=at)
        return case

    def browser(self, officer: str = "", language: str = "en") -> Browser:
        return Browser(self.app.test_client(), officer, language)


@dataclass
class Browser:
    """An officer's browser: it says where its forms come from, and gives them the session's token."""

    client: FlaskClient
    officer: str
    language: str

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=self._headers() | headers)

    def post(self, path: str, data: dict[str, object] | None = None, *, token: str = TOKEN) -> TestResponse:
        headers = self._headers() | {"Sec-Fetch-Site": "same-origin"}
        return self.client.post(path, data={"form_token": token} | (data or {}), headers=headers)

    def _headers(self) -> dict[str, str]:
        return {"X-Test-Officer": self.officer, "Accept-Language": self.language}


@contextmanager
def console_world(home: Path) -> Iterator[ConsoleWorld]:
    """The pages over the staffed world that lies in this folder."""
    with open_world(home, str) as world:
        with world.stores.nation.writing() as connection:
            for name, (office, role, called) in PEOPLE.items():
                officers.add_officer(
                    connection, Officer(OfficerId(name), OfficeId(office), frozenset({role}), called)
                )
        yield ConsoleWorld(world)


def pages_of(world: World) -> Flask:
    """The pages alone. Who asks stands in a header: how people sign in is another room's matter."""
    app = Flask(__name__, static_folder=None)
    problems.register(app)

    @app.before_request
    def sign_in() -> None:
        if name := request.headers.get("X-Test-Officer") or request.cookies.get("officer"):
            with world.stores.nation.reading() as connection:
                g.signed_in = SignedIn(*officers.officer(connection, name), TOKEN)

    call_offices(app, world.plan)
    install(app, [console_room(world)])
    return app
