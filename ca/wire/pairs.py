"""Cross-certificate pairs (RFC 4523 2.3, X.509 11.2.3)."""

from __future__ import annotations

from ca.wire import der


def certificate_pair(*, issued_to_this: bytes | None, issued_by_this: bytes | None) -> bytes:
    """A CertificatePair as the directory of one CA holds it, from encoded certificates."""
    assert issued_to_this or issued_by_this, "a pair has at least one half (X.509 11.2.3)"
    return der.sequence(
        der.context(0, issued_to_this) if issued_to_this else b"",
        der.context(1, issued_by_this) if issued_by_this else b"",
    )
