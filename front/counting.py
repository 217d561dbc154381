"""Keeping the counts of signature verifiers' questions, in the nation's database or in files, and bringing files in.

Files are for a home that may not write in the database. One is one server's sums of one day, replaced whole; ``kakehashi
verifier count --from FILE`` brings it in, as often as one likes: sums of one server do not add up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from logging import WARNING
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ca.errors import BadInput, KakehashiError
from ca.store import verifiers
from ca.store.engine import Store
from ca.store.verifiers import Count, VerifierId
from front.heart import repeating
from front.home import storage_errors
from front.logs import log
from ocsp.tally import Tally

FOLDER = "verifier-counts"
"""The folder of a home in which the files lie."""

FLUSH_SECONDS = 10.0

_FILE_LIMIT = 16 << 20

Keep = Callable[[Sequence[Count]], None]
"""Where sums go. Told the same again, it changes nothing."""

_Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9._-]{1,40}$")]
_Outcome = Annotated[str, msgspec.Meta(pattern=r"^[a-z-]{1,20}$")]
_Number = Annotated[int, msgspec.Meta(ge=1, le=1 << 62)]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal[1]
    server: Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"^[!-~ ]+$")]
    day: date
    counts: dict[_Word, dict[_Outcome, _Number]]


def in_database(nation: Store) -> Keep:
    """Keep sums in the nation's database."""

    def keep(counts: Sequence[Count]) -> None:
        with nation.writing() as connection:
            verifiers.tell(connection, counts)

    return keep


def in_folder(folder: Path) -> Keep:
    """Keep sums in files below this folder."""

    def keep(counts: Sequence[Count]) -> None:
        with storage_errors(f"counts in {folder}"):
            folder.mkdir(exist_ok=True)
            for (server, day), some in groupby(sorted(counts, key=_of_file), key=_of_file):
                target = folder / f"{day}.{re.sub(r'[^A-Za-z0-9-]', '-', server)}.json"
                temporary = target.with_suffix(".new")
                temporary.write_bytes(_encode(server, day, some))
                temporary.replace(target)

    return keep


def read_counts(path: Path) -> list[Count]:
    """The sums in a file, or in all of a folder's files.

    Raises:
        BadInput: A file cannot be read, is too long, or was not made by ``in_folder``.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return [count for file in files for count in _read(file)]


def bring_in(nation: Store, counts: Sequence[Count], place: str) -> None:
    """Write down what other servers have counted; BadInput if they count for verifiers that are not this register's."""
    with nation.writing() as connection:
        verifiers.require_registered(connection, {count.verifier for count in counts}, place)
        verifiers.tell(connection, counts)


@contextmanager
def flushing(tally: Tally, keep: Keep) -> Iterator[None]:
    """Keep the sums every FLUSH_SECONDS and at the end; a crash loses what was counted since."""

    def flush() -> None:
        tally.flush(keep)

    with repeating("counts", flush, FLUSH_SECONDS):
        yield
    try:
        flush()
    except KakehashiError as error:
        log("counts not kept", level=WARNING, place=error.place, problem=error.problem)


def _of_file(count: Count) -> tuple[str, date]:
    return count.server, count.day


def _encode(server: str, day: date, counts: Iterable[Count]) -> bytes:
    sums: dict[str, dict[str, int]] = {}
    for count in counts:
        sums.setdefault(count.verifier, {})[count.outcome] = count.number
    return msgspec.json.encode(_File(1, server, day, sums))


def _read(path: Path) -> Iterator[Count]:
    try:
        with path.open("rb") as file:
            octets = file.read(_FILE_LIMIT + 1)
        if len(octets) > _FILE_LIMIT:
            raise BadInput(str(path), f"is longer than {_FILE_LIMIT} octets")
        found = msgspec.json.decode(octets, type=_File)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"is no file of counts: {error}") from None
    for verifier, outcomes in found.counts.items():
        for outcome, number in outcomes.items():
            yield Count(VerifierId(verifier), found.day, outcome, found.server, number)
