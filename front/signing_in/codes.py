"""Enrolment codes: 128 random bits in a form that is read out, written down and typed without mistakes.

Twenty-eight symbols of Crockford's base 32 in groups of four; the last twelve bits check the others, so that a slip of
the fingers is told as one.
"""

from __future__ import annotations

import hashlib
import unicodedata

from ca.chance import SystemChance
from front.signing_in.refusals import Refusal, SignInRefused

_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALIKE = str.maketrans("OIL", "011", "-\u2010\u2212\u30fc")
"""What is read for another, and the hyphens of keyboards and of Japanese input, which mean nothing."""

_OCTETS = 16
_CHECK_BITS = 12
_LENGTH = 28
_GROUP = 4
_LONGEST = 80


def make() -> str:
    """A new code. From the machine's generator even in a seeded world: it opens a server, not a test."""
    secret = SystemChance().octets("enrolment code", _OCTETS)
    number = int.from_bytes(secret, "big") << _CHECK_BITS | _check(secret)
    symbols = [_SYMBOLS[number >> 5 * place & 31] for place in reversed(range(_LENGTH))]
    return "-".join("".join(symbols[at : at + _GROUP]) for at in range(0, _LENGTH, _GROUP))


def digest_of(typed: str) -> bytes:
    """What a code is kept by: SHA-256 of its random bits.

    Capital or small, with hyphens and blanks or without, in full-width letters too; O is 0, and I and L are 1.

    Raises:
        SignInRefused: What was typed is no code.
    """
    symbols = "".join(unicodedata.normalize("NFKC", typed[:_LONGEST]).upper().translate(_ALIKE).split())
    if len(symbols) != _LENGTH or not set(symbols) <= set(_SYMBOLS):
        raise SignInRefused(Refusal.CODE_MISTYPED)
    number = 0
    for symbol in symbols:
        number = number << 5 | _SYMBOLS.index(symbol)
    secret = (number >> _CHECK_BITS).to_bytes(_OCTETS, "big")
    if number & (1 << _CHECK_BITS) - 1 != _check(secret):
        raise SignInRefused(Refusal.CODE_MISTYPED)
    return hashlib.sha256(secret).digest()


def _check(secret: bytes) -> int:
    return int.from_bytes(hashlib.sha256(b"kakehashi code" + secret).digest()[:2], "big") >> 16 - _CHECK_BITS
