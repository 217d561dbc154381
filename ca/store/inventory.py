"""What is signed with what, for which keys, and ending when: counted over millions of certificates.

What a certificate is signed with follows from its generation, which has one suite for all its life. Which key it is for is in
no column, since whoever issues or revokes never asks: it is read from the certificates themselves, in one pass that holds a
page of them at a time (``Keys.READ``), or taken for holders from the rule by which their authority certifies keys now
(``Keys.RULE``), where the certificates are too many to be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, case, func, literal, select

from ca.model import (
    HOLDER_KINDS,
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    RevocationReason,
    Serial,
)
from ca.profiles.practice import Practice
from ca.rules.generations import MAY_ISSUE
from ca.rules.validity import JST
from ca.store import key_lives, lists
from ca.store.certificates import CertificateState
from ca.store.connections import Reading
from ca.store.tables import (
    certificate_bytes,
    certificates,
    cross_certificates,
    generations,
    revocations,
)
from ca.suites import SuiteId
from ca.wire import key_names

Practices = Mapping[AuthorityId, Practice]

_PAGE = 2000
"""Certificates in memory at once."""

_LAST_YEAR = 9999


class Keys(StrEnum):
    """Where it is taken from which keys holders' certificates are for; those of CAs and services are always read."""

    READ = "read"
    RULE = "rule"


class Stand(StrEnum):
    """How a certificate stands. What was revoked is revoked also after its end."""

    LIVE = "live"
    ON_HOLD = "on hold"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INTENDED = "intended"


IN_USE = frozenset({Stand.LIVE, Stand.ON_HOLD})
"""What somebody has who may need it again."""


@dataclass(frozen=True, slots=True)
class Group:
    """Certificates that have everything in common that is asked about.

    Attributes:
        suite: With what their generation signs.
        key: Which keys they are for, such as ``RSA-2048``; the rule's words with Keys.RULE.
        ends: The year in which they end, in Japan.
    """

    generation: GenerationId
    suite: SuiteId
    kind: CertificateKind
    key: str
    ends: int
    stand: Stand
    count: int


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of a generation, which its own key signs.

    Attributes:
        places: How many lists it has.
        made: Of how many of them there is one.
        entries: How many entries those have together.
        next_update: When the first of them is due; None if there is none.
    """

    generation: GenerationId
    suite: SuiteId
    places: int
    made: int
    entries: int
    next_update: datetime | None


@dataclass(frozen=True, slots=True)
class Cross:
    """A certificate of one generation of this home for another CA, or for another key of its own."""

    certificate: CertificateId
    suite: SuiteId
    subject: GenerationId
    not_after: datetime
    stand: Stand


def groups(
    reading: Reading,
    practices: Practices,
    at: datetime,
    *,
    keys: Keys = Keys.READ,
    before: datetime | None = None,
) -> list[Group]:
    """Every certificate of this home, counted.

    Args:
        reading: Transactions in the databases.
        practices: What the authorities do, for the rules of Keys.RULE.
        at: Now: what has ended before has expired.
        keys: Whether holders' certificates are read.
        before: Only those that end before this moment.
    """
    counted: list[Group] = []
    for connection in reading.each():
        suites = suites_of(connection)
        found = (
            _read(connection, at, before)
            if keys is Keys.READ
            else _by_rule(connection, practices, at, before)
        )
        for (name, kind, ends, stand, key), count in found.items():
            generation = GenerationId.parse(name)
            group = Group(
                generation, suites[generation], CertificateKind(kind), key, ends, Stand(stand), count
            )
            counted.append(group)
    return sorted(counted, key=lambda one: (one.generation, one.kind, one.key, one.ends, one.stand))


def suites_of(connection: Connection) -> dict[GenerationId, SuiteId]:
    """With what each generation of this database signs."""
    query = select(generations.c.generation, generations.c.suite)
    return {GenerationId.parse(name): SuiteId(suite) for name, suite in connection.execute(query)}


def all_lists(reading: Reading) -> list[Lists]:
    """The lists of every generation, by generation."""
    found = []
    for connection in reading.each():
        for generation, suite in suites_of(connection).items():
            newest = lists.newest(connection, generation).values()
            found.append(
                Lists(
                    generation=generation,
                    suite=suite,
                    places=len(lists.places_of(connection, generation)),
                    made=len(newest),
                    entries=sum(one.entries for one in newest),
                    next_update=min((one.next_update for one in newest), default=None),
                )
            )
    return sorted(found, key=lambda one: one.generation)


def crosses(reading: Reading, at: datetime) -> list[Cross]:
    """Every cross-certificate and link that a generation of this home has issued, or is about to; the soonest to end first."""
    found = []
    for connection in reading.each():
        suites, columns = suites_of(connection), certificates.c
        made = cross_certificates.join(
            certificates,
            (columns.generation == cross_certificates.c.issuer)
            & (columns.serial == cross_certificates.c.serial),
        )
        query = select(
            columns.generation, columns.serial, cross_certificates.c.subject, columns.not_after, _stand(at)
        ).select_from(made.outerjoin(revocations, _ENDED))
        for name, serial, subject, not_after, stand in connection.execute(query):
            certificate = CertificateId(GenerationId.parse(name), Serial.of(serial))
            suite = suites[certificate.generation]
            found.append(Cross(certificate, suite, GenerationId.parse(subject), not_after, Stand(stand)))
    return sorted(found, key=lambda one: (one.not_after, one.certificate))


def issuing(reading: Reading) -> dict[AuthorityId, GenerationId]:
    """The generation of each authority that signs certificates now."""
    return {
        one.authority: one
        for connection in reading.each()
        for one in key_lives.standing(connection, MAY_ISSUE)
    }


DESTROYED = "destroyed"
"""What is said of the key of a certificate whose bytes were destroyed when their time was over."""

Counted = Counter[tuple[str, str, int, str, str]]
"""Of each (generation, kind, year, stand, key) how many."""

_ENDED = and_(
    revocations.c.generation == certificates.c.generation,
    revocations.c.scope == certificates.c.scope,
    revocations.c.serial == certificates.c.serial,
)
_BYTES = and_(
    certificate_bytes.c.generation == certificates.c.generation,
    certificate_bytes.c.serial == certificates.c.serial,
)


def _read(connection: Connection, at: datetime, before: datetime | None) -> Counted:
    """Every certificate's key is read."""
    # The bytes come first, and outer joins keep SQLite to that: they lie as they were written, and are by far the most.
    joined = certificate_bytes.outerjoin(certificates, _BYTES).outerjoin(revocations, _ENDED)
    return _counted(connection, _select(connection, joined, at, before, certificate_bytes.c.encoded))


def _by_rule(connection: Connection, practices: Practices, at: datetime, before: datetime | None) -> Counted:
    """The database counts the holders', and only the others' keys are read."""
    holder = certificates.c.kind.in_(HOLDER_KINDS)
    joined = certificates.outerjoin(revocations, _ENDED)
    rows = _select(connection, joined, at, before).where(holder).subquery()
    columns = tuple(rows.c)
    counted: Counted = Counter()
    query: Select[Any] = select(*columns, func.count()).group_by(*columns)
    for name, kind, ends, stand, count in connection.execute(query):
        counted[name, kind, ends, stand, _rule(practices, name, kind)] = count
    others = certificates.outerjoin(certificate_bytes, _BYTES).outerjoin(revocations, _ENDED)
    rest = _select(connection, others, at, before, certificate_bytes.c.encoded).where(~holder)
    return counted + _counted(connection, rest)


def _rule(practices: Practices, generation: str, kind: str) -> str:
    practice = practices.get(GenerationId.parse(generation).authority)
    holder = None if practice is None else practice.holders.get(CertificateKind(kind))
    return "no rule" if holder is None else f"{holder.keys} (rule)"


def _counted(connection: Connection, query: Select[Any]) -> Counted:
    counted: Counted = Counter()
    certified = key_names.certified
    for page in _pages(connection, query):
        for name, kind, ends, stand, encoded in page:
            if name is not None:  # bytes without a certificate are nobody's
                key = (
                    DESTROYED
                    if encoded == b""
                    else key_names.UNREADABLE
                    if encoded is None
                    else certified(encoded)
                )
                counted[name, kind, ends, stand, key] += 1
    return counted


def _pages(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    with connection.execute(query.execution_options(yield_per=_PAGE)) as result:
        yield from result.partitions()


def _select(
    connection: Connection,
    joined: FromClause,
    at: datetime,
    before: datetime | None,
    *more: ColumnElement[Any],
) -> Select[Any]:
    """(generation, kind, year of end, stand) of each certificate, and more if that is asked for."""
    columns = certificates.c
    query = select(
        columns.generation,
        columns.kind,
        _year(connection, columns.not_after).label("ends"),
        _stand(at).label("stand"),
        *more,
    ).select_from(joined)
    return query if before is None else query.where(columns.not_after < before)


def _year(connection: Connection, moment: ColumnElement[datetime]) -> ColumnElement[int]:
    """The year in Japan of a moment of the certificates. No database reckons years alike, so it is told when each begins."""
    first, last = connection.execute(select(func.min(moment), func.max(moment))).one()
    if first is None:
        return literal(_LAST_YEAR)
    years = range(first.year, min(last.year + 1, _LAST_YEAR))  # Japan's year may be the one after UTC's
    beginnings = [(moment < datetime(year + 1, 1, 1, tzinfo=JST), literal(year)) for year in years]
    return case(*beginnings, else_=literal(years.stop)) if beginnings else literal(years.stop)


def _stand(at: datetime) -> ColumnElement[str]:
    """How a certificate stands. What is recorded against it counts whatever the hour, as it does for who asks its status."""
    now = at.replace(microsecond=0)  # the last second counts (RFC 5280 4.1.2.5)
    reason = revocations.c.reason  # null where nothing is recorded, and then no comparison holds
    return case(
        (certificates.c.state == CertificateState.INTENDED, literal(Stand.INTENDED.value)),
        (certificates.c.state == CertificateState.ABANDONED, literal(Stand.REVOKED.value)),
        (
            reason.not_in((RevocationReason.REMOVE_FROM_CRL, RevocationReason.CERTIFICATE_HOLD)),
            literal(Stand.REVOKED.value),
        ),
        (certificates.c.not_after < now, literal(Stand.EXPIRED.value)),
        (reason == RevocationReason.CERTIFICATE_HOLD, literal(Stand.ON_HOLD.value)),
        else_=literal(Stand.LIVE.value),
    )
