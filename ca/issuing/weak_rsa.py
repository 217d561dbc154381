"""RSA moduli that anybody can factor, found by arithmetic alone: no private key and no list of known keys."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

from ca.errors import CsrRefused

_SMALL_FACTORS_BELOW = 752
"""What SP 800-89 5.3.3 asks for. A damaged modulus is found out hardly more often with ever larger primes (92 of 100 times
at 752, 93 at 2^12, 95 at 2^16), while the time grows with their number."""

_FERMAT_ROUNDS = 100
"""As the CA/Browser Forum asks. Keys with close primes that were found in the wild fell in the first round."""

_FERMAT_BASES = (64, 63, 65, 11, 17, 19, 23, 31)


_ROCA_PRIMES_UPTO = 353
"""The flawed library made its keys of 992 bits and more from the primes up to here, the longer ones from yet more."""


def require_strong(modulus: int, place: str) -> None:
    """Raise CsrRefused for a modulus with a small factor, with two primes close together, or of the ROCA family."""
    residue = modulus % _PRODUCT  # says of each small prime what the modulus says, in half the octets
    _require_no_small_factor(residue, place)
    _require_distant_primes(modulus, place)
    _require_not_roca(residue, place)


def _primes(below: int) -> list[int]:
    sieve = bytearray(b"\1") * below
    sieve[:2] = b"\0\0"
    for number in range(2, math.isqrt(below) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, below, number)))
    return [number for number in range(below) if sieve[number]]


_PRIMES = _primes(_SMALL_FACTORS_BELOW)
_PRODUCT = math.prod(_PRIMES)


def _require_no_small_factor(residue: int, place: str) -> None:
    common = math.gcd(_PRODUCT, residue)
    if common > 1:
        factor = next(prime for prime in _PRIMES if common % prime == 0)
        raise CsrRefused(place, f"its RSA modulus has the factor {factor}", clause="SP 800-89 5.3.3")


def _require_distant_primes(modulus: int, place: str) -> None:
    """Some rounds of Fermat's factorization: with close primes p and q, ((p + q) / 2)^2 - p q is soon a square."""
    middle = math.isqrt(modulus - 1) + 1
    rounds = (1 << _FERMAT_ROUNDS) - 1
    # What is no square modulo a small number is none at all; hardly a round is left to look at.
    for base in _FERMAT_BASES:
        rounds &= _square_rounds(base, modulus % base) >> middle % base
    while rounds:
        lowest = rounds & -rounds
        rounds ^= lowest
        rest = (middle + lowest.bit_length() - 1) ** 2 - modulus
        if math.isqrt(rest) ** 2 == rest:
            raise CsrRefused(
                place,
                "its RSA modulus is a product of two primes that lie too close together (Fermat's factorization)",
                clause="FIPS 186-5 A.1.3; CVE-2022-26320",
            )


@cache
def _square_rounds(base: int, residue: int) -> int:
    """A mask whose bit j says whether j^2 - residue is a square modulo the base."""
    squares = {number * number % base for number in range(base)}
    return sum(
        1 << number
        for number in range(base + _FERMAT_ROUNDS)
        if (number * number - residue) % base in squares
    )


def _powers(generator: int, prime: int) -> Iterator[int]:
    power = 1
    while True:
        yield power
        power = power * generator % prime
        if power == 1:
            return


# The flawed library's primes are k M + (65537^a mod M), M being a product of small primes (Nemec and others, "The
# Return of Coppersmith's Attack", 2017). So the modulus, too, is a power of 65537 modulo each of them; a number taken
# by chance is that once in 10^25 times. A mask holds the powers that there are, the rarest first.
_ROCA_MASKS = sorted(
    (
        (prime, sum(1 << power for power in _powers(65537 % prime, prime)))
        for prime in _primes(_ROCA_PRIMES_UPTO + 1)
        if prime > 2
    ),
    key=lambda item: item[1].bit_count() / item[0],
)


def _require_not_roca(residue: int, place: str) -> None:
    if all(mask >> residue % prime & 1 for prime, mask in _ROCA_MASKS):
        raise CsrRefused(
            place,
            "its RSA modulus has the form of a flawed key generator (ROCA)",
            clause="CVE-2017-15361",
            remedy="Make the key pair in another kind of card or token",
        )
