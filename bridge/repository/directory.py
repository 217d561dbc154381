"""The published folder put into a directory over LDAP: what is there already stays, what differs is replaced.

Everywhere lists come first, then CA certificates, then pairs: a path over a pair asks for the lists of both sides, and
what is withdrawn is on the authority list before its pair goes. Whoever stops in between leaves every path as valid as
it was, and the next run goes on there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.directory.attributes import CA_CERTIFICATE, CERTIFICATES, CROSS_PAIR, LISTS
from bridge.directory.connection import Directory, Values
from bridge.repository.entries import Entry, read_entries
from bridge.repository.folder import Repository
from bridge.repository.still import still
from ca.errors import BadInput
from ca.wire.pairs import read_pair

Progress = Callable[[str, int], None]
"""Called once an entry and round with what was looked at, and how many such steps there are."""

_ROUNDS = (LISTS, (CA_CERTIFICATE,), (CROSS_PAIR,))
_OURS = (*LISTS, *CERTIFICATES)
_CLASS = "objectClass"


@dataclass(slots=True)
class Published:
    """What a publication in a directory did.

    Attributes:
        entries: How many entries the folder comes to that have a place in the directory.
        added: How many of them were not there.
        replaced: How many attributes got other values.
        left_out: Names of entries for which the server has no place.
    """

    entries: int
    added: int
    replaced: int
    left_out: tuple[str, ...]


def publish_repository(repository: Repository, directory: Directory, progress: Progress) -> Published:
    """Make a directory say what is published at this moment; a second time writes nothing.

    The directory may take its time: nobody who publishes waits for it.

    Raises:
        StorageFailed, HomeBusy: The folder cannot be read, or another process keeps it.
        BadInput, NotPermitted: As ``publish_entries`` raises.
    """
    with still(repository) as found:
        return _publish(found.entries, found.folder, directory, progress)


def publish_entries(folder: Path, directory: Directory, progress: Progress) -> Published:
    """Make a directory say what a folder says that nobody changes meanwhile.

    Entries that the folder does not know are left alone, and so is what a peer's entry has that we do not know.

    Raises:
        BadInput: The folder has no manifest; or the server cannot be reached, does not answer in time, or refuses: what
            was written until then stays, and the next run goes on.
        NotPermitted: The server does not accept the name and password.
    """
    return _publish(read_entries(folder), folder, directory, progress)


def _publish(found: Iterable[Entry], folder: Path, directory: Directory, progress: Progress) -> Published:
    entries, left_out = _placed(found, directory)
    publication = _Publication(folder, directory, Published(len(entries), 0, 0, left_out), {})
    for kinds in _ROUNDS:
        for entry in entries:
            publication.bring(entry, kinds)
            progress(entry.name, len(entries) * len(_ROUNDS))
    return publication.done


def _placed(entries: Iterable[Entry], directory: Directory) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries that have a place below one of the server's names, and the names of those that have none.

    What stands above the server's own names is not for it to have, and is no loss.
    """
    contexts = directory.contexts()
    placed, left_out = [], []
    for entry in entries:
        steps = directory.steps(entry.name)
        if not contexts or any(steps[: len(context)] == context for context in contexts):
            placed.append(entry)
        elif entry.files or not any(context[: len(steps)] == steps for context in contexts):
            left_out.append(entry.name)
    return placed, tuple(left_out)


@dataclass(frozen=True, slots=True)
class _Publication:
    """One run.

    Attributes:
        there: What the server has, by entry and attribute, as digests of the values.
    """

    folder: Path
    directory: Directory
    done: Published
    there: dict[str, dict[str, frozenset[bytes]]]

    def bring(self, entry: Entry, kinds: Sequence[str]) -> None:
        """Have an entry's attributes of these kinds say what the folder says."""
        if not (entry.files or entry.crosses or kinds is _ROUNDS[0]):
            return  # it is only there for others to stand below it
        there = self._there(entry)
        wanted = entry.values(self.folder, kinds)
        if there is None:
            kind, text = entry.naming
            classes = [name.encode() for name in entry.classes]
            self.directory.add(entry.name, {_CLASS: classes, kind: [text.encode()], **wanted})
            self.done.added += 1
            self.there[entry.name] = {
                _CLASS: _digests(name.lower() for name in classes),
                **{attribute: _digests(values) for attribute, values in wanted.items()},
            }
            return
        if not entry.ours:
            kinds = [kind for kind in kinds if kind in wanted or (kind == CROSS_PAIR and entry.crosses)]
            for kind in there.keys() & kinds:
                wanted[kind] = sorted({*wanted.get(kind, ()), *self._theirs(entry, kind)})
        changes: dict[str, Sequence[bytes]] = {
            kind: wanted.get(kind, ())
            for kind in kinds
            if _digests(wanted.get(kind, ())) != there.get(kind, frozenset())
        }
        if changes:
            missing = [
                name.encode()
                for name in entry.classes
                if not _digests([name.encode().lower()]) <= there[_CLASS] and name != "top"
            ]
            self.directory.replace(entry.name, changes, missing)
            self.done.replaced += len(changes)
            there[_CLASS] |= _digests(name.lower() for name in missing)

    def _theirs(self, entry: Entry, kind: str) -> list[bytes]:
        """What a peer's entry has that it may have put there itself: all but pairs of certificates that we know."""
        known = entry.certified(self.folder) if kind == CROSS_PAIR else set()
        found: Values = self.directory.read(entry.name, (kind,)) or {}
        return [value for value in found.get(kind, ()) if not _is_of(value, known, entry.name)]

    def _there(self, entry: Entry) -> dict[str, frozenset[bytes]] | None:
        """What the server has of an entry; asked once."""
        if entry.name not in self.there:
            found: Values | None = self.directory.read(entry.name, (_CLASS, *_OURS))
            if found is None:
                return None
            self.there[entry.name] = {
                attribute: _digests(value.lower() if attribute == _CLASS else value for value in values)
                for attribute, values in found.items()
            }
        return self.there[entry.name]


def _is_of(value: bytes, known: Collection[bytes], place: str) -> bool:
    """Whether a value is a pair of nothing but these certificates."""
    try:
        return all(half in known for half in read_pair(value, place) if half is not None)
    except BadInput:
        return False  # ours can be read


def _digests(values: Iterable[bytes]) -> frozenset[bytes]:
    """What values are compared by, so that not all lists of a nation are kept at once."""
    return frozenset(hashlib.sha256(value).digest() for value in values)
