"""Where unpredictable octets come from: the machine's generator, or in seeded test worlds a repeatable one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Protocol

from ca.model import Serial


class Chance(Protocol):
    """A source of octets. ``purpose`` names the single use that is made of them."""

    def octets(self, purpose: str, count: int) -> bytes:
        """``count`` octets for this purpose."""
        ...


class SystemChance:
    """The operating system's generator; the purpose does not matter."""

    def octets(self, purpose: str, count: int) -> bytes:  # noqa: ARG002 - the Protocol's signature
        """``count`` unpredictable octets."""
        return secrets.token_bytes(count)


@dataclass(frozen=True, slots=True)
class SeededChance:
    """Repeatable octets for test worlds: the same seed and purpose give the same octets. Never for production."""

    seed: int

    def octets(self, purpose: str, count: int) -> bytes:
        """``count`` octets (at most 64) that depend on seed and purpose alone."""
        assert count <= 64, "one HMAC-SHA-512 block is enough for every purpose"
        key = f"kakehashi test world {self.seed}".encode()
        return hmac.digest(key, purpose.encode(), hashlib.sha512)[:count]


def new_serial(chance: Chance, purpose: str) -> Serial:
    """A fresh serial: exactly 20 octets with 158 unpredictable bits (RFC 5280 4.1.2.2 allows 20 octets)."""
    octets = chance.octets(f"serial {purpose}", 20)
    return Serial(int.from_bytes(octets, "big") & ((1 << 158) - 1) | 1 << 158)
