"""Residents' codes as they are kept: hashed under the home's code key, at the door."""

from __future__ import annotations

import hashlib
import hmac

from ca.model import ResidentCode


def keyed_code(code_key: bytes, code: ResidentCode) -> bytes:
    """The 32 octets by which a resident is known inside: HMAC-SHA-256 of the code under ``KeyVault.code_key``."""
    # 10^10 codes can be tried in minutes: only a keyed hash hides them, and its key is not in the database.
    return hmac.digest(code_key, code.encode(), hashlib.sha256)
