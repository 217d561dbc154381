"""The last list of a place, wherever it lies: what its next list is compared with.

It may lie in two places: under the place's own name, where relying parties get it, and under its number. Whoever loses or
puts back one of them must not have the gate compare with less than relying parties have seen.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import BinaryIO

from ca.errors import BadInput, ListBlocked
from ca.model import GenerationId, Scope
from ca.revoking.lists.publisher import Publisher
from ca.rules.list_changes import Block
from ca.wire.list_stream import ListStream


def last_complete(
    publisher: Publisher, generation: GenerationId, scope: Scope, placed: int, files: ExitStack
) -> BinaryIO | None:
    """The complete list of the highest number that came out; None if every copy of it is lost, or there never was one.

    Args:
        publisher: Where lists lie.
        generation: Whose list.
        scope: Which.
        placed: The number of the last one that was placed, as the store has it; 0 for none.
        files: Closes the file.

    Raises:
        ListBlocked: An older list lies under the place's name than one that lies under its number.
        StorageFailed: The repository cannot be read.
    """
    current = publisher.newest(generation, scope)
    number = None
    if current is not None:
        files.enter_context(current)
        number = _number(current)
        if number is None:
            return current  # no list at all: the gate says so
    # One that came out and was not made the newest, since a death came between, is above what the store has.
    least = placed if number is None or number < placed else number + 1
    found = _highest(publisher, generation, scope, max(least, 1), files)
    if number is None or (number < placed and found is None):
        return found
    if number < placed:
        raise ListBlocked(
            f"list {generation} {scope}",
            f"number {number} lies where relying parties get the newest; {placed} was placed, and has its own copy",
            reason=Block.LAST_UNFIT,
            remedy="Put back the newest file of the list's folder under the list's name, and find out who took it away",
        )
    return found or current


def _highest(
    publisher: Publisher, generation: GenerationId, scope: Scope, least: int, files: ExitStack
) -> BinaryIO | None:
    """The list of the highest number from this one on that lies under it; none is one that power cut short."""
    for number in sorted(publisher.numbers(generation, scope), reverse=True):
        if number < least:
            break
        file = publisher.numbered(generation, scope, number)
        if file is not None and _number(files.enter_context(file)) == number:
            return file
    return None


def _number(file: BinaryIO) -> int | None:
    """The number of the list in a file; None if it is none."""
    try:
        return ListStream(file, "list").head.number
    except BadInput:
        return None
