"""The delta list beside a complete one, and the list that it is to be added to, as a watcher finds them."""

from __future__ import annotations

import time
from collections.abc import Collection

import msgspec

from bridge.manifest import ListEntry
from bridge.relying.finding.fetch import Source
from ca.errors import BadInput
from ca.revoking.assurance.sights import ListSight
from ca.revoking.assurance.watch import FindingKind
from ca.suites import SuiteId
from ca.wire.facts import CertificateFacts
from front.watching.lists import SeenList, fetch_list, see_delta, see_list

# A complete list is placed before its delta list: a reader between the two asks again.
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5


class Unseen(BadInput):
    """A list that cannot be looked at, and as what that is reported."""

    def __init__(self, place: str, problem: str, *, kind: FindingKind = FindingKind.LIST_UNREADABLE) -> None:
        super().__init__(place, problem)
        self.kind = kind


def delta_place(entry: ListEntry) -> str:
    """Where the delta list of a list of the manifest lies, if there is one (``bridge.repository.layout``)."""
    return f"{entry.url.removesuffix('.crl')}.delta.crl"


def delta_beside(
    source: Source,
    complete: SeenList,
    entry: ListEntry,
    issuer: CertificateFacts,
    legacy: Collection[SuiteId] = (),
) -> SeenList:
    """The delta list that a complete list names by its freshestCRL. Its file is closed: only what was seen remains.

    Under which host and folder a world is published, or mirrored, does not matter: only the end of the URL counts.

    Raises:
        Unseen: It is named elsewhere, is not there, or is none.
    """
    place = delta_place(entry)
    if not any(url.endswith(f"/{place}") for url in complete.freshest or ()):
        words = f"has a freshestCRL that does not name {place}"
        raise Unseen(entry.url, words, kind=FindingKind.POINT_WRONG)
    found = _delta(source, place, entry, issuer, legacy)
    for _ in range(_ATTEMPTS - 1):
        if found.sight.number >= complete.sight.number:
            break
        time.sleep(_PAUSE_SECONDS)
        found = _delta(source, place, entry, issuer, legacy)
    return found


def base_of(
    source: Source,
    delta: SeenList,
    entry: ListEntry,
    issuer: CertificateFacts,
    legacy: Collection[SuiteId] = (),
) -> ListSight:
    """The complete list that a delta list is to be added to; Unseen if it was never published."""
    words = f"builds on list {delta.base}, which is not there as such"
    path = f"{entry.url.removesuffix('.crl')}/{delta.base}.crl"
    try:
        with fetch_list(source, path) as file:
            base = see_list(file, msgspec.structs.replace(entry, url=path), issuer, legacy)
    except BadInput as error:
        raise Unseen(delta.sight.place, f"{words}: {error.problem}", kind=FindingKind.BASE_UNKNOWN) from None
    if base.suspicions or base.sight.number != delta.base:
        problem = base.suspicions[0].problem if base.suspicions else "has another number"
        raise Unseen(delta.sight.place, f"{words}: {problem}", kind=FindingKind.BASE_UNKNOWN)
    return base.sight


def _delta(
    source: Source, place: str, entry: ListEntry, issuer: CertificateFacts, legacy: Collection[SuiteId]
) -> SeenList:
    try:
        file = fetch_list(source, place)
    except BadInput as error:
        raise Unseen(error.place, error.problem, kind=FindingKind.PARTITION_MISSING) from None
    with file:
        try:
            return see_delta(file, place, entry, issuer, legacy)
        except BadInput as error:
            raise Unseen(error.place, error.problem) from None
