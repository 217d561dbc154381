"""Lists of revoked certificates as data: partitions by municipality, the authority list, the full list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from ca.model import Scope
from ca.names import DirectoryName
from ca.profiles.extensions import (
    AuthorityKey,
    DeltaBase,
    FreshestPoint,
    Holds,
    IssuingPoint,
    ListExtension,
    ListNumber,
)
from ca.suites import Suite

T = TypeVar("T", bound=ListExtension)


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

    def extension(self, wanted: type[T]) -> T | None:
        """The value of this type, if it has one."""
        for placed in self.extensions:
            if isinstance(placed.value, wanted):
                return placed.value
        return None

    @property
    def number(self) -> int:
        """Its cRLNumber."""
        number = self.extension(ListNumber)
        assert number is not None, "every list has one"
        return number.number

    @property
    def is_delta(self) -> bool:
        """Whether it only says what changed since another list."""
        return self.extension(DeltaBase) is not None


def draft_list(
    place: ListPlace,
    *,
    suite: Suite,
    issuer: DirectoryName,
    key_identifier: bytes,
    number: int,
    this_update: datetime,
    next_update: datetime,
    freshest: str | None = None,
) -> ListDraft:
    """A version 2 list: authorityKeyIdentifier, cRLNumber, and a critical issuingDistributionPoint if partial.

    The full list has no issuingDistributionPoint: its scope is all that the key has issued (RFC 5280 5.2.5).

    Args:
        place: Where it stands.
        suite: The suite that it is signed under.
        issuer: The authority's name.
        key_identifier: Of the key that signs it.
        number: Its cRLNumber.
        this_update: Of which moment it is.
        next_update: When there will be a newer one at the latest.
        freshest: Where its delta list lies, if it has one.
    """
    extensions = [
        PlacedListExtension(AuthorityKey(key_identifier), critical=False),
        PlacedListExtension(ListNumber(number), critical=False),
    ]
    if place.point is not None:
        extensions.append(PlacedListExtension(IssuingPoint(place.point, place.holds), critical=True))
    if freshest is not None:
        extensions.append(PlacedListExtension(FreshestPoint(freshest, place.point), critical=False))
    return ListDraft(place, suite, issuer, this_update, next_update, tuple(extensions))


def draft_delta(complete: ListDraft, base: int) -> ListDraft:
    """The delta list of the same moment, place and number, to be added to the complete list of the number ``base``.

    It says where no fresher one lies (RFC 5280 5.2.6), and whoever knows no delta lists must not take it for a
    complete one: its deltaCRLIndicator is critical (5.2.4).
    """
    kept = [placed for placed in complete.extensions if not isinstance(placed.value, FreshestPoint)]
    indicator = PlacedListExtension(DeltaBase(base), critical=True)
    return replace(complete, extensions=(*kept[:2], indicator, *kept[2:]))
