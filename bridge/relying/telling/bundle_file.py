"""A bundle as a zip file: written the same to the octet whenever the same was verified, and read within bounds.

Nothing is unpacked to a disk, and no name in the file is followed: which files there are, ``bundle.json`` says by
counting them.
"""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from bridge.manifest import Marking
from bridge.relying.budget import ANSWER_LIMIT
from bridge.relying.rejection import Reason
from bridge.relying.telling.bundle import Bundle, Hindrance, NamedAuthority
from bridge.relying.telling.check_script import ANCHORS, ANSWER, DELTA, LIST, PATH, SIGNER, check_script
from bridge.relying.trust import PolicyDemand
from ca.errors import BadInput
from ca.model import GenerationId
from ca.wire.facts import CERTIFICATE_LIMIT
from ca.wire.list_facts import LIST_LIMIT

INDEX, VERDICT, SCRIPT = "bundle.json", "verdict.json", "check.sh"

FILE_LIMIT = 256 * 1024 * 1024
"""Octets of a bundle, packed or unpacked. Three lists of a bad day still fit."""
MOST_FILES = 400

_INDEX_LIMIT = 1024 * 1024
_MOST = 100  # of one kind
_LABELS = {
    ANCHORS: "CERTIFICATE",
    PATH: "CERTIFICATE",
    SIGNER: "CERTIFICATE",
    LIST: "X509 CRL",
    DELTA: "X509 CRL",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can name
_LINE = 64
_END = b"PK\x05\x06"
_END_SIZE = 22  # without a comment
_LOCATOR_64 = b"PK\x06\x07"
_LOCATOR_64_SIZE = 20

_Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
_Text = Annotated[str, msgspec.Meta(max_length=500)]


class _Name(msgspec.Struct, frozen=True):
    name: Annotated[bytes, msgspec.Meta(max_length=4096)]
    key_identifier: Annotated[bytes, msgspec.Meta(max_length=64)]
    generation: Annotated[str, msgspec.Meta(max_length=50)]


class _Index(msgspec.Struct, frozen=True):
    """``bundle.json``: what cannot be told from the files, and how many there are of each kind."""

    format: Literal[1]
    at: datetime
    policies: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=_MOST)]
    marking: Marking
    demand: PolicyDemand
    world: Marking | None
    reason: Reason | None
    hindrance: Hindrance | None
    anchors: _Count
    path: Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
    signers: _Count
    lists: _Count
    deltas: _Count
    answers: Annotated[tuple[_Count, ...], msgspec.Meta(max_length=_MOST)]
    asked: Annotated[tuple[_Count, ...], msgspec.Meta(max_length=_MOST)]
    anchors_list: bool
    names: Annotated[tuple[_Name, ...], msgspec.Meta(max_length=_MOST)]


def pack(content: Bundle, verdict: Mapping[str, Any]) -> bytes:
    """A bundle as the octets of a zip file.

    Args:
        content: The bundle.
        verdict: What ``verdict.json`` says.

    Raises:
        BadInput: It is larger than a bundle may be.
    """
    files = {
        SCRIPT: check_script(content).encode("ascii"),
        VERDICT: _json(verdict),
        INDEX: _json(_index(content)),
        ANCHORS: b"".join(_pem(ANCHORS, der) for der in content.anchors),
        **dict(_numbered(PATH, content.path)),
        **dict(_numbered(SIGNER, content.signers)),
        **dict(_numbered(LIST, content.lists)),
        **dict(_numbered(DELTA, content.deltas)),
        **{ANSWER.format(number): der for number, (_, der) in enumerate(content.answers, 1)},
    }
    if len(files) > MOST_FILES or sum(map(len, files.values())) > FILE_LIMIT:
        raise BadInput("the bundle", f"would have more than {MOST_FILES} files or {FILE_LIMIT} octets")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", allowZip64=False) as archive:
        for name, octets in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, for the permissions
            entry.external_attr = (0o100755 if name == SCRIPT else 0o100644) << 16
            archive.writestr(entry, octets)
    return target.getvalue()


def unpack(path: Path) -> Bundle:
    """Read a bundle, or raise BadInput naming the file and the part of it."""
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    _check_end(octets, str(path))
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            return _Reader(archive, str(path)).content()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        # RuntimeError: of encrypted files. ValueError: of names and sizes that are none.
        raise BadInput(str(path), "is not a bundle, or is damaged") from None


def _check_end(octets: bytes, place: str) -> None:
    """Refuse what would make the library read a long directory before it can be counted (APPNOTE 4.3.16)."""
    if len(octets) > FILE_LIMIT:
        raise BadInput(place, f"longer than {FILE_LIMIT} octets")
    end = octets[-_END_SIZE:]
    directory = int.from_bytes(end[12:16], "little")
    locator = octets[-_END_SIZE - _LOCATOR_64_SIZE : -_END_SIZE]
    if end[:4] != _END or len(end) != _END_SIZE or locator[:4] == _LOCATOR_64 or directory > MOST_FILES * 256:
        raise BadInput(place, f"is not a zip file of at most {MOST_FILES} files")


class _Reader:
    """Reads the files of an archive, so many octets in all and no file twice."""

    def __init__(self, archive: zipfile.ZipFile, place: str) -> None:
        self._archive = archive
        self._place = place
        self._left = FILE_LIMIT
        names = archive.namelist()
        if len(set(names)) < len(names) or len(names) > MOST_FILES:
            raise BadInput(place, f"has a name twice, or more than {MOST_FILES} files")

    def content(self) -> Bundle:
        """The bundle."""
        place = f"{self._place} {INDEX}"
        try:
            index = msgspec.json.decode(self._file(INDEX, _INDEX_LIMIT), type=_Index, strict=True)
        except (msgspec.MsgspecError, RecursionError):
            raise BadInput(place, "is not the index of a bundle of format 1") from None
        hindrance = index.hindrance
        words = [] if hindrance is None else [hindrance.place, hindrance.problem]
        if index.at.tzinfo is None or not all(text.isprintable() for text in words):
            raise BadInput(place, "has a moment without its zone, or words that cannot be printed")
        try:
            at = index.at.astimezone(UTC)
        except OverflowError:
            raise BadInput(place, "has a moment outside of all years") from None
        anchors = self._pems(ANCHORS, index.anchors)
        return Bundle(
            at=at,
            anchors=anchors,
            policies=frozenset(index.policies),
            marking=index.marking,
            demand=index.demand,
            path=self._all(PATH, index.path, CERTIFICATE_LIMIT),
            signers=self._all(SIGNER, index.signers, CERTIFICATE_LIMIT),
            lists=self._all(LIST, index.lists, LIST_LIMIT),
            deltas=self._all(DELTA, index.deltas, LIST_LIMIT),
            answers=tuple(
                (step, self._file(ANSWER.format(number), ANSWER_LIMIT))
                for number, step in enumerate(index.answers, 1)
            ),
            asked=index.asked,
            anchors_list=index.anchors_list,
            names=tuple(
                NamedAuthority(one.name, one.key_identifier, GenerationId.parse(one.generation))
                for one in index.names
            ),
            world=index.world,
            reason=index.reason,
            hindrance=hindrance,
        )

    def _all(self, pattern: str, count: int, limit: int) -> tuple[bytes, ...]:
        return tuple(
            _unpem(
                pattern,
                self._file(pattern.format(number), 2 * limit),
                f"{self._place} {pattern.format(number)}",
            )
            for number in range(1, count + 1)
        )

    def _pems(self, name: str, count: int) -> tuple[bytes, ...]:
        parts = self._file(name, 2 * CERTIFICATE_LIMIT * _MOST).split(_footer(_LABELS[name]))
        if len(parts) != count + 1 or parts[-1]:
            raise BadInput(f"{self._place} {name}", f"does not hold {count} certificates")
        return tuple(
            _unpem(name, part + _footer(_LABELS[name]), f"{self._place} {name}") for part in parts[:-1]
        )

    def _file(self, name: str, limit: int) -> bytes:
        place = f"{self._place} {name}"
        try:
            entry = self._archive.getinfo(name)
        except KeyError:
            raise BadInput(place, "is missing") from None
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(place, "is packed in a way that is not read here")
        limit = min(limit, self._left)
        with self._archive.open(entry) as file:
            octets = file.read(limit + 1)
        if len(octets) > limit:
            raise BadInput(place, f"longer than {limit} octets")
        self._left -= len(octets)
        return octets


def _index(content: Bundle) -> _Index:
    return _Index(
        format=1,
        at=content.at,
        policies=tuple(sorted(content.policies)),
        marking=content.marking,
        demand=content.demand,
        world=content.world,
        reason=content.reason,
        hindrance=content.hindrance,
        anchors=len(content.anchors),
        path=len(content.path),
        signers=len(content.signers),
        lists=len(content.lists),
        deltas=len(content.deltas),
        answers=tuple(step for step, _ in content.answers),
        asked=content.asked,
        anchors_list=content.anchors_list,
        names=tuple(_Name(one.name, one.key_identifier, str(one.generation)) for one in content.names),
    )


def _json(fields: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"


def _numbered(pattern: str, ders: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    for number, der in enumerate(ders, 1):
        yield pattern.format(number), _pem(pattern, der)


def _header(label: str) -> bytes:
    return f"-----BEGIN {label}-----\n".encode()


def _footer(label: str) -> bytes:
    return f"-----END {label}-----\n".encode()


def _pem(kind: str, der: bytes) -> bytes:
    body = base64.b64encode(der)
    lines = b"".join(body[at : at + _LINE] + b"\n" for at in range(0, len(body), _LINE))
    return _header(_LABELS[kind]) + lines + _footer(_LABELS[kind])


def _unpem(kind: str, octets: bytes, place: str) -> bytes:
    head, foot = _header(_LABELS[kind]), _footer(_LABELS[kind])
    try:
        if octets.startswith(head) and octets.endswith(foot):
            return base64.b64decode(octets[len(head) : -len(foot)].replace(b"\n", b""), validate=True)
    except binascii.Error:
        pass
    raise BadInput(place, f"is not PEM of one {_LABELS[kind]}")
