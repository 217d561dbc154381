"""A sealed copy of the published folder: one ZIP file, and in it the digest of every other file, signed.

It says what was public at one moment, to whoever keeps it or carries it where no network goes. ``sha256sum -c`` and
``openssl cms -verify`` check it without us; ``bridge.relying.sealed`` does with us.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from bridge.crossing.plan import Plan
from bridge.manifest import SUMS, SUMS_SIGNATURE
from bridge.repository.folder import Repository
from bridge.repository.signing import sign_statement
from ca.errors import StorageFailed
from ca.issuing.issuer import Issuers

_PAST = re.compile(r"g/[^/]+/crl/[^/]+/[0-9]+\.crl|journal/heads/.+")
_CHUNK = 1 << 20


def seal(
    issuers: Issuers, plan: Plan, repository: Repository, target: Path, *, past: bool, at: datetime
) -> int:
    """Write a sealed copy of what is published now; gives how many files are in it. Nobody publishes meanwhile.

    Args:
        issuers: The world's.
        plan: The world's.
        repository: What is published.
        target: The file to write; it is replaced when the new one is whole.
        past: Whether earlier lists and heads of the journal come too, which verify the past.
        at: The moment that the signature says.

    Raises:
        StorageFailed: The target cannot be written, or the folder cannot be read.
        HomeHalfMade, KeyRefused: The world's repository service cannot sign.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.resolve().parent, prefix=".")
        try:
            with repository.exclusive(), os.fdopen(descriptor, "w+b") as file:
                count = _write(file, issuers, plan, repository, past=past, at=at)
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise StorageFailed(f"sealed copy {target}", f"cannot be written: {error.strerror}") from None
    return count


def _write(
    file: BinaryIO, issuers: Issuers, plan: Plan, repository: Repository, *, past: bool, at: datetime
) -> int:
    moment = at.astimezone(UTC)
    sums: list[str] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:

        def entry(path: str) -> zipfile.ZipInfo:
            # All of one moment, so that the same folder gives the same file; ZIP knows no time before 1980.
            info = zipfile.ZipInfo(path, (max(moment.year, 1980), *moment.timetuple()[1:6]))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            return info

        for path in _paths(repository.folder, past=past):
            digest = hashlib.sha256()
            with (repository.folder / path).open("rb") as source, archive.open(entry(path), "w") as copy:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    copy.write(chunk)
            sums.append(f"{digest.hexdigest()}  {path}\n")
        said = "".join(sums).encode()
        archive.writestr(entry(SUMS), said)
        archive.writestr(entry(SUMS_SIGNATURE), sign_statement(issuers, plan, said, at=at))
    return len(sums)


def _paths(folder: Path, *, past: bool) -> Iterator[str]:
    """What is published, in the order of the paths; nothing that is being written."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        unfinished = any(part.startswith(".") for part in Path(name).parts) or name.endswith(".new")
        if path.is_file() and not unfinished and (past or not _PAST.fullmatch(name)):
            yield name
