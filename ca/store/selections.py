"""Reading the certificates that an order is about, a page at a time, each page from where the last one ended.

A selection by municipality walks through whole generations, since certificates have no index by list: a page may look at
many rows, so pages are read outside the writers' turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Row, Select, select, tuple_

from ca.errors import NotFound
from ca.model import (
    HOLDER_KINDS,
    CertificateId,
    GenerationId,
    MunicipalityCode,
    OfficeId,
    Scope,
    Serial,
    partition_scope,
)
from ca.store import authorities, lists, officers
from ca.store.connections import Reading
from ca.store.orders import By, OrderRecord, Place, Selection
from ca.store.tables import (
    applications,
    batch_answers,
    batches,
    certificates,
    list_places,
    order_certificates,
    requests,
)

Page = list[tuple[Place, CertificateId]]
"""Certificates, each with its place."""


def page(reading: Reading, order: OrderRecord, after: Place | None, limit: int) -> Page:
    """The certificates of an order behind a place, at most so many; fewer only at the end.

    Each has been intended or is about to be; the holders' alone, except where they are named one by one.
    """
    value = order.selection.value
    match order.selection.by:
        case By.MUNICIPALITY:
            return _of_sources(reading, _municipality(reading, MunicipalityCode(value)), after, limit)
        case By.GENERATION:
            return _of_sources(reading, [(GenerationId.parse(value), None)], after, limit)
        case By.PARTITION:
            generation, scope = _partition(value)
            return _of_sources(reading, [(generation, (scope,))], after, limit)
        case By.OFFICE:
            return _of_office(reading, OfficeId(value), after, limit)
        case By.BATCH:
            return _of_batch(reading, value, after, limit)
        case By.SERIALS:
            return _named(reading, order.number, after, limit)


def require_known(reading: Reading, selection: Selection) -> None:
    """Raise NotFound unless what the selection names is there."""
    value = selection.value
    match selection.by:
        case By.MUNICIPALITY:
            if not _municipality(reading, MunicipalityCode(value)):
                raise NotFound(f"municipality {value!r}", "has no lists in this home")
        case By.GENERATION:
            generation = GenerationId.parse(value)
            authorities.generation(reading.of(generation.authority), generation)
        case By.PARTITION:
            generation, scope = _partition(value)
            lists.place(reading.of(generation.authority), generation, scope)
        case By.OFFICE:
            officers.office(reading.nation, value)
        case By.BATCH:
            query = select(batches.c.batch).where(batches.c.batch == value)
            if reading.nation.execute(query).one_or_none() is None:
                raise NotFound(f"batch {value!r}", "is not one of this home's")
        case By.SERIALS:
            pass  # each is looked up


# A generation's certificates, of all its lists (None) or of these.
_Source = tuple[GenerationId, tuple[Scope, ...] | None]


def _municipality(reading: Reading, code: MunicipalityCode) -> list[_Source]:
    """The lists of a town: one a kind and generation."""
    scopes = [partition_scope(kind, code) for kind in sorted(HOLDER_KINDS)]
    found: dict[GenerationId, list[Scope]] = {}
    for connection in reading.each():
        query = select(list_places.c.generation, list_places.c.scope).where(list_places.c.scope.in_(scopes))
        for row in connection.execute(query):
            found.setdefault(GenerationId.parse(row.generation), []).append(Scope(row.scope))
    return [(generation, tuple(of)) for generation, of in found.items()]


def _partition(value: str) -> tuple[GenerationId, Scope]:
    generation, _, scope = value.partition("/")
    return GenerationId.parse(generation), Scope(scope)


def _of_sources(reading: Reading, sources: Sequence[_Source], after: Place | None, limit: int) -> Page:
    """By generation and serial."""
    found: Page = []
    begun = None if after is None else GenerationId.parse(str(after[0]))
    columns = certificates.c
    for generation, scopes in sorted(sources, key=lambda source: source[0]):
        if begun is not None and generation < begun:
            continue
        query = select(columns.serial).where(
            columns.generation == str(generation), columns.kind.in_(sorted(HOLDER_KINDS))
        )
        if scopes is not None:
            query = query.where(columns.scope.in_(scopes))
        if after is not None and generation == begun:
            query = query.where(columns.serial > bytes.fromhex(str(after[1])))
        query = query.order_by(columns.serial).limit(limit - len(found))
        for serial in reading.of(generation.authority).execute(query).scalars():
            found.append(((str(generation), serial.hex()), CertificateId(generation, Serial.of(serial))))
        if len(found) == limit:
            break
    return found


def _of_office(reading: Reading, office: OfficeId, after: Place | None, limit: int) -> Page:
    """By case and kind."""
    key = (requests.c.application, requests.c.kind)
    query = (
        select(*key, requests.c.generation, requests.c.serial)
        .join(applications, applications.c.application == requests.c.application)
        .where(applications.c.office == office, requests.c.serial.is_not(None))
    )
    rows = reading.nation.execute(_behind(query, key, after, limit))
    return [((row.application, row.kind), _id(row)) for row in rows]


def _of_batch(reading: Reading, batch: str, after: Place | None, limit: int) -> Page:
    """By row and kind."""
    key = (batch_answers.c.row, batch_answers.c.kind)
    query = select(*key, batch_answers.c.generation, batch_answers.c.serial).where(
        batch_answers.c.batch == batch, batch_answers.c.serial.is_not(None)
    )
    rows = reading.nation.execute(_behind(query, key, after, limit))
    return [((row.row, row.kind), _id(row)) for row in rows]


def _named(reading: Reading, number: int, after: Place | None, limit: int) -> Page:
    """By generation and serial, in whatever order the database puts them."""
    key = (order_certificates.c.generation, order_certificates.c.serial)
    query = select(*key).where(order_certificates.c.order == number)
    last = None if after is None else (after[0], bytes.fromhex(str(after[1])))
    rows = reading.nation.execute(_behind(query, key, last, limit))
    return [((row.generation, row.serial.hex()), _id(row)) for row in rows]


def _behind(
    query: Select[Any], key: Sequence[Column[Any]], last: Sequence[object] | None, limit: int
) -> Select[Any]:
    """The query's rows in the order of the key, from behind the last one on."""
    if last is not None:
        query = query.where(tuple_(*key) > tuple_(*last))
    return query.order_by(*key).limit(limit)


def _id(row: Row[Any]) -> CertificateId:
    return CertificateId(_generation(row.generation), Serial.of(row.serial))


_generation = lru_cache(maxsize=4096)(GenerationId.parse)
