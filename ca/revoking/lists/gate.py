"""The publish gate: a signed list is looked at once more, and replaces the last one only if nothing is wrong (law 5).

What a list has to be is taken from the store, the authority and the last list, never from the draft that was signed. The
last list went through the gate itself: what both say alike is not judged again, so a million entries with few changes
cost little more than reading them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import BinaryIO

from ca.errors import BadInput, KeyRefused, ListBlocked
from ca.keys.signer import hasher, key_identifier, verify_digest
from ca.lint.lists import reasons_in
from ca.model import GenerationId, Scope
from ca.names import DirectoryName
from ca.profiles import extensions as ext
from ca.profiles.lists import ListPlace
from ca.revoking.lists.gate_entries import (
    Counted,
    EntryRules,
    Excuses,
    NoEntries,
    compare,
    compare_with_base,
    compare_with_former,
)
from ca.rules.list_changes import Block, Jump, JumpLimit, check_jump, check_lost
from ca.suites import Suite
from ca.wire import der
from ca.wire.extensions import encode_extension
from ca.wire.facts import ExtensionFacts, read_extensions
from ca.wire.list_stream import ListHead, ListStream
from ca.wire.names import encode_name
from ca.wire.tbs import algorithm_identifier

USUAL = JumpLimit()
"""How far a list goes from the last one where nobody has said otherwise."""

# What is wrong when one of these is not as it has to be, or there without reason.
_BLOCKS = {
    ext.AuthorityKey.oid: Block.WRONG_GENERATION,
    ext.ListNumber.oid: Block.NUMBER,
    ext.IssuingPoint.oid: Block.WRONG_POINT,
    ext.DeltaBase.oid: Block.WRONG_BASE,
}


@dataclass(frozen=True, slots=True)
class Before:
    """What the store has written down of the newest list of this kind that was placed."""

    number: int
    this_update: datetime
    entries: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Base:
    """The complete list that a delta list builds on.

    Attributes:
        sequence: Up to which revocation it says everything.
    """

    file: BinaryIO = field(repr=False)
    number: int
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a list has to be.

    Attributes:
        number: The cRLNumber that was written down for it.
        entries: How many entries the store has for it.
        sequence: The newest revocation sequence when they were read.
        at: Now.
        excuses: Asked which entries of the last list may be gone, or be as if new.
        excuses_of_base: The same of a delta list's base, if that is another question.
        before: What is written down of the newest list that was placed.
        freshest: Where it has to say that its delta list lies; None: nowhere.
        base: For a delta list alone.
        limit: How much may change at once; None for a delta whose complete list goes through the gate as well.
        announced: How many changes more are usual: those of mass orders that two officers have approved.
        released: The jump that two officers released (``ca.store.blocked.released``).
    """

    generation: GenerationId
    place: ListPlace
    issuer: DirectoryName
    suite: Suite
    public_key: bytes = field(repr=False)
    number: int
    entries: int
    sequence: int
    at: datetime
    excuses: Excuses = field(repr=False)
    before: Before | None = None
    freshest: ext.FreshestPoint | None = None
    base: Base | None = None
    excuses_of_base: Excuses | None = field(default=None, repr=False)
    limit: JumpLimit | None = USUAL
    announced: int = 0
    released: Jump | None = None

    @property
    def title(self) -> str:
        """The list, for messages."""
        return f"{'delta list' if self.base else 'list'} {self.generation} {self.place.scope}"

    @property
    def is_last_lost(self) -> bool:
        """Whether a list of which no file is there had something to say that this one might lack.

        Not of a delta list that goes with its complete list: that one has the last complete one to be compared with.
        """
        return self.before is not None and self.before.entries > 0 and self.limit is not None

    def extensions(self) -> dict[str, ExtensionFacts]:
        """The extensions that it has to have, each exactly so."""
        wanted = [
            encode_extension(ext.AuthorityKey(key_identifier(self.public_key)), critical=False),
            encode_extension(ext.ListNumber(self.number), critical=False),
        ]
        if self.place.point is not None:
            point = ext.IssuingPoint(self.place.point, self.place.holds)
            wanted.append(encode_extension(point, critical=True))
        if self.freshest is not None:
            wanted.append(encode_extension(self.freshest, critical=False))
        if self.base is not None:
            wanted.append(encode_extension(ext.DeltaBase(self.base.number), critical=True))
        return {fact.oid: fact for fact in read_extensions(der.sequence(*wanted))}


@dataclass(frozen=True, slots=True)
class Passed:
    """A list that went through the gate: how many entries it has, and how it differs from the last one."""

    entries: int
    jump: Jump


def pass_gate(draft: BinaryIO, last: BinaryIO | None, expected: Expectation) -> Passed:
    """Look at a signed list before it is placed.

    Args:
        draft: The signed list's file.
        last: The newest placed list of this kind (complete or delta) and place; None if there never was one, or every
            copy of it is lost.
        expected: What the draft has to be.

    Raises:
        ListBlocked: With the ``Block`` word for what is wrong. Nothing is to be placed.
    """
    new = _opened(draft, expected.title, Block.UNREADABLE)
    _check_head(new.head, expected)
    _check_signature(new, expected, Block.WRONG_KEY)
    old = None if last is None else _placed(last, "last list", expected, delta=expected.base is not None)
    base = None if expected.base is None else _placed(expected.base.file, "base", expected, delta=False)
    _check_after(new.head, old, base, expected)
    if old is not None:
        _check_last(old.head, expected)
    if new.is_empty and expected.entries:
        raise _blocked(expected, Block.EMPTY, f"has no entry; the store has {expected.entries}")
    former = None
    if base is not None and old is not None and old.head.base != base.head.number:
        old, former = None, old  # entry by entry they have nothing to do with each other
    counted = _compared(new, old, base, former, expected)
    if counted.entries != expected.entries:
        problem = f"has {counted.entries} entries; the store has {expected.entries}"
        raise _blocked(expected, Block.COUNT, problem)
    if last is None and expected.is_last_lost:
        return Passed(counted.entries, _checked_loss(counted, expected))
    return Passed(counted.entries, _checked_jump(counted, old or base, expected))


def require_places(
    generation: GenerationId, wanted: Iterable[Scope], drafted: Iterable[Scope], public: Iterable[Scope]
) -> None:
    """Look at a generation's lists together, before drafts of some of them are placed.

    Args:
        generation: Whose lists.
        wanted: Those that relying parties have to get afterwards.
        drafted: Those that are about to be placed.
        public: Those that are placed already.

    Raises:
        ListBlocked: A list would be missing, or is for no place of this generation.
    """
    drafted, wanted = set(drafted), set(wanted)
    for scope in sorted(drafted - wanted):
        raise ListBlocked(f"list {generation} {scope}", "has no place", reason=Block.WRONG_POINT)
    for scope in sorted(wanted - drafted - set(public)):
        raise ListBlocked(
            f"list {generation} {scope}",
            "is neither placed nor about to be: its certificates would have no list",
            reason=Block.MISSING_PARTITION,
            remedy="`kakehashi list publish` makes every list that is missing",
        )


def _opened(file: BinaryIO, title: str, reason: Block) -> ListStream:
    try:
        return ListStream(file, title)
    except BadInput as error:
        raise ListBlocked(title, error.problem, reason=reason, clause="RFC 5280 5.1") from None


def _check_head(head: ListHead, expected: Expectation) -> None:
    """What a list says of itself, by itself."""
    if head.issuer.der != encode_name(expected.issuer):
        raise _blocked(expected, Block.WRONG_ISSUER, "names another issuer", "RFC 5280 5.1.2.3")
    wanted, found = expected.extensions(), {fact.oid: fact for fact in head.extensions}
    for oid in [oid for oid in wanted | found if wanted.get(oid) != found.get(oid)]:
        word = "another" if oid in wanted and oid in found else ("no" if oid in wanted else "an unexpected")
        reason = _BLOCKS.get(oid, Block.WRONG_EXTENSION)
        raise _blocked(expected, reason, f"has {word} {ext.NAMES.get(oid, oid)}", "RFC 5280 5.2")
    if len(found) != len(head.extensions):
        raise _blocked(expected, Block.WRONG_EXTENSION, "has an extension twice", "RFC 5280 5.2")
    if head.next_update <= max(head.this_update, expected.at):
        problem = "nextUpdate has passed, or does not lie after thisUpdate"
        raise _blocked(expected, Block.TIMES, problem, "RFC 5280 5.1.2.5")


def _check_signature(stream: ListStream, expected: Expectation, reason: Block) -> None:
    """That this key has signed the list, under this suite."""
    try:
        if {stream.head.inner, stream.head.outer} != {algorithm_identifier(expected.suite)}:
            raise _blocked(
                expected, reason, f"{stream.head.place} is signed under another suite", "RFC 5280 5.1.1.2"
            )
        digest = stream.digest(hasher(expected.public_key, expected.suite))
        verify_digest(expected.public_key, expected.suite, digest, stream.head.signature)
    except (BadInput, KeyRefused):
        problem = f"{stream.head.place} is not signed by this generation's key"
        raise _blocked(expected, reason, problem, "RFC 5280 5.1.1.3") from None


def _placed(file: BinaryIO, word: str, expected: Expectation, *, delta: bool) -> ListStream:
    """A list of the same place that was published before: what a draft is compared with has to be beyond doubt."""
    stream = _opened(file, f"{expected.title}, {word}", Block.LAST_UNFIT)
    wanted, found = expected.extensions(), {fact.oid: fact for fact in stream.head.extensions}
    same_place = all(
        wanted.get(oid) == found.get(oid) for oid in (ext.AuthorityKey.oid, ext.IssuingPoint.oid)
    )
    if not same_place or (stream.head.base is not None) != delta:
        raise _blocked(expected, Block.LAST_UNFIT, f"the {word} is one of another place")
    _check_signature(stream, expected, Block.LAST_UNFIT)
    return stream


def _check_after(
    head: ListHead, old: ListStream | None, base: ListStream | None, expected: Expectation
) -> None:
    """That the draft is newer than what relying parties have."""
    numbers = [stream.head.number or 0 for stream in (old, base) if stream is not None]
    moments = [stream.head.this_update for stream in (old, base) if stream is not None]
    sequence = 0
    if expected.before is not None:
        numbers.append(expected.before.number)
        moments.append(expected.before.this_update)
        sequence = expected.before.sequence
    if base is not None and expected.base is not None and base.head.number != expected.base.number:
        raise _blocked(expected, Block.WRONG_BASE, "the base has another number", "RFC 5280 5.2.4")
    if expected.number <= max(numbers, default=0):
        problem = f"number {expected.number} is not above {max(numbers)}"
        raise _blocked(expected, Block.NUMBER, problem, "RFC 5280 5.2.3")
    if expected.sequence < sequence or any(head.this_update < moment for moment in moments):
        raise _blocked(expected, Block.OLDER, "is of an earlier moment than the last one", "RFC 5280 5.1.2.4")


def _check_last(head: ListHead, expected: Expectation) -> None:
    """That what the draft is compared with is not older than the last list that was placed, as the store has it."""
    number, before = head.number or 0, expected.before
    if before is not None and number < before.number:
        problem = f"{head.place} has the number {number}, and {before.number} was placed"
        raise _blocked(expected, Block.LAST_UNFIT, problem)


def _compared(
    new: ListStream,
    old: ListStream | None,
    base: ListStream | None,
    former: ListStream | None,
    expected: Expectation,
) -> Counted:
    reasons = reasons_in(expected.place.holds, delta=base is not None)
    until = f"{new.head.this_update:%Y%m%d%H%M%S}".encode()
    rules = EntryRules(expected.title, reasons, until, expected.excuses)
    try:
        counted = compare(new, old or NoEntries(), rules)
        if base is not None:
            new.rewind()
            of_base = expected.excuses_of_base or expected.excuses
            compare_with_base(new, base, replace(rules, excuses=of_base))
        if base is not None and former is not None:
            new.rewind()
            base.rewind()
            compare_with_former(new, base, former, rules)
    except BadInput as error:
        unfit = Block.ENTRY if error.place == expected.title else Block.LAST_UNFIT
        raise _blocked(expected, unfit, error.problem, error.clause) from None
    return counted


def _checked_jump(counted: Counted, last: ListStream | None, expected: Expectation) -> Jump:
    """How far the list goes from the last one; ListBlocked if that is too far. The first list of all may say anything."""
    number = 0 if last is None else last.head.number or 0
    jump = Jump(number, expected.sequence, counted.new, counted.changed, counted.gone)
    if expected.limit is not None and number:
        usual = expected.limit.of(counted.entries - jump.new + jump.gone) + expected.announced
        check_jump(expected.title, jump, usual=usual, released=expected.released)
    return jump


def _checked_loss(counted: Counted, expected: Expectation) -> Jump:
    """How far the list goes from one of which only the count is left; ListBlocked unless two officers have seen it."""
    before, limit = expected.before, expected.limit
    assert before is not None, "something is known to be lost"
    assert limit is not None, "it does not go with another list"
    grown = counted.entries - before.entries
    jump = Jump(0, expected.sequence, max(0, grown), 0, max(0, -grown))
    check_lost(
        expected.title,
        jump,
        last=f"number {before.number}, which had {before.entries} entries,",
        usual=limit.of(before.entries) + expected.announced,
        released=expected.released,
    )
    return jump


def _blocked(expected: Expectation, reason: Block, problem: str, clause: str | None = None) -> ListBlocked:
    return ListBlocked(expected.title, problem, reason=reason, clause=clause)
