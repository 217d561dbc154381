"""Sudden death of whoever tells, ends, issues and publishes, all at once in one world, again and again.

A register tells of events (by command and through the inbox), officers revoke, order, pause and decide cases, windows
have certificates issued, workers publish lists with deltas and the journal's heads. SIGKILL takes one of them, or all:
at a moment that is drawn, or that the process itself has come to (tests/sudden_death.py). Whenever nobody is left, the
journal, the databases, the lists and whatever anybody was told have to agree. One authority has a database of its own;
journal and archive have a mirror.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from signal import SIGKILL
from typing import Self

import pytest

from tests import rings
from tests.engine_world import Running
from tests.many_hands import ROLES, failures, lively_home, told
from tests.read_lists import Eyes
from tests.whole_world import Wholeness

ROUNDS = max(3, rings.KILLS // 20)
"""How often, in the midst of it, older databases are put back."""


class Hands:
    """Everybody who works in a home, each in a process of its own, to be killed, or to die as it carries in itself."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.dice = home, random.Random(seed)
        self.running: dict[str, Running] = {}
        self.deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill(*list(self.running))

    def start(self, *roles: str) -> None:
        for role in roles:
            self.running[role] = Running(ROLES[role], self.home, self.dice.getrandbits(32))

    def kill(self, *roles: str) -> None:
        for role in roles:
            self.running.pop(role).kill()

    def wait_for_work(self, role: str, eyes: Eyes) -> list[str]:
        """Until this one has got something done since now, and some moment longer; or until somebody dies: who did."""
        before, deadline = told(self.home, role), time.monotonic() + 60
        while told(self.home, role) == before:
            if died := [one for one, process in self.running.items() if not process.runs()]:
                assert {self.running.pop(one).wait() for one in died} == {-SIGKILL}, failures(self.home)
                return died
            assert failures(self.home) == []
            assert time.monotonic() < deadline, f"nothing comes of the {role}'s work"
            eyes.look()
            time.sleep(0.02)
        time.sleep(self.dice.uniform(0.0, 0.3))
        return []

    def deal_out(self, deaths: int, whole: Wholeness, eyes: Eyes) -> None:
        """Have somebody die, so many times; now and then all others too, and then all is looked through. None is left."""
        self.start(*ROLES)
        while self.deaths < deaths:
            role = self.dice.choice([*ROLES, "worker"])
            died = self.wait_for_work(role, eyes)
            if not died:
                self.kill(role)
                died = [role]
            self.deaths += len(died)
            if self.dice.random() < 0.3:
                self.deaths += len(self.running)
                self.kill(*list(self.running))
                whole.require(eyes)
            self.start(*(ROLES.keys() - self.running.keys()))
        self.kill(*list(self.running))


@pytest.mark.deeper
def test_death_at_any_moment_while_everybody_works(tmp_path: Path) -> None:
    """And in the midst of it older databases are put back just when the main copy of the journal is lost."""
    home = lively_home(tmp_path)
    whole, eyes = Wholeness(home), Eyes(home)
    with Hands(home, seed=8) as hands:
        for number in range(1, ROUNDS + 1):
            hands.deal_out(rings.KILLS * number // ROUNDS, whole, eyes)
            whole.put_back()
            whole.require(eyes)
            whole.keep()
        hands.start(*ROLES)
        for role in ROLES:
            while hands.wait_for_work(role, eyes):
                hands.start(*(ROLES.keys() - hands.running.keys()))
        hands.kill(*ROLES)
    whole.require(eyes)
    whole.require_word_kept()
    whole.require_any_copy_catches_up()
