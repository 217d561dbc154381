"""A material that remembers which lists and answers were read through it, for those who explain a verdict or keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from bridge.manifest import Marking
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Material, Reading
from bridge.relying.finding.points import Point
from ca.errors import BadInput
from ca.model import GenerationId
from ca.wire.facts import CertificateFacts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What was read to learn whether one certificate is revoked, in the order of reading.

    Attributes:
        lists: Complete lists.
        deltas: Delta lists.
        answers: OCSP responses, DER.
        signers: Certificates whose keys may have signed a list, and those that may lead to them.
        unreadable: What was offered and could not be read.
    """

    lists: tuple[IndexedList, ...] = ()
    deltas: tuple[IndexedList, ...] = ()
    answers: tuple[bytes, ...] = field(default=(), repr=False)
    signers: tuple[CertificateFacts, ...] = ()
    unreadable: tuple[BadInput, ...] = ()


@dataclass(slots=True)
class _Notes:
    """What was read about one certificate; each once."""

    lists: dict[bytes, IndexedList] = field(default_factory=dict)
    deltas: dict[bytes, IndexedList] = field(default_factory=dict)
    answers: dict[bytes, bytes] = field(default_factory=dict)
    signers: dict[bytes, CertificateFacts] = field(default_factory=dict)
    unreadable: dict[str, BadInput] = field(default_factory=dict)

    def add(self, other: _Notes) -> None:
        """Add what was read about another certificate."""
        self.lists |= other.lists
        self.deltas |= other.deltas
        self.answers |= other.answers
        self.signers |= other.signers
        self.unreadable |= other.unreadable

    def frozen(self) -> Found:
        """The notes as they are now."""
        return Found(
            tuple(self.lists.values()),
            tuple(self.deltas.values()),
            tuple(self.answers.values()),
            tuple(self.signers.values()),
            tuple(self.unreadable.values()),
        )


class Noting:
    """Another material, with notes of what was read for each certificate under each issuer."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._notes: dict[tuple[bytes, bytes], _Notes] = {}  # by the octets of a certificate and its issuer's
        self._issuers: dict[bytes, dict[bytes, CertificateFacts]] = {}

    def found(self, certificate: CertificateFacts, issuer: CertificateFacts) -> Found:
        """What was read about this certificate under this issuer, and about those who signed its lists."""
        pair = certificate.der, issuer.der
        notes = _Notes()
        notes.add(self._notes.get(pair, _Notes()))
        pending, seen = list(notes.signers), set[bytes]()
        while pending:
            signer = pending.pop(0)
            if signer not in seen:
                seen.add(signer)
                for (about, _), others in self._notes.items():
                    if about == signer:
                        notes.add(others)
                notes.signers |= self._issuers.get(signer, {})
                pending += [der for der in notes.signers if der not in seen]
        return notes.frozen()

    @property
    def marking(self) -> Marking | None:
        """The material's."""
        return self._material.marking

    def issuers(self, certificate: CertificateFacts) -> Iterator[Reading[CertificateFacts]]:
        """The material's, noted when read."""
        issuers = self._issuers.setdefault(certificate.der, {})
        for read in self._material.issuers(certificate):
            yield partial(_noted, read, _Notes(), issuers, lambda issuer: issuer.der)

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """The material's."""
        return self._material.generation_of(authority)

    def lists(
        self, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """The material's, noted when read."""
        notes = self._begin(certificate, issuer)
        for read in self._material.lists(certificate, issuer, at):
            yield partial(_noted, read, notes, notes.lists, _octets)

    def deltas(
        self, complete: IndexedList, points: tuple[Point, ...], at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """The material's, noted when read."""
        notes = self._about(complete)
        for read in self._material.deltas(complete, points, at):
            yield partial(_noted, read, notes, notes.deltas, _octets)

    def signers(self, found: IndexedList) -> Iterator[Reading[CertificateFacts]]:
        """The material's, noted when read."""
        notes = self._about(found)
        for read in self._material.signers(found):
            yield partial(_noted, read, notes, notes.signers, lambda signer: signer.der)

    def answers(self, certificate: CertificateFacts, issuer: CertificateFacts) -> Iterator[Reading[bytes]]:
        """The material's, noted when read."""
        notes = self._begin(certificate, issuer)
        for read in self._material.answers(certificate, issuer):
            yield partial(_noted, read, notes, notes.answers, bytes)

    def _begin(self, certificate: CertificateFacts, issuer: CertificateFacts) -> _Notes:
        return self._notes.setdefault((certificate.der, issuer.der), _Notes())

    def _about(self, found: IndexedList) -> _Notes:
        """The notes of the certificate that this list was read for, the latest first."""
        for notes in reversed(self._notes.values()):
            if found.facts.der in notes.lists:
                return notes
        return _Notes()


def _octets(found: IndexedList) -> bytes:
    return found.facts.der


def _noted(read: Reading[T], notes: _Notes, target: dict[bytes, T], key: Callable[[T], bytes]) -> T:
    try:
        one = read()
    except BadInput as error:
        notes.unreadable.setdefault(error.place, error)
        raise
    target.setdefault(key(one), one)
    return one
