"""The databases of a world: the nation's, and for each authority the same one or one of its own; and the journal.

Nothing is ever written in two databases at one stroke. What touches more than one, or has to outlive the restoring of an
old copy, is a recording: the journal has it before any database does, and whoever comes next carries out what a crash
kept from a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from ca.errors import HomeRefused, StorageFailed
from ca.journal.journal import Journal
from ca.model import AuthorityId, CertificateId
from ca.store import authorities, certificates, following, heartbeats, key_lives
from ca.store.authorities import GenerationRecord
from ca.store.certificates import CertificateRecord
from ca.store.connections import Begin, Reading, Writing
from ca.store.engine import Store
from ca.store.recording import Recording, carry_out_missing


@dataclass(frozen=True, slots=True)
class Stores:
    """The databases of a world.

    Attributes:
        nation: Offices, cases, holdings, events, keys of clients; and every authority that has no database of its own.
        journal: What was acknowledged, and the archive of what was signed.
        own: The databases of the authorities that have one.
    """

    nation: Store
    journal: Journal
    own: Mapping[AuthorityId, Store] = field(default_factory=dict)

    def of(self, authority: AuthorityId) -> Store:
        """Where this authority's certificates, revocations and lists lie."""
        return self.own.get(authority, self.nation)

    def each(self) -> tuple[Store, ...]:
        """Every database once, the nation's first."""
        return tuple(dict.fromkeys((self.nation, *self.own.values())))

    def apart(self) -> dict[AuthorityId, Store]:
        """Every database but the nation's once, under the first of the authorities that have it."""
        found: dict[Store, AuthorityId] = {}
        for authority in sorted(self.own):
            found.setdefault(self.own[authority], authority)
        return {authority: store for store, authority in found.items() if store is not self.nation}

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Read in the nation's database and in authorities'."""
        with ExitStack() as others, self.nation.reading() as connection:
            yield Reading(connection, self, Store.reading, others, {self.nation: connection})

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Write in the nation's database and in authorities', kept last in the nation's; a crash may part them.

        For what the journal need not know; all else is a ``recording``.
        """
        with ExitStack() as later, ExitStack() as sooner:
            connection = later.enter_context(self.nation.writing())
            yield Writing(connection, self, Store.writing, sooner, {self.nation: connection})

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """Write what the journal has to know; on leaving it is acknowledged, then kept in the databases.

        Raises:
            HomeRefused: The journal is damaged, or ends before what the databases have; or an authority's database is
                an older copy, which has to catch up first.
            StorageFailed: The disk or a database refused. What the journal has all the same, as it then says, is
                carried out by the next recording.
        """
        acknowledged = False
        try:
            with self.journal.turn() as turn, ExitStack() as later, ExitStack() as sooner:
                connection = later.enter_context(self.nation.writing())
                begin = self._no_copy(connection)
                writing = Writing(connection, self, begin, sooner, {self.nation: connection})
                carry_out_missing(writing, turn, self.nation.place)
                recording = Recording(writing, turn)
                yield recording
                recording.keep()
                acknowledged = bool(recording.heads)
        except StorageFailed as error:
            if not acknowledged:
                raise
            raise StorageFailed(
                error.place,
                f"{error.problem}, and the journal has it already",
                remedy="Mend the storage; the next command carries it out. Look before you try again",
            ) from None

    def catch_up(self) -> int:
        """Carry out whatever the journal has and any database lacks; gives how many records were looked at.

        Raises:
            HomeRefused: The journal is damaged, or ends before what the databases have.
            ArchiveDestroyed: What the archive had of a certificate that a database lacks is destroyed.
        """
        with self.journal.turn() as turn, self.writing() as writing:
            first = turn.head.count
            for authority, store in self.apart().items():
                with store.reading() as own:
                    following.require_journal(own, turn.head.count, store.place)
                    # Databases were not told of apart once: then each followed every record.
                    forgotten = following.forgotten(writing.nation, own, authority, untold=turn.head.count)
                if forgotten is not None:
                    writing.of(authority)
                    first = min(first, forgotten)
            return carry_out_missing(writing, turn, self.nation.place, first)

    def beat(self, moment: datetime, beaten: datetime) -> None:
        """Write a heartbeat in the nation's database: what was acknowledged before it stands there, and in all others.

        Args:
            moment: The world's time, read before this is called: what waits for the journal is no part of it.
            beaten: The machine's time then.

        Raises:
            HomeRefused: The journal is damaged, or ends before what the databases have.
            StorageFailed, HomeBusy: A database refused.
        """
        with self.journal.turn() as turn, self.writing() as writing:
            carry_out_missing(writing, turn, self.nation.place)
            heartbeats.beat(writing.nation, moment, beaten)

    def pass_on(self, store: Store, moment: datetime, beaten: datetime) -> None:
        """Write a heartbeat, which the nation's database has, in an authority's too.

        It is not synced: where a crash takes it, the one before it says less, and nothing that is wrong.

        Raises:
            HomeRefused: It is an older copy, which has to catch up first.
            StorageFailed, HomeBusy: A database refused.
        """
        # What it has followed once, it keeps, or is an older copy.
        with self.nation.reading() as nation, self._no_copy(nation, Store.noting)(store) as own:
            heartbeats.beat(own, moment, beaten)

    def _no_copy(self, nation: Connection, beginning: Begin = Store.writing) -> Begin:
        """A way to begin transactions in databases that have forgotten nothing: it would be forgotten for good."""
        names = {store: authority for authority, store in self.apart().items()}

        @contextmanager
        def begin(store: Store) -> Iterator[Connection]:
            with beginning(store) as own:
                if (last := following.forgotten(nation, own, names[store])) is not None:
                    raise HomeRefused(
                        store.place,
                        f"is an older copy, in which the journal's record {last} was the last",
                        remedy="`kakehashi journal replay` gives it back what came later",
                    )
                yield own

        return begin

    def generations(self) -> list[GenerationRecord]:
        """Every key of every authority."""
        found: list[GenerationRecord] = []
        for store in self.each():
            with store.reading() as connection:
                found += authorities.all_generations(connection)
        return found

    def in_service(self) -> list[GenerationRecord]:
        """Those of the keys that make lists, and have a responder."""
        found: list[GenerationRecord] = []
        for store in self.each():
            with store.reading() as connection:
                serving = key_lives.signing_status(connection)
                found += [one for one in authorities.all_generations(connection) if one.id in serving]
        return found

    def certificates(self, wanted: Iterable[CertificateId]) -> list[CertificateRecord]:
        """These certificates, in the order asked for; those that never got to their authority's database are left out."""
        with self.reading() as reading:
            return certificates.several(reading, wanted)

    def close(self) -> None:
        """Let go of all connections."""
        for store in self.each():
            store.close()
