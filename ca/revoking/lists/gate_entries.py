"""The gate's look at entries: what the last list says alike is passed over in blocks, the rest is read and judged."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ca.errors import BadInput, ListBlocked
from ca.model import RevocationReason, Serial
from ca.rules.list_changes import Block, check_change
from ca.wire.list_stream import ListEntry, ListStream, read_entry

Asked = Callable[[Sequence[Serial]], frozenset[Serial]]
"""Of which of these serials something is so."""

_HOLD, _LIFTED = RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL
# So many missing serials are asked about at once.
_ASKED_AT_ONCE = 10_000


class Entries(Protocol):
    """Entries that the draft's are compared with (``ca.wire.list_stream.ListStream``)."""

    def passes(self, octets: bytes) -> bool:
        """Pass over these octets if they come next."""
        ...

    def peek(self) -> bytes:
        """The next entry; empty at the end."""
        ...

    def advance(self) -> None:
        """Pass over the entry that was peeked at."""
        ...


class NoEntries:
    """What the first list is compared with."""

    def passes(self, octets: bytes) -> bool:
        """Nothing comes next."""
        return not octets

    def peek(self) -> bytes:
        """Nothing."""
        return b""

    def advance(self) -> None:
        """Never asked for."""


@dataclass(frozen=True, slots=True)
class Excuses:
    """Why an entry of the last list may be gone, or be as if new.

    Attributes:
        expired: The certificate itself, by its own words, had ended when the last list was made, so that one list after
            its end has named it.
        let_go: Its hold was lifted since the last list (for a delta list: since its base), also if it ended again. Asked of
            nothing but holds: whatever is recorded of an end for good, it stays.
    """

    expired: Asked
    let_go: Asked


@dataclass(frozen=True, slots=True)
class Counted:
    """How many entries a list has, and how they differ from the last one's."""

    entries: int
    new: int
    changed: int
    gone: int


@dataclass(frozen=True, slots=True)
class EntryRules:
    """What an entry has to keep in one list.

    Attributes:
        place: The list, for messages.
        reasons: For which reasons an entry may stand there.
        until: thisUpdate, in the fourteen digits of a ListEntry: nothing was revoked later.
        excuses: Asked about what is gone.
    """

    place: str
    reasons: frozenset[RevocationReason]
    until: bytes
    excuses: Excuses = field(repr=False)

    def read(self, octets: bytes) -> ListEntry:
        """Read an entry that the last list does not have, or raise ListBlocked for one that fits no list."""
        try:
            entry = read_entry(octets, self.place)
        except BadInput as error:
            raise self.blocked(Block.ENTRY, error.problem, error.clause) from None
        if not 0 < entry.serial < 1 << 159:
            problem = "a serial is negative or zero, or longer than 20 octets"
            raise self.blocked(Block.SERIAL, problem, "RFC 5280 4.1.2.2")
        if entry.reason not in self.reasons:
            word = RevocationReason(entry.reason).word
            raise self._unfit(entry, f"{word} is no reason in this list", "RFC 5280 5.3.1")
        if entry.date > self.until:
            raise self._unfit(entry, "was revoked after thisUpdate", "RFC 5280 5.1.2.4")
        if entry.since > entry.date:
            raise self._unfit(entry, "its invalidityDate lies after its revocationDate", "RFC 5280 5.3.2")
        return entry

    def follow(self, before: bytes, entry: ListEntry) -> None:
        """Raise ListBlocked unless the entry may come behind this one (empty: it is the first)."""
        if before and entry.serial <= (above := _serial(before)):
            if entry.serial == above:
                raise self._blocked_serial(Block.DUPLICATE, entry, "stands twice")
            raise self._blocked_serial(Block.ORDER, entry, "is not above the one before it")

    def change(self, old: bytes, entry: ListEntry) -> None:
        """Raise ListBlocked unless what the last list says may become this."""
        before, after = read_entry(old, self.place).revocation(), entry.revocation()
        try:
            check_change(self.place, before, after)
        except ListBlocked:
            # If a hold was lifted, what came then is as if new.
            if before.reason is not _HOLD or not self.excuses.let_go([after.serial]):
                raise

    def blocked(self, reason: Block, problem: str, clause: str | None = None) -> ListBlocked:
        """The error for this list."""
        return ListBlocked(self.place, problem, reason=reason, clause=clause)

    def _unfit(self, entry: ListEntry, problem: str, clause: str) -> ListBlocked:
        return self._blocked_serial(Block.ENTRY, entry, problem, clause)

    def _blocked_serial(
        self, reason: Block, entry: ListEntry, problem: str, clause: str = "RFC 5280 5.1.2.6"
    ) -> ListBlocked:
        return ListBlocked(
            f"{self.place}, serial {Serial(entry.serial)}", problem, reason=reason, clause=clause
        )


def compare(draft: ListStream, last: Entries, rules: EntryRules) -> Counted:
    """Judge all that a list says otherwise than the last one, whose entries were judged when it was new.

    Raises:
        ListBlocked: The draft's entries break a rule, or differ from the last list's in a way that is not legal.
    """
    entries = new = changed = 0
    missing = _Missing(rules)
    before: list[bytes] = []
    while True:
        octets, run = draft.run()
        if not run:
            break
        entries += len(run)
        if not last.passes(octets):
            for old, entry in _differences(run, before[-1] if before else b"", last, rules):
                if entry is None:
                    missing.add(old)
                elif old:
                    rules.change(old, entry)
                    changed += 1
                else:
                    new += 1
        before = run
    while old := last.peek():
        missing.add(old)
        last.advance()
    missing.settle(left=entries)
    return Counted(entries, new, changed, missing.count)


def compare_with_base(delta: ListStream, base: ListStream, rules: EntryRules) -> None:
    """Raise ListBlocked unless each entry of a delta list says something that its base does not say (RFC 5280 5.2.4)."""
    said = _Ascending(base)
    for octets in delta:
        entry = rules.read(octets)
        _change_of_base(said.find(entry.serial), octets, entry, rules)


def compare_with_former(delta: ListStream, base: ListStream, former: ListStream, rules: EntryRules) -> None:
    """Raise ListBlocked unless the last delta list, which had another base, may be followed by this one on its base.

    What it said of a certificate stands in this one or in the base, as it was or as it may become.
    """
    now, before = _Ascending(delta), _Ascending(base)
    missing = _Missing(rules)
    for old in former:
        octets = now.find(_serial(old)) or before.find(_serial(old))
        if octets and octets != old:
            rules.change(old, rules.read(octets))
        elif not octets and read_entry(old, rules.place).reason != _LIFTED:
            missing.add(old)
    missing.settle(left=1)


class _Ascending:
    """Finds entries in a list by serials that ascend."""

    def __init__(self, stream: ListStream) -> None:
        self._stream = stream
        self._run: list[bytes] = []

    def find(self, serial: int) -> bytes:
        """The entry of this serial; empty if there is none."""
        while not self._run or _serial(self._run[-1]) < serial:
            _, self._run = self._stream.run()
            if not self._run:
                return b""
        at = bisect_left(self._run, serial, key=_serial)
        return self._run[at] if _serial(self._run[at]) == serial else b""


def _change_of_base(old: bytes, octets: bytes, entry: ListEntry, rules: EntryRules) -> None:
    if old == octets:
        raise rules.blocked(
            Block.NOT_NEWER,
            f"serial {Serial(entry.serial)} stands in the base as it does here",
            "RFC 5280 5.2.4",
        )
    if entry.reason == _LIFTED:
        on_hold = not old or read_entry(old, rules.place).reason == _HOLD
        if not (on_hold and rules.excuses.let_go([Serial(entry.serial)])):
            raise rules.blocked(
                Block.WRONGLY_REMOVED,
                f"serial {Serial(entry.serial)} was not let go of a hold",
                "RFC 5280 5.3.1",
            )
    if old:
        rules.change(old, entry)


def _differences(
    run: list[bytes], before: bytes, last: Entries, rules: EntryRules
) -> Iterator[tuple[bytes, ListEntry | None]]:
    """What stands in one list alone, or otherwise in the other: the last list's entry (or empty) and the draft's."""
    for octets in run:
        old = last.peek()
        if octets != old:
            entry = rules.read(octets)
            # Entries that the last list has too need no look: they ascend there.
            rules.follow(before, entry)
            while old and _serial(old) < entry.serial:
                yield old, None
                last.advance()
                old = last.peek()
            if not old or _serial(old) > entry.serial:
                yield b"", entry
                before = octets
                continue
            if octets != old:
                yield old, entry
        last.advance()
        before = octets


@dataclass(slots=True)
class _Missing:
    """Entries of the last list that the draft has not; asked about in batches, blocked at the end.

    What is wrong with the draft's own entries is told first: an entry out of order looks as if others were missing.
    """

    rules: EntryRules
    count: int = 0
    first: Serial | None = None  # of those that should be there
    _pending: dict[Serial, bool] = field(default_factory=dict)  # and whether it was on hold

    def add(self, old: bytes) -> None:
        """Count one more."""
        self.count += 1
        if self.first is None:
            entry = read_entry(old, self.rules.place)
            self._pending[Serial(entry.serial)] = entry.reason == _HOLD
            if len(self._pending) == _ASKED_AT_ONCE:
                self._ask()

    def settle(self, *, left: int) -> None:
        """Raise ListBlocked if one of them should be there; ``left`` is how many entries the draft has."""
        self._ask()
        if self.first is None:
            return
        if left:
            raise self.rules.blocked(
                Block.MISSING_ENTRY,
                f"serial {self.first} is in the last list, and neither expired nor let go of a hold",
                "RFC 5280 3.3",
            )
        raise self.rules.blocked(Block.EMPTY, "no entry is left of the last list's")

    def _ask(self) -> None:
        if self._pending and self.first is None:
            kept = self._pending.keys() - self.rules.excuses.expired(list(self._pending))
            if holds := sorted(serial for serial in kept if self._pending[serial]):
                kept -= self.rules.excuses.let_go(holds)
            self.first = min(kept, default=None)
        self._pending.clear()


def _serial(octets: bytes) -> int:
    return int.from_bytes(octets[4 : 4 + octets[3]], "big", signed=True)
