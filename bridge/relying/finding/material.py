"""What a verifier has to work with: certificates, lists and answers from wherever they can be had, none of it believed.

A source only finds; whether what it found is right is judged by who asked. So a source that lies can make a verifier
refuse, never accept. What is found is read when it is wanted: a ``Reading`` may open a file, or ask a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from bridge.manifest import Marking
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.points import Point
from ca.model import GenerationId
from ca.wire.facts import CertificateFacts

T = TypeVar("T")

Reading = Callable[[], T]
"""Reads what was found, or raises BadInput with its place."""


class Material(Protocol):
    """Where a verifier looks. What may not be had at all is not given; what cannot be read raises when it is read."""

    @property
    def marking(self) -> Marking | None:
        """Whether this source says that all it has is a test world's, or a production's; None if it says nothing."""
        ...

    def issuers(self, certificate: CertificateFacts) -> Iterable[Reading[CertificateFacts]]:
        """CA certificates (cross, link) of this one's issuer, by name, and by key identifier where both name one."""
        ...

    def lists(
        self, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime
    ) -> Iterable[Reading[IndexedList]]:
        """Complete lists that may speak for the certificate and were the newest at the moment, the likeliest first."""
        ...

    def deltas(
        self, complete: IndexedList, points: tuple[Point, ...], at: datetime
    ) -> Iterable[Reading[IndexedList]]:
        """Delta lists of a complete list, at the points of its freshestCRL and the certificate's."""
        ...

    def signers(self, found: IndexedList) -> Iterable[Reading[CertificateFacts]]:
        """Certificates whose keys may have signed a list that its authority's own key did not sign."""
        ...

    def answers(self, certificate: CertificateFacts, issuer: CertificateFacts) -> Iterable[Reading[bytes]]:
        """OCSP responses, in DER, that may speak for the certificate."""
        ...

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """What the source calls the subject of this CA certificate, for those who read a verdict; None if nothing."""
        ...
