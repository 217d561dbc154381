"""Several materials as one: each is asked in turn, and the same certificate, list or answer comes once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import NoReturn, TypeVar

from bridge.manifest import Marking
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Material, Reading
from bridge.relying.finding.points import Point
from ca.errors import BadInput
from ca.model import GenerationId
from ca.wire.facts import CertificateFacts

T = TypeVar("T")


class Several:
    """Materials one after another, the most trusted to be quick first: a later one is asked when it is needed."""

    def __init__(self, *materials: Material) -> None:
        self._materials = materials

    @property
    def marking(self) -> Marking | None:
        """TEST if one says so, since nothing of a test world is valid in production; else what the others say."""
        marked = {material.marking for material in self._materials}
        return next((marking for marking in (Marking.TEST, Marking.PRODUCTION) if marking in marked), None)

    def issuers(self, certificate: CertificateFacts) -> Iterator[Reading[CertificateFacts]]:
        """CA certificates of the issuer's name."""
        return _once((one.issuers(certificate) for one in self._materials), lambda found: found.der)

    def lists(
        self, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """Complete lists that may speak for the certificate."""
        return _once((one.lists(certificate, issuer, at) for one in self._materials), _octets)

    def deltas(
        self, complete: IndexedList, points: tuple[Point, ...], at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """Delta lists of a complete list, wherever that came from."""
        return _once((one.deltas(complete, points, at) for one in self._materials), _octets)

    def signers(self, found: IndexedList) -> Iterator[Reading[CertificateFacts]]:
        """Certificates whose keys may have signed a list."""
        return _once((one.signers(found) for one in self._materials), lambda signer: signer.der)

    def answers(self, certificate: CertificateFacts, issuer: CertificateFacts) -> Iterator[Reading[bytes]]:
        """OCSP responses that may speak for the certificate."""
        return _once((one.answers(certificate, issuer) for one in self._materials), bytes)

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """What the first material that has a name for it calls it."""
        named = (one.generation_of(authority) for one in self._materials)
        return next((generation for generation in named if generation is not None), None)


def _octets(found: IndexedList) -> bytes:
    return found.facts.der


def _once(offers: Iterable[Iterable[Reading[T]]], key: Callable[[T], bytes]) -> Iterator[Reading[T]]:
    """What is offered, read when its turn comes, without what came before."""
    seen: set[bytes] = set()
    for offer in offers:
        for read in offer:
            try:
                found = read()
            except BadInput as error:
                yield partial(_fail, error)
                continue
            if key(found) not in seen:
                seen.add(key(found))
                yield partial(_give, found)


def _give(one: T) -> T:
    return one


def _fail(error: BadInput) -> NoReturn:
    raise error
