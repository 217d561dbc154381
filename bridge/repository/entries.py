"""The published folder as the entries of a directory (RFC 4523): one for each CA, one for each distribution point.

All generations of a CA have one name and so one entry, with a value of each generation; whoever reads tells them apart
by the key identifiers in the values. A list stands at the name of its distribution point, as certificates name it, or
at its CA's if it has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bridge.directory.attributes import (
    AUTHORITY_LIST,
    CA_CERTIFICATE,
    CERTIFICATE_LIST,
    CROSS_PAIR,
    DELTA_LIST,
)
from bridge.directory.names import Step, name_text, read_steps, require_text
from bridge.manifest import MANIFEST, PEER, Manifest
from bridge.repository.layout import cross_path, pair_path
from ca.errors import BadInput, StorageFailed
from ca.model import GenerationId
from ca.profiles.extensions import Holds
from ca.wire.facts import NameFacts, read_name

_CLASSES = {
    "C": "country",
    "O": "organization",
    "OU": "organizationalUnit",
    "L": "locality",
    "CN": "organizationalRole",
}
"""What an entry is whose last step is of this type (RFC 4519, RFC 4524); it has to have that attribute and no other."""

_POINT = "cRLDistributionPoint"


@dataclass(slots=True)
class Entry:
    """An entry, whose values are read when they are asked for.

    Attributes:
        name: Its name as text (RFC 4514).
        depth: How many steps its name has.
        classes: Its object classes.
        naming: The attribute of its last step, and its value.
        ours: Whether this repository alone says what certificates and lists it has: a CA of this world, or a point.
        files: Where its values are, by attribute, below the published folder.
        crosses: Where the certificates are that were ever in its pairs, withdrawn ones too, and its links.
    """

    name: str
    depth: int
    classes: dict[str, None]
    naming: tuple[str, str]
    ours: bool = False
    files: dict[str, dict[str, None]] = field(default_factory=dict)
    crosses: dict[str, None] = field(default_factory=dict)

    def values(self, folder: Path, kinds: Collection[str]) -> dict[str, list[bytes]]:
        """Its values of these attributes, each attribute's in order of their octets; none twice."""
        found: dict[str, list[bytes]] = {}
        for attribute in self.files.keys() & kinds:
            found[attribute] = sorted(_contents(folder, self.files[attribute]))
        return found

    def certified(self, folder: Path) -> set[bytes]:
        """The certificates that were ever in its pairs by the repository's doing."""
        return _contents(folder, self.crosses)


def _contents(folder: Path, paths: Iterable[str]) -> set[bytes]:
    try:
        return {(folder / path).read_bytes() for path in paths}
    except OSError as error:
        raise StorageFailed(f"repository {folder}", f"cannot be read: {error.strerror}") from None


def read_entries(folder: Path) -> list[Entry]:
    """Every entry that the published folder comes to, those that others stand below first.

    Raises:
        BadInput: The folder has no manifest, a name in it is none that an entry can have, or a list that it names is lost.
    """
    manifest = _manifest(folder)
    tree = _Tree({entry.generation: entry.name for entry in manifest.authorities})
    for authority in manifest.authorities:
        entry = tree.authority(authority.generation)
        entry.ours = entry.ours or authority.role != PEER
        if authority.certificate is not None and (folder / authority.certificate).is_file():
            _put(entry, CA_CERTIFICATE, authority.certificate)
    for cross in manifest.cross:
        for generation in (cross.issuer, cross.subject):
            tree.authority(generation).crosses[cross.certificate] = None
    for owner, attribute, path in _crosses(manifest):
        # What was withdrawn is in the manifest, and in no pair any more.
        if (folder / path).is_file():
            _put(tree.authority(str(owner)), attribute, path)
    for one in manifest.lists:
        entry = tree.authority(one.generation) if one.point is None else tree.point(one.point, one.url)
        entry.ours = True
        attribute = AUTHORITY_LIST if one.holds is Holds.CA else CERTIFICATE_LIST
        if not (
            folder / one.url
        ).is_file():  # an entry without it would take the list from whoever reads entries
            raise BadInput(
                f"{folder / one.url}",
                "is named by the manifest, and lost",
                remedy="`kakehashi list publish` makes it anew, and so does a worker within a minute",
            )
        _put(entry, attribute, one.url)
        delta = f"{one.url.removesuffix('.crl')}.delta.crl"
        if (folder / delta).is_file():
            _put(entry, DELTA_LIST, delta)
    return sorted(tree.entries.values(), key=lambda entry: (entry.depth, entry.name))


def _put(entry: Entry, attribute: str, path: str) -> None:
    entry.files.setdefault(attribute, {})[path] = None
    if attribute == DELTA_LIST and _POINT not in entry.classes:
        entry.classes["deltaCRL"] = None


def _crosses(manifest: Manifest) -> Iterator[tuple[GenerationId, str, str]]:
    """Whose entry has what of those who have ever certified each other, and where it is."""
    for texts in dict.fromkeys((cross.issuer, cross.subject) for cross in manifest.cross):
        issuer, subject = map(GenerationId.parse, texts)
        if issuer.authority == subject.authority:  # a link: self-issued, and no half of a pair (RFC 4523 4.2)
            yield subject, CA_CERTIFICATE, cross_path(issuer, subject)
        else:
            yield issuer, CROSS_PAIR, pair_path(issuer, subject)
            yield subject, CROSS_PAIR, pair_path(subject, issuer)


def _manifest(folder: Path) -> Manifest:
    try:
        octets = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise BadInput(f"{folder / MANIFEST}", f"cannot be read: {error.strerror}") from None
    try:
        return msgspec.json.decode(octets, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadInput(f"{folder / MANIFEST}", f"is not a manifest of format 1: {error}") from None


class _Tree:
    """Entries by their names, which compare as RFC 5280 7.1 says, and those above them."""

    def __init__(self, names: Mapping[str, bytes]) -> None:
        """Begin with nothing.

        Args:
            names: The encoded name of each generation's authority.
        """
        self.entries: dict[NameFacts, Entry] = {}
        self._names = names

    def authority(self, generation: str) -> Entry:
        """The entry of the authority that this generation is of, or BadInput."""
        if generation not in self._names:
            raise BadInput(MANIFEST, f"speaks of {generation}, which is none of its authorities")
        return self._entry(self._names[generation], f"{MANIFEST} {generation}", "pkiCA")

    def point(self, name: bytes, path: str) -> Entry:
        """The entry of a distribution point; a CA's own entry may be one."""
        return self._entry(name, f"{MANIFEST} {path}", _POINT)

    def _entry(self, name: bytes, place: str, role: str) -> Entry:
        steps, facts = read_steps(name, place), read_name(name, place)
        for depth in range(1, len(steps)):
            self._made(NameFacts(name, facts.folded[:depth]), steps[:depth], place, None)
        found = self._made(facts, steps, place, role)
        if _POINT not in found.classes:  # its last step is no CN, or it is a CA's (RFC 4523 5.2, 5.3)
            found.classes["pkiCA"] = None
        return found

    def _made(
        self, facts: NameFacts, steps: tuple[tuple[Step, ...], ...], place: str, role: str | None
    ) -> Entry:
        if facts not in self.entries:
            kind, text = require_text(steps[-1], place)
            base = _POINT if (kind, role) == ("CN", _POINT) else _CLASSES.get(kind)
            if base is None:
                raise BadInput(
                    place, f"ends with {kind}, of which no entry is made here", clause="RFC 4519 3"
                )
            classes = dict.fromkeys(("top", base))
            self.entries[facts] = Entry(name_text(steps), len(steps), classes, (kind, text))
        return self.entries[facts]
