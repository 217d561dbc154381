"""Every page once: a world after some days of work, who looks at which page, and what is done there before.

The pictures of docs/pictures are of these pages, and axe looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path

from ca.birth import BirthDate
from ca.issuing.self_checking import submit
from ca.model import (
    LOCAL_KINDS,
    RESIDENT_KINDS,
    CertificateKind,
    LocalHolder,
    MunicipalityCode,
    OfficeId,
    Officer,
    OfficerId,
    Resident,
    Role,
    Sex,
)
from ca.revoking.deciding import custody
from ca.revoking.deciding.at_window import Window
from ca.revoking.deciding.local_delivery import hand_over
from ca.rules.identity import Document, Purpose, Reception, SeenDocument
from ca.rules.self_check import QUESTIONS, Answer, Grade, fiscal_year
from ca.store import applications, officers
from front.assembly import World, open_world
from front.demo.people import invented_code
from front.signing_in.enrolment import new_code
from tests.browser import Browser, Desk
from tests.engine_world import csr_for
from tests.offices_world import FIRST, LOCAL, OFFICERS, START, Offices, offices, open_to_browsers
from tests.small_edition import TOKYO

TODAY = START + timedelta(days=9)
PEOPLE = (
    "試験\u3000花子", "髙橋\u3000𠮷子", "見本\u3000太郎", "例示\u3000さくら", "渡邉\u3000一郎", "葛󠄀城\u3000みどり",
    "斎藤\u3000健", "小見本\u3000葵", "試作\u3000次郎", "仮名\u3000ゆき",
)  # fmt: skip
"""Invented names, with characters that are rare."""
_STEPS = ("examine", "approve", "issue", "hand-over")


@dataclass(frozen=True)
class Stop:
    """A page.

    Attributes:
        name: What its picture is called.
        officer: Who looks; None for somebody who is not signed in.
        act: What is done before one looks.
        status: Of the page.
    """

    name: str
    officer: str | None
    path: str
    act: Callable[[Desk], None] = field(default=lambda _: None)
    status: int = 200


@dataclass(frozen=True)
class Tour:
    """The served world, and its pages."""

    world: Offices
    stops: Sequence[Stop]

    def visits(self, browser: Browser, language: str = "ja-JP") -> Iterator[tuple[Stop, Desk]]:
        """Open page after page, each at its officer's desk."""
        desks: dict[str | None, Desk] = {}
        for stop in self.stops:
            if stop.officer not in desks:
                desk = desks[stop.officer] = Desk(browser, self.world.origin, language)
                if stop.officer is not None:
                    desk.enrol(self.world.code(stop.officer, "endo" if stop.officer == FIRST else FIRST))
            desk = desks[stop.officer]
            with nullcontext() if stop.status == 200 else desk.refused(stop.status):
                desk.go(stop.path)
            stop.act(desk)
            yield stop, desk
        for desk in desks.values():
            desk.close()


@contextmanager
def touring(folder: Path) -> Iterator[Tour]:
    """The world after nine days, served."""
    made = offices(folder / "home", TODAY)
    with open_world(made.home, str) as world:
        _staff(world)
        found = _Past(world).live()
    with open_to_browsers(made):
        yield Tour(made, tuple(_stops(found)))


def _staff(world: World) -> None:
    with world.stores.nation.writing() as connection:
        for name, (office, role, called) in OFFICERS.items():
            officers.add_officer(
                connection, Officer(OfficerId(name), OfficeId(office), frozenset({Role(role)}), called)
            )
        new_code(connection, FIRST, None, START)


@dataclass
class _Past:
    """Nine days of work, by the use cases themselves.

    Attributes:
        last: The newest case that went so far, by the step that it waits for.
    """

    world: World
    last: dict[str, str] = field(default_factory=dict)
    _number: int = 0
    _keys: Iterator[int] = field(default_factory=lambda: count(1000))

    def live(self) -> dict[str, str]:
        """Live it; gives what the stops need."""
        for day in range(9):
            for turn in range(1 + day % 3):
                self._resident(START + timedelta(days=day, minutes=20 * turn), len(_STEPS))
        self.last["delivered"] = self._resident(TODAY - timedelta(hours=5), len(_STEPS))
        for steps, waits in enumerate(_STEPS):
            for turn in range(2):
                self.last[waits] = self._resident(TODAY - timedelta(hours=4 - steps, minutes=7 * turn), steps)
        rejected = self._resident(TODAY - timedelta(minutes=50), 0)
        self.world.registration.reject(
            rejected, "takagi", at=TODAY - timedelta(minutes=45), note="本人確認書類の住所が申請と一致しない"
        )
        self.last["rejected"] = rejected
        self._local()
        return self.last

    def _resident(self, at: datetime, steps: int) -> str:
        self._number += 1
        name = PEOPLE[self._number % len(PEOPLE)]
        address = f"東京都千代田区見本町{1 + self._number % 9}-{1 + self._number % 5}-3"
        resident = Resident(
            name, "0" * len(name), Sex.FEMALE, BirthDate(1985, 4, 1 + self._number % 28),
            address, "0" * len(address), MunicipalityCode(TOKYO),
        )  # fmt: skip
        desk, seen = self.world.registration, SeenDocument(Document.DRIVING_LICENCE, date(2018, 5, 1))
        case = desk.file(
            "sato",
            resident,
            self._requests(RESIDENT_KINDS),
            code=invented_code(self._number),
            card_expires=date(2025, 4, 1),
            reception=Reception(Purpose.NEW, (seen,), f"MIHON{self._number:05}"),
            at=at,
        ).case.id
        taken = (
            lambda: desk.examine(case, "suzuki", at=at + timedelta(minutes=2)),
            lambda: desk.approve(case, "tanaka", at=at + timedelta(minutes=4)),
            lambda: desk.issue(case, "endo", at=at + timedelta(minutes=5)),
            lambda: Window(self.world.events).hand_over(case, "sato", at=at + timedelta(minutes=8)),
        )
        for take in taken[:steps]:
            take()
        return case

    def _local(self) -> None:
        """A post's certificate that went out, cases at every step, media, and a self-check."""
        desk, stores = self.world.registration, self.world.stores
        at = TODAY - timedelta(days=2)
        for number in range(1, 5):
            custody.register(stores, f"TOKEN-{number:04}", "uke", at=START + timedelta(hours=number))
        post = (CertificateKind.LG_POST,)
        steps = (
            lambda case: desk.examine(case, "shin", at=at + timedelta(minutes=9)),
            lambda case: desk.reexamine(case, "saito", at=at + timedelta(minutes=30)),
            lambda case: desk.approve(case, "tanaka", at=at + timedelta(minutes=40)),
            lambda case: desk.issue(case, "endo", at=at + timedelta(minutes=45)),
            lambda case: hand_over(stores, case, "uke", at=at + timedelta(minutes=60)),
        )
        for gone, (unit, name) in enumerate(
            (("総務課", "市長"), ("会計課", "会計管理者"), ("情報政策課", "課長"), ("市民課", "課長"))
        ):
            holder = LocalHolder("City of Kakehashi", unit, name)
            case = desk.file("uke", holder, self._requests(post), code=None, at=at).case.id
            custody.assign(stores, f"TOKEN-{gone + 1:04}", case, "uke", at=at)
            for take in steps[: len(steps) - gone]:
                take(case)
            self.last[("local-delivered", "local-hand-over", "local-issue", "local-approve")[gone]] = case
        fresh = LocalHolder("City of Kakehashi", "広報課", "課長")
        for name in ("local-examine", "local-re-examine"):
            case = desk.file("uke", fresh, self._requests(LOCAL_KINDS[1:2]), code=None, at=at).case.id
            self.last[name] = case
        steps[0](self.last["local-re-examine"])
        with stores.nation.reading() as connection:
            (certificate,) = applications.find(connection, self.last["local-delivered"]).certificates
        self.last["local-certificate"] = str(certificate)
        answers = dict.fromkeys(QUESTIONS, Answer(Grade.MET))
        self.last["year"] = str(fiscal_year(TODAY))
        submit(stores, fiscal_year(TODAY) - 1, answers, "shin", at=TODAY - timedelta(days=1))

    def _requests(self, kinds: Sequence[CertificateKind]) -> dict[CertificateKind, bytes]:
        return {kind: csr_for(next(self._keys)) for kind in kinds}


def _stops(found: dict[str, str]) -> Iterator[Stop]:
    yield Stop("sign-in", None, "/sign-in")
    yield Stop("enrol", None, "/enrol")
    yield Stop("account", "sato", "/account")
    yield Stop("work-reception", "sato", "/")
    yield Stop("new-application", "sato", "/cases/new")
    yield Stop("new-application-problems", "sato", "/cases/new", _send_too_soon)
    yield Stop("case-hand-over", "sato", f"/cases/{found['hand-over']}")
    yield Stop("case-delivered", "sato", f"/cases/{found['delivered']}")
    yield Stop("case-rejected", "sato", f"/cases/{found['rejected']}")
    yield Stop("search", "sato", "/cases", _search)
    yield Stop("requests", "sato", "/requests")
    yield Stop("request-holder", "sato", f"/cases/{found['delivered']}", _open_requests)
    yield Stop("work-examiner", "suzuki", "/")
    yield Stop("case-examine", "suzuki", f"/cases/{found['examine']}")
    yield Stop("work-approver", "tanaka", "/")
    yield Stop("case-approve", "tanaka", f"/cases/{found['approve']}")
    yield Stop("case-issue", "endo", f"/cases/{found['issue']}")
    yield Stop("local-work", "uke", "/local")
    yield Stop("local-new", "uke", "/local/cases/new")
    yield Stop("local-case-hand-over", "uke", f"/local/cases/{found['local-hand-over']}")
    yield Stop("local-media", "uke", "/local/media")
    yield Stop("local-medium", "uke", "/local/media/TOKEN-0001")
    yield Stop("local-case-examine", "shin", f"/local/cases/{found['local-examine']}")
    yield Stop("local-abolition", "shin", f"/local/certificates/{found['local-certificate']}", _unfold)
    yield Stop("local-self-checks", "shin", "/local/self-checks")
    yield Stop("local-self-check-form", "shin", f"/local/self-checks/{found['year']}/edit")
    yield Stop("local-centre-work", "saito", "/local")
    yield Stop("local-centre-case", "saito", f"/local/cases/{found['local-re-examine']}")
    yield Stop("local-centre-self-check", "saito", f"/local/self-checks/{LOCAL}/{int(found['year']) - 1}")
    yield Stop("centre", FIRST, "/centre")
    yield Stop("centre-offices", FIRST, "/centre/offices")
    yield Stop("centre-office", FIRST, f"/centre/offices/{TOKYO}")
    yield Stop("centre-officers", FIRST, "/centre/officers")
    yield Stop("centre-officer", FIRST, "/centre/officers/takagi")
    yield Stop("centre-officer-code", FIRST, "/centre/officers/shin", _give_code)
    yield Stop("centre-new-officer", FIRST, f"/centre/offices/{TOKYO}/officers/new")
    yield Stop("audit", "kansa", "/centre/audit")
    yield Stop("audit-verified", "kansa", "/centre/audit", _verify)
    yield Stop("audit-journal", "kansa", "/centre/audit/journal")
    yield Stop("audit-record", "kansa", "/centre/audit/journal/1")
    yield Stop("audit-deeds", "kansa", "/centre/audit/deeds")
    yield Stop("audit-case", "kansa", f"/centre/audit/cases/{found['delivered']}")
    yield Stop("refused", "kansa", "/cases/new", status=403)


def _send_too_soon(desk: Desk) -> None:
    """Send a form of which a few fields are filled."""
    desk.write("code", "12345678900")
    desk.write("name", "葛城 みどり")
    with desk.refused(422):
        desk.send("/cases/new")


def _search(desk: Desk) -> None:
    desk.write("words", "見本")
    desk.send("/cases")


def _open_requests(desk: Desk) -> None:
    desk.page.locator('a[href^="/requests/"]').first.click()
    desk.page.wait_for_url("**/requests/*")


def _unfold(desk: Desk) -> None:
    """Open what is folded in."""
    desk.page.locator("summary").first.click()


def _give_code(desk: Desk) -> None:
    desk.send("/centre/officers/shin/code")


def _verify(desk: Desk) -> None:
    desk.send("/centre/audit/verify")
