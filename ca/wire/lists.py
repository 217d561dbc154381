"""To-be-signed lists: entries are encoded once, when a certificate ends, and lists are written from them."""

from __future__ import annotations

from collections.abc import Sequence

from ca.model import Revocation, RevocationReason
from ca.profiles.lists import ListDraft
from ca.wire import der
from ca.wire.extensions import encode_extension
from ca.wire.names import encode_name
from ca.wire.tbs import algorithm_identifier

_VERSION_2 = der.integer(1)
_REASON_CODE = der.oid("2.5.29.21")
_INVALIDITY_DATE = der.oid("2.5.29.24")


def encode_entry(revocation: Revocation) -> bytes:
    """An element of revokedCertificates (RFC 5280 5.3); the reason unspecified is left out (5.3.1)."""
    extensions = b""
    if revocation.reason is not RevocationReason.UNSPECIFIED:
        reason = der.octet_string(der.enumerated(revocation.reason))
        extensions += der.sequence(_REASON_CODE, reason)
    if revocation.invalid_since is not None:
        since = der.octet_string(der.generalized_time(revocation.invalid_since))
        extensions += der.sequence(_INVALIDITY_DATE, since)
    return der.sequence(
        der.integer(revocation.serial.value),
        der.time(revocation.revoked_at),
        der.sequence(extensions) if extensions else b"",
    )


def tbs_list(draft: ListDraft, entries: Sequence[bytes]) -> bytes:
    """The TBSCertList of a draft over encoded entries; no entries, no revokedCertificates (RFC 5280 5.1.2.6)."""
    return der.sequence(
        _VERSION_2,
        algorithm_identifier(draft.suite),
        encode_name(draft.issuer),
        der.time(draft.this_update),
        der.time(draft.next_update),
        der.sequence(*entries) if entries else b"",
        der.context(
            0,
            der.sequence(
                *(encode_extension(placed.value, critical=placed.critical) for placed in draft.extensions)
            ),
        ),
    )
