"""The vault of a rehearsal in a home whose keys lie in a token: it signs with the token's keys, and makes none there."""

from __future__ import annotations

import threading
from typing import final

from ca.errors import KeyRefused
from ca.keys.kinds import make, read_public_key, require_fit, require_in_token
from ca.keys.signer import Signer, SoftwareSigner
from ca.keys.vault import KeyId, KeyVault
from ca.suites import Suite


@final
class BesideToken:
    """New keys, in memory and nowhere else, beside those of a token; see KeyVault."""

    def __init__(self, token: KeyVault) -> None:
        self._token = token
        self._new: dict[KeyId, SoftwareSigner] = {}
        self._making = threading.Lock()

    def __repr__(self) -> str:
        return f"BesideToken({self._token!r}, {len(self._new)} new keys)"

    def create(self, key: KeyId, suite: Suite) -> Signer:
        """Make the key in memory unless it is there or in the token; see KeyVault.

        Raises:
            KeyRefused: The key is not one for this suite, or no token makes keys for it.
        """
        require_in_token(f"key {key}", suite)
        with self._making:
            try:
                signer = self.signer(key)
            except KeyRefused:  # a token that fails raises something else
                signer = self._new[key] = SoftwareSigner(key, make(suite))
        require_fit(f"key {key}", read_public_key(signer.public_key), suite)
        return signer

    def signer(self, key: KeyId) -> Signer:
        """The signer of a key that was made here, else the token's; see KeyVault."""
        return self._new.get(key) or self._token.signer(key)

    def code_key(self) -> bytes:
        """The 32 octets under which residents' codes are kept; see KeyVault."""
        return self._token.code_key()

    def close(self) -> None:
        """Forget the new keys; the token's vault stays open for whoever opened it."""
        self._new.clear()
