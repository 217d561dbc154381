"""The databases of a world: the nation's, and for each authority the same one or one of its own.

Nothing is ever written in two databases at one stroke. Where a step touches both, it says which one keeps it first,
and whoever starts after a crash in between can tell from the first what the second lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from sqlalchemy import Connection

from ca.model import AuthorityId, CertificateId, GenerationId
from ca.store import authorities, certificates
from ca.store.authorities import GenerationRecord
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.engine import Store


class KeptFirst(Enum):
    """Which database's transaction is kept first."""

    NATION = "the nation's"
    AUTHORITIES = "the authorities'"


class Connections(Protocol):
    """Open transactions in the nation's database and in those of authorities."""

    @property
    def nation(self) -> Connection:
        """The transaction in the nation's database."""
        ...

    def of(self, authority: AuthorityId) -> Connection:
        """The transaction in this authority's database."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """Transactions that read, opened as they are asked for: one state of each database."""

    nation: Connection
    _stores: Stores
    _begin: Callable[[Store], AbstractContextManager[Connection]]
    _others: ExitStack
    _open: dict[Store, Connection]

    def of(self, authority: AuthorityId) -> Connection:
        """The transaction in this authority's database."""
        return self._in(self._stores.of(authority))

    def each(self) -> tuple[Connection, ...]:
        """The transactions in every database, the nation's first."""
        return tuple(self._in(store) for store in self._stores.each())

    def _in(self, store: Store) -> Connection:
        if store not in self._open:
            self._open[store] = self._others.enter_context(self._begin(store))
        return self._open[store]


@dataclass(frozen=True, slots=True)
class Writing(Reading):
    """The same for transactions that write.

    The nation's lock is always taken first, so two writers never wait for each other.
    """


@dataclass(frozen=True, slots=True)
class Stores:
    """The databases of a world.

    Attributes:
        nation: Offices, cases, holdings, events, keys of clients; and every authority that has no database of its own.
        own: The databases of the authorities that have one.
    """

    nation: Store
    own: Mapping[AuthorityId, Store] = field(default_factory=dict)

    def of(self, authority: AuthorityId) -> Store:
        """Where this authority's certificates, revocations and lists lie."""
        return self.own.get(authority, self.nation)

    def each(self) -> tuple[Store, ...]:
        """Every database once, the nation's first."""
        return tuple(dict.fromkeys((self.nation, *self.own.values())))

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Read in the nation's database and in authorities'."""
        with ExitStack() as others, self.nation.reading() as connection:
            yield Reading(connection, self, Store.reading, others, {self.nation: connection})

    @contextmanager
    def writing(self, first: KeptFirst) -> Iterator[Writing]:
        """Write in the nation's database and in authorities'; all of it is kept, or nothing but for a crash.

        A crash, or a database that refuses at the very end, may leave what ``first`` names alone.
        """
        with ExitStack() as later, ExitStack() as sooner:
            nations, others = (sooner, later) if first is KeptFirst.NATION else (later, sooner)
            connection = nations.enter_context(self.nation.writing())
            yield Writing(connection, self, Store.writing, others, {self.nation: connection})

    def generations(self) -> list[GenerationRecord]:
        """Every key of every authority."""
        found: list[GenerationRecord] = []
        for store in self.each():
            with store.reading() as connection:
                found += authorities.all_generations(connection)
        return found

    def certificates(self, wanted: Iterable[CertificateId]) -> list[CertificateRecord]:
        """These certificates, each from its authority's database; those that never got there are left out."""
        found: list[CertificateRecord] = []
        for certificate in wanted:
            with self.of(certificate.generation.authority).reading() as connection:
                record = certificates.known(connection, certificate)
            if record is not None:
                found.append(record)
        return found

    def bodies(self, wanted: Iterable[CertificateId]) -> dict[CertificateId, tuple[CertificateState, bytes]]:
        """The states and bytes of many certificates, read in few steps."""
        by_generation: dict[GenerationId, list[CertificateId]] = {}
        for certificate in wanted:
            by_generation.setdefault(certificate.generation, []).append(certificate)
        found: dict[CertificateId, tuple[CertificateState, bytes]] = {}
        for generation, group in by_generation.items():
            with self.of(generation.authority).reading() as connection:
                found |= certificates.bodies(connection, generation, group)
        return found

    def close(self) -> None:
        """Let go of all connections."""
        for store in self.each():
            store.close()
