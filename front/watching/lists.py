"""A published list as a watcher sees it: fetched into a file, walked in bounded memory, judged by itself."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bridge.manifest import ListEntry
from bridge.relying.finding.fetch import Source
from bridge.relying.finding.points import read_points
from ca.errors import BadInput, KeyRefused
from ca.keys.kinds import require_named, suite_of
from ca.keys.signer import hasher, verify_digest
from ca.model import Revocation, Serial
from ca.profiles import extensions as ext
from ca.revoking.assurance.sights import WIDTH, ListSight, pack, unpack
from ca.revoking.assurance.watch import FindingKind, Suspicion
from ca.suites import SuiteId
from ca.wire import der, walk
from ca.wire.facts import CertificateFacts
from ca.wire.list_facts import DELTA_INDICATOR
from ca.wire.list_stream import ListHead, ListStream, read_entry

LIST_LIMIT = 1 << 30
"""Octets: some 25 million entries, twice what the largest list in sight has had."""

_IN_MEMORY = 1 << 20
_CHUNK = 1 << 20
_FLAGS = {ext.Holds.ALL: b"", ext.Holds.USER: b"\x81\x01\xff", ext.Holds.CA: b"\x82\x01\xff"}
assert _FLAGS.keys() == set(ext.Holds), "each word needs a row"
_POINT = ext.IssuingPoint.oid
_KNOWN = (_POINT, DELTA_INDICATOR)
# reasonCode certificateHold, as every entry on hold has it (RFC 5280 5.3.1).
_ON_HOLD = bytes.fromhex("300a0603551d1504030a0106")
# removeFromCRL, as delta lists have it of what was let go of a hold.
_LET_GO = bytes.fromhex("300a0603551d1504030a0108")


@dataclass(frozen=True, slots=True)
class SeenList:
    """A list that was fetched. Its file is there while the block lasts that gave it.

    Attributes:
        sight: What it says, for comparing.
        entries: How many it names.
        suspicions: What is wrong with it by itself.
        let_go: Those that it takes off other lists (removeFromCRL), packed as in the sight, which has them too.
        base: Of a delta list: the number of the complete list that it is to be added to.
        freshest: Of a complete one: the URLs of its freshestCRL; None if it has no delta list.
    """

    sight: ListSight
    entries: int
    suspicions: tuple[Suspicion, ...]
    let_go: bytes
    base: int | None
    freshest: tuple[str, ...] | None
    _file: BinaryIO

    def revocations(self, wanted: Collection[Serial]) -> dict[Serial, Revocation]:
        """What it says of these certificates, as far as it names them."""
        found: dict[Serial, Revocation] = {}
        octets = {serial.octets for serial in wanted}
        if octets:
            for entry in ListStream(self._file, self.sight.place):
                if _serial(entry, self.sight.place) in octets:
                    revocation = read_entry(entry, self.sight.place).revocation()
                    found[revocation.serial] = revocation
        return found


def fetch_list(source: Source, place: str) -> BinaryIO:
    """A list as a file, to be closed by the caller; BadInput if it cannot be had."""
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        source.save(place, file, LIST_LIMIT)  # type: ignore[arg-type]  # a file in all but its name
    except BaseException:
        file.close()
        raise
    return file  # type: ignore[return-value]


def see_list(
    file: BinaryIO, entry: ListEntry, issuer: CertificateFacts, legacy: Collection[SuiteId] = ()
) -> SeenList:
    """What a fetched list says; BadInput if it is no list of the product.

    Args:
        file: Its octets.
        entry: The manifest's line for it.
        issuer: The generation's own certificate, as the manifest names it.
        legacy: The legacy suites whose signatures are believed.
    """
    seen = _seen(file, entry.url, entry, issuer, legacy)
    if seen.base is not None:
        raise BadInput(entry.url, "is no complete list", clause="RFC 5280 5.2.4")
    return seen


def see_delta(
    file: BinaryIO,
    place: str,
    entry: ListEntry,
    issuer: CertificateFacts,
    legacy: Collection[SuiteId] = (),
) -> SeenList:
    """What a delta list at this place says, beside the complete list of a manifest's line; else as ``see_list``."""
    seen = _seen(file, place, entry, issuer, legacy)
    if seen.base is None:
        raise BadInput(place, "is no delta list", clause="RFC 5280 5.2.4")
    return seen


def _seen(
    file: BinaryIO, place: str, entry: ListEntry, issuer: CertificateFacts, legacy: Collection[SuiteId]
) -> SeenList:
    stream = ListStream(file, place)
    head = stream.head
    if head.number is None:
        raise BadInput(place, "has no number", clause="RFC 5280 5.2.3")
    suspicions = [*_wrong_signature(stream, issuer, place, legacy), *_wrong_point(head, entry)]
    serials, held, let_go = _Packed(), _Packed(), _Packed()
    for octets in stream:
        serial = _serial(octets, place)
        serials.add(serial)
        if _ON_HOLD in octets:
            held.add(serial)
        elif _LET_GO in octets:
            let_go.add(serial)
    named, on_hold = serials.whole(), held.whole()
    sight = ListSight(place, head.number, head.this_update, head.next_update, _digest(file), named, on_hold)
    return SeenList(
        sight, len(named) // WIDTH, tuple(suspicions), let_go.whole(), head.base, _freshest(head), file
    )


def _freshest(head: ListHead) -> tuple[str, ...] | None:
    """Where the delta list lies, by freshestCRL (RFC 5280 5.2.6); BadInput if that cannot be read."""
    points = read_points(head.extensions, ext.FreshestPoint.oid, head.issuer, head.place)
    return None if points is None else tuple(url for point in points for url in point.urls)


class _Packed:
    """Serial numbers as one string. Our lists have them in order; another order costs sorting."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._last = b""
        self._in_order = True

    def add(self, serial: bytes) -> None:
        self._in_order = self._in_order and serial > self._last
        self._last = serial
        self._octets += serial

    def whole(self) -> bytes:
        return bytes(self._octets) if self._in_order else pack(unpack(bytes(self._octets)))


def _wrong_signature(
    stream: ListStream, issuer: CertificateFacts, place: str, legacy: Collection[SuiteId]
) -> Iterator[Suspicion]:
    head = stream.head
    problem = None
    if head.issuer != issuer.subject:
        problem = "names another issuer"
    elif head.authority_key is None or head.authority_key.key_identifier != issuer.subject_key:
        problem = "names another key of its issuer"
    elif head.inner != head.outer:
        problem = "names two signature algorithms"
    else:
        try:
            _check_signature(stream, issuer, legacy)
        except KeyRefused as error:
            problem = error.problem
    if problem:
        yield Suspicion(FindingKind.SIGNATURE_WRONG, place, problem)


def _check_signature(stream: ListStream, issuer: CertificateFacts, legacy: Collection[SuiteId]) -> None:
    with walk.reading(stream.head.place, "the algorithm"):
        algorithm = stream.head.outer
        outside = walk.only(algorithm, 0x30)
        oid = walk.oid(walk.element(algorithm, outside.start, outside.end).whole(algorithm))
    suite = suite_of(oid, issuer.public_key)
    require_named(suite, legacy)
    digest = stream.digest(hasher(issuer.public_key, suite))
    verify_digest(issuer.public_key, suite, digest, stream.head.signature)


def _wrong_point(head: ListHead, entry: ListEntry) -> Iterator[Suspicion]:
    """The issuingDistributionPoint is the manifest's, octet for octet, and critical (RFC 5280 5.2.5).

    So is a delta list's mark (RFC 5280 5.2.4): who does not know delta lists must not take it for a complete one.
    """
    found = [(one.critical, one.value) for one in head.extensions if one.oid == _POINT]
    wanted: list[tuple[bool, bytes]] = []
    if entry.point is not None:
        name = der.context(0, der.context(0, der.context(4, entry.point)))
        wanted = [(True, der.sequence(name, _FLAGS[entry.holds]))]
    if found != wanted:
        words = "is for another distribution point, or for other certificates, than the manifest says"
        yield Suspicion(FindingKind.POINT_WRONG, head.place, words)
    if any(one.oid == DELTA_INDICATOR and not one.critical for one in head.extensions):
        yield Suspicion(
            FindingKind.POINT_WRONG, head.place, "says that it is a delta list, and not critically so"
        )
    others = [one.oid for one in head.extensions if one.critical and one.oid not in _KNOWN]
    if others:
        yield Suspicion(
            FindingKind.POINT_WRONG, head.place, f"has a critical extension that is not known ({others[0]})"
        )


def _serial(entry: bytes, place: str) -> bytes:
    """An entry's serial number in WIDTH octets."""
    tag, length = entry[2], entry[3]
    if tag != 0x02 or not 0 < length <= WIDTH or entry[4] & 0x80:
        raise BadInput(place, "names a serial number that is out of range", clause="RFC 5280 4.1.2.2")
    return entry[4 : 4 + length].rjust(WIDTH, b"\0")


def _digest(file: BinaryIO) -> bytes:
    file.seek(0)
    hashing = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        hashing.update(chunk)
    return hashing.digest()
