"""Client keys: made once, shown once, kept as a hash, and presented as ``Authorization: Bearer``."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime

from sqlalchemy import Connection

from ca.chance import SystemChance
from ca.errors import KakehashiError
from ca.model import OfficerId
from ca.store import clients
from ca.store.clients import ClientKey, KeyPurpose

_PREFIX = "kk_"
_OCTETS = 32


class NotAuthenticated(KakehashiError):
    """No client key, an unknown one, or a revoked one."""


class WrongPurpose(KakehashiError):
    """A client key that opens something else."""


def new_key(
    connection: Connection,
    *,
    name: str,
    purpose: KeyPurpose,
    officer: OfficerId | None,
    feed: str | None = None,
    at: datetime,
) -> str:
    """Make a client key; the caller shows it once, since only its hash is kept."""
    # From the machine's generator even in a seeded world: it opens a server, not a test.
    octets = SystemChance().octets("client key", _OCTETS)
    key = _PREFIX + base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    clients.add_key(connection, _digest(key), name=name, purpose=purpose, officer=officer, feed=feed, at=at)
    return key


def authenticate(connection: Connection, header: str | None, purpose: KeyPurpose) -> ClientKey:
    """Whose key an Authorization header presents.

    The key is looked up by its hash: nothing is compared with a secret, so nothing is told by the time it takes.

    Raises:
        NotAuthenticated: No key of ours in use.
        WrongPurpose: A key that opens something else.
    """
    scheme, _, key = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise NotAuthenticated(
            "Authorization", "no client key", remedy="Send `Authorization: Bearer <client key>`"
        )
    found = clients.find_key(connection, _digest(key.strip()))
    if found is None or found.revoked_at is not None:
        raise NotAuthenticated("Authorization", "the client key is unknown or was revoked")
    if found.purpose is not purpose:
        raise WrongPurpose("Authorization", f"the client key is not one for {purpose}")
    return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
