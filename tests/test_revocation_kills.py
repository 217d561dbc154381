"""Sudden death of whoever tells, ends, issues and publishes, all at once in one world, again and again.

A register tells of events (by command and through the inbox), officers revoke, order, pause and decide cases, windows
have certificates issued, workers publish lists with deltas and the journal's heads. SIGKILL takes one of them, or all.
Whenever nobody is left, the journal, the databases, the lists and whatever anybody was told have to agree. One
authority has a database of its own; journal and archive have a mirror.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Self

import pytest

from tests import rings
from tests.engine_world import Running
from tests.many_hands import ROLES, failures, lively_home, told
from tests.read_lists import Eyes
from tests.whole_world import Wholeness


class Hands:
    """Everybody who works in a home, each in a process of its own, to be killed."""

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
            self.deaths += 1

    def wait_for_work(self, role: str, eyes: Eyes) -> None:
        """Until this one has got something done since now, and some moment longer."""
        before, deadline = told(self.home, role), time.monotonic() + 60
        while told(self.home, role) == before:
            assert failures(self.home) == []
            assert time.monotonic() < deadline, f"nothing comes of the {role}'s work"
            eyes.look()
            time.sleep(0.02)
        time.sleep(self.dice.uniform(0.0, 0.3))

    def deal_out(self, deaths: int, whole: Wholeness, eyes: Eyes) -> None:
        """Kill one of them or all, so many times; look through everything whenever nobody is left, and at the end."""
        self.start(*ROLES)
        while self.deaths < deaths:
            role = self.dice.choice([*ROLES, "worker"])
            self.wait_for_work(role, eyes)
            if self.dice.random() < 0.3:
                self.kill(*ROLES)
                whole.require(eyes)
                self.start(*ROLES)
            else:
                self.kill(role)
                self.start(role)
        for role in ROLES:
            self.wait_for_work(role, eyes)
        self.kill(*ROLES)
        whole.require(eyes)


@pytest.mark.deeper
def test_death_at_any_moment_while_everybody_works(tmp_path: Path) -> None:
    """And in the midst of it the databases of the beginning are put back, and the main copy of the journal is lost."""
    home = lively_home(tmp_path)
    whole, eyes = Wholeness(home, tmp_path / "as-it-was"), Eyes(home)
    with Hands(home, seed=8) as hands:
        hands.deal_out(rings.KILLS // 2, whole, eyes)
        whole.put_back()
        whole.require(eyes)
        hands.deal_out(rings.KILLS, whole, eyes)
    whole.require_word_kept()
    whole.require_any_copy_catches_up()
