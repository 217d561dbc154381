"""Open transactions in the databases of a world: the nation's, and those of the authorities that have their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from ca.model import AuthorityId, CertificateId
from ca.store.engine import Store

T = TypeVar("T")

Begin = Callable[[Store], AbstractContextManager[Connection]]
"""A way to begin a transaction."""


class Connections(Protocol):
    """Open transactions in the nation's database and in those of authorities."""

    @property
    def nation(self) -> Connection:
        """The transaction in the nation's database."""
        ...

    def of(self, authority: AuthorityId) -> Connection:
        """The transaction in this authority's database."""
        ...


class Whereabouts(Protocol):
    """Which database is whose."""

    def of(self, authority: AuthorityId) -> Store:
        """Where this authority's certificates, revocations and lists lie."""
        ...

    def each(self) -> tuple[Store, ...]:
        """Every database once, the nation's first."""
        ...


class Databases(Whereabouts, Protocol):
    """The same for those who write in several."""

    def apart(self) -> dict[AuthorityId, Store]:
        """Every database but the nation's once, under the first of the authorities that have it."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """Transactions that read, opened as they are asked for: one state of each database."""

    nation: Connection
    _stores: Databases
    _begin: Begin
    _others: ExitStack
    _open: dict[Store, Connection]

    def of(self, authority: AuthorityId) -> Connection:
        """The transaction in this authority's database."""
        return self._in(self._stores.of(authority))

    def each(self) -> tuple[Connection, ...]:
        """The transactions in every database, the nation's first."""
        return tuple(self._in(store) for store in self._stores.each())

    def apart(self) -> dict[AuthorityId, Connection]:
        """Those of the transactions asked for that are not in the nation's database, named as its ``Databases`` do."""
        return {
            authority: self._open[store]
            for authority, store in self._stores.apart().items()
            if store in self._open
        }

    def _in(self, store: Store) -> Connection:
        if store not in self._open:
            self._open[store] = self._others.enter_context(self._begin(store))
        return self._open[store]


@dataclass(frozen=True, slots=True)
class Writing(Reading):
    """The same for transactions that write.

    The nation's lock is always taken first, so two writers never wait for each other.
    """


def grouped(
    connections: Connections, items: Iterable[T], certificate: Callable[[T], CertificateId]
) -> Iterable[tuple[Connection, list[T]]]:
    """These items by the database in which the certificate that each is about lies."""
    found: dict[Connection, list[T]] = {}
    for item in items:
        found.setdefault(connections.of(certificate(item).generation.authority), []).append(item)
    return found.items()
