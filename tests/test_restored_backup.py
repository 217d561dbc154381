"""A home lives on after its databases were copied aside; then the old ones are put back. By the commands, as people do it.

Nothing that ended lives again, no serial is forgotten, certificates are the same to the octet, and the responder and the
lists say what they said. One authority has a database of its own; journal and archive have a mirror.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from asn1crypto import pem

from ca.model import CertificateId
from front.assembly import open_world
from front.demo.people import invented_code
from tests import commands
from tests.batch_files import row, sent, write_zip
from tests.commands import done, refused
from tests.feed_files import feed_file
from tests.many_hands import FILES, approved
from tests.read_lists import ReadList, newest_lists
from tests.served_world import Home, Judge, Served, change, home_on, served

OWN = ("--authority-database", "jpki-31=sqlite:///tottori.db")
OFFICER = ("--officer", "ito")


def run(home: Home, *words: object) -> commands.Outcome:
    return done(commands.run(*words, "--home", home.folder, "--json"))


def rows(home: Home, query: str) -> list[tuple]:
    """What all of a home's databases say."""
    found: list[tuple] = []
    for name in FILES:
        with closing(sqlite3.connect(home.folder / name)) as connection:
            found += connection.execute(query).fetchall()
    return sorted(found)


RECORDED = {
    "certificates": "SELECT generation, serial, kind, scope, state, not_after FROM certificates",
    "bytes": "SELECT * FROM certificate_bytes",
    "holdings": "SELECT * FROM holdings",
    "revocations": "SELECT * FROM revocations",
    "events": "SELECT * FROM register_events",
    "codes": "SELECT * FROM resident_codes",
    "quarantine": "SELECT * FROM quarantine",
    "orders": "SELECT * FROM orders",
    "steps of orders": "SELECT * FROM order_steps",
    "names of orders": "SELECT * FROM order_certificates",
    "keys of clients": "SELECT digest, revoked_at FROM client_keys",
}


@dataclass(frozen=True)
class Said:
    """What a home says of what happened in it.

    Attributes:
        recorded: What the databases say of all that has to outlive them.
        answers: What ``openssl ocsp`` is told of each holder's certificate.
        lists: What the newest lists say.
    """

    recorded: dict[str, list[tuple]]
    answers: dict[str, str]
    lists: dict[Path, ReadList]

    @classmethod
    def by(cls, server: Served, folder: Path) -> Said:
        """Ask a served home."""
        home = server.home
        recorded = {name: rows(home, query) for name, query in RECORDED.items()}
        encoded = {f"{generation}:{serial.hex()}": one for generation, serial, one in recorded["bytes"]}
        judge = Judge(server, folder)
        answers = {}
        for generation, serial, *_ in rows(home, "SELECT generation, serial FROM holdings"):
            certificate = f"{generation}:{serial.hex()}"
            text = pem.armor("CERTIFICATE", encoded[certificate]).decode()
            answers[certificate] = judge.status({"certificate": certificate, "pem": text})
        return cls(recorded, answers, newest_lists(home.folder / "repository"))


class Life:
    """A home that has lived on since its databases were copied; each test begins at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = home_on(folder / "home", *OWN, "--journal-mirror", str(folder / "mirror"))
        self.receipts: list[Path] = []
        self.feeds: list[Path] = []
        first = [self.issue(number) for number in range(4)]
        self.tell(self.change("lost", 0), self.change("moved-out", 1), self.change("lost", 2))
        self.revoke(first[3], "certificateHold")
        self.order("--municipality", "312011", "--hold")
        for _ in range(2):
            self.order("--office", "131016", "--reason", "cessationOfOperation")
        self.key = run(self.home, "client", "add", "chiyoda", "--feed", "chiyoda").json["key"]
        run(self.home, "list", "publish")
        self.copy("before", FILES)
        for number, step in enumerate(("pause", "cancel"), 2):
            run(self.home, "order", step, number, *OFFICER)
        for name in ("chiyoda", "sato"):
            run(self.home, "client", "revoke", name)
        second = [self.issue(number) for number in range(4, 8)]
        run(self.home, "order", "run")
        self.tell(self.change("found", 0), self.change("died", 2), self.change("key-compromised", 1))
        self.tell(self.change("resident-code-changed", 4, new_code=str(invented_code(44))))
        self.tell(
            self.change("card-returned", 44), self.change("moved-out", 5, effective="2014-12-01T00:00:00Z")
        )
        self.tell({**self.change("died", 5), "event": "lost-0"})
        run(self.home, "quarantine", "resolve", 1, "--decision", "end", *OFFICER)
        self.revoke(first[3], "keyCompromise")
        self.revoke(second[2], "superseded")
        self.batch(*(row(number) for number in (300, 301)))
        self.order("--municipality", "131016", "--hold")
        run(self.home, "order", "run")
        ids = folder / "ids.txt"
        ids.write_text("\n".join(second[0]))
        self.order("--serials", ids, "--reason", "superseded")
        run(self.home, "order", "pause", 5, *OFFICER)
        run(self.home, "list", "publish")
        with served(self.home) as server:
            self.said = Said.by(server, folder)
            assert server.stop() == 0
        self.copy("after", FILES)
        shutil.copytree(self.home.folder, folder / "whole")
        shutil.copytree(folder / "mirror", folder / "whole-mirror")

    def reset(self) -> None:
        """As it was at the end."""
        for name, source in (("home", "whole"), ("mirror", "whole-mirror")):
            shutil.rmtree(self.folder / name)
            shutil.copytree(self.folder / source, self.folder / name)

    def copy(self, name: str, files: tuple[str, ...]) -> None:
        (self.folder / name).mkdir()
        for file in files:
            shutil.copy(self.home.folder / file, self.folder / name / file)

    def put_back(self, *files: str) -> None:
        """Put back the databases of before."""
        for file in files:
            for beside in self.home.folder.glob(f"{file}-*"):
                beside.unlink()
            shutil.copy(self.folder / "before" / file, self.home.folder / file)

    def issue(self, number: int) -> list[str]:
        """Certificates for somebody, of Tokyo and of Tottori in turn."""
        with open_world(self.home.folder, str) as world:
            case = approved(world, number, 20_000 + 2 * number)
            made = world.registration.issue(case, "ito", at=world.clock())
        return [str(item.id) for item in made]

    def change(self, kind: str, number: int, **others: str) -> dict:
        return change(self.home, kind, str(invented_code(number)), f"{kind}-{number}", **others)

    def tell(self, *changes: dict) -> None:
        number = len(self.feeds) + 1
        feed, receipt = (self.folder / f"{name}-{number}" for name in ("feed", "receipt"))
        feed.write_bytes(feed_file(*changes, sequence=number))
        run(self.home, "events", "apply", feed, "--receipt", receipt)
        self.feeds.append(feed)
        self.receipts.append(receipt)

    def revoke(self, certificates: list[str], reason: str) -> None:
        for certificate in certificates:
            receipt = self.folder / f"receipt-{certificate[-8:]}-{reason}"
            run(self.home, "revoke", certificate, "--reason", reason, *OFFICER, "--receipt", receipt)
            self.receipts.append(receipt)

    def order(self, *words: object) -> None:
        made = run(self.home, "order", "make", *words, *OFFICER).json
        run(self.home, "order", "approve", made["order"], "--officer", "endo")

    def batch(self, *people: dict[str, str]) -> None:
        cards = write_zip(self.folder / "cards.zip", sent(people, 10_000))
        roles = ("--approver", "tanaka", "--operator", "ito")
        words = ("batch", cards, *roles, "--out", self.folder / "out", "--processes", 1)
        done(commands.kakehashi(*words, "--home", self.home.folder))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path_factory.mktemp("lived"))


@pytest.fixture
def life(lived: Life) -> Life:
    lived.reset()
    return lived


def lose(*names: str) -> Callable[[Life], None]:
    """Lose these folders of the home; the mirror has its own."""

    def remove(life: Life) -> None:
        for name in names:
            shutil.rmtree(life.home.folder / name)

    return remove


def whole(_: Life) -> None:
    """Lose nothing more."""


@pytest.mark.parametrize(
    ("files", "lost"),
    [
        pytest.param(FILES, lose("journal", "archive"), marks=pytest.mark.long),
        pytest.param(FILES[:1], whole, marks=pytest.mark.long),
        pytest.param(FILES[1:], whole, marks=pytest.mark.long),
        pytest.param(FILES, whole, marks=pytest.mark.long),
        pytest.param(FILES[1:], lose("journal"), marks=pytest.mark.long),
    ],
    ids=["both, and the journal", "the nation's", "Tottori's", "both", "Tottori's, and the journal"],
)
def test_what_a_replay_gives_back(life: Life, tmp_path: Path, files, lost) -> None:
    life.put_back(*files)
    lost(life)
    before = {name: rows(life.home, query) for name, query in RECORDED.items()}
    assert before != life.said.recorded
    told = done(commands.kakehashi("journal", "replay", "--home", life.home.folder, "--json")).json
    assert told["records_carried_out"] > 10
    repository = life.home.folder / "repository"
    for folder in (life.home.folder / "journal", life.folder / "mirror" / "journal"):
        run(life.home, "journal", "verify", folder, "--heads", repository)
    with served(life.home) as server:
        require_same(life, Said.by(server, tmp_path))
        require_goes_on(life, server)


def require_same(life: Life, now: Said) -> None:
    """The home says what it said; its lists may be newer, and say the same."""
    for name, said in life.said.recorded.items():
        assert now.recorded[name] == said, name
    assert now.answers == life.said.answers
    assert set(now.answers.values()) == {"good", "revoked"}
    assert now.lists.keys() == life.said.lists.keys()
    for path, read in now.lists.items():
        assert read.number >= life.said.lists[path].number
        assert read.entries == life.said.lists[path].entries


def require_goes_on(life: Life, server: Served) -> None:
    """Receipts hold, what was told is known, and nothing is given twice."""
    anchor = life.home.folder / "repository" / "g" / "gpki-bca.g1" / "self.cer"
    at = f"{life.home.now():%Y-%m-%dT%H:%M:%SZ}"
    for receipt in life.receipts:
        words = ("receipt", "check", receipt, "--url", server.url, "--trust", anchor, "--at", at)
        found = run(life.home, *words, "--journal", life.home.folder / "journal").json
        assert {one["verdict"] for one in found if one["where"] == "journal"} <= {"confirmed"}
    for feed in life.feeds:
        outcomes = run(life.home, "events", "apply", feed).json
        assert {one["outcome"] for one in outcomes} == {"replayed"}
    for certificate, answer in life.said.answers.items():
        run(life.home, "explain", certificate)
        if answer == "revoked":
            again = ("revoke", certificate, "--reason", "certificateHold", *OFFICER)
            refused(commands.run(*again, "--home", life.home.folder), "already")
    assert run(life.home, "order", "run").json == [], "what was paused or given up runs again"
    states = {one["order"]: one["state"] for one in run(life.home, "order", "list").json}
    assert states == {1: "done", 2: "paused", 3: "cancelled", 4: "done", 5: "paused"}
    assert "paused by ito at 2014" in run(life.home, "order", "show", 2).json["steps"][-1]
    server.post("/api/events", feed_file(), key=life.key).problem(401, "was revoked")
    server.get("/api/cases/131016-000001", key="sato").problem(401, "was revoked")
    spent = {serial for _, serial, *_ in life.said.recorded["certificates"]}
    cases = dict(rows(life.home, "SELECT serial, application FROM certificates"))
    for number in (8, 9):
        for made in map(CertificateId.parse, life.issue(number)):
            assert made.serial.octets not in spent
            case = dict(rows(life.home, "SELECT serial, application FROM certificates"))[made.serial.octets]
            assert case not in cases.values(), "the number of a case that a copy forgot is given again"
    made = run(life.home, "order", "make", "--municipality", "312011", "--hold", *OFFICER).json
    assert made["order"] == 6


@pytest.mark.parametrize(
    "words",
    [
        ("list", "publish"),
        pytest.param(("events", "apply"), marks=pytest.mark.long),
        pytest.param(("revoke",), marks=pytest.mark.long),
        pytest.param(("order", "run"), marks=pytest.mark.long),
        pytest.param(("serve",), marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_whatever_comes_first_brings_the_databases_forward(life: Life, tmp_path: Path, words) -> None:
    """Nobody has to know of the replay: no command works on a database that has forgotten."""
    life.put_back(*FILES)
    if words == ("events", "apply"):
        words = (*words, life.feeds[-1])
    elif words == ("revoke",):
        revoked = next(one for one, answer in life.said.answers.items() if answer == "revoked")
        refused(
            commands.run(
                "revoke", revoked, "--reason", "certificateHold", *OFFICER, "--home", life.home.folder
            ),
            "already",
        )
        words = ("list", "publish")
    if words != ("serve",):
        run(life.home, *words)
        read = newest_lists(life.home.folder / "repository")
        for path, said in life.said.lists.items():
            assert read[path].number >= said.number
            assert read[path].entries == said.entries
    with served(life.home) as server:
        require_same(life, Said.by(server, tmp_path))


def test_a_journal_that_ends_before_the_databases_is_refused(life: Life) -> None:
    """The other way round: databases of today beside a journal of yesterday, and a mirror that is lost."""
    (segment,) = (life.home.folder / "journal").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-3]))
    mirror = life.folder / "mirror" / "journal"
    (mirror / segment.name).unlink()
    before = newest_lists(life.home.folder / "repository")
    for words in (("journal", "replay"), ("list", "publish"), ("events", "apply", life.feeds[0])):
        refused(commands.run(*words, "--home", life.home.folder), "journal")
    assert newest_lists(life.home.folder / "repository") == before
    found = commands.run(
        "journal", "verify", "--heads", life.home.folder / "repository", "--home", life.home.folder
    )
    refused(found, "its end was cut off")
    assert json.loads((life.home.folder / "repository" / "journal" / "head.json").read_text())[
        "count"
    ] == len(lines)
