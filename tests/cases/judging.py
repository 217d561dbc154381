"""What every judge is asked and how it answers; and, from fixtures/judges.toml, who the judges are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from bridge.relying.rejection import Reason
from tests.cases.load import FOLDER, Case
from tests.cases.world import BuiltCase

FILE = FOLDER.with_name("judges.toml")


@dataclass(frozen=True)
class Verdict:
    """Accepted or not, and why in the judge's own words, without what hangs on its version, on paths or dates.

    Attributes:
        word: Short: an error's number or name.
        meaning: What the judge says that the word means, if it says so.
    """

    valid: bool
    word: str
    meaning: str = ""


class Judge(Protocol):
    """Somebody who judges cases."""

    def judge(self, cases: Sequence[BuiltCase], workspace: Path) -> Mapping[str, Verdict]:
        """A verdict for each case's id; what it is handed over is written into the workspace."""
        ...

    def version(self) -> str:
        """Who it is on this machine; its entry's name is the beginning of it."""
        ...


class NotAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases of these expected reasons are not for this judge."""

    reasons: tuple[Reason, ...]
    because: str


class JudgeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A judge as it stands in the file.

    Attributes:
        name: Who it is, with the version that the page was made with.
        handed: What it is given, and how it is asked.
        like: Another judge, from which it differs in what it is handed only: what explains that one explains this one.
        because: Why it rightly differs, by key.
    """

    name: str
    handed: str
    like: str | None = None
    not_asked: tuple[NotAsked, ...] = ()
    because: dict[str, str] = {}

    def is_asked(self, case: Case) -> bool:
        """Whether the case is one for this judge."""
        return not any(case.expected.reason in limit.reasons for limit in self.not_asked)


def judge_entries(file: Path = FILE) -> dict[str, JudgeEntry]:
    """Every judge by its key, in the order of the file."""
    return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), dict[str, JudgeEntry])
