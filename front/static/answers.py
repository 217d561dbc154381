"""OCSP answers as files: for each certificate what most clients ask, at the path under which a GET asks for it.

A client that asks with GET puts the request into the path, in base64 (RFC 6960 A.1). A web server undoes the escapes of
the path, takes slashes that stand together for one, and finds a file: so base64's own slashes become folders. One at the
end cannot be part of a file's name; the server leaves it away (``front.static.texts``), and so do we.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ca.errors import NotFound
from ca.model import GenerationId, Serial
from ca.store import certificates
from front.assembly import World
from ocsp.making import usual_requests
from ocsp.national import NATIONAL, open_national
from ocsp.responder import Responder, open_responder

_SLASHES = re.compile(r"/{2,}")


@dataclass(frozen=True, slots=True)
class Answers:
    """What was made.

    Attributes:
        count: How many answers.
        certificates: About how many certificates.
        until: When the first of them ends; None if there are none.
    """

    count: int
    certificates: int
    until: datetime | None


def answer_path(responder: str, request: bytes) -> str:
    """Where the answer to a request lies, below the published folder."""
    text = base64.b64encode(request).decode("ascii")
    return f"ocsp/{responder}/{_SLASHES.sub('/', text).rstrip('/')}"


def make_answers(world: World, folder: Path, at: datetime, progress: Callable[[str], None]) -> Answers:
    """Write the answers about everything that has not expired, one for each hash function that names its issuer.

    Raises:
        KeyRefused: A responder's key cannot be opened.
        NotInService: A responder's certificate is not valid at the moment.
        LintRefused: An answer would be wrong.
        OSError: They cannot be written.
    """
    count = about = 0
    until: datetime | None = None
    for generation in [record.id for record in world.stores.in_service()]:
        responders = list(_responders(world, generation))
        for serial in _serials(world, generation, at):
            about += 1
            for name, responder in responders:
                hashes = next(one.hashes for one in responder.spoken.values() if one.generation == generation)
                for request in usual_requests(hashes, serial):
                    answer = responder.answer(request, at)
                    _write(folder / answer_path(name, request), answer.octets)
                    count += 1
                    until = min(until or answer.next_update, answer.next_update)
        progress(f"answers of {generation}")
    return Answers(count, about, until)


def _responders(world: World, generation: GenerationId) -> Iterator[tuple[str, Responder]]:
    """Who answers for a generation, and what stands for it in the URL."""
    practice = world.plan.practices[generation.authority]
    try:
        yield str(generation), open_responder(world.issuers, generation, practice.periods.answer)
    except NotFound:  # a generation that has none yet
        return
    if practice.status.national:
        yield NATIONAL, open_national(world.issuers, world.plan.anchor, world.stores.each())


def _serials(world: World, generation: GenerationId, at: datetime) -> list[Serial]:
    with world.stores.of(generation.authority).reading() as connection:
        return list(certificates.unexpired(connection, generation, at))


def _write(path: Path, octets: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
