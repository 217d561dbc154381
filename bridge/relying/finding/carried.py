"""What was handed over with a certificate: what a signature carries, or any bag of certificates, lists and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import NoReturn, TypeVar

from bridge.manifest import Marking
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Reading
from bridge.relying.finding.points import Point, list_issuers
from ca.errors import BadInput
from ca.model import GenerationId
from ca.wire.facts import CertificateFacts, NameFacts, read_certificate
from ca.wire.list_facts import read_list

T = TypeVar("T")

CARRIED_LIMIT = 4_000
"""How many certificates, lists and answers one bag may hold of each: a signature carries some ten, and reading so many
certificates takes a second. How many octets they have is for whoever fills the bag to bound."""


class Carried:
    """A bag of certificates, lists (complete and delta) and OCSP responses; nothing in it is believed.

    All is read at once. What cannot be read is offered as such wherever its kind is asked for, so that a verdict which
    fails for want of it can say so.
    """

    def __init__(
        self,
        *,
        certificates: Iterable[bytes] = (),
        lists: Iterable[bytes] = (),
        answers: Iterable[bytes] = (),
        marking: Marking | None = None,
        place: str = "carried",
    ) -> None:
        """Take what is handed over, in DER.

        Args:
            certificates: CA certificates, and those of keys that sign lists.
            lists: Complete and delta lists in any order.
            answers: OCSP responses.
            marking: What the bag says of its world, if anything.
            place: What the bag is called in messages.

        Raises:
            BadInput: There are more of one kind than are looked at.
        """
        self.marking = marking
        self._certificates: dict[NameFacts, list[Reading[CertificateFacts]]] = {}
        self._lists: dict[NameFacts, list[IndexedList]] = {}
        self._deltas: dict[NameFacts, list[Reading[IndexedList]]] = {}
        self._unreadable_certificates: list[Reading[CertificateFacts]] = []
        self._unreadable_lists: list[Reading[IndexedList]] = []
        for certificate in _read(read_certificate, certificates, f"{place} certificate"):
            if isinstance(certificate, BadInput):
                self._unreadable_certificates.append(partial(_fail, certificate))
            else:
                same = self._certificates.setdefault(certificate.subject, [])
                same.append(partial(_give, certificate))
        for found in _read(_indexed, lists, f"{place} list"):
            if isinstance(found, BadInput):
                self._unreadable_lists.append(partial(_fail, found))
            elif found.base is None:
                self._lists.setdefault(found.facts.issuer, []).append(found)
            else:
                self._deltas.setdefault(found.facts.issuer, []).append(partial(_give, found))
        self._answers = [partial(_give, answer) for answer in _bounded(answers, f"{place} answer")]

    def issuers(self, certificate: CertificateFacts) -> list[Reading[CertificateFacts]]:
        """All certificates of the issuer's name; which key it is, the search looks at."""
        return [*self._certificates.get(certificate.issuer, ()), *self._unreadable_certificates]

    def lists(
        self, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """Complete lists of whoever may issue the certificate's, the newest of the moment first."""
        del issuer
        found = [one for name in list_issuers(certificate) for one in self._lists.get(name, ())]
        then = [one for one in found if one.facts.this_update <= at]
        for one in sorted(then, key=lambda one: one.facts.this_update, reverse=True):
            yield partial(_give, one)
        yield from self._unreadable_lists

    def deltas(
        self, complete: IndexedList, points: tuple[Point, ...], at: datetime
    ) -> list[Reading[IndexedList]]:
        """All delta lists of the complete list's issuer."""
        del points, at
        return self._deltas.get(complete.facts.issuer, [])

    def signers(self, found: IndexedList) -> list[Reading[CertificateFacts]]:
        """All certificates of the list issuer's name."""
        return self._certificates.get(found.facts.issuer, [])

    def answers(self, certificate: CertificateFacts, issuer: CertificateFacts) -> list[Reading[bytes]]:
        """All answers: each says itself of whom it speaks."""
        del certificate, issuer
        return list(self._answers)

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """None: a bag has no names of its own for authorities."""
        del authority
        return None


def _indexed(der: bytes, place: str) -> IndexedList:
    found = IndexedList(read_list(der, place))
    _ = found.base  # whether it is a delta list has to be readable
    return found


def _read(reader: Callable[[bytes, str], T], octets: Iterable[bytes], place: str) -> Iterator[T | BadInput]:
    """Each of them read, the same octets once; the error in place of what cannot be read."""
    for number, der in enumerate(dict.fromkeys(_bounded(octets, place)), 1):
        try:
            yield reader(der, f"{place} {number}")
        except BadInput as error:
            yield error


def _bounded(octets: Iterable[bytes], place: str) -> list[bytes]:
    found = list(octets)
    if len(found) > CARRIED_LIMIT:
        raise BadInput(place, f"there are {len(found)}; {CARRIED_LIMIT} are looked at")
    return found


def _give(one: T) -> T:
    return one


def _fail(error: BadInput) -> NoReturn:
    raise error
