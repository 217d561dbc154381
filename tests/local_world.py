"""The local governments of a small world of japan-2016, with officers for every step, and their pages in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from asn1crypto import pem
from flask import Flask, g, request
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from ca.issuing.issuer import Issuers
from ca.model import (
    ApplicationId,
    CertificateId,
    CertificateKind,
    LocalHolder,
    OfficeId,
    Officer,
    OfficerId,
    RevocationReason,
    Role,
)
from ca.revoking.deciding import custody
from ca.revoking.deciding.local_delivery import hand_over
from ca.rules.identity import Purpose, Reception
from ca.store import applications, lives, media, officers
from ca.suites import SubjectKeyRule
from front import problems
from front.assembly import World
from front.home import Description, Home
from front.local.room import local_room
from front.pages.rendering import install
from front.pages.visit import SignedIn
from tests.engine_world import SEED, EngineWorld
from tests.national_world import BEGINS, LOCAL, national_world

PEOPLE = {
    "uke": ("local-2", {Role.RECEPTION}, "受付 花子"),
    "uke-2": ("local-2", {Role.RECEPTION}, "受付 次郎"),
    "shin": ("local-2", {Role.EXAMINER}, "審査 一郎"),
    "shin-2": ("local-2", {Role.EXAMINER}, "審査 三郎"),
    "other": ("local-1", {Role.RECEPTION}, ""),
    "other-2": ("local-1", {Role.EXAMINER}, ""),
    "again": ("centre", {Role.CENTRE_EXAMINER}, "再審査 四郎"),
    "shonin": ("centre", {Role.APPROVER}, "承認 五郎"),
    "unyo": ("centre", {Role.OPERATOR}, "運用 六郎"),
    "kansa": ("centre", {Role.AUDITOR}, ""),
    "madoguchi": ("131016", {Role.RECEPTION, Role.EXAMINER}, ""),
}
TOKEN = "a session's own token"  # noqa: S105 - of no session that there is
POST, USER, ENCRYPTION = CertificateKind.LG_POST, CertificateKind.LG_USER, CertificateKind.LG_ENCRYPTION


@dataclass
class LocalWorld:
    """A world, its pages, and a clock that goes when it is told to."""

    engine: EngineWorld
    world: World
    app: Flask
    at: datetime = BEGINS
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1000, 9999)))

    @property
    def stores(self):
        return self.engine.stores

    def passes(self, **time: int) -> datetime:
        self.at += timedelta(**time)
        return self.at

    def certifies(self, keys: SubjectKeyRule) -> None:
        """Let every authority certify holders' keys by this rule."""
        practices = {
            name: replace(
                one, holders={kind: replace(holder, keys=keys) for kind, holder in one.holders.items()}
            )
            for name, one in self.world.plan.practices.items()
        }
        issuers = Issuers(self.stores, self.engine.vault, practices)
        self.world.__dict__ |= {"plan": replace(self.world.plan, practices=practices), "issuers": issuers}
        self.world.__dict__.pop("registration", None)

    def medium(self, *, assigned: ApplicationId | None = None) -> str:
        """A new medium of local-2, given to a case if one is named."""
        number = custody.register(self.stores, f"CARD-{next(self._numbers)}", "uke", at=self.at).id
        if assigned is not None:
            custody.assign(self.stores, number, assigned, "uke", at=self.at)
        return number

    def filed(
        self, *kinds: CertificateKind, holder: LocalHolder = LOCAL, renews: tuple[CertificateId, ...] = ()
    ) -> ApplicationId:
        reception = Reception(Purpose.RENEWAL if renews else Purpose.NEW, renews=renews)
        csrs = self.engine.csrs(*(kinds or (POST,)))
        filing = self.world.registration.file
        return filing("uke", holder, csrs, code=None, at=self.at, reception=reception).case.id

    def approved(self, *kinds: CertificateKind, **how) -> ApplicationId:
        case, desk = self.filed(*kinds, **how), self.world.registration
        desk.examine(case, "shin", at=self.at)
        desk.reexamine(case, "again", at=self.at)
        desk.approve(case, "shonin", at=self.at)
        return case

    def issued(self, *kinds: CertificateKind, **how) -> ApplicationId:
        case = self.approved(*kinds, **how)
        self.world.registration.issue(case, "unyo", at=self.at)
        return case

    def delivered(self, *kinds: CertificateKind, **how) -> tuple[ApplicationId, str]:
        """A case that is handed over, and the medium that went out with it."""
        case = self.issued(*kinds, **how)
        number = self.medium(assigned=case)
        hand_over(self.stores, case, "uke", at=self.at)
        return case, number

    def certificates(self, case: str) -> tuple[CertificateId, ...]:
        with self.stores.nation.reading() as connection:
            return applications.find(connection, case).certificates

    def ends(self, case: str) -> set[RevocationReason | None]:
        """For which reasons the certificates of a case have ended."""
        with self.stores.reading() as reading:
            return {life.reason for life in lives.of(reading, self.certificates(case))}

    def state(self, case: str):
        with self.stores.nation.reading() as connection:
            return applications.find(connection, case).case.state

    def seen(self, number: str):
        """The medium as it is written down."""
        with self.stores.nation.reading() as connection:
            return media.find(connection, number)

    def browser(self, officer: str, language: str = "en") -> Browser:
        return Browser(self.app.test_client(), officer, language)


@dataclass
class Browser:
    """An officer's browser: it says where its forms come from, and gives them the session's token."""

    client: FlaskClient
    officer: str
    language: str

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=self._headers())

    def post(self, path: str, data: dict[str, object] | None = None) -> TestResponse:
        form = {"form_token": TOKEN} | (data or {})
        headers = self._headers() | {"Sec-Fetch-Site": "same-origin"}
        # As octets: the client itself would keep a large body in a file, and leave that open.
        boundary, body = encode_multipart({name: _sent(value) for name, value in form.items()})
        kind = f"multipart/form-data; boundary={boundary}"
        return self.client.post(path, data=body, content_type=kind, headers=headers)

    def _headers(self) -> dict[str, str]:
        return {"X-Test-Officer": self.officer, "Accept-Language": self.language}


def _sent(value: object) -> object:
    """A field's value, or its files, each given as (stream, name)."""
    if isinstance(value, list):
        return [_sent(one) for one in value]
    return FileStorage(value[0], filename=value[1]) if isinstance(value, tuple) else value


@contextmanager
def local_world(folder: Path) -> Iterator[LocalWorld]:
    """A fresh world in this folder with these officers, and an application of its local governments' pages."""
    with national_world(folder) as engine:
        with engine.store.writing() as connection:
            for name, (office, roles, called) in PEOPLE.items():
                officers.add_officer(
                    connection, Officer(OfficerId(name), OfficeId(office), frozenset(roles), called)
                )
        made = Description(
            state="complete", marking="test", edition="japan-2016", url="http://x", seed=SEED, clock=None
        )
        world = World(
            Home(folder), made, lambda: local.at, engine.stores, engine.repository, str, lambda: engine.vault
        )
        vars(world).update(plan=engine.plan, issuers=engine.issuers, registration=engine.registration)
        local = LocalWorld(engine, world, pages_of(world))
        yield local


def pages_of(world: World) -> Flask:
    """The pages alone. Who asks stands in a header: how people sign in is another room's matter."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 4 * 1024 * 1024
    problems.register(app)

    @app.before_request
    def sign_in() -> None:
        if name := request.headers.get("X-Test-Officer") or request.cookies.get("officer"):
            with world.stores.nation.reading() as connection:
                g.signed_in = SignedIn(*officers.officer(connection, name), TOKEN)

    install(app, [local_room(world)])
    return app


def pem_of(csr: bytes) -> str:
    return pem.armor("CERTIFICATE REQUEST", csr).decode()
