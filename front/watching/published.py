"""Pieces of what is published, read by watchers and by whoever checks a receipt: heads, keys, status answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from bridge.manifest import AuthorityEntry, JournalHead
from bridge.relying.finding.fetch import HttpSource, Source
from bridge.relying.finding.snapshot import Snapshot
from bridge.repository.layout import kept_head_path
from ca.errors import BadInput
from ca.keys.signer import key_identifier
from ca.model import Serial
from ca.revoking.assurance.sights import HeadSight, StatusSight
from ca.suites import SuiteId
from ca.wire.facts import CertificateFacts
from ocsp.client import RESPONSE_LIMIT, ask_about, read_answer
from ocsp.messages import QUERY_LIMIT

HEAD_LIMIT = 4096
"""Octets of a journal's head."""


def published_anchor(snapshot: Snapshot) -> bytes:
    """The certificate that a manifest names as its world's anchor, DER; nobody has vouched for it."""
    manifest = snapshot.manifest
    for entry in manifest.authorities:
        if entry.generation == manifest.anchor:
            return _own(snapshot, entry).der
    raise BadInput("manifest.json", "names an anchor that is none of its authorities")


def published_issuer(snapshot: Snapshot, entry: AuthorityEntry) -> CertificateFacts:
    """A generation's own certificate; BadInput if its key or name is not what the manifest says."""
    found = _own(snapshot, entry)
    if key_identifier(found.public_key).hex() != entry.key_identifier or found.subject.der != entry.name:
        raise BadInput(found.place, "has another key or name than the manifest says")
    return found


def _own(snapshot: Snapshot, entry: AuthorityEntry) -> CertificateFacts:
    """The self-signed certificate of a generation, or BadInput."""
    if entry.certificate is None:  # as peers may have it, and no authority of the world
        raise BadInput(f"generation {entry.generation}", "has no certificate of its own in the manifest")
    return snapshot.certificate(entry.certificate)


def read_head(content: bytes, place: str, world: str) -> HeadSight:
    """A published head of this world's journal, or BadInput."""
    try:
        head = msgspec.json.decode(content, type=JournalHead)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadInput(place, "is not a journal's head of format 1") from None
    if head.world != world or head.at.tzinfo is None:
        raise BadInput(place, f"is not a head of the world {world}")
    return HeadSight(head.count, head.digest, head.at)


def kept_head(source: Source, count: int, world: str) -> HeadSight | None:
    """The head of this count that is kept for ever, if there is one."""
    path = kept_head_path(count)
    try:
        return read_head(source.read(path, HEAD_LIMIT), path, world)
    except BadInput:
        return None


def ask_statuses(
    source: HttpSource,
    generation: str,
    issuer: CertificateFacts,
    serials: Sequence[Serial],
    at: datetime,
    legacy: Collection[SuiteId] = (),
) -> list[StatusSight]:
    """What a generation's responder says of each certificate, in this order; of legacy suites those named are believed.

    Raises:
        BadInput: It does not answer, or not as it should.
        KeyRefused: It signs with a key that the generation has not named for it.
    """
    place = f"ocsp/{generation}"
    said: list[StatusSight] = []
    for start in range(0, len(serials), QUERY_LIMIT):
        asked = ask_about(issuer, serials[start : start + QUERY_LIMIT], place)
        answer = source.ask(place, asked.request, "application/ocsp-request", RESPONSE_LIMIT)
        said += read_answer(answer, asked, at, legacy)
    return said
