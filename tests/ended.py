"""Revocations written straight into a store's tables, as no journal's record told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ca.model import CertificateId, Revocation, Scope
from ca.store.revocations import NewRevocation, record_all, standing
from ca.store.tables import FOR_EVER
from ca.wire.lists import encode_entry


def record_end(
    connection: Connection, certificate: CertificateId, scope: Scope, revocation: Revocation, **fields: Any
) -> int:
    """Write down one revocation; gives its sequence. Fields are those of ``NewRevocation``."""
    usual = {
        "not_after": FOR_EVER,
        "entry": fields["entry"] if "entry" in fields else encode_entry(revocation),
        "again": standing(connection, certificate, scope) is not None,
        "cause": "officer test",
        "journal_index": 1,
        "at": revocation.revoked_at,
    }
    return record_all(connection, [NewRevocation(certificate, scope, revocation, **{**usual, **fields})])
