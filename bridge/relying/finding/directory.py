"""A directory over LDAP as a verifier's source: certificates and pairs at CAs' names, lists at distribution points'.

Directory names in certificates are names of entries. Only what is there now can be had: about the past a directory
says nothing. What was read is kept for as long as the source lives; to see what changed since, make another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import NoReturn, Self

from bridge.directory.attributes import (
    AUTHORITY_LIST,
    CERTIFICATE_LIST,
    CERTIFICATES,
    CROSS_PAIR,
    DELTA_LIST,
)
from bridge.directory.connection import ENTRY_LIMIT, Directory, Server
from bridge.directory.names import read_name_text
from bridge.relying.budget import USUAL, Budget, Limits
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Reading
from bridge.relying.finding.points import Point, read_points
from ca.errors import BadInput
from ca.model import GenerationId
from ca.profiles import extensions as ext
from ca.wire.facts import CertificateFacts, NameFacts, read_certificate
from ca.wire.list_facts import read_list
from ca.wire.pairs import read_pair

_Value = tuple[str, bytes | BadInput]
"""Where a value stands, and its octets; or why it cannot be had."""

# Lists that stay parsed and indexed.
_LISTS_KEPT = 32


class DirectoryMaterial:
    """What a directory has for a verifier. A context manager: it holds a connection."""

    marking = None

    def __init__(self, server: Server, limits: Limits = USUAL) -> None:
        """Ask nothing yet.

        Args:
            server: Where the directory is.
            limits: How often it may be asked, and what it may answer, for as long as this lives.

        Raises:
            BadInput: No such URL, or python-ldap is missing.
        """
        self._directory = Directory(server, limits.seconds)
        self._budget = Budget(limits)
        self._entries: dict[tuple[str, Sequence[str]], list[_Value]] = {}
        self._found_at: dict[str, str] = {}  # at which entry each complete list was found
        self._read_list = lru_cache(maxsize=_LISTS_KEPT)(_indexed)

    def __enter__(self) -> Self:
        """Use it in a block, at whose end the connection is closed."""
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.close()

    def issuers(self, certificate: CertificateFacts) -> Iterator[Reading[CertificateFacts]]:
        """Cross-certificates for the issuer, and its link certificates, from the entry of the issuer's name."""
        return self._certificates_for(certificate.issuer)

    def lists(
        self, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """Lists at the certificate's distribution points; those that name the issuer's key come first."""
        del at  # a directory has what is newest
        try:
            points = read_points(
                certificate.extensions, ext.DistributionPoint.oid, certificate.issuer, certificate.place
            )
        except BadInput as error:
            yield partial(_fail, error)
            return
        names = [certificate.issuer] if points is None else _entries_of(points)
        # The lists of CA certificates are short, those beside them may be long.
        for kind in (AUTHORITY_LIST, CERTIFICATE_LIST) if certificate.is_ca else (CERTIFICATE_LIST,):
            yield from self._lists(names, kind, issuer.subject_key)

    def deltas(
        self, complete: IndexedList, points: tuple[Point, ...], at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """Delta lists at the points' directory names, and beside the complete list."""
        del at
        key = complete.facts.authority_key
        names: list[NameFacts | str] = [*_entries_of(points)]
        if complete.facts.place in self._found_at:
            names.append(self._found_at[complete.facts.place])
        yield from self._lists(names, DELTA_LIST, key.key_identifier if key else None)

    def signers(self, found: IndexedList) -> Iterator[Reading[CertificateFacts]]:
        """CA certificates of the list issuer's name."""
        return self._certificates_for(found.facts.issuer)

    def answers(self, certificate: CertificateFacts, issuer: CertificateFacts) -> tuple[Reading[bytes], ...]:
        """None: a directory holds no answers."""
        del certificate, issuer
        return ()

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """None: a directory knows names, and tells no generations apart."""
        del authority
        return None

    def _certificates_for(self, name: NameFacts) -> Iterator[Reading[CertificateFacts]]:
        for place, octets in self._values(name, CERTIFICATES):
            try:
                if isinstance(octets, BadInput):
                    raise octets
                if CROSS_PAIR in place:
                    to_this, _ = read_pair(octets, place)
                else:
                    to_this = octets
                found = None if to_this is None else read_certificate(to_this, place)
            except BadInput as error:
                yield partial(_fail, error)
                continue
            # A self-signed certificate is an anchor or nothing.
            if found is not None and found.subject == name and not _signs_itself(found):
                yield partial(_give, found)

    def _lists(
        self, names: Iterable[NameFacts | str], kind: str, key: bytes | None
    ) -> Iterator[Reading[IndexedList]]:
        for name in names:
            values = self._values(name, (kind,))
            for place, octets in sorted(values, key=lambda value: not _names(value[1], key)):
                if isinstance(octets, BadInput):
                    yield partial(_fail, octets)
                    continue
                self._found_at[place] = place.partition(f" {kind}")[0]
                yield partial(self._read_list, octets, place)

    def _values(self, name: NameFacts | str, kinds: Sequence[str]) -> list[_Value]:
        """The values of these attributes of an entry, or the one error why they cannot be had, each with its place."""
        try:
            text = name if isinstance(name, str) else read_name_text(name.der, "a name")
        except BadInput as error:  # a name that no directory has
            return [(error.place, error)]
        asked = text, kinds
        if asked not in self._entries:
            self._budget.fetch()
            try:
                self._entries[asked] = self._ask(text, kinds)
            except BadInput as error:
                self._entries[asked] = [(error.place, error)]
        return self._entries[asked]

    def _ask(self, name: str, kinds: Sequence[str]) -> list[_Value]:
        values = self._directory.read(name, kinds, min(ENTRY_LIMIT, self._budget.octets)) or {}
        self._budget.receive(sum(len(value) for some in values.values() for value in some))
        return [
            (f"{name} {kind}[{number}]", value)
            for kind, some in values.items()
            for number, value in enumerate(some)
        ]


def _entries_of(points: Iterable[Point]) -> list[NameFacts]:
    """The entries at which these points' lists may stand: the points themselves, and whoever issues for them."""
    found: dict[NameFacts, None] = {}
    for point in points:
        found |= dict.fromkeys(name for name in point.names if isinstance(name, NameFacts))
        found |= dict.fromkeys(point.issuers or ())
    return list(found)


def _names(octets: bytes | BadInput, key: bytes | None) -> bool:
    """Whether these octets stand in a list, wherever; it only ranks."""
    return isinstance(octets, bytes) and key is not None and octets.rfind(key) >= 0


def _signs_itself(certificate: CertificateFacts) -> bool:
    key = certificate.authority_key
    named = key.key_identifier if key else None
    return certificate.subject == certificate.issuer and named in (None, certificate.subject_key)


def _indexed(octets: bytes, place: str) -> IndexedList:
    return IndexedList(read_list(octets, place))


def _give(one: CertificateFacts) -> CertificateFacts:
    return one


def _fail(error: BadInput) -> NoReturn:
    raise error
