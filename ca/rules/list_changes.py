"""What may change from one list to the next, and why a list may be kept from relying parties (design law 5).

The table: a new entry; a hold that becomes a revocation for good; a hold that is lifted where the edition lifts holds; a
reason raised to a compromise; an entry gone when its certificate has expired and one list after that has named it. All
else is blocked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from ca.errors import ListBlocked
from ca.model import Revocation, RevocationReason
from ca.rules.revocation import CHANGES, change


class Block(StrEnum):
    """Why the gate keeps a list back; the value is the word in alarms and commands."""

    UNREADABLE = "unreadable"
    WRONG_ISSUER = "wrong issuer"
    WRONG_GENERATION = "wrong generation"
    WRONG_KEY = "wrong key"
    WRONG_POINT = "wrong distribution point"
    WRONG_EXTENSION = "wrong extension"
    WRONG_BASE = "wrong base"
    NUMBER = "number not above"
    TIMES = "nextUpdate past"
    OLDER = "older data"
    LAST_UNFIT = "last list unfit"
    LAST_LOST = "last list lost"
    EMPTY = "empty"
    SERIAL = "serial out of range"
    ORDER = "wrong order"
    DUPLICATE = "duplicate serial"
    ENTRY = "unfit entry"
    DATE_CHANGED = "date changed"
    REASON_CHANGED = "reason changed"
    NOT_NEWER = "in the base already"
    WRONGLY_REMOVED = "wrongly removed"
    MISSING_ENTRY = "entry missing"
    COUNT = "wrong count"
    MASS_JUMP = "mass jump"
    MISSING_PARTITION = "partition missing"


RELEASABLE = frozenset({Block.LAST_LOST, Block.MASS_JUMP})
"""What two officers may let pass: nothing is known to be wrong with such a list."""


@dataclass(frozen=True, slots=True)
class Jump:
    """How far a list goes from the last one: what two officers see, and release.

    Attributes:
        last: The number of the list that it was compared with; 0 if there was none. If there was one and every copy of
            it is lost, the changes are those in the count of entries.
        sequence: The newest revocation that it could name.
        new: How many entries the last one has not.
        changed: How many entries say something else than the last one's.
        gone: How many of the last one's entries it has not.
    """

    last: int
    sequence: int
    new: int
    changed: int
    gone: int

    def beyond(self, released: Jump | None) -> int:
        """How many changes there are, those left out that were released for this very last list.

        What was revoked while officers were looking is not theirs to have released: it counts.
        """
        if released is None or not self.follows(released):
            return self.new + self.changed + self.gone
        return (
            max(0, self.new - released.new)
            + max(0, self.changed - released.changed)
            + max(0, self.gone - released.gone)
        )

    def follows(self, released: Jump) -> bool:
        """Whether what was released is for the same last list, and no later state."""
        return released.last == self.last and released.sequence <= self.sequence

    def facts(self) -> Mapping[str, int]:
        """The numbers by their names; ``Jump(**facts)`` is the same again."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class JumpLimit:
    """How many entries may be new, changed or gone at once: whichever is more.

    Attributes:
        entries: So many in any list.
        share: This part of the last list's entries.
    """

    entries: int = 10_000
    share: float = 0.1

    def of(self, entries: int) -> int:
        """How many changes are usual after a list of so many entries."""
        return max(self.entries, int(entries * self.share))

    def of_part(self) -> JumpLimit:
        """How far the list of one place goes: a tenth as many entries, since a town has some thousand in all."""
        return replace(self, entries=max(1, self.entries // 10))


def check_jump(place: str, jump: Jump, *, usual: int, released: Jump | None) -> None:
    """Raise ListBlocked for more changes at once than are usual, unless two officers have released them."""
    if jump.beyond(released) > usual:
        raise ListBlocked(
            place,
            f"{jump.new} entries are new, {jump.changed} changed and {jump.gone} gone at once; {usual} are usual",
            reason=Block.MASS_JUMP,
            facts=jump.facts(),
            remedy="Find out why; if it is right, two operators of the centre release it (`kakehashi list release`)",
        )


def check_lost(place: str, jump: Jump, *, last: str, usual: int, released: Jump | None) -> None:
    """Raise ListBlocked where a list has nothing to be compared with, unless two officers have released it so."""
    if released is None or not jump.follows(released) or jump.beyond(released) > usual:
        raise ListBlocked(
            place,
            f"every copy of {last} is lost: nobody can tell whether an entry of it is missing",
            reason=Block.LAST_LOST,
            facts=jump.facts(),
            remedy="Put its file back from a mirror; if none has it, look whether the database has all that the journal "
            "has, and two operators of the centre release the list (`kakehashi list release`)",
        )


def check_change(place: str, before: Revocation, after: Revocation) -> None:
    """Raise ListBlocked unless one list's entry may become another in the next list.

    What may be published is what may be recorded (``ca.rules.revocation.change``): while the reason stays, so does all
    else; a reason that is raised keeps the earlier moments.
    """
    if before.reason is RevocationReason.REMOVE_FROM_CRL:
        return  # good again, and so as if new
    if after.reason is not before.reason and after.reason not in CHANGES[before.reason]:
        raise ListBlocked(
            f"{place}, serial {after.serial}",
            f"reason {before.reason.word} became {after.reason.word}",
            reason=Block.REASON_CHANGED,
            clause="RFC 5280 5.3.1",
        )
    right = before if after.reason is before.reason else change(before, after)
    if after != right:
        raise ListBlocked(
            f"{place}, serial {after.serial}",
            f"its dates changed while the reason went from {before.reason.word} to {after.reason.word}",
            reason=Block.DATE_CHANGED,
            clause="RFC 5280 5.1.2.6 and 5.3.2",
        )
