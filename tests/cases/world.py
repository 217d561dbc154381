"""A case becomes octets: anchors, the drawn path, what else is published, and every list of every day.

The right world follows from the chain. A CA's certificate carries the policy of its issuer's domain, maps it where the
subject's domain is another, requires an explicit policy, and has its issuer's list as its point; a link certificate
(the same name on both sides) only carries the policy. A holder's carries its issuer's policy, and the town of Chiyoda
is its point. Every CA lists its CAs (``arl``), and the one of the holder its holders town by town.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise

from tests.cases.certificates import CertificateDraft, Marks, Point
from tests.cases.lists import Entry, ListDraft
from tests.cases.load import Case, ListChange, Node
from tests.cases.parties import TOWNS, Party
from tests.relying_world import AT, DAY, Steps

_TOWNSFOLK = frozenset({"digital_signature", "non_repudiation"})
_COMPLETE = {"arl": "CAs", "full": "all", "users": "users", **dict.fromkeys(TOWNS, "users")}
"""What each complete list holds; ``x.delta`` adds to ``x``."""


@dataclass(frozen=True)
class MadeCertificate:
    """A certificate of a case, and whose word for whom it is."""

    issuer: Party
    subject: Party
    draft: CertificateDraft
    der: bytes


@dataclass(frozen=True)
class MadeList:
    """A list of a case, of one day."""

    generation: Party
    scope: str
    day: int
    draft: ListDraft
    der: bytes

    @property
    def is_delta(self) -> bool:
        return self.scope.endswith(".delta")


@dataclass(frozen=True)
class BuiltCase:
    """All octets of a case.

    Attributes:
        path: The drawn path, without its anchor, the certificate to verify last.
        others: What is published besides.
        lists: Of every day, the earlier first.
    """

    case: Case
    marks: Marks
    anchors: tuple[MadeCertificate, ...]
    path: tuple[MadeCertificate, ...]
    others: tuple[MadeCertificate, ...]
    lists: tuple[MadeList, ...]

    @property
    def leaf(self) -> bytes:
        """The certificate to verify."""
        return self.path[-1].der

    @property
    def at(self) -> datetime:
        """The moment asked about."""
        return AT + self.case.at

    @cached_property
    def crosses(self) -> tuple[MadeCertificate, ...]:
        """What stands between anchors and the certificate to verify, and what else is published."""
        return (*self.path[:-1], *self.others)

    def newest_lists(self) -> tuple[MadeList, ...]:
        """Of each scope the newest list that there was at the moment, as a judge is given them."""
        newest: dict[tuple[Party, str], MadeList] = {}
        for one in self.lists:
            if one.draft.this_update <= self.case.at:
                newest[one.generation, one.scope] = one
        return tuple(newest.values())


def build(case: Case) -> BuiltCase:
    """Make everything of a case."""
    entry = case.entry
    marks = Marks(entry.world == "production", frozenset(Party.parse(one).steps for one in entry.marked))
    anchors = tuple(_self_signed(node, marks) for node in case.anchors)
    path = tuple(_certificates(case.chain, marks, 0))
    others = tuple(
        made for number, chain in enumerate(case.also, 1) for made in _certificates(chain, marks, number)
    )
    everybody = (*anchors, *path, *others)
    return BuiltCase(case, marks, anchors, path, others, tuple(_lists(case, everybody, marks)))


def _self_signed(node: Node, marks: Marks) -> MadeCertificate:
    party = node.party
    draft = CertificateDraft(
        subject=party.steps,
        issuer=party.steps,
        key=party.key,
        signer=party.key,
        serial=1,
        key_named=None,
        points=(Point((party.steps,)),),
    )
    draft = replace(draft, **node.changes)
    return MadeCertificate(party, party, draft, draft.der(marks))


def _certificates(chain: tuple[Node, ...], marks: Marks, number: int) -> Iterable[MadeCertificate]:
    for above, below in pairwise(chain):
        draft = replace(_right(above.party, below.party, number), **below.changes)
        yield MadeCertificate(above.party, below.party, draft, draft.der(marks))


def _right(issuer: Party, subject: Party, number: int) -> CertificateDraft:
    """The certificate as it is in the right world; ``number`` keeps serials of several for one pair apart."""
    told = hashlib.sha256(f"{issuer} {subject} {number}".encode()).digest()
    draft = CertificateDraft(
        subject=subject.steps,
        issuer=issuer.steps,
        key=subject.key,
        signer=issuer.key,
        serial=int.from_bytes(told[:8], "big") | 1 << 62,
        key_named=issuer.key,
        policies=(issuer.policy,),
        points=(Point((issuer.steps,)),),
    )
    if not subject.is_authority:
        return replace(draft, ca=None, usage=_TOWNSFOLK, points=(Point((TOWNS["chiyoda"],)),))
    if subject.name == issuer.name:
        return draft
    mapped = issuer.policy != subject.policy
    return replace(draft, explicit=0, mappings=((issuer.policy, subject.policy),) if mapped else ())


def _lists(case: Case, made: tuple[MadeCertificate, ...], marks: Marks) -> Iterable[MadeList]:
    scopes = dict.fromkeys((one.issuer, "arl") for one in made)
    scopes |= dict.fromkeys(
        (one.issuer, town) for one in made if not one.subject.is_authority for town in TOWNS
    )
    for change in case.lists:
        scope = change.scope.removesuffix(".delta")
        if scope not in _COMPLETE:
            raise ValueError(f"{case.id}: there is no list {change.scope!r}")
        scopes[change.generation, change.scope] = None
    for generation, scope in scopes:
        serials = {"neighbour.g1": 0x5001}
        serials |= {str(one.subject): one.draft.serial for one in reversed(made) if one.issuer == generation}
        for day in range(1, case.entry.days + 1):
            changes = _changes(case.lists, generation, scope, day)
            if changes.pop("missing", False):
                continue
            draft = replace(_right_list(generation, scope, day), **changes)
            draft = replace(draft, revoked=tuple(_numbered(entry, serials) for entry in draft.revoked))
            yield MadeList(generation, scope, day, draft, draft.der(marks))


def _numbered(entry: Entry, serials: Mapping[str, int]) -> Entry:
    """The entry with its serial number in place of the party."""
    return entry if entry.who.startswith("0x") else replace(entry, who=f"{serials[entry.who]:#x}")


def _changes(lists: tuple[ListChange, ...], generation: Party, scope: str, day: int) -> dict[str, object]:
    return {
        field: value
        for one in lists
        if (one.generation, one.scope) == (generation, scope) and one.day in (None, day)
        for field, value in one.changes.items()
    }


def point_of(generation: Party, scope: str) -> Steps:
    """What certificates call the list of this scope: a town, or the authority itself."""
    return TOWNS.get(scope, generation.steps)


def _right_list(generation: Party, scope: str, day: int) -> ListDraft:
    complete = scope.removesuffix(".delta")
    point = None if complete == "full" else point_of(generation, complete)
    later = (day - 1) * DAY
    draft = ListDraft(
        issuer=generation.steps,
        signer=generation.key,
        key_named=generation.key,
        number=day,
        point=point,
        holds=_COMPLETE[complete],
        this_update=later - DAY / 2,
        next_update=later + DAY / 2,
    )
    if complete == scope:
        return draft
    return replace(draft, number=day + 1, base=day, this_update=later - timedelta(hours=1))
