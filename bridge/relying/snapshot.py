"""What is published as a verifier reads it: the manifest, and certificates and lists when they are needed.

Nothing here is believed. The manifest only says where to look; trust comes from anchors and from the signatures of
certificates and lists. A manifest that lies can make a verifier refuse, never accept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Self

import msgspec

from bridge.manifest import MANIFEST, ListEntry, Manifest
from bridge.relying.fetch import FolderSource, Source
from bridge.relying.index import IndexedList
from ca.errors import BadInput
from ca.model import GenerationId
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
        self._crosses: dict[str, list[str]] = {}
        for cross in manifest.cross:
            self._crosses.setdefault(cross.subject, []).append(cross.certificate)
        self._lists = _lists(manifest)
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

    def certificate(self, path: str) -> CertificateFacts:
        """The certificate at this path of the manifest."""
        return self._read_certificate(path)

    def crosses_to(self, subject: NameFacts, key_identifier: bytes | None) -> tuple[str, ...]:
        """Paths of the cross-certificates for a CA of this name, and for this key if one is named."""
        return tuple(
            path
            for (name, key), generation in self._generations.items()
            if name == subject and key_identifier in (None, key)
            for path in self._crosses.get(str(generation), ())
        )

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """Which generation the subject of this CA certificate is, by name and key identifier."""
        if authority.subject_key is None:
            return None
        return self._generations.get((authority.subject, authority.subject_key))

    def publishes(self, generation: GenerationId, point: bytes) -> bool:
        """Whether the manifest has a list for this point."""
        return (str(generation), point) in self._lists

    def list_at(self, generation: GenerationId, point: bytes | None, at: datetime) -> IndexedList | None:
        """The list of this point (None: the full list) that was the newest at the moment, or None."""
        entry = self._lists.get((str(generation), point))
        if entry is None:
            return None
        newest = self._read_list(entry.url)
        return newest if newest.facts.this_update <= at else self._earlier_list(entry.url, at)

    def beside(self, generation: GenerationId, point: bytes | None, url: str) -> str | None:
        """The path of what this URL names, if that lies beside the list of this point; else None.

        Under which host and folder a world is published, or mirrored, is not the source's business: only the end of
        the URL counts. What is read there is judged by its contents.
        """
        entry = self._lists.get((str(generation), point))
        if entry is None:
            return None
        folder, slash, _ = entry.url.rpartition("/")
        path = folder + slash + url.rpartition("/")[2]
        return path if url.endswith(f"/{path}") else None

    def list_of(self, path: str) -> IndexedList:
        """The list at this path; BadInput if it is missing or unreadable."""
        return self._read_list(path)

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
