"""What is published as a verifier reads it: the manifest, and certificates and lists when they are needed.

Nothing here is believed. The manifest only says where to look; trust comes from anchors and from the signatures of
certificates and lists. A manifest that lies can make a verifier refuse, never accept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import NoReturn, Self

import msgspec

from bridge.manifest import MANIFEST, ListEntry, Manifest, Marking
from bridge.relying.finding.fetch import FolderSource, Source
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Reading
from bridge.relying.finding.points import ALL_REASONS, Point, read_points
from ca.errors import BadInput
from ca.keys.signer import key_identifier
from ca.model import GenerationId
from ca.profiles import extensions as ext
from ca.wire.facts import CERTIFICATE_LIMIT, CertificateFacts, NameFacts, read_certificate, read_name
from ca.wire.list_facts import LIST_LIMIT, read_list

MANIFEST_LIMIT = 32 * 1024 * 1024
"""Octets. Some 3,900 lists take 2 MB; ten nations in one manifest still fit."""

# Lists kept in memory after reading, so that holders of one town cost one reading.
_LISTS_KEPT = 32


class Snapshot:
    """What is published at one moment. To see what was published since, read it again.

    Certificates and lists are read when first needed and kept. Whatever is missing or unreadable raises BadInput
    with its path, when it is needed.
    """

    def __init__(self, source: Source, manifest: Manifest) -> None:
        self.manifest = manifest
        self._source = source
        self._generations = _generations(manifest)
        self._named: dict[NameFacts, list[tuple[bytes, GenerationId]]] = {}
        for (name, key), generation in self._generations.items():
            self._named.setdefault(name, []).append((key, generation))
        self._crosses: dict[str, list[str]] = {}
        for cross in manifest.cross:
            self._crosses.setdefault(cross.subject, []).append(cross.certificate)
        self._lists = _lists(manifest)
        self._newest = frozenset(entry.url for entry in manifest.lists)
        self._read_certificate = lru_cache(maxsize=None)(self._certificate)
        self._read_list = lru_cache(maxsize=_LISTS_KEPT)(self._list)

    @classmethod
    def read(cls, published: Source | Path) -> Self:
        """Read the manifest of a source or a folder, or raise BadInput naming the place in it."""
        source = FolderSource(published) if isinstance(published, Path) else published
        return cls.of(source.read(MANIFEST, MANIFEST_LIMIT), source)

    @classmethod
    def of(cls, octets: bytes, source: Source) -> Self:
        """What this manifest of the source says, or BadInput naming the place in it."""
        try:
            manifest = msgspec.json.decode(octets, type=Manifest, strict=True)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadInput(MANIFEST, f"is not a manifest of format 1: {error}") from None
        return cls(source, manifest)

    @property
    def marking(self) -> Marking:
        """Whether this world is for tests."""
        return self.manifest.marking

    def issuers(self, certificate: CertificateFacts) -> Iterator[Reading[CertificateFacts]]:
        """Cross-certificates for CAs of the issuer's name, and of the key that the certificate names."""
        key = certificate.authority_key
        return self._crosses_to(certificate.issuer, key.key_identifier if key else None)

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """Which generation the subject of this CA certificate is, by name and key identifier.

        A certificate that does not tell its key's identifier has one all the same (RFC 5280 4.2.1.2 method 1).
        """
        identifier = authority.subject_key or key_identifier(authority.public_key)
        return self._generations.get((authority.subject, identifier))

    def lists(
        self, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """The lists of the certificate's points, or the full list if it has no point; those of other issuers first."""
        yield from self._lists_of_others(certificate, at)
        generation = self.generation_of(issuer)
        if generation is None:
            yield partial(_cannot, certificate, "its issuer's key is not in the manifest")
            return
        there = False
        for point in _points(certificate):
            if (str(generation), point) in self._lists:
                there = True
                yield partial(self._list_at, certificate, generation, point, at)
        if not there:
            what = "list at all" if certificate.points is None else "list for its distribution point"
            yield partial(_cannot, certificate, f"{generation} publishes no {what}")

    def _lists_of_others(self, certificate: CertificateFacts, at: datetime) -> Iterator[Reading[IndexedList]]:
        """The lists of points whose list another issues (cRLIssuer): by the point's names, or for all points."""
        oid, place = ext.DistributionPoint.oid, certificate.place
        for point in read_points(certificate.extensions, oid, certificate.issuer, place) or ():
            names = [name.der for name in point.names if isinstance(name, NameFacts)]
            for issuer in point.issuers or ():
                for _, generation in self._named.get(issuer, ()):
                    for name in (*names, None):
                        if (str(generation), name) in self._lists:
                            yield partial(self._list_at, certificate, generation, name, at)

    def deltas(
        self, complete: IndexedList, points: tuple[Point, ...], at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """The delta lists at these URLs that lie beside the complete list; any URL is looked at once.

        Under which host and folder a world is published, or mirrored, is not the source's business: only the end of
        the URL counts. What is read there is judged by its contents.
        """
        del at  # only the newest delta list is kept
        place = complete.facts.place
        newest = place if place in self._newest else f"{place.rpartition('/')[0]}.crl"
        if newest in self._newest:
            folder, slash, _ = newest.rpartition("/")
            for url in dict.fromkeys(url for point in points for url in point.urls):
                path = folder + slash + url.rpartition("/")[2]
                if url.endswith(f"/{path}"):
                    yield partial(self._read_list, path)

    def signers(self, found: IndexedList) -> Iterator[Reading[CertificateFacts]]:
        """Cross-certificates for CAs of the list issuer's name, and of the key that the list names."""
        key = found.facts.authority_key
        return self._crosses_to(found.facts.issuer, key.key_identifier if key else None)

    def answers(self, certificate: CertificateFacts, issuer: CertificateFacts) -> tuple[Reading[bytes], ...]:
        """None: a folder holds no answers."""
        del certificate, issuer
        return ()

    def certificate(self, path: str) -> CertificateFacts:
        """The certificate at this path of the manifest."""
        return self._read_certificate(path)

    def _crosses_to(
        self, subject: NameFacts, key_identifier: bytes | None
    ) -> Iterator[Reading[CertificateFacts]]:
        """The cross-certificates for a CA of this name, and for this key if one is named."""
        for key, generation in self._named.get(subject, ()):
            if key_identifier in (None, key):
                for path in self._crosses.get(str(generation), ()):
                    yield partial(self._read_certificate, path)

    def _list_at(
        self, certificate: CertificateFacts, generation: GenerationId, point: bytes | None, at: datetime
    ) -> IndexedList:
        """The list of this point (None: the full list) that was the newest at the moment, or BadInput."""
        url = self._lists[str(generation), point].url
        newest = self._read_list(url)
        found = newest if newest.facts.this_update <= at else self._earlier_list(url, at)
        return found or _cannot(certificate, f"{generation} had no list for it then")

    def _earlier_list(self, url: str, at: datetime) -> IndexedList | None:
        """The last of all numbered lists whose thisUpdate is not later; numbers and times rise together."""
        stem = url.removesuffix(".crl")
        numbers = self._source.numbers(url)
        place = bisect_right(
            numbers, at, key=lambda number: self._read_list(f"{stem}/{number}.crl").facts.this_update
        )
        return self._read_list(f"{stem}/{numbers[place - 1]}.crl") if place else None

    def _certificate(self, path: str) -> CertificateFacts:
        return read_certificate(self._source.read(path, CERTIFICATE_LIMIT), path)

    def _list(self, path: str) -> IndexedList:
        return IndexedList(read_list(self._source.read(path, LIST_LIMIT), path))


def _points(certificate: CertificateFacts) -> Iterator[bytes | None]:
    """What the issuer's own lists for the certificate are called: those that tell of all reasons first, then others."""
    if certificate.points is None:
        yield None
        return
    yield from certificate.points
    oid, place = ext.DistributionPoint.oid, certificate.place
    for point in read_points(certificate.extensions, oid, certificate.issuer, place) or ():
        if point.issuers is None and point.reasons != ALL_REASONS:
            yield from (name.der for name in point.names if isinstance(name, NameFacts))


def _cannot(certificate: CertificateFacts, problem: str) -> NoReturn:
    raise BadInput(certificate.place, problem)


def _generations(manifest: Manifest) -> Mapping[tuple[NameFacts, bytes], GenerationId]:
    found: dict[tuple[NameFacts, bytes], GenerationId] = {}
    for number, entry in enumerate(manifest.authorities):
        place = f"{MANIFEST} authorities[{number}]"
        generation = GenerationId.parse(entry.generation)
        key = read_name(entry.name, f"{place}.name"), bytes.fromhex(entry.key_identifier)
        if key in found:
            raise BadInput(place, f"{generation} has the name and key of {found[key]}")
        found[key] = generation
    return found


def _lists(manifest: Manifest) -> Mapping[tuple[str, bytes | None], ListEntry]:
    found: dict[tuple[str, bytes | None], ListEntry] = {}
    for number, entry in enumerate(manifest.lists):
        key = entry.generation, entry.point
        if key in found:
            raise BadInput(f"{MANIFEST} lists[{number}]", f"has the point of {found[key].url}")
        found[key] = entry
    return found
