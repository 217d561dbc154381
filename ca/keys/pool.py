"""The pool of PUBLIC TEST KEYS: RSA-2048 key pairs whose private halves anybody may read.

They are shipped in ``public_test_keys.json`` so that seeded test worlds are the same on every machine and need no
key generation. Whatever one of them signs proves nothing. ``fixtures/make_test_keys.py`` made the file, once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from ca.chance import Chance
from ca.errors import KeyRefused
from ca.keys.kinds import EXPONENT
from ca.suites import KeyFamily, Suite

POOL_SIZE = 160
KEY_BITS = 2048
POOL_FILE = Path(__file__).with_name("public_test_keys.json")
WARNING = "PUBLIC TEST KEYS: everybody knows their private halves. Never for production."


class PoolFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file: the mark first, then the two primes of each key, big-endian in base64."""

    warning: str
    exponent: int
    primes: tuple[tuple[bytes, bytes], ...]


def require_fit(suite: Suite) -> None:
    """Raise KeyRefused unless the keys of the pool are ones that the suite signs with."""
    if (suite.family, suite.key_size) != (KeyFamily.RSA, KEY_BITS):
        raise KeyRefused(
            "public test keys",
            f"are RSA-{KEY_BITS} keys and cannot serve the suite {suite.id}",
            remedy="Make the world with keys of its own, without --test-keys",
        )


def public_test_key(index: int) -> rsa.RSAPrivateKey:
    """The key pair at this place of the pool, counted from 0."""
    p, q = (int.from_bytes(prime, "big") for prime in _pool().primes[index])
    d = rsa.rsa_recover_private_exponent(EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    )
    # The primality tests would cost 31 ms a key; tests/test_keys.py tests the whole pool.
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def order(chance: Chance) -> list[int]:
    """All places of the pool in an order that the source of octets decides."""
    return sorted(range(POOL_SIZE), key=lambda index: chance.octets(f"place of public test key {index}", 32))


@cache
def _pool() -> PoolFile:
    pool = msgspec.json.decode(POOL_FILE.read_bytes(), type=PoolFile)
    assert pool.warning == WARNING, "the file carries its mark"
    assert (pool.exponent, len(pool.primes)) == (EXPONENT, POOL_SIZE), "the file is the one that was shipped"
    return pool
