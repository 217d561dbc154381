"""Whether this host can sign and verify under a legacy suite: its crypto policy may forbid SHA-1, or short RSA keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from cryptography.exceptions import InternalError, UnsupportedAlgorithm

from ca.errors import KeyRefused
from ca.keys import pool
from ca.keys.kinds import make
from ca.keys.signer import SoftwareSigner, hasher, verify
from ca.suites import SUITES, KeyFamily, Suite, SuiteId

_MESSAGE = b"kakehashi: may this be signed here?"


def require_possible(suites: Iterable[SuiteId]) -> None:
    """Raise KeyRefused unless a message can be signed and verified here under each of these suites.

    A key that signs nothing else is used. What a host allows does not change while a process runs, so each suite is
    tried once.
    """
    for name in sorted(suites):
        _try(SUITES[name])


@cache
def _try(suite: Suite) -> None:
    try:
        # Of the lengths that the public keys have, one needs not be made.
        public = (suite.family, suite.key_size) == (KeyFamily.RSA, pool.KEY_BITS)
        signer = SoftwareSigner("probe", pool.public_test_key(0) if public else make(suite))
        hashing = hasher(signer.public_key, suite)
        hashing.update(_MESSAGE)
        verify(signer.public_key, suite, _MESSAGE, signer.sign_digest(hashing.digest(), suite))
        verify(signer.public_key, suite, _MESSAGE, signer.sign(_MESSAGE, suite))
    except (UnsupportedAlgorithm, InternalError, KeyRefused, ValueError):
        raise KeyRefused(
            f"suite {suite.id}",
            "cannot be used on this host: its crypto policy forbids the hash or the key",
            remedy="Run this world on a host that allows it (on Fedora and its kin: update-crypto-policies --set LEGACY)",
        ) from None
