"""A key for each suite, made once a run; and which suites others can judge."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from ca.keys import pool
from ca.keys.kinds import CURVES, PrivateKey, make
from ca.keys.signer import SoftwareSigner
from ca.suites import SUITES, KeyFamily, Suite

OPENSSL_KNOWS = {name: suite for name, suite in SUITES.items() if suite.family is not KeyFamily.ML_DSA}
"""What the command ``openssl`` knows from 3.0 on; it has ML-DSA since 3.5."""

TOKENS_KNOW = OPENSSL_KNOWS
"""What keys in a token can be for."""


@cache  # an RSA-3072 key takes half a second to make
def key_for(suite: Suite, number: int = 0) -> PrivateKey:
    """A key that the suite signs with; another for each number."""
    if (suite.family, suite.key_size) == (KeyFamily.RSA, pool.KEY_BITS):
        return pool.public_test_key(number)
    if suite.family is KeyFamily.EC:
        return ec.derive_private_key(2014 + number, CURVES[suite.key_size])
    return make(suite)


def signer_for(suite: Suite, number: int = 0) -> SoftwareSigner:
    """What signs with it."""
    return SoftwareSigner(f"{suite.id} {number}", key_for(suite, number))
