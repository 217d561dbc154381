"""The outside watcher's judgement: what was seen before, what is seen now, and what is wrong about it.

Everything here is pure. What was seen right stays the measure: a list whose number went back is not taken for the next
measure, nor is one that has lost an entry, so that what is wrong stays reported until it is mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from ca.clock import utc_text
from ca.model import Revocation, RevocationReason, Serial
from ca.revoking.assurance.sights import (
    WIDTH,
    HeadSight,
    ListSight,
    StatusSight,
    WorldSight,
    common,
    gone,
    pack,
    unpack,
)
from ca.rules.revocation import CHANGES


class FindingKind(StrEnum):
    """What can be wrong."""

    UNREACHABLE = "unreachable"
    WORLD_DIFFERS = "world differs"
    SIGNATURE_WRONG = "signature wrong"
    PARTITION_MISSING = "partition missing"
    LIST_UNREADABLE = "list unreadable"
    POINT_WRONG = "point wrong"
    LIST_LATE = "list late"
    LIST_EARLY = "list early"
    NUMBER_BACK = "number back"
    ENTRY_VANISHED = "entry vanished"
    BASE_UNKNOWN = "base unknown"
    STATUS_MISSING = "status missing"
    STATUS_DISAGREES = "status disagrees"
    LIST_BEHIND = "list behind"
    HEAD_MISSING = "head missing"
    HEAD_UNSIGNED = "head unsigned"
    HEAD_LATE = "head late"
    HEAD_BACK = "head back"
    HEAD_FORKED = "head forked"
    HEAD_DISAGREES = "head disagrees"


PATIENCE: Mapping[FindingKind, timedelta] = MappingProxyType({FindingKind.LIST_BEHIND: timedelta(minutes=10)})
"""How long something may be so before it is wrong; none for all others. Lists follow a change, status answers are it."""

HEAD_LIMIT = timedelta(hours=2)
"""Heads are published every hour, and with lists."""

_CLOCKS = timedelta(minutes=5)
# Lists are renewed when half of their time has passed; a quarter more is given.
_DUE = 0.75


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something that is not as it should be."""

    kind: FindingKind
    place: str
    problem: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and since when the watcher has seen it so."""

    kind: FindingKind
    place: str
    problem: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Expectation:
    """That a journal's head of this moment or later tells of more records, because of a list."""

    place: str
    by: datetime
    more_than: int


Since = Mapping[tuple[FindingKind, str], datetime]
"""Since when each suspicion was had."""


def settle(
    suspicions: Iterable[Suspicion], since: Since, at: datetime
) -> tuple[list[Finding], dict[tuple[FindingKind, str], datetime]]:
    """What is wrong by now, and what to remember: a suspicion counts when it has lasted as long as it may not."""
    findings: list[Finding] = []
    remembered: dict[tuple[FindingKind, str], datetime] = {}
    for one in suspicions:
        key = one.kind, one.place
        begun = remembered.setdefault(key, since.get(key, at))
        if at - begun >= PATIENCE.get(one.kind, timedelta(0)):
            findings.append(Finding(one.kind, one.place, one.problem, begun))
    return findings, remembered


def look_at_world(before: WorldSight | None, now: WorldSight, place: str) -> Iterator[Suspicion]:
    """A world stays what it is: its name, its marking, its anchor."""
    if before is not None and before != now:
        yield Suspicion(
            FindingKind.WORLD_DIFFERS,
            place,
            f"was {before.name} ({before.marking}) under the anchor {before.anchor[:16]},"
            f" and is {now.name} ({now.marking}) under {now.anchor[:16]}",
        )


def look_at_list(before: ListSight | None, now: ListSight, at: datetime) -> Iterator[Suspicion]:
    """A list is neither late nor of the future, and its number never goes back."""
    if at > now.next_update:
        yield Suspicion(FindingKind.LIST_LATE, now.place, f"is out of date since {utc_text(now.next_update)}")
    elif at - now.this_update > (now.next_update - now.this_update) * _DUE:
        yield Suspicion(
            FindingKind.LIST_LATE, now.place, f"is of {utc_text(now.this_update)} and was not renewed in time"
        )
    if now.this_update > at + _CLOCKS:
        yield Suspicion(FindingKind.LIST_EARLY, now.place, f"is of a later time, {utc_text(now.this_update)}")
    if before is None:
        return
    problem = None
    if now.number < before.number:
        problem = f"has number {now.number} after {before.number}"
    elif now.number == before.number and now.digest != before.digest:
        problem = f"is another list than before under the same number {now.number}"
    elif now.this_update < before.this_update:
        problem = f"is of {utc_text(now.this_update)}, older than the list of a lower number"
    if problem:
        yield Suspicion(FindingKind.NUMBER_BACK, now.place, problem)


def lost(before: ListSight | None, now: ListSight) -> bytes:
    """The packed serial numbers that a list named before and does not name now."""
    return b"" if before is None else gone(before.serials, now.serials)


def unexplained(before: ListSight, said: Iterable[StatusSight]) -> list[StatusSight]:
    """Those entries that may not have left the list, by what the responder says of them.

    What has expired leaves (RFC 5280 3.3), and a hold may be lifted (RFC 5280 5.3.1, removeFromCRL). Nothing else.
    """
    held = set(unpack(before.held))
    return [one for one in said if not one.expired and not (one.good and one.serial in held)]


def look_at_lost(before: ListSight, said: Iterable[StatusSight], unasked: int) -> Iterator[Suspicion]:
    """Entries that have left a list without a reason; ``unasked``: so many that nobody could be asked about."""
    wrong = unexplained(before, said)
    if not wrong and not unasked:
        return
    problem = f"{len(wrong) + unasked} entries have left it, and no expiry explains it"
    if wrong:
        first = wrong[0]
        words = "revoked" if first.revocation else "good" if first.known else "unknown"
        problem += f"; the first is {first.serial}, whose status is {words}"
    yield Suspicion(FindingKind.ENTRY_VANISHED, before.place, problem)


def look_at_delta(complete: ListSight, delta: ListSight, let_go: bytes) -> Iterator[Suspicion]:
    """A delta list is not behind its complete list, and takes off nothing but holds (RFC 5280 5.2.4, 5.3.1).

    Args:
        complete: The complete list that names it, read before it.
        delta: The delta list.
        let_go: The packed serial numbers that it takes off.
    """
    if delta.number < complete.number:
        problem = f"has number {delta.number}, and the complete list has {complete.number}"
        yield Suspicion(FindingKind.NUMBER_BACK, delta.place, problem)
    final = common(let_go, gone(complete.serials, complete.held))
    if final:
        count, first = len(final) // WIDTH, next(unpack(final))
        yield Suspicion(
            FindingKind.ENTRY_VANISHED,
            delta.place,
            f"takes off {count} entries of the complete list that are not on hold; the first is {first}",
        )


def lost_between(complete: ListSight, base: ListSight, delta: ListSight, let_go: bytes) -> bytes:
    """The packed serial numbers of a complete list that its base with the delta list does not name for an end any more.

    Of those that the delta list takes off, only holds: of others ``look_at_delta`` tells.
    """
    unnamed = gone(gone(complete.serials, base.serials), delta.serials)
    return pack([*unpack(unnamed), *unpack(common(let_go, complete.held))])


def measure(before: ListSight | None, now: ListSight, lost_for_no_reason: bytes) -> ListSight:
    """What the next list is measured by: the newest of both, naming all that it has to name."""
    if before is not None and (now.number, now.this_update) < (before.number, before.this_update):
        return before
    if before is not None and now.number == before.number and now.digest != before.digest:
        return before
    if not lost_for_no_reason:
        return now
    return replace(now, serials=pack([*unpack(now.serials), *unpack(lost_for_no_reason)]))


def look_at_status(place: str, entry: Revocation, said: StatusSight) -> Iterator[Suspicion]:
    """What a list names is revoked for every responder; only a newer word than the list's may differ from it.

    Args:
        place: The certificate's id.
        entry: What the list says of it. The responder was asked after the list was read.
        said: What the responder says of it.
    """
    if said.revocation is None:
        lifted = entry.reason is RevocationReason.CERTIFICATE_HOLD and said.known
        kind = FindingKind.LIST_BEHIND if lifted else FindingKind.STATUS_DISAGREES
        words = "good" if said.known else "unknown"
        yield Suspicion(kind, place, f"is listed for {entry.reason.word}, and its status is {words}")
    elif said.revocation.reason is not entry.reason:
        newer = said.revocation.reason in CHANGES[entry.reason]
        yield Suspicion(
            FindingKind.LIST_BEHIND if newer else FindingKind.STATUS_DISAGREES,
            place,
            f"is listed for {entry.reason.word}, and its status names {said.revocation.reason.word}",
        )
    elif said.revocation.revoked_at != entry.revoked_at:
        yield Suspicion(
            FindingKind.STATUS_DISAGREES,
            place,
            f"is listed since {utc_text(entry.revoked_at)}, and its status says"
            f" {utc_text(said.revocation.revoked_at)}",
        )


def look_at_unissued(place: str, said: StatusSight) -> Iterator[Suspicion]:
    """A number that chance has made was never issued, and is never good (RFC 6960 2.2)."""
    if said.good:
        yield Suspicion(FindingKind.STATUS_DISAGREES, place, f"{said.serial} was never issued, and is good")


def look_at_head(before: HeadSight | None, now: HeadSight, place: str, at: datetime) -> Iterator[Suspicion]:
    """A journal only grows, and its head is renewed in time."""
    if at - now.at > HEAD_LIMIT:
        yield Suspicion(FindingKind.HEAD_LATE, place, f"is of {utc_text(now.at)}")
    if before is None:
        return
    if (now.count, now.at) < (before.count, before.at):
        yield Suspicion(
            FindingKind.HEAD_BACK,
            place,
            f"has {now.count} records of {utc_text(now.at)}; {before.count} of {utc_text(before.at)} were seen",
        )
    if now.count == before.count and now.digest != before.digest:
        yield _forked(place, before, now)


def look_at_kept_head(before: HeadSight, now: HeadSight | None, place: str) -> Iterator[Suspicion]:
    """A head that is kept stays as it was seen: without it, a journal that was written anew would only be longer."""
    if now is None:
        yield Suspicion(FindingKind.HEAD_FORKED, place, "was kept there, and is gone")
    elif (now.count, now.digest) != (before.count, before.digest):
        yield _forked(place, before, now)


def _forked(place: str, before: HeadSight, now: HeadSight) -> Suspicion:
    problem = f"record {before.count} was {before.digest[:16]}, and record {now.count} is {now.digest[:16]}"
    return Suspicion(FindingKind.HEAD_FORKED, place, problem)


def expectation(
    heads: Iterable[HeadSight | None], place: str, this_update: datetime, dated: datetime
) -> Expectation | None:
    """What a list leads to expect of the journal: with a revocation made since a head, it is longer than that.

    Args:
        heads: Those that were seen.
        place: The list's.
        this_update: Of the list. The journal knew the revocation by then.
        dated: The latest revocation that is new on the list.
    """
    before = [head.count for head in heads if head is not None and head.at < dated]
    return Expectation(place, this_update, max(before)) if before else None


def met(expected: Expectation, now: HeadSight) -> bool:
    """Whether the journal has what was expected of it, so far as can be told yet."""
    return now.at >= expected.by and now.count > expected.more_than


def look_at_expectation(expected: Expectation, now: HeadSight) -> Iterator[Suspicion]:
    """What a list says, the journal knows."""
    if now.at >= expected.by and now.count <= expected.more_than:
        yield Suspicion(
            FindingKind.HEAD_DISAGREES,
            expected.place,
            f"had a new revocation at {utc_text(expected.by)}, and the journal none: it has {now.count} records"
            f" at {utc_text(now.at)}, and had {expected.more_than} before",
        )


def newer_head(before: HeadSight | None, now: HeadSight) -> HeadSight:
    """The head by which the next is measured: the first that was seen of the highest count, with its latest time."""
    if before is None or now.count > before.count:
        return now
    return replace(before, at=max(before.at, now.at)) if now.count == before.count else before


def serials_of(suspected: Since, generation: str) -> frozenset[Serial]:
    """The certificates of a generation whose status was suspect: they are asked about again."""
    kinds = (FindingKind.STATUS_DISAGREES, FindingKind.LIST_BEHIND)
    start = f"{generation}:"
    return frozenset(
        Serial(int(place.removeprefix(start), 16))
        for kind, place in suspected
        if kind in kinds and place.startswith(start)
    )
