"""Lists of revoked certificates as data: partitions by municipality, the authority list, the full list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ca.model import Scope
from ca.names import DirectoryName
from ca.profiles.extensions import AuthorityKey, Holds, IssuingPoint, ListExtension, ListNumber
from ca.suites import Suite


@dataclass(frozen=True, slots=True)
class ListPlace:
    """Where a list stands among its generation's lists.

    Attributes:
        point: The distribution point that the certificates in this list carry; None for the full list.
        holds: Which certificates it is for.
    """

    scope: Scope
    point: DirectoryName | None
    holds: Holds

    def __post_init__(self) -> None:
        assert (self.point is None) == (self.holds is Holds.ALL), "only the full list has no point"


@dataclass(frozen=True, slots=True)
class PlacedListExtension:
    """A list extension's value and its criticality."""

    value: ListExtension
    critical: bool


@dataclass(frozen=True, slots=True)
class ListDraft:
    """Everything a to-be-signed list says besides its entries (RFC 5280 5.1.2)."""

    place: ListPlace
    suite: Suite
    issuer: DirectoryName
    this_update: datetime
    next_update: datetime
    extensions: tuple[PlacedListExtension, ...]


def draft_list(
    place: ListPlace,
    *,
    suite: Suite,
    issuer: DirectoryName,
    key_identifier: bytes,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> ListDraft:
    """A version 2 list: authorityKeyIdentifier, cRLNumber, and a critical issuingDistributionPoint if partial.

    The full list has no issuingDistributionPoint: its scope is all that the key has issued (RFC 5280 5.2.5).
    """
    extensions = [
        PlacedListExtension(AuthorityKey(key_identifier), critical=False),
        PlacedListExtension(ListNumber(number), critical=False),
    ]
    if place.point is not None:
        extensions.append(PlacedListExtension(IssuingPoint(place.point, place.holds), critical=True))
    return ListDraft(place, suite, issuer, this_update, next_update, tuple(extensions))
