"""Is a certificate of the path revoked? Its issuer's list is found, and asked with its delta list (RFC 5280 6.3).

A verifier that cannot know does not guess: no list, or one that does not fit, is CANNOT_TELL and never valid.
The anchor is not asked about: its trust is a decision, taken back by taking the anchor away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bridge.relying.deltas import Freshened, Reading
from bridge.relying.index import IndexedList
from bridge.relying.lists import Question
from bridge.relying.path import CandidatePath
from bridge.relying.points import Point
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.signatures import Signatures
from bridge.relying.snapshot import Snapshot
from bridge.relying.status import ask
from ca.errors import BadInput, KeyRefused
from ca.model import GenerationId, Revocation
from ca.profiles import extensions as ext
from ca.profiles.services import OCSP_SIGNING
from ca.rules.revocation import status_of
from ca.wire.facts import CertificateFacts

_STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class DeltaUsed:
    """A delta list that was added to a complete list: where it lies, which one, and from when."""

    place: str
    number: int | None
    this_update: datetime


@dataclass(frozen=True, slots=True)
class ListUsed:
    """A list that was asked: whose, where it lies, which one, and from when.

    Attributes:
        delta: The delta list that was added to it, if one was.
        without_delta: Why a delta list that is named was not added; None if none is named, or none is newer.
    """

    generation: GenerationId
    place: str
    number: int | None
    this_update: datetime
    delta: DeltaUsed | None = None
    without_delta: str | None = None


def check_revocation(
    path: CandidatePath, snapshot: Snapshot, at: datetime, signatures: Signatures
) -> tuple[ListUsed, ...]:
    """Raise PathRejected if a certificate was revoked at the moment, or if that cannot be told; else the lists asked.

    Lists are those that were the newest at the moment: what was revoked later, or published later, does not count.
    """
    used = []
    for step, issuer, certificate in path.links():
        if _needs_no_list(certificate):
            continue
        try:
            revocation, asked = _ask(certificate, issuer, snapshot, at, signatures)
        except (BadInput, KeyRefused) as error:  # KeyRefused: the list's signature or its suite
            raise PathRejected(
                error.place,
                f"cannot tell whether {certificate.place} is revoked: {error.problem}",
                step=step,
                reason=Reason.CANNOT_TELL,
                clause=error.clause or "RFC 5280 6.3.3",
            ) from error
        _require_good(certificate, revocation, step, at)
        used.append(asked)
    return tuple(used)


def _needs_no_list(certificate: CertificateFacts) -> bool:
    """RFC 6960 4.2.2.2.1: whoever asks a responder need not ask about it, if its issuer says so."""
    return (
        certificate.has(ext.OcspNoCheck.oid)
        and certificate.purposes is not None
        and OCSP_SIGNING in certificate.purposes
        and not certificate.is_ca
    )


def _ask(
    certificate: CertificateFacts,
    issuer: CertificateFacts,
    snapshot: Snapshot,
    at: datetime,
    signatures: Signatures,
) -> tuple[Revocation | None, ListUsed]:
    """What the list that speaks for the certificate says of it, and which list that is."""
    generation = snapshot.generation_of(issuer)
    if generation is None:
        raise BadInput(certificate.place, "its issuer's key is not in the manifest")
    point = _point(certificate, generation, snapshot)
    found = snapshot.list_at(generation, point, at)
    if found is None:
        raise BadInput(certificate.place, f"{generation} had no list for it then")
    deltas = partial(_deltas, snapshot, generation, point)
    answer = ask(Question.of(certificate, (issuer,), at), [found], deltas, signatures)
    return answer.revocation, _used(generation, answer.lists[0])


def _deltas(
    snapshot: Snapshot,
    generation: GenerationId,
    point: bytes | None,
    _: IndexedList,
    freshest: tuple[Point, ...],
) -> Iterator[Reading]:
    """The delta lists at these URLs that are published beside the list of the point; any URL is looked at once."""
    for url in dict.fromkeys(url for one in freshest for url in one.urls):
        path = snapshot.beside(generation, point, url)
        if path is not None:
            yield partial(snapshot.list_of, path)


def _used(generation: GenerationId, asked: Freshened) -> ListUsed:
    complete, without = asked.complete.facts, asked.without
    delta = None
    if asked.delta is not None:
        added = asked.delta.facts
        delta = DeltaUsed(added.place, added.number, added.this_update)
    return ListUsed(
        generation,
        complete.place,
        complete.number,
        complete.this_update,
        delta,
        None if without is None else str(without),
    )


def _point(certificate: CertificateFacts, generation: GenerationId, snapshot: Snapshot) -> bytes | None:
    """The certificate's first distribution point that has a list; without any, the full list speaks (None)."""
    if certificate.points is None:
        return None
    for point in certificate.points:
        if snapshot.publishes(generation, point):
            return point
    raise BadInput(certificate.place, f"{generation} publishes no list for its distribution point")


def _require_good(
    certificate: CertificateFacts, revocation: Revocation | None, step: int, at: datetime
) -> None:
    status = status_of(certificate.not_before, revocation, at)
    if status.revocation is not None:
        raise PathRejected(
            certificate.place,
            f"revoked since {status.revocation.revoked_at:{_STAMP}}, {status.revocation.reason.word}",
            step=step,
            reason=Reason.REVOKED,
            clause="RFC 5280 6.3.3",
            revocation=status.revocation,
        )
