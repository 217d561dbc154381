"""Everybody who works in a home at once, each a function for a process of its own that never ends but by SIGKILL.

About every other one carries this death in itself (tests/sudden_death.py). What each is told is written down at once
(``told``), as the receiver of an answer would: what stands there was promised.
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from ca.errors import BadInput, Conflict, CsrRefused, RevocationRefused
from ca.model import RESIDENT_KINDS, CertificateId, GenerationId, RevocationReason
from ca.revoking.deciding import mass
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.order_file import NamedCertificates
from ca.revoking.deciding.quarantine import CaseDecision, resolve
from ca.revoking.feed.files import read_file
from ca.rules.registration import State
from ca.rules.residents import ChangeKind
from ca.store import orders, quarantine
from ca.store import tables as table
from ca.store.orders import By, OrderState, Selection
from front.applicants import ResidentParticulars, resident_of
from front.assembly import World, open_world
from front.demo.people import invented_code
from front.logs import LOGGER
from front.outcomes import outcome_fields
from front.receipts import receipt_of_feed, receipt_of_revocation
from front.worker import Worker
from tests import commands, small_edition
from tests.engine_world import append, csr_for, lines, preload
from tests.feed_files import feed_file
from tests.served_world import START, edition, staff
from tests.small_edition import HANAKO, TOKYO
from tests.sudden_death import mortal
from tests.test_mass_orders import invented

TOTTORI = "312011"
WINDOWS = {TOKYO: ("sato", "suzuki", "東京都千代田区"), TOTTORI: ("kato", "hashi", "鳥取県鳥取市")}
"""Who receives and who examines; Tottori's authority has a database of its own."""
GENERATIONS = (GenerationId.parse("jpki-13.g1"), GenerationId.parse("jpki-31.g1"))
FILES = ("store.db", "tottori.db")
"""Where the nation's database and Tottori's lie in a home."""
SPEED = 3600
"""The home's clock: an hour a second, so that events wait for seconds and lists grow old."""
HOUR = timedelta(hours=1)
preload(__name__)


def lively_home(folder: Path) -> Path:
    """A fresh home with officers, some residents, and certificates for orders to end, of which some expire soon.

    Beside it lie its mirror and its inbox.
    """
    text = edition() + '\n[lists]\ndelta = true\n\n[lapses]\nfound_lifts = ["user-authentication"]\n'
    (folder / "edition.toml").write_text(text, encoding="utf-8")
    (folder / "inbox").mkdir()
    (folder / "told").mkdir()
    (folder / "outbox").mkdir()
    home = folder / "home"
    making = ("--edition", folder / "edition.toml", "--test-keys", "--seed", small_edition.SEED)
    places = ("--authority-database", "jpki-31=sqlite:///tottori.db", "--journal-mirror", folder / "mirror")
    commands.done(commands.run("init", *making, *places, "--inbox", folder / "inbox", "--home", home))
    staff(home)
    text = (home / "home.toml").read_text(encoding="utf-8")
    clock = f"start = {START.isoformat()}\nepoch = {datetime.now(UTC).isoformat()}\nspeed = {SPEED}.0\n"
    text = small_edition.replaced(text, r"start = .*\nepoch = .*\nspeed = 0\.0\n", clock)
    (home / "home.toml").write_text(text, encoding="utf-8")
    with open_world(home, str) as world:
        for number in range(8):
            world.registration.issue(approved(world, number, 20_000 + 2 * number), "ito", at=world.clock())
            append(told_path(home, "holders"), str(number).encode())
        for generation, town in zip(GENERATIONS, WINDOWS, strict=True):
            for days in (1, 1000):
                invented(
                    world,
                    150,
                    f"signature-{town}",
                    generation=generation,
                    intended=world.clock(),
                    days=days,
                    seed=days,
                )
    return home


def told_path(home: Path, role: str) -> Path:
    """Where somebody writes down what he was told."""
    return home.parent / "told" / role


def told(home: Path, role: str) -> int:
    """How much somebody was told; grows with everything that gets done."""
    path = told_path(home, role)
    return path.stat().st_size if path.exists() else 0


def tellings(home: Path, role: str, after: int = 0) -> list[dict[str, Any]]:
    """What somebody was told, but for so many tellings at the beginning."""
    return [json.loads(line) for line in lines(told_path(home, role))[after:]]


def failures(home: Path) -> list[str]:
    """What went wrong in a process, that should not have."""
    return [line.decode() for line in lines(told_path(home, "failures"))]


@dataclass
class Desk:
    """Somebody's place in an opened home."""

    world: World
    role: str
    dice: random.Random
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.world.home.folder

    def at(self) -> datetime:
        return self.world.clock()

    def holders_code(self) -> str:
        """The code of somebody who holds certificates, or may soon."""
        found = [int(number) for number in lines(told_path(self.home, "holders"))]
        newest = max(found, default=0)
        return str(invented_code(self.dice.choice([*found[-10:], newest + 1, newest + 2])))

    def rest(self) -> None:
        """Leave the others their turn."""
        time.sleep(self.dice.uniform(0, 0.1))

    def tell(self, **what: object) -> None:
        append(told_path(self.home, self.role), json.dumps(what).encode())


@contextmanager
def sitting(home: Path, role: str, seed: int) -> Iterator[Desk]:
    """Sit down in a home; what should not happen is written down."""
    dice = random.Random(seed)
    try:
        if dice.random() < 0.5:
            mortal(dice, told_path(home, "deaths"))
        with open_world(home, str) as world:
            yield Desk(world, role, dice)
    except BaseException:
        append(told_path(home, "failures"), f"{role}: {traceback.format_exc()}".encode())
        raise


# The register


def register(home: Path, seed: int) -> None:
    """Tell of events, file by file; a file that has no answer is sent again."""
    with sitting(home, "register", seed) as desk:
        outbox, inbox = home.parent / "outbox", home.parent / "inbox"
        answered = {one["file"] for one in tellings(home, "register")}
        recent: list[dict[str, str]] = []
        for path in sorted(outbox.glob("*.jsonl")):
            recent += [json.loads(line) for line in path.read_bytes().splitlines()[1:-1]]
            if path.name not in answered:
                send(desk, path)
        while True:
            number = int(max((path.stem[-6:] for path in outbox.iterdir()), default="0")) + 1
            events = [some_event(desk, recent) for _ in range(desk.dice.randint(1, 12))]
            events = list({one["event"]: one for one in events}.values())
            recent = [*recent, *events][-200:]
            path = outbox / f"town-{number:06}.jsonl"
            path.with_suffix(".part").write_bytes(feed_file(*events, feed="town", sequence=number))
            if desk.dice.random() < 0.3:
                os.link(path.with_suffix(".part"), inbox / path.name)  # the worker takes it from there
            path.with_suffix(".part").rename(path)
            send(desk, path)
            desk.rest()


def send(desk: Desk, path: Path) -> None:
    world = desk.world
    with path.open("rb") as stream:
        feed = read_file(stream, path.name, path.name, world.issuers.vault.code_key(), {})
    outcomes = world.events.apply(feed, at=desk.at())
    receipt = receipt_of_feed(world, feed, outcomes, desk.at())
    assert receipt is not None
    desk.tell(file=path.name, outcomes=[outcome_fields(one) for one in outcomes], receipt=receipt.fields())


_KINDS = [*ChangeKind, *[ChangeKind.LOST, ChangeKind.FOUND] * 8]


def some_event(desk: Desk, recent: list[dict[str, str]]) -> dict[str, str]:
    """An event of any kind, past or future; some were told before, or are told otherwise than before."""
    dice, now = desk.dice, desk.at()
    if recent and dice.random() < 0.08:
        again = dice.choice(recent)
        told = ("event", "code", "occurred", "notified", "effective")
        return (
            again if dice.random() < 0.6 else {"kind": ChangeKind.DIED} | {name: again[name] for name in told}
        )
    kind = dice.choice(_KINDS)
    code = desk.holders_code()
    effective = now + dice.uniform(-4, 8) * HOUR
    event = {
        "event": f"event-{dice.getrandbits(60)}",
        "kind": kind,
        "code": code,
        "occurred": (effective - dice.uniform(0, 5) * HOUR).isoformat(),
        "notified": effective.isoformat(),
        "effective": effective.isoformat(),
    }
    if kind is ChangeKind.RESIDENT_CODE_CHANGED:
        another = dice.randrange(10**6, 10**9)
        event["new_code"] = desk.holders_code() if dice.random() < 0.2 else str(invented_code(another))
        if event["new_code"] == code:
            event["new_code"] = str(invented_code(another))
    elif kind is ChangeKind.NOTICE_WITHDRAWN and recent:
        named = dice.choice(recent)
        event |= {"withdraws": named["event"], "code": named["code"]}
    elif kind is ChangeKind.FOUND:
        lost = [one["code"] for one in recent if one["kind"] == ChangeKind.LOST]
        event["code"] = dice.choice([code, *lost[-10:]])
    return event


# The windows


def approved(world: World, number: int, key: int) -> str:
    """The case of the resident of this number, which only waits to be issued."""
    town = list(WINDOWS)[number % len(WINDOWS)]
    reception, examiner, address = WINDOWS[town]
    where = {"municipality": town, "address": f"{address}試験町1-2-3"}
    person = {**HANAKO, "code": str(invented_code(number)), **where}
    one = resident_of(msgspec.convert(person, ResidentParticulars), "somebody")
    csrs = {kind: csr_for(key + place) for place, kind in enumerate(RESIDENT_KINDS)}
    case = world.registration.file(reception, one.resident, csrs, code=one.code, at=world.clock()).case.id
    world.registration.examine(case, examiner, at=world.clock())
    world.registration.approve(case, "tanaka", at=world.clock())
    return case


def window(home: Path, seed: int) -> None:
    """Have certificates issued; what was left approved is issued first."""
    with sitting(home, "window", seed) as desk:
        world = desk.world
        _ = world.issuers
        with world.stores.nation.reading() as connection:
            open_cases = table.applications.c.state.in_([State.APPROVED, State.ISSUING])
            left = connection.execute(table.applications.select().where(open_cases)).all()
        for case in left:
            tell_of(desk, case.application)
        while True:
            with suppress(BadInput, CsrRefused):  # somebody has the key
                number = len(lines(told_path(home, "holders"))) - desk.dice.choice([0, 0, 5])
                case = approved(world, number, desk.dice.randrange(20_000))
                append(told_path(home, "holders"), str(number).encode())
                tell_of(desk, case)


def tell_of(desk: Desk, case: str) -> None:
    """Issue a case, unless the register has told of a change meanwhile."""
    with suppress(Conflict):
        for one in desk.world.registration.issue(case, "ito", at=desk.at()):
            desk.tell(case=case, certificate=str(one.id), sha256=sha256(one.encoded).hexdigest())


# Officers of the centre


def officers(home: Path, seed: int) -> None:
    """Revoke by hand, order, approve, pause, carry out, decide cases."""
    with sitting(home, "officers", seed) as desk:
        works: list[Callable[[Desk], None]] = [
            by_hand,
            by_hand,
            order,
            carry_out,
            carry_out,
            carry_out,
            decide,
        ]
        while True:
            desk.dice.choice(works)(desk)
            desk.rest()


def by_hand(desk: Desk) -> None:
    world = desk.world
    with world.stores.nation.reading() as connection:
        held = connection.execute(table.holdings.select()).all()
    one = desk.dice.choice(held)
    certificate = CertificateId.parse(f"{one.generation}:{one.serial.hex()}")
    reasons = [
        RevocationReason.CERTIFICATE_HOLD,
        RevocationReason.SUPERSEDED,
        RevocationReason.KEY_COMPROMISE,
    ]
    at = desk.at()
    try:
        ended = revoke(
            world.stores,
            certificate,
            desk.dice.choice(reasons),
            "ito",
            at=at,
            invalid_since=at - desk.dice.choice([0, 7]) * HOUR,
        )
    except (RevocationRefused, Conflict):
        desk.tell(refused=str(certificate))
        return
    receipt = receipt_of_revocation(world, ended, desk.at())
    assert receipt is not None
    desk.tell(
        revoked=str(certificate), reason=ended.revocation.reason.word, index=ended.head.count,
        digest=ended.head.digest, receipt=receipt.fields(),
    )  # fmt: skip


def order(desk: Desk) -> None:
    """Order one of a few things to be ended or suspended, if nothing is under way."""
    stores = desk.world.stores
    with stores.nation.reading() as connection:
        if orders.in_state(connection, OrderState.RUNNING, OrderState.PAUSED):
            return
    generation = desk.dice.choice(GENERATIONS)
    town = dict(zip(GENERATIONS, WINDOWS, strict=True))[generation]
    with stores.of(generation.authority).reading() as connection:
        here = table.certificates.c.scope == f"signature-{town}"
        rows = connection.execute(table.certificates.select().where(here)).all()
    ids = tuple(
        CertificateId.parse(f"{one.generation}:{one.serial.hex()}") for one in desk.dice.sample(rows, 25)
    )
    wanted, reason = desk.dice.choice(
        [
            (NamedCertificates("ids", ids), RevocationReason.CESSATION_OF_OPERATION),
            (NamedCertificates("ids", ids), RevocationReason.KEY_COMPROMISE),
            (NamedCertificates("ids", ids), RevocationReason.CERTIFICATE_HOLD),
            (
                Selection(By.PARTITION, f"{generation}/user-authentication-{town}"),
                RevocationReason.CERTIFICATE_HOLD,
            ),
        ]
    )
    made = mass.make(stores, mass.propose(stores, wanted, reason, "ito", at=desk.at()))
    mass.approve(stores, made.number, "endo", at=desk.at())
    desk.tell(ordered=made.number)


def carry_out(desk: Desk) -> None:
    """A small chunk of an order, beside the worker; or let it rest for a while."""
    stores = desk.world.stores
    done = mass.advance(stores, at=desk.at(), chunk=4)
    if done is not None and done.state is OrderState.RUNNING and desk.dice.random() < 0.2:
        with suppress(Conflict):  # the worker has come to its end
            mass.pause(stores, done.number, "endo", at=desk.at())
            mass.resume(stores, done.number, "ito", at=desk.at())
    with stores.nation.reading() as connection:
        paused = orders.in_state(connection, OrderState.PAUSED)
    for one in paused:  # its officer died
        mass.resume(stores, one.number, "ito", at=desk.at())
    desk.tell(carried_out=None if done is None else done.number)


def decide(desk: Desk) -> None:
    world = desk.world
    with world.stores.nation.reading() as connection:
        cases = quarantine.cases(connection)
    if cases:
        case, decision = desk.dice.choice(cases).number, desk.dice.choice(list(CaseDecision))
        with suppress(Conflict):  # who decided it died before the databases knew
            resolve(world.stores, world.plan.lapses, case, decision, "endo", at=desk.at())
            desk.tell(case=case, decision=decision)


# The worker


class _Failures(logging.Handler):
    """What the worker says went wrong."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(logging.ERROR)
        self._desk = desk

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.getMessage()} {getattr(record, 'facts', '')}"
        if record.exc_info:
            text += "".join(traceback.format_exception(*record.exc_info))
        append(told_path(self._desk.home, "failures"), f"worker: {text}".encode())


def worker(home: Path, seed: int) -> None:
    """All jobs in turn, without a pause."""
    with sitting(home, "worker", seed) as desk:
        LOGGER.addHandler(_Failures(desk))
        LOGGER.propagate = False
        made = Worker(desk.world, lease=timedelta(seconds=1))
        for number in count():
            made.once()
            desk.tell(round=number)


ROLES: dict[str, Callable[[Path, int], None]] = {
    "register": register,
    "window": window,
    "officers": officers,
    "worker": worker,
}
