"""What a list is to say: its number and moment, linted, with its entries in a file, and not signed yet.

Everything is read in one state of the store, and nothing is written there: a list of millions takes a minute, and
nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import BinaryIO

from sqlalchemy import Connection

from ca.errors import BadInput
from ca.issuing.issuer import Issuer
from ca.keys.signer import hasher
from ca.lint.lists import check_list, entry_checker, reasons_in
from ca.model import Scope
from ca.profiles.extensions import FreshestPoint
from ca.profiles.lists import ListDraft, ListPlace, draft_delta, draft_list
from ca.revoking.lists.gate import Base
from ca.revoking.lists.publisher import Publisher
from ca.store import contents, lists, revocations
from ca.store.contents import Contents, Summary
from ca.store.lists import ListRecord
from ca.store.tables import microseconds
from ca.wire.list_stream import ListStream
from ca.wire.lists import UnsignedList, write_unsigned


@dataclass(frozen=True, slots=True)
class DraftedList:
    """A list that stands in a file and only lacks its signature.

    Attributes:
        record: What is to be written down before it is signed.
        names: What the complete list of this moment names.
        freshest: Its freshestCRL, if it has one.
        before: The newest list of this kind and place that was placed.
        ordered: How many of the entries that are new since then say that an order of many has caused them, by its number.
        base: Of a delta list: the complete list that it is to be added to.
    """

    record: ListRecord
    place: ListPlace
    names: Contents
    freshest: FreshestPoint | None
    before: ListRecord | None
    ordered: Mapping[int, int]
    base: Base | None
    unsigned: UnsignedList = field(repr=False)
    file: BinaryIO = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A list that is being drafted: what it names, what that comes to, and the last one of its kind."""

    contents: Contents
    before: ListRecord | None
    summary: Summary
    ordered: Mapping[int, int]

    @property
    def is_delta(self) -> bool:
        return self.contents.since is not None


@dataclass(frozen=True, slots=True)
class Drafting:
    """Drafts an authority's lists.

    Attributes:
        connection: A transaction that reads one state.
        files: Keeps the drafts' files open, and the bases'.
        at: Now.
    """

    connection: Connection
    issuer: Issuer
    publisher: Publisher
    files: ExitStack
    at: datetime

    def draft(self, scope: Scope, *, complete: bool = True) -> list[DraftedList]:
        """Draft the complete list of a scope and, if the authority makes them, its delta list; or the latter alone.

        The first list of a scope is complete, and has no delta list, since there is nothing to add one to. A delta list
        that is lost has nothing to be compared with, and is followed by one with its complete list.

        Raises:
            LintRefused: A list, or an entry of it, would break a rule.
            NotFound: The authority has no such list.
        """
        generation = self.issuer.id
        place = lists.place(self.connection, generation, scope)
        regular = self._regular(scope)
        # RFC 5280 3.3: an entry stays until a regular list that was made after the certificate's own end has had it.
        names = Contents(generation, scope, ended_before=None if regular is None else regular.this_update)
        base = self._base(scope, regular)
        wanted = []
        if complete or base is None or self._delta_is_lost(scope):
            wanted.append(self._wanted(names, place))
        if base is not None:
            wanted.append(self._wanted(replace(names, since=base[0].sequence), place))
        draft = self._complete(place, [one.summary for one in wanted], delta=base is not None)
        return [
            self._written(one, draft, names, None)
            if base is None or not one.is_delta
            else self._written(one, draft_delta(draft, base[1].number), names, base[1])
            for one in wanted
        ]

    def _regular(self, scope: Scope) -> ListRecord | None:
        """The newest list that has been out for half its time: whoever reads lists regularly has had one as new."""
        made = self.at - self.issuer.practice.periods.next_update / 2
        # Numbers are at least the microseconds of their moments, so this is one look into the primary key.
        return lists.newest_placed(self.connection, self.issuer.id, scope, upto=microseconds(made))

    def _base(self, scope: Scope, regular: ListRecord | None) -> tuple[ListRecord, Base] | None:
        """The complete list that a delta list is to be added to, if there are to be any and it is still there."""
        if not self.issuer.practice.lists.delta:
            return None
        record = regular or lists.oldest_placed(self.connection, self.issuer.id, scope)
        file = None if record is None else self.publisher.numbered(self.issuer.id, scope, record.number)
        if record is None or file is None:
            return None
        return record, Base(self.files.enter_context(file), record.number, record.sequence)

    def _delta_is_lost(self, scope: Scope) -> bool:
        if lists.newest_placed(self.connection, self.issuer.id, scope, delta=True) is None:
            return False
        file = self.publisher.newest(self.issuer.id, scope, delta=True)
        if file is not None:
            file.close()
        return file is None

    def _wanted(self, listed: Contents, place: ListPlace) -> _Wanted:
        delta = listed.since is not None
        before = lists.newest_placed(self.connection, listed.generation, listed.scope, delta=delta)
        said = 0 if before is None else before.sequence
        summary = contents.summed_up(self.connection, listed, reasons_in(place.holds, delta=delta), said=said)
        # The first list of all may say anything.
        ask = before is not None and summary.ordered > 0
        ordered = contents.by_order(self.connection, listed, said=said) if ask else {}
        return _Wanted(listed, before, summary, ordered)

    def _complete(self, place: ListPlace, sums: list[Summary], *, delta: bool) -> ListDraft:
        """The complete list's statements; a delta list of its moment shares them."""
        issuer, scope = self.issuer, place.scope
        number, update = self._last(scope)
        # What was revoked while this publication waited for its turn stands in the list, which is then of that moment.
        # Nor is it older than the last one, whose number is lower.
        moments = [self.at.replace(microsecond=0), *(one.latest for one in sums if one.latest is not None)]
        this_update = max(moments if update is None else [*moments, update])
        return draft_list(
            place,
            suite=issuer.record.suite,
            issuer=issuer.practice.name,
            key_identifier=issuer.key_identifier,
            # Numbers rise even if the clock stands still, and never fall behind those of a lost store.
            number=max(number + 1, microseconds(self.at)),
            this_update=this_update,
            next_update=this_update + issuer.practice.periods.next_update,
            freshest=f"{issuer.practice.url}/{self.publisher.delta_path(issuer.id, scope)}"
            if delta
            else None,
        )

    def _last(self, scope: Scope) -> tuple[int, datetime | None]:
        """The highest number and moment of the scope's lists that are out, by the store and by what is public.

        A list that was intended and never came out has left no trace, so its number may be given again. One that lies
        under its number came out, even if death kept it from being the newest.
        """
        generation = self.issuer.id
        numbers, moments = [0, *self.publisher.numbers(generation, scope)], list[datetime]()
        intended = lists.newest_intended(self.connection, generation, scope)
        if intended is not None and intended.number in numbers:
            moments.append(intended.this_update)
        files = [
            self.publisher.numbered(generation, scope, max(numbers)),
            *(self.publisher.newest(generation, scope, delta=delta) for delta in (False, True)),
        ]
        for delta in (False, True):
            record = lists.newest_placed(self.connection, generation, scope, delta=delta)
            if record is not None:
                numbers.append(record.number)
                moments.append(record.this_update)
        for file in files:
            if file is None:
                continue
            # What cannot be read there, the gate says.
            with file, suppress(BadInput):
                head = ListStream(file, f"list {generation} {scope}").head
                numbers.append(head.number or 0)
                moments.append(head.this_update)
        return max(numbers), max(moments, default=None)

    def _written(self, wanted: _Wanted, draft: ListDraft, names: Contents, base: Base | None) -> DraftedList:
        """Lint the list and write it into a file."""
        check_list(draft, self.issuer.facts)
        if wanted.summary.unfit:
            reasons = reasons_in(draft.place.holds, delta=wanted.is_delta)
            unfit = contents.first_unfit(self.connection, wanted.contents, reasons)
            entry_checker(draft)(unfit)
            raise AssertionError("what the store finds unfit breaks a rule of entries")
        file = self.files.enter_context(self.publisher.draft(self.issuer.id))
        entries = contents.blocks(self.connection, wanted.contents)
        hashing = hasher(self.issuer.record.public_key, draft.suite)
        unsigned = write_unsigned(file, draft, entries, wanted.summary.octets, hashing)
        record = ListRecord(
            generation=self.issuer.id,
            scope=draft.place.scope,
            number=draft.number,
            this_update=draft.this_update,
            next_update=draft.next_update,
            entries=wanted.summary.entries,
            sequence=revocations.sequence(self.connection),
            tbs_digest=unsigned.sha256,
            base=None if base is None else base.number,
        )
        return DraftedList(
            record=record,
            place=draft.place,
            names=names,
            freshest=draft.extension(FreshestPoint),
            before=wanted.before,
            ordered=wanted.ordered,
            base=base,
            unsigned=unsigned,
            file=file,
        )
