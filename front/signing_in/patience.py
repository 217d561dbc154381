"""Who tries too often: so many times in a while from one address, then it is told to wait."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from front.signing_in.refusals import Refusal, SignInRefused

_MOST_ADDRESSES = 4096


@dataclass(slots=True)
class Patience:
    """How often something was tried, by address; those who tried longest ago are forgotten first.

    Each process counts for itself: what is guarded by this is not to be guessed anyway.

    Attributes:
        tries: So many are let pass, within ``seconds``.
    """

    tries: int
    seconds: float = 60.0
    _made: OrderedDict[str, list[float]] = field(default_factory=OrderedDict, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def require(self, address: str, now: float) -> None:
        """Raise SignInRefused if all tries of an address are made. ``now``: seconds of any steady clock."""
        with self._turn:
            if len(self._recent(_network(address), now)) >= self.tries:
                raise SignInRefused(Refusal.TOO_OFTEN)

    def count(self, address: str, now: float) -> None:
        """Remember a try."""
        place = _network(address)
        with self._turn:
            self._made[place] = [*self._recent(place, now), now][-self.tries :]
            self._made.move_to_end(place)
            while len(self._made) > _MOST_ADDRESSES:
                self._made.popitem(last=False)

    def _recent(self, place: str, now: float) -> list[float]:
        return [moment for moment in self._made.get(place, ()) if moment > now - self.seconds]


def _network(address: str) -> str:
    """What one client has: an IPv4 address, or 64 bits of IPv6 (RFC 4291 2.5.4)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "none"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or int(parsed) >> 64)
