"""The archive: what the journal's records speak of and may be personal, encrypted, each body under a key of its own.

::

    slots                  64 octets a body: the salt of its key, and where it lies; the first 64 say what this is
    000000000001.bodies    bodies one behind the other, named after the number of the first

A body's key is HMAC-SHA-256 of its salt and number under the archive's key. Once the salt is overwritten, nobody can
make the key again: the body is destroyed wherever there is a copy of it, and the journal's chain still holds.

The journal's last record says how many bodies there are. What lies behind was never acknowledged and is written over.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca.chance import Chance
from ca.errors import ArchiveDestroyed, HomeRefused, NotFound, StorageFailed
from ca.journal import durable

SEGMENT: Final = 256 << 20
"""A file of bodies that has reached this length gets no more."""

_FORM = struct.Struct(">32sQQI12x")
_SLOT = _FORM.size
_FIRST_SLOT = b"kakehashi archive, format 1".ljust(_SLOT, b"\n")
_SUFFIX = ".bodies"
_DESTROYED = bytes(32)
# Each key encrypts one text only, so the nonce need not differ (NIST SP 800-38D 8).
_NONCE = bytes(12)


def archive_key(code_key: bytes) -> bytes:
    """The archive's key: it lies with the signing keys, as the residents' code key does that it is made from."""
    return hmac.digest(code_key, b"kakehashi archive, format 1", hashlib.sha256)


@dataclass(frozen=True, slots=True)
class _Slot:
    """The salt of a body's key, and where it lies."""

    salt: bytes
    segment: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


class Archive:
    """Numbered bodies, from 1 on, in a folder and its mirror. Written in the journal's turn alone; read at any time.

    Args:
        folder: Where its files lie.
        mirror: Where a second copy of them is kept.
        key: Gives the archive's key; asked when a body is first written or read.
        chance: Where salts come from.
    """

    def __init__(self, folder: Path, mirror: Path | None, key: Callable[[], bytes], chance: Chance) -> None:
        self._shelves = [_Shelf(folder)] if mirror is None else [_Shelf(folder), _Shelf(mirror)]
        self._key = key
        self._chance = chance
        self._opened_key: bytes | None = None
        self._looked_through = False

    def __repr__(self) -> str:
        return f"Archive({str(self._shelves[0].folder)!r})"

    def begin(self) -> None:
        """Make the empty archive of a new home, and its mirror, if they are not there."""
        for shelf in self._shelves:
            with durable.storage_errors(shelf.folder):
                durable.make_folder(shelf.folder)

    def bring_together(self, count: int) -> None:
        """Give each copy the bodies, of the first ``count``, that it lacks and the other one has.

        Raises:
            HomeRefused: Neither copy has them.
            StorageFailed: A disk refused, or the mirror's is not there.
        """
        with durable.storage_errors(self._shelves[0].folder):
            self._bring_together(count)

    def append(self, count: int, bodies: Sequence[bytes]) -> None:
        """Write bodies behind the first ``count``; on return they are on the disk, in the mirror too.

        Raises:
            HomeRefused: The archive lacks some of the first ``count``, and its mirror too.
            StorageFailed: A disk refused, or the mirror's is not there.
        """
        folder = self._shelves[0].folder
        with durable.storage_errors(folder):
            self._bring_together(count)
            segment, offset = self._shelves[0].end(count)
            if offset >= SEGMENT:
                segment, offset = count + 1, 0
            texts, slots = list[bytes](), [] if count else [_FIRST_SLOT]
            place = offset
            for number, body in enumerate(bodies, count + 1):
                salt = self._chance.octets(f"archive salt {number}", len(_DESTROYED))
                texts.append(self._cipher(salt, number).encrypt(_NONCE, body, None))
                slots.append(_FORM.pack(salt, segment, place, len(texts[-1])))
                place += len(texts[-1])
            text, slot = b"".join(texts), b"".join(slots)
            first = _SLOT * (count + 1) if count else 0
            durable.at_once(
                [
                    partial(durable.write_at, path, begin, octets)
                    for shelf in self._shelves
                    for path, begin, octets in (
                        (shelf.bodies(segment), offset, text),
                        (shelf.slots, first, slot),
                    )
                ]
            )

    def read(self, number: int) -> bytes:
        """The body of this number.

        Raises:
            NotFound: There is none.
            ArchiveDestroyed: Its key was destroyed.
            HomeRefused: It is damaged, in the mirror too.
        """
        place = f"archive {self._shelves[0].folder} body {number}"
        with durable.storage_errors(self._shelves[0].folder, "cannot be read"):
            found = [(shelf, slot) for shelf in self._shelves if (slot := shelf.slot(number))]
            if not found:
                raise NotFound(place, "does not exist")
            # Whichever copy says so: the other one may be an old one that was put back.
            if any(slot.salt == _DESTROYED for _, slot in found):
                raise ArchiveDestroyed(place, "was destroyed when its time was over")
            for shelf, slot in found:
                with suppress(InvalidTag, FileNotFoundError):
                    return self._cipher(slot.salt, number).decrypt(_NONCE, shelf.text(slot), None)
        raise HomeRefused(place, "is damaged", remedy="Restore the archive from its mirror or a backup")

    def destroy(self, numbers: Sequence[int]) -> None:
        """Destroy the keys of bodies, in the mirror too; done on return. Those destroyed already stay so.

        Raises:
            NotFound: There is no body of such a number; none was destroyed.
            StorageFailed: A disk refused; some are destroyed, and the same call destroys the others.
        """
        folder = self._shelves[0].folder
        with durable.storage_errors(folder):
            for shelf in self._shelves:
                for number in numbers:
                    if shelf.slot(number) is None:
                        raise NotFound(f"archive {shelf.folder} body {number}", "does not exist")
            salts = [(_SLOT * number, _DESTROYED) for number in numbers]
            durable.at_once([partial(durable.replace_at, shelf.slots, salts) for shelf in self._shelves])

    def _bring_together(self, count: int) -> None:
        """Give each copy the bodies, of the first ``count``, that it lacks and the other one has."""
        if not self._looked_through:
            self._shelves[0].require(make=True)
            for shelf in self._shelves[1:]:
                shelf.require(make=False)
            durable.fill_holes([shelf.folder for shelf in self._shelves], _SUFFIX)
            self._looked_through = True
        whole = [shelf.whole(count) for shelf in self._shelves]
        if max(whole) < count:
            raise HomeRefused(
                f"archive {self._shelves[0].folder}",
                f"lacks bodies from {max(whole) + 1} on; the journal tells of {count}",
                remedy="Restore it from its mirror or a backup",
            )
        longest = self._shelves[whole.index(count)]
        for shelf, its in zip(self._shelves, whole, strict=True):
            if its < count:
                shelf.follow(longest, its, count)

    def _cipher(self, salt: bytes, number: int) -> AESGCM:
        if self._opened_key is None:
            self._opened_key = self._key()
        return AESGCM(hmac.digest(self._opened_key, salt + number.to_bytes(8, "big"), hashlib.sha256))


@dataclass(frozen=True, slots=True)
class _Shelf:
    """One folder of the archive."""

    folder: Path

    @property
    def slots(self) -> Path:
        return self.folder / "slots"

    def bodies(self, segment: int) -> Path:
        return self.folder / f"{segment:012}{_SUFFIX}"

    def require(self, *, make: bool) -> None:
        """Raise StorageFailed unless the folder is there; HomeRefused if it is of another kind or version."""
        if make:
            durable.make_folder(self.folder)
        if not self.folder.is_dir():
            raise StorageFailed(
                str(self.folder),
                "the archive's mirror is not there",
                remedy="Mount its disk; if it is lost, make the empty directory on a new one, and it is filled again",
            )
        head = self._pread(self.slots, 0, _SLOT)
        if head and head != _FIRST_SLOT:
            raise HomeRefused(str(self.slots), "is not the archive of a journal, or one of a newer version")

    def slot(self, number: int) -> _Slot | None:
        """What is known of a body; None if there is none."""
        octets = self._pread(self.slots, _SLOT * number, _SLOT) if number > 0 else b""
        return _Slot(*_FORM.unpack(octets)) if len(octets) == _SLOT else None

    def text(self, slot: _Slot) -> bytes:
        """The encrypted body."""
        with self.bodies(slot.segment).open("rb") as file:
            return os.pread(file.fileno(), slot.length, slot.offset)

    def end(self, count: int) -> tuple[int, int]:
        """The file in which the first ``count`` bodies end, and where."""
        slot = self.slot(count)
        return (1, 0) if slot is None else (slot.segment, slot.end)

    def whole(self, count: int) -> int:
        """How many of the first ``count`` bodies are there, judging by the last of them."""
        held = self._size(self.slots) // _SLOT - 1
        found = max(min(count, held), 0)
        while (slot := self.slot(found)) and self._size(self.bodies(slot.segment)) < slot.end:
            found -= 1
        return found

    def follow(self, other: _Shelf, have: int, count: int) -> None:
        """Get the bodies behind the first ``have`` from another copy."""
        segment, offset = self.end(have)
        last, end = other.end(count)
        for path in sorted(other.folder.glob(f"[0-9]*{_SUFFIX}")):
            first = int(path.stem)
            if segment <= first <= last:
                start = offset if first == segment else 0
                stop = end if first == last else self._size(path)
                durable.copy_range(path, self.bodies(first), start, stop)
        # Those that are here stay as they are: their keys may be destroyed here and not there.
        held = self._size(self.slots) // _SLOT * _SLOT
        durable.copy_range(other.slots, self.slots, min(held, _SLOT * (count + 1)), _SLOT * (count + 1))

    @staticmethod
    def _size(path: Path) -> int:
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return 0

    @staticmethod
    def _pread(path: Path, offset: int, length: int) -> bytes:
        try:
            with path.open("rb") as file:
                return os.pread(file.fileno(), length, offset)
        except FileNotFoundError:
            return b""
