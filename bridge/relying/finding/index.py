"""A list made ready to be asked often: its entries are indexed, looked through and verified once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

from bridge.relying.finding.points import ListScope, Point, read_points, read_scope
from ca.model import Revocation
from ca.profiles import extensions as ext
from ca.wire import walk
from ca.wire.facts import NameFacts, read_extension
from ca.wire.list_facts import DELTA_INDICATOR, ListFacts

_NOWHERE = array("I")


class IndexedList:
    """A list as a verifier asks it. Nothing of it is believed before its signature was checked.

    Four octets an entry are kept beside the list's own; a question costs some twenty comparisons.

    Attributes:
        facts: What the list says besides its entries.
        signed_by: Public keys that were seen to have signed it, so that each is tried once.
    """

    def __init__(self, facts: ListFacts) -> None:
        """Look at nothing yet: scope, index and signature are read when first asked for, and kept."""
        self.facts = facts
        self.signed_by: set[bytes] = set()

    @cached_property
    def scope(self) -> ListScope:
        """What the list is for, or BadInput."""
        facts = self.facts
        return read_scope(facts.extensions, facts.issuing_point, facts.issuer, facts.place)

    @cached_property
    def freshest(self) -> tuple[Point, ...]:
        """Where its delta lists lie (freshestCRL, RFC 5280 5.2.6), or BadInput."""
        facts = self.facts
        return read_points(facts.extensions, ext.FreshestPoint.oid, facts.issuer, facts.place) or ()

    @cached_property
    def base(self) -> int | None:
        """The number of the complete list that a delta list builds on; None for a complete list; or BadInput."""
        return read_extension(self.facts.extensions, DELTA_INDICATOR, self.facts.place, walk.integer)

    @cached_property
    def critical_in_entries(self) -> frozenset[str]:
        """Object identifiers of all extensions that are critical in some entry, or BadInput."""
        return self.facts.critical_in_entries()

    def revocation(self, serial: int, issuer: NameFacts | None = None) -> Revocation | None:
        """What the list says of a certificate, or None if it is not listed; BadInput if its entry is unreadable.

        Args:
            serial: The certificate's.
            issuer: The certificate's, which counts for an indirect list; else, and if None, the list's own.
        """
        offsets = self._offsets
        if self.scope.indirect:
            offsets = self._indirect.get(issuer or self.facts.issuer, _NOWHERE)
        place = bisect_left(offsets, serial, key=self._serial)
        if place == len(offsets):
            return None
        at = offsets[place]
        if self._serial(at) != serial:
            return None
        # The list of this one entry is read as any list is.
        der = self.facts.der
        end = walk.element(der, at, self.facts.entries[1]).end
        return replace(self.facts, entries=(at, end)).revocation(serial)

    @cached_property
    def _offsets(self) -> array[int]:
        """Where each entry begins, in the order of serials; of equal ones the first in the list comes first."""
        found = array("I", self._entries())
        if any(self._serial(one) > self._serial(next_one) for one, next_one in pairwise(found)):
            found = array("I", sorted(found, key=self._serial))
        return found

    @cached_property
    def _indirect(self) -> Mapping[NameFacts, array[int]]:
        """Where the entries of each certificate issuer begin, in the order of serials (RFC 5280 5.3.3)."""
        found: dict[NameFacts, array[int]] = {}
        for at, issuer in self.facts.entries_by_issuer():
            found.setdefault(issuer, array("I")).append(at)
        return {issuer: array("I", sorted(entries, key=self._serial)) for issuer, entries in found.items()}

    def _entries(self) -> Iterator[int]:
        """Where each entry begins. Reading the list has seen that all are DER, so lengths are taken at their word."""
        der, (at, end) = self.facts.der, self.facts.entries
        while at < end:
            yield at
            length = der[at + 1]
            at += 2 + length if length < 0x80 else walk.element(der, at, end).end - at

    def _serial(self, at: int) -> int:
        """The serial of the entry that begins here."""
        der = self.facts.der
        start = at + 2 + (der[at + 1] & 0x7F if der[at + 1] >= 0x80 else 0)
        length = der[start + 1]
        if length >= 0x80:
            return walk.integer(walk.element(der, start, self.facts.entries[1]).whole(der))
        return int.from_bytes(der[start + 2 : start + 2 + length], "big", signed=True)
