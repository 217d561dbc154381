"""Lists on their way to relying parties: drafted, written down, signed, looked at by the gate, and placed.

A publisher admits one publication at a time, so that a list never replaces a newer one. A list that lint refuses, or
that the gate keeps back, keeps no other back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import BinaryIO

from ca import suites
from ca.errors import Conflict, KakehashiError, LintRefused, ListBlocked
from ca.issuing.issuer import Issuer
from ca.keys.signer import verify_digest
from ca.model import ARL, FULL, Scope, Serial
from ca.profiles.practice import Practice
from ca.revoking.lists.drafting import DraftedList, Drafting
from ca.revoking.lists.gate import USUAL, Before, Expectation, pass_gate
from ca.revoking.lists.gate_entries import Excuses
from ca.revoking.lists.last_list import last_complete
from ca.revoking.lists.publisher import Publisher, SignedList
from ca.rules.generations import RFC4210, Keys
from ca.rules.list_changes import Jump, JumpLimit
from ca.store import blocked, contents, key_lives, lists, orders
from ca.store.engine import Store
from ca.store.lists import ListRecord
from ca.suites import Use
from ca.wire.lists import write_signature

# So many lists are drafted, signed and placed together: they share syncs, and the first ones do not wait for the last.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Wish:
    """A list that is to be made with its delta list; or that one alone, if the complete one is not wanted."""

    scope: Scope
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a publication: the lists that were placed, and why others were not."""

    made: list[ListRecord] = field(default_factory=list)
    failures: list[KakehashiError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Placing:
    """Makes and places lists of one generation, as of one moment.

    Attributes:
        nation: Where orders of many lie; None: where the authority's lists do.
    """

    store: Store
    issuer: Issuer
    publisher: Publisher
    at: datetime
    outcome: Outcome = field(default_factory=Outcome)
    nation: Store | None = None

    def run(self, wishes: Sequence[Wish]) -> Outcome:
        """Make these lists. What lint or the gate has against one of them stands in the outcome; the rest is raised.

        Raises:
            NotFound: The authority has no such list; none of its group was made.
            Conflict: The key makes no lists yet, or no more.
            KeyRefused: The key cannot sign.
            StorageFailed: The store or the repository refused a write.
        """
        suites.require(self.issuer.record.suite, Use.SIGN_STATUS, self.at)
        for start in range(0, len(wishes), _AT_ONCE):
            with self.publisher.exclusive(), ExitStack() as files:
                self._make(wishes[start : start + _AT_ONCE], files)
        return self.outcome

    def _make(self, wishes: Sequence[Wish], files: ExitStack) -> None:
        drafted, released = self._draft(wishes, files)
        if not drafted:
            return
        with self.store.writing() as connection:
            lists.intend(connection, [draft.record for group in drafted for draft in group])

        def finish(group: list[DraftedList]) -> list[ListRecord] | ListBlocked:
            try:
                return [self._finish(draft, group, released.get(draft.record.scope)) for draft in group]
            except ListBlocked as error:
                return error

        # Signing and hashing let go of the interpreter's lock, so a thread a core is worth it.
        with ThreadPoolExecutor(max_workers=2) as pool:
            finished = list(zip(drafted, pool.map(finish, drafted), strict=True))
        passed = [(group, records) for group, records in finished if not isinstance(records, ListBlocked)]
        self.publisher.place_lists(
            self.issuer.id,
            [
                SignedList(draft.record.scope, draft.record.number, draft.record.base is not None, draft.file)
                for group, _ in passed
                for draft in group
            ],
        )
        made = [record for _, records in passed for record in records]
        with self.store.writing() as connection:
            lists.complete(connection, made)
            blocked.clear(connection, self.issuer.id, {record.scope for record in made})
            for group, error in finished:
                if isinstance(error, ListBlocked):
                    blocked.keep_back(connection, self.issuer.id, group[0].record.scope, error, at=self.at)
                    self.outcome.failures.append(error)
        self.outcome.made.extend(made)

    def _draft(
        self, wishes: Sequence[Wish], files: ExitStack
    ) -> tuple[list[list[DraftedList]], dict[Scope, Jump]]:
        """The drafts of each scope, and what officers have released."""
        drafted, released = [], {}
        with self.store.reading() as connection:
            self._require_making_lists(key_lives.keys_of(connection, self.issuer.id.authority))
            drafting = Drafting(connection, self.issuer, self.publisher, files, self.at)
            for wish in wishes:
                try:
                    drafted.append(drafting.draft(wish.scope, complete=wish.complete))
                except LintRefused as error:
                    self.outcome.failures.append(error)
                if (jump := blocked.released(connection, self.issuer.id, wish.scope)) is not None:
                    released[wish.scope] = jump
        return drafted, released

    def _require_making_lists(self, keys: Keys) -> None:
        if not keys.makes_lists(self.issuer.id):
            life = keys.life(self.issuer.id)
            stands = "is not planned" if life is None else f"is {life.state}"
            raise Conflict(f"generation {self.issuer.id}", f"{stands}, and signs no lists", clause=RFC4210)

    def _finish(self, draft: DraftedList, group: Sequence[DraftedList], released: Jump | None) -> ListRecord:
        """Sign a list and have the gate look at it; ListBlocked if it does not pass."""
        suite, public_key = self.issuer.record.suite, self.issuer.record.public_key
        signature = self.issuer.signer.sign_digest(draft.unsigned.digest, suite)
        verify_digest(public_key, suite, draft.unsigned.digest, signature)
        write_signature(draft.file, draft.unsigned, suite, signature)
        draft.file.flush()
        record = draft.record
        with ExitStack() as files:
            pass_gate(draft.file, self._last(draft, files), self._expected(draft, group, released))
        return replace(record, digest=_sha256(draft.file))

    def _last(self, draft: DraftedList, files: ExitStack) -> BinaryIO | None:
        """What the draft is to be compared with."""
        scope, before = draft.record.scope, draft.before
        if draft.base is None:
            placed = 0 if before is None else before.number
            return last_complete(self.publisher, self.issuer.id, scope, placed, files)
        delta = self.publisher.newest(self.issuer.id, scope, delta=True)
        return None if delta is None else files.enter_context(delta)

    def _expected(
        self, draft: DraftedList, group: Sequence[DraftedList], released: Jump | None
    ) -> Expectation:
        record, before = draft.record, draft.before

        def expired(serials: Sequence[Serial]) -> frozenset[Serial]:
            with self.store.reading() as connection:
                return contents.expired(connection, draft.names, serials)

        def let_go(said: int, serials: Sequence[Serial]) -> frozenset[Serial]:
            with self.store.reading() as connection:
                return contents.let_go(connection, draft.names, serials, said=said)

        def excuses(said: int) -> Excuses:
            return Excuses(expired, partial(let_go, said))

        usual = _usual(self.issuer.practice)
        return Expectation(
            generation=self.issuer.id,
            place=draft.place,
            issuer=self.issuer.practice.name,
            suite=self.issuer.record.suite,
            public_key=self.issuer.record.public_key,
            number=record.number,
            entries=record.entries,
            sequence=record.sequence,
            at=self.at,
            excuses=excuses(0 if before is None else before.sequence),
            excuses_of_base=None if draft.base is None else excuses(draft.base.sequence),
            before=None if before is None else _before(before),
            freshest=draft.freshest,
            base=draft.base,
            # A complete list that goes through the gate with it tells how much has changed.
            limit=None
            if draft.base is not None and len(group) > 1
            else (usual if record.scope in (ARL, FULL) else usual.of_part()),
            announced=self._announced(draft.ordered),
            released=released,
        )

    def _announced(self, ordered: Mapping[int, int]) -> int:
        """How many of the changes that name an order two officers have approved."""
        if not ordered:
            return 0
        with (self.nation or self.store).reading() as connection:
            return orders.announced(connection, ordered)


def _usual(practice: Practice) -> JumpLimit:
    return replace(USUAL, entries=practice.lists.usual_changes)


def _before(record: ListRecord) -> Before:
    return Before(record.number, record.this_update, record.entries, record.sequence)


def _sha256(file: BinaryIO) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while octets := file.read(1 << 20):
        digest.update(octets)
    return digest.digest()
