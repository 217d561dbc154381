"""A small world of japan-2016 with windows, local governments and the centre, served for browsers at localhost."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from bridge.crossing.edition import edition_text
from ca.model import CertificateKind, OfficerId
from front.assembly import open_world
from front.demo.people import invented_code
from front.demo.served import free_port
from front.signing_in.enrolment import new_code
from tests import commands, served_world
from tests.small_edition import SEED, TOKYO

EDITIONS = Path(__file__).parent.parent / "bridge" / "editions"
MUNICIPALITIES = (TOKYO, "312011")
START = datetime(2016, 2, 1, 1, tzinfo=UTC)
LOCAL = "local-2"

FIRST = "ito"
"""The first operator, whose code is made on the machine itself."""
OFFICERS: Mapping[str, tuple[str, str, str]] = {
    FIRST: ("centre", "operator", "伊藤 操"),
    "endo": ("centre", "operator", "遠藤 運"),
    "tanaka": ("centre", "approver", "田中 認"),
    "saito": ("centre", "centre-examiner", "斎藤 査"),
    "kansa": ("centre", "auditor", "神田 監"),
    "sato": (TOKYO, "reception", "佐藤 花"),
    "suzuki": (TOKYO, "examiner", "鈴木 審"),
    "takagi": (TOKYO, "examiner", "髙木 𠮷子"),
    "hirano": (TOKYO, "examiner", "平野 尋"),
    "uke": (LOCAL, "reception", "受川 実"),
    "shin": (LOCAL, "examiner", "新谷 調"),
}
"""Office, role and name."""

PERSON = {
    "code": str(invented_code(1)),
    "birth_date": "昭和60年4月1日",
    "name": "試験 花子",
    "address": "試験町1-2-3",
    "card_number": "HANAKO0001",
    "card_expires": "2025-04-01",
    "licence": "2018-05-01",
}
"""What a resident of Chiyoda-ku says at the window, as it is typed there."""


@dataclass
class Offices:
    """The served world.

    Attributes:
        home: Its folder; it may be changed by commands while it is served.
        begins: Its moment when it was made.
    """

    home: Path
    port: int
    begins: datetime = START
    epoch: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def origin(self) -> str:
        """Where browsers find it."""
        return f"http://localhost:{self.port}"

    def now(self) -> datetime:
        """The world's moment."""
        return self.begins + (datetime.now(UTC) - self.epoch)

    def told(self, *arguments):
        """What a command in the home says, as JSON."""
        return commands.done(commands.run(*arguments, "--home", self.home, "--json")).json

    def add(self, *officer_ids: str) -> None:
        """Make officers known by commands."""
        for officer_id in officer_ids:
            office, role, name = OFFICERS[officer_id]
            self.told("officer", "add", officer_id, "--office", office, "--role", role, "--name", name)

    def first_code(self) -> str:
        """A code for the first operator."""
        return self.told("officer", "code", FIRST)["code"]

    def code(self, officer_id: str, made_by: str = FIRST) -> str:
        """A code for an officer, as the page of officers gives it."""
        with open_world(self.home, str) as world, world.stores.nation.writing() as connection:
            return new_code(connection, officer_id, OfficerId(made_by), world.clock())

    def cases(self) -> dict[str, str]:
        """The state of every case."""
        return {row["case"]: row["state"] for row in self.told("case", "list")}

    def history(self, case: str) -> list[tuple[str, str]]:
        """Who did what in a case."""
        steps = [step.split() for step in self.told("case", "show", case)["steps"]]
        return [(step, officer) for step, _, officer, *_ in steps]


@cache
def _template() -> tuple[Path, int]:
    """A fresh home of this process, and the port at which it is to be served."""
    folder = Path(tempfile.mkdtemp(prefix="kakehashi-offices-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "edition.toml").write_bytes(edition_text("japan-2016")[1])
    heading, *rows = (EDITIONS / "municipalities.csv").read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if row.startswith(MUNICIPALITIES)]
    (folder / "municipalities.csv").write_text("\n".join([heading, *kept, ""]), encoding="utf-8")
    port = free_port()
    making = ("--edition", folder / "edition.toml", "--test-keys", "--seed", SEED)
    where = ("--url", f"http://localhost:{port}", "--home", folder / "home")
    commands.done(commands.run("init", *making, *where))
    return folder / "home", port


def offices(folder: Path, begins: datetime = START) -> Offices:
    """A fresh world in this folder, whose clock runs from this moment on."""
    template, port = _template()
    shutil.copytree(template, folder)
    made = Offices(folder, port, begins)
    text = (folder / "home.toml").read_text(encoding="utf-8")
    clock = f"[clock]\nstart = {begins.isoformat()}\nepoch = {made.epoch.isoformat()}\nspeed = 1.0\n"
    (folder / "home.toml").write_text(text.partition("[clock]")[0] + clock, encoding="utf-8")
    return made


@contextmanager
def open_to_browsers(world: Offices) -> Iterator[Offices]:
    """The world served by ``kakehashi serve``, with its worker."""
    home = served_world.Home(world.home, {}, world.epoch)
    with served_world.served(home, port=world.port):
        yield world


@dataclass(frozen=True)
class Plastic:
    """A resident's card, in software, used by the commands of ``kakehashi card``."""

    folder: Path
    home: Path
    number: str = PERSON["card_number"]

    PINS = {CertificateKind.SIGNATURE: "Kakehashi7", CertificateKind.USER_AUTHENTICATION: "2718"}  # noqa: RUF012

    def told(self, command: str, *arguments):
        """What a command of the card says."""
        world = ("--card", self.folder / "card", "--home", self.home, "--json")
        return commands.done(commands.run("card", command, *arguments, *world)).json

    def make(self) -> dict[CertificateKind, Path]:
        """Make the card; gives the requests of its keys."""
        self.folder.mkdir()
        for kind, pin in self.PINS.items():
            self.pin(kind).write_text(f"{pin}\n")
        signature, authentication = map(self.pin, self.PINS)
        self.told(
            "new", "--number", self.number, "--signature-pin-file", signature, "--authentication-pin-file",
            authentication, "--unlock-code-file", self.folder / "unlock",
        )  # fmt: skip
        requests = {kind: self.folder / f"{kind}.csr" for kind in self.PINS}
        for kind, path in requests.items():
            self.told("csr", "--kind", kind, "--pin-file", self.pin(kind), "--out", path)
        return requests

    def take(self, kind: CertificateKind, certificate: Path) -> None:
        """Take a certificate into the card."""
        self.told("load", certificate, "--pin-file", self.pin(kind))

    def sign(self, file: Path) -> Path:
        """Sign a file; gives the signature's."""
        self.told("sign", file, "--pin-file", self.pin(CertificateKind.SIGNATURE))
        return Path(f"{file}.p7s")

    def states(self) -> dict[str, str]:
        """How the certificates stand, by the responders that they name."""
        pin = self.pin(CertificateKind.SIGNATURE)
        return {
            row["kind"]: row["state"]
            for row in self.told("info", "--signature-pin-file", pin)["applications"]
        }

    def pin(self, kind: CertificateKind) -> Path:
        """The file with a PIN."""
        return self.folder / f"{kind}.pin"
