"""Writing down the ends that a record of the journal orders, all of them in a few statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from ca.journal.entries import ORDER, OrderEntry
from ca.model import CertificateId, Revocation, RevocationReason, Scope
from ca.rules.revocation import CHANGES
from ca.rules.revocation import change as changed
from ca.store import lives, revocations
from ca.store.connections import Writing
from ca.store.revocations import NewRevocation, Standing
from ca.store.tables import FOR_EVER
from ca.wire.lists import encode_entry


@dataclass(frozen=True, slots=True)
class Ends:
    """The ends that a record of the journal orders.

    Attributes:
        orders: What it orders; of two for one certificate the first counts.
        cause: Who or what ends them.
        index: The record's number in the journal.
        at: The record's moment.
    """

    orders: Sequence[OrderEntry]
    cause: str
    index: int
    at: datetime


def end_all(writing: Writing, orders: Sequence[OrderEntry], cause: str, index: int, at: datetime) -> None:
    """Write down the ends that one record orders, with the attributes of ``Ends``."""
    end_several(writing, [Ends(orders, cause, index, at)])


def end_several(writing: Writing, records: Sequence[Ends]) -> None:
    """Write down the ends that records order, in their order; what the databases say already stays as it is."""
    ordered = [
        (CertificateId.parse(order.certificate), order, record)
        for record in records
        for order in record.orders
    ]
    wanted = list(dict.fromkeys(certificate for certificate, _, _ in ordered))
    known = {life.certificate: life for life in lives.of(writing, wanted)}
    standing = {certificate: life.standing for certificate, life in known.items()}
    ended: dict[Connection, list[NewRevocation]] = defaultdict(list)
    for certificate, order, record in ordered:
        connection, scope = writing.of(certificate.generation.authority), Scope(order.scope)
        if certificate not in standing:  # a restored copy has forgotten it
            standing[certificate] = revocations.standing(connection, certificate, scope)
        before = standing[certificate]
        if before is not None and before.journal_index >= record.index:
            continue  # carried out before, or overtaken by what came later
        revocation = _ended(certificate, order, before, record.cause)
        if revocation is None:
            continue
        # What is not known of never ends by itself.
        until = order.not_after or (known[certificate].not_after if certificate in known else FOR_EVER)
        standing[certificate] = Standing(revocation, record.cause, record.index, 0, record.at)
        if before is not None and before.revocation == revocation:
            # Another one's hold now, and no list says anything else: a delta list would repeat its base.
            revocations.take_over(connection, certificate, scope, record.cause, record.index, record.at)
            continue
        ended[connection].append(
            NewRevocation(
                certificate,
                scope,
                revocation,
                until,
                encode_entry(revocation),
                before is not None,
                record.cause,
                record.index,
                record.at,
            )
        )
    for connection, group in ended.items():
        revocations.record_all(connection, group)


def _ended(
    certificate: CertificateId, order: OrderEntry, standing: Standing | None, cause: str
) -> Revocation | None:
    """The revocation that an order comes to; None if it may not change what is recorded.

    A hold by the register that an order of many repeats stays as it is said, and is the order's from then on.
    """
    reason = RevocationReason.recorded(order.reason)
    before = None if standing is None else standing.revocation
    if standing is not None and standing.held_by_register and reason is standing.revocation.reason:
        return standing.revocation if cause.startswith(ORDER) else None
    if reason not in CHANGES[None if before is None else before.reason]:
        return None
    asked = Revocation(certificate.serial, order.revoked_at, reason, order.invalid_since)
    revocation = changed(before, asked)
    if revocation.invalid_since is None:
        return revocation
    # The moment of an earlier hold stays, and an effect that came after it adds nothing.
    return replace(revocation, invalid_since=min(revocation.invalid_since, revocation.revoked_at))
