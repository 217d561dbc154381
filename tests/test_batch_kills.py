"""Sudden death of a batch's processes at any moment, again and again, until the same command has done it all.

Whatever died: every row has one answer a kind, every certificate of the results is in its database and no other is,
and what came out is what comes out when nobody dies.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import pytest
from asn1crypto import pem
from sqlalchemy import select

from ca.model import RESIDENT_KINDS, CertificateId, GenerationId, Serial
from ca.store import batches
from ca.store.certificates import CertificateState
from ca.store.tables import certificates, holdings
from front.assembly import open_world
from front.demo.people import invented_code
from tests import commands, rings
from tests.batch_files import Row, results, row, sent, write_zip
from tests.commands import done
from tests.served_world import Home, _command, born, descendants, home_on, served, small_home, wait_until
from tests.test_cycle import require_signed
from tests.test_served_kills import Clients, nothing_is_lost_or_doubled

HOLDERS = 40
"""Who ask for certificates; between them stand rows that cost little, so that there are groups enough."""
GROUPS = 8
FIRST_KEY = 15_000  # the clients of a served world count from 0
DEATHS = 8 if rings.KILLS <= 20 else rings.KILLS
"""Each costs the start of a command."""
OWN = (
    "--authority-database",
    "jpki-13=sqlite:///tokyo.db",
    "--authority-database",
    "jpki-31=sqlite:///tottori.db",
)
VICTIMS = ("the parent", "a worker", "all")


def rows() -> list[Row]:
    """A few holders to each group; some are refused, and one comes twice."""
    holders = [row(number, code=str(invented_code(5_000_000_000 + number))) for number in range(HOLDERS)]
    nobody = [{**one, "signature_csr": "", "user_authentication_csr": ""} for one in holders]
    made = [
        one
        for first, other in zip(holders, nobody, strict=True)
        for one in (first, *[other] * (GROUPS * 512 // HOLDERS))
    ]
    made[5] = made[0]  # in one group with it, so that it is always the later one
    return made


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_zip(tmp_path_factory.mktemp("cards") / "cards.zip", sent(rows(), FIRST_KEY))


def command(home: Path, cards: Path, out: Path) -> tuple[object, ...]:
    roles = ("--approver", "tanaka", "--operator", "ito")
    return ("batch", cards, *roles, "--out", out, "--home", home, "--processes", 2, "--json")


def essence(found: list[Row]) -> list[tuple[str, ...]]:
    """What does not change with chance and time."""
    return [
        (one["row"], one["reference"], one["kind"], one["outcome"], one["file"], one["problem"])
        for one in found
    ]


@pytest.fixture(scope="module")
def undisturbed(cards: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, ...]]:
    """What comes out when nobody dies."""
    folder = tmp_path_factory.mktemp("undisturbed")
    home = small_home(folder / "home")
    told = done(commands.kakehashi(*command(home.folder, cards, folder / "out"))).json
    assert told["answered"] == told["holders"] == len(rows())
    found = essence(results(folder / "out"))
    outcomes = Counter(outcome for _, _, _, outcome, _, _ in found)
    assert outcomes["issued"] == 2 * sum(number % 3 < 2 for number in range(HOLDERS))
    assert outcomes["refused"] > outcomes["issued"]
    return found


class Run:
    """The command in processes of its own, to be killed."""

    def __init__(self, *arguments: object) -> None:
        self.process = commands.started(*arguments)
        self.family: dict[int, str | None] = {}

    def alive(self) -> list[int]:
        """The processes that it has started and that live still."""
        if self.process.poll() is None:
            self.family |= descendants(self.process.pid)
        return [pid for pid, at in self.family.items() if born(pid) == at]

    def workers(self) -> list[int]:
        """Those of them that issue; there is one more, which keeps count of what they share."""
        return [pid for pid in self.alive() if "spawn_main" in _command(pid)]

    def kill(self, victim: str, dice: random.Random) -> None:
        """SIGKILL for some of it, if it runs still."""
        below, workers = self.alive(), self.workers()
        chosen = {
            "the parent": [self.process.pid],
            "a worker": [dice.choice(workers)] if workers else [],
            "all": [self.process.pid, *below],
        }[victim]
        for pid in chosen:
            if pid != self.process.pid or self.process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def end(self) -> int:
        """Wait for the command itself; what it started may live on for a moment."""
        self.alive()
        return self.process.wait(60)


def killed_until_done(
    home: Home, cards: Path, out: Path, deaths: Iterator[int], dice: random.Random, *, early: int = 0
) -> Counter[str]:
    """Run the command and kill it, until it has come to its end; gives who was killed how often.

    So many runs are killed before they can end; the others may be.
    """
    killed: Counter[str] = Counter()
    runs: list[Run] = []
    with ExitStack() as stack:
        while True:
            run = Run(*command(home.folder, cards, out))
            stack.callback(run.process.wait)
            stack.callback(run.kill, "all", dice)
            runs.append(run)
            before = answered(home)
            victim = VICTIMS[next(deaths) % len(VICTIMS)]
            moments = ["its workers are there"]
            if victim != "a worker":
                moments.append("it has begun")
            if len(runs) > early:
                moments.append("it answers")
            until = dice.choice(moments)
            while run.process.poll() is None and not _reached(run, home, until, before):
                time.sleep(0.002)
            time.sleep(dice.uniform(0.0, 0.15))
            ended = run.process.poll()
            if ended is None:
                run.kill(victim, dice)
                ended = run.end()
            if ended == 0:
                break
            killed[victim] += 1
            if dice.random() < 0.5:
                wait_until(lambda run=run: not run.alive(), "what lost its parent ends by itself")
        wait_until(lambda: not any(run.alive() for run in runs), "no process is left")
    return killed


def _reached(run: Run, home: Home, until: str, before: int) -> bool:
    if until == "it has begun":
        return True
    if until == "its workers are there":
        return len(run.workers()) == 2
    return answered(home) > before


def answered(home: Home) -> int:
    ((found,),) = home.rows("SELECT count(*) FROM batch_answers")
    return int(found)


def require_whole(home: Home, out: Path) -> None:
    """Answers, certificates, holdings and results agree, and all of it is signed."""
    found = results(out)
    with open_world(home.folder, lambda: "") as world:
        assert world.issuers, "what was left open is signed"
        ((batch,),) = home.rows("SELECT batch FROM batches")
        held, made = set(), {}
        for store in world.stores.each():
            with store.reading() as connection:
                mine = certificates.c.kind.in_(RESIDENT_KINDS) & certificates.c.application.is_(None)
                for one in connection.execute(select(certificates).where(mine)):
                    certificate = CertificateId(GenerationId.parse(one.generation), Serial.of(one.serial))
                    assert certificate not in made, "in two databases"
                    made[certificate] = one
        with world.stores.nation.reading() as connection:
            answers = list(batches.answers(connection, batch))
            for one in connection.execute(select(holdings)):
                held.add(CertificateId(GenerationId.parse(one.generation), Serial.of(one.serial)))
        answered_with = [answer.certificate for answer in answers if answer.certificate is not None]
        assert len({(answer.row, answer.kind) for answer in answers}) == len(answers)
        assert len(set(answered_with)) == len(answered_with)
        assert set(answered_with) == made.keys() <= held
        assert {one.state for one in made.values()} == {CertificateState.ISSUED}
        by_row = {(str(answer.row), str(answer.kind)): answer for answer in answers}
        assert by_row.keys() == {(one["row"], one["kind"]) for one in found}
        for record in world.stores.certificates(answered_with):
            require_signed(world, record)
        for one in found:
            certificate = by_row[one["row"], one["kind"]].certificate
            assert one["certificate"] == ("" if certificate is None else str(certificate))
            if certificate is not None:
                (record,) = world.stores.certificates([certificate])
                assert pem.unarmor((out / one["file"]).read_bytes())[2] == record.encoded


def deal_out(
    make, cards: Path, folder: Path, undisturbed: list[tuple[str, ...]], deaths: int, seed: int
) -> None:
    """Kill one batch after another, until so many have died."""
    dice, numbers, killed = random.Random(seed), count(), Counter()
    for number in count():
        home, out = make(folder / f"home-{number}"), folder / f"out-{number}"
        killed += killed_until_done(home, cards, out, numbers, dice)
        require_whole(home, out)
        assert essence(results(out)) == undisturbed
        shutil.rmtree(home.folder)
        if killed.total() >= deaths:
            break
        assert number < deaths, "they end before they can be killed"
    assert killed.keys() == set(VICTIMS)


@pytest.mark.long
def test_death_at_any_moment(cards: Path, tmp_path: Path, undisturbed: list[tuple[str, ...]]) -> None:
    deal_out(small_home, cards, tmp_path, undisturbed, DEATHS, 11)


@pytest.mark.long
def test_death_at_any_moment_with_databases_apart(
    cards: Path, tmp_path: Path, undisturbed: list[tuple[str, ...]]
) -> None:
    deal_out(lambda folder: home_on(folder, *OWN), cards, tmp_path, undisturbed, DEATHS // 2, 12)


@pytest.mark.long
def test_death_beside_a_server_that_issues(
    cards: Path, tmp_path: Path, undisturbed: list[tuple[str, ...]]
) -> None:
    dice, numbers, killed = random.Random(13), count(), Counter()
    home = small_home(tmp_path / "home")
    with served(home) as server:
        with Clients(server) as clients:
            clients.busy()
            killed += killed_until_done(home, cards, tmp_path / "out", numbers, dice, early=4)
            ledger = clients.stop()
        wait_until(home.lists_agree, "the lists follow")
        assert server.stop() == 0
    assert killed.total() >= 2
    require_whole(home, tmp_path / "out")
    assert essence(results(tmp_path / "out")) == undisturbed
    nothing_is_lost_or_doubled(home, ledger)
