"""Cases as data: fixtures/cases/*.toml, a file a family, become frozen cases. Whatever is not understood is refused.

    about = "..."                                     what the family is about
    [cases.bridge-expired]
    chain = "gpki > bridge [until -1d] > tokyo > holder"
    clause = "RFC 5280 6.1.3 (a)(2)"
    expect = "refused because expired at step 1"

A case's id is its family and its key. Beside chain, clause and expect a case may say (``CaseEntry``) what else is
published, what differs in lists, who is trusted and for what, when, and where a judge rightly differs.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec

from bridge.relying.rejection import Reason
from tests.cases.notes import FOR_CERTIFICATES, FOR_LISTS, Changes, offset, policy, read_notes
from tests.cases.parties import Party

FOLDER = Path(__file__).parents[2] / "fixtures" / "cases"

Judged = Literal["openssl", "java", "java-ldap", "gnutls"]
Demand = Literal["implicit", "inhibit mapping", "inhibit any"]
World = Literal["test", "production"]


class Deviation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A judge's verdict that is not the expected one, and why that is as it should be.

    The verdict is ``either`` where a program's versions differ.
    """

    verdict: Literal["valid", "refused", "either"]
    because: str


class CaseEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case as it stands in its file.

    Attributes:
        chain: The path, drawn, the anchor first.
        clause: What decides the case.
        expect: ``valid``, ``refused because REASON at step N``, or ``cannot tell at step N``.
        says: More about it, where the chain does not speak for itself.
        also: Further certificates that are published, as chains.
        anchors: Who is trusted; the chain's first without it.
        lists: What differs in lists, by generation and scope: ``"tokyo chiyoda"``, with ``#2`` for the second day's.
        policies: Which policies are accepted.
        demand: What else is asked of policies; ``implicit`` does without an explicit one.
        at: The moment, from that of the cases.
        days: For how many days lists are published.
        world, trust, manifest: Whether names are a test world's, what the trust is for, what the manifest says.
        marked: Who is marked as a test's in a world of production.
        judges: Where a judge rightly differs.
    """

    chain: str
    clause: str
    expect: str
    says: str = ""
    also: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    lists: dict[str, str] = {}
    policies: tuple[str, ...] = ("2.999.1",)
    demand: tuple[Demand, ...] = ()
    at: str = "0s"
    days: int = 1
    world: World = "test"
    trust: World = "test"
    manifest: World | None = None
    marked: tuple[str, ...] = ()
    judges: dict[Judged, Deviation] = {}


class FamilyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of cases."""

    about: str
    cases: dict[str, CaseEntry]


@dataclass(frozen=True)
class Expected:
    """What the clause says: valid (no reason), or why and at which step not."""

    reason: Reason | None = None
    step: int = 0

    @classmethod
    def parse(cls, words: str) -> Expected:
        """Read it from its words, or raise ValueError."""
        if words == "valid":
            return cls()
        if found := re.fullmatch(r"(?:refused because )?([a-z ]+) at step (\d)", words):
            return cls(Reason(found[1]), int(found[2]))
        raise ValueError(f"{words!r} is no verdict")

    @property
    def valid(self) -> bool:
        return self.reason is None


@dataclass(frozen=True)
class Node:
    """A party of a chain, and what its certificate says otherwise than the right one would."""

    party: Party
    changes: Changes


@dataclass(frozen=True)
class ListChange:
    """A list that differs: whose, which, of which day; and how."""

    generation: Party
    scope: str
    day: int | None
    changes: Changes


@dataclass(frozen=True)
class Case:
    """A case, understood. ``entry`` keeps its words."""

    id: str
    entry: CaseEntry
    expected: Expected
    chain: tuple[Node, ...]
    also: tuple[tuple[Node, ...], ...]
    anchors: tuple[Node, ...]
    lists: tuple[ListChange, ...]
    at: timedelta

    @property
    def family(self) -> str:
        return self.id.partition("/")[0]


@dataclass(frozen=True)
class Family:
    """A file of cases, understood."""

    name: str
    about: str
    cases: tuple[Case, ...]


class CaseRefused(Exception):
    """A file of cases that is not as it should be; the words name the file and the case."""


def load(folder: Path = FOLDER) -> tuple[Family, ...]:
    """Every family, in the order of names, or CaseRefused."""
    families = tuple(_family(file) for file in sorted(folder.glob("*.toml")))
    posed: dict[str, str] = {}
    for case in (case for family in families for case in family.cases):
        question = repr(msgspec.structs.replace(case.entry, clause="", says="", judges={}))
        if question in posed:
            raise CaseRefused(f"{case.id} poses what {posed[question]} poses")
        posed[question] = case.id
    return families


def _family(file: Path) -> Family:
    try:
        entry = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), FamilyEntry)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CaseRefused(f"{file.name}: {error}") from error
    return Family(
        file.stem,
        entry.about,
        tuple(understand(f"{file.stem}/{key}", one) for key, one in entry.cases.items()),
    )


def understand(name: str, entry: CaseEntry) -> Case:
    """The case of this id, or CaseRefused."""
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", name):
        raise CaseRefused(f"{name}: an id is of small letters, digits and hyphens")
    try:
        return _understood(name, entry)
    except ValueError as error:
        raise CaseRefused(f"{name}: {error}") from error


def _understood(name: str, entry: CaseEntry) -> Case:
    chain, also = read_chain(entry.chain), tuple(read_chain(one) for one in entry.also)
    if len(chain) < 2:
        raise ValueError("a chain has an anchor and somebody below it")
    if any(one[0].changes for one in also) or (entry.anchors and chain[0].changes):
        raise ValueError("whose certificate is not made here cannot be changed here")
    for one in entry.policies:
        policy(one)
    return Case(
        id=name,
        entry=entry,
        expected=Expected.parse(entry.expect),
        chain=chain,
        also=also,
        anchors=tuple(node for one in entry.anchors for node in read_chain(one)) or chain[:1],
        lists=tuple(_list(key, notes) for key, notes in entry.lists.items()),
        at=offset(entry.at),
    )


def read_chain(words: str) -> tuple[Node, ...]:
    """A chain drawn in words, or ValueError."""
    nodes = []
    for word in words.split(">"):
        found = re.fullmatch(r"\s*([a-z0-9.]+)\s*(?:\[([^\[\]]*)\])?\s*", word)
        if found is None:
            raise ValueError(f"{word!r} is no part of a chain")
        nodes.append(Node(Party.parse(found[1]), read_notes(found[2] or "", FOR_CERTIFICATES)))
    return tuple(nodes)


def _list(key: str, notes: str) -> ListChange:
    found = re.fullmatch(r"(\S+) ([a-z.]+)(?: #(\d))?", key)
    if found is None:
        raise ValueError(f"{key!r} names no list")
    return ListChange(
        Party.parse(found[1]), found[2], int(found[3]) if found[3] else None, read_notes(notes, FOR_LISTS)
    )
