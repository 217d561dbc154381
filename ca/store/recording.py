"""Recordings: what is written in the journal first and then kept in the databases.

The journal record, synced, is the acknowledgement and the truth; the databases follow it. Each says how far it has
followed: whichever of them was put back to an older copy gets what it lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ca.journal.entries import Entry
from ca.journal.journal import Head, Turn
from ca.model import AuthorityId
from ca.store import following
from ca.store.carrying import carry_out
from ca.store.connections import Writing


@dataclass(frozen=True, slots=True)
class Recording:
    """Open transactions in the databases, and what they tell the journal when they end. Made by ``Stores.recording``.

    Attributes:
        writing: The transactions.
        turn: The journal's turn that they are held in.
        heads: Once they have ended, how far the journal reached with each entry.
    """

    writing: Writing
    turn: Turn
    heads: list[Head] = field(default_factory=list)
    _entries: list[Entry] = field(default_factory=list)
    _bodies: list[bytes] = field(default_factory=list)

    @property
    def nation(self) -> Connection:
        """The transaction in the nation's database."""
        return self.writing.nation

    def of(self, authority: AuthorityId) -> Connection:
        """The transaction in this authority's database."""
        return self.writing.of(authority)

    @property
    def next_index(self) -> int:
        """The index that the next entry will have."""
        return self.turn.head.count + len(self._entries) + 1

    @property
    def next_body(self) -> int:
        """The number that the next body will have in the archive."""
        return self.turn.next_body + len(self._bodies)

    def note(self, entry: Entry, bodies: Sequence[bytes] = (), *, carried_out: bool = False) -> int:
        """Have the journal know this, and the databases follow; gives the entry's index.

        Args:
            entry: What happened.
            bodies: What goes into the archive with it, from ``next_body`` on.
            carried_out: The databases say so already: the caller wrote it, in quicker ways, in these transactions.
        """
        index = self.next_index
        self._entries.append(entry)
        self._bodies.extend(bodies)
        if not carried_out:
            carry_out(self.writing, entry, index, self._body)
        return index

    def keep(self) -> None:
        """Write down what was noted. On return it is acknowledged, and about to be kept in the databases."""
        if not self._entries:
            return
        following.mark(self.writing, self.next_index - 1)
        self.heads.extend(self.turn.append(self._entries, self._bodies))

    def _body(self, number: int) -> bytes:
        place = number - self.turn.next_body
        return self._bodies[place] if place >= 0 else self.turn.body(number)


def carry_out_missing(writing: Writing, turn: Turn, place: str, index: int | None = None) -> int:
    """Carry out the records that the nation's database lacks; gives how many there were.

    A crash leaves the nation's database behind, since it is kept last. Only an older copy leaves another one behind.

    Args:
        writing: Transactions in the databases.
        turn: The journal's.
        place: What messages call the nation's database.
        index: Where to begin, if another database lacks what is behind this record.

    Raises:
        HomeRefused: The journal is damaged, or ends before what the database has.
    """
    head = turn.head.count
    followed = following.require_journal(writing.nation, head, place)
    first = followed if index is None else min(followed, index)
    if first < head:
        for record in turn.after(first):
            carry_out(writing, record.entry, record.index, turn.body)
        following.mark(writing, head)
    return head - first
