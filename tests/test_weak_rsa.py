"""RSA moduli that anybody can factor: refused by name, in requests that are otherwise without fault."""

from __future__ import annotations

import math
import random
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import assume, given
from hypothesis import strategies as st

from ca.errors import CsrRefused
from ca.issuing.intake import read_csr
from ca.issuing.weak_rsa import require_strong
from ca.suites import RSA2048_KEYS
from tests.engine_world import csr_of, holder_key

PLACE = "signature request"
MODULUS = holder_key(1).public_key().public_numbers().n
P, Q = holder_key(1).private_numbers().p, holder_key(1).private_numbers().q

SMALL_PRIMES = [
    number for number in range(2, 4096) if all(number % other for other in range(2, 64) if other < number)
]
# What the flawed library took the small primes of: keys of 992 to 1952 bits, and of 1984 to 3936 bits.
ROCA_1024 = math.prod(prime for prime in SMALL_PRIMES if prime <= 353)
ROCA_2048 = math.prod(prime for prime in SMALL_PRIMES if prime <= 701)


def is_prime(number: int) -> bool:
    """Prime for these tests: Fermat's test does not err on numbers found by chance."""
    return math.gcd(number, ROCA_2048) == 1 and pow(2, number - 1, number) == 1


def next_prime(number: int) -> int:
    number += 1 + number % 2
    while not is_prime(number):
        number += 2
    return number


@cache
def roca_prime(seed: int) -> int:
    dice = random.Random(seed)
    while True:
        k = dice.randrange((3 << 1022) // ROCA_2048, (1 << 1024) // ROCA_2048)
        candidate = k * ROCA_2048 + pow(65537, dice.getrandbits(64), ROCA_2048)
        if is_prime(candidate):
            return candidate


def key_of(p: int, q: int) -> rsa.RSAPrivateKey:
    d = rsa.rsa_recover_private_exponent(65537, p, q)
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(65537, p * q),
    ).private_key()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda: (P, next_prime(P)), "too close together", id="the next prime"),
        pytest.param(
            lambda: (P, next_prime(P + (1 << 515))), "too close together", id="primes of one beginning"
        ),
        pytest.param(
            lambda: (roca_prime(1), roca_prime(2)), "flawed key generator (ROCA) (CVE-2017-15361)", id="ROCA"
        ),
    ],
)
def test_a_true_key_that_anybody_can_factor_is_refused(make, said: str) -> None:
    with pytest.raises(CsrRefused) as refused:
        read_csr(csr_of(key_of(*make()), "holder"), RSA2048_KEYS, PLACE)
    assert refused.value.place == PLACE
    assert said in str(refused.value)


def test_one_prime_of_the_flawed_library_is_not_its_key() -> None:
    require_strong(roca_prime(1) * P, PLACE)


def test_keys_made_well_are_not_refused() -> None:
    for number in range(500):
        require_strong(holder_key(number).public_key().public_numbers().n, PLACE)


def test_a_small_factor_is_named() -> None:
    for factor in (prime for prime in SMALL_PRIMES if prime < 752):  # SP 800-89 5.3.3
        with pytest.raises(CsrRefused, match=f"its RSA modulus has the factor {factor} "):
            require_strong(P * factor, PLACE)


def test_the_smallest_factor_is_named_and_larger_ones_are_not_looked_for() -> None:
    with pytest.raises(CsrRefused, match="the factor 751 "):
        require_strong(P * 4093 * 751 * 3001, PLACE)
    require_strong(P * 4099, PLACE)


def test_a_square_is_refused() -> None:
    with pytest.raises(CsrRefused, match="too close together"):
        require_strong(P * P, PLACE)


@given(st.integers(0, 300), st.sampled_from([P, Q]), st.booleans())
def test_close_primes_are_found_in_a_hundred_rounds(rounds: int, p: int, above: bool) -> None:  # noqa: FBT001 - a coin
    # (q - p)^2 = 8 rounds sqrt(p q), nearly, where Fermat's factorization needs so many rounds.
    distance = math.isqrt(8 * rounds * p) & ~1
    q = p + distance if above else p - distance
    while not all(q % prime for prime in SMALL_PRIMES):
        q += 2
    needed = (p + q) // 2 - (math.isqrt(p * q - 1) + 1)
    assert abs(needed - rounds) <= 1
    if needed < 100:
        with pytest.raises(CsrRefused, match="too close together"):
            require_strong(p * q, PLACE)
    else:
        require_strong(p * q, PLACE)


@given(st.integers(0), st.integers(1 << 950, 1 << 960))
def test_every_power_of_the_generator_is_known(exponent: int, k: int) -> None:
    modulus = k * ROCA_1024 + pow(65537, exponent, ROCA_1024)
    assume(all(modulus % prime for prime in SMALL_PRIMES))
    with pytest.raises(CsrRefused, match="ROCA"):
        require_strong(modulus, PLACE)
