"""Lists that came out although the publication that made them died before it could say so."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

from ca.errors import BadInput
from ca.model import GenerationId
from ca.revoking.lists.publisher import Publisher, SignedList
from ca.store import lists
from ca.store.engine import Store
from ca.store.lists import ListRecord
from ca.wire.list_stream import ListStream

_BLOCK = 1 << 20


def adopt(store: Store, generation: GenerationId, publisher: Publisher) -> list[ListRecord]:
    """Finish what a death left between placing lists and writing down that they are placed; gives what was finished.

    Such a list went through the gate, and lies under its number. If it says octet for octet what was intended, it is the
    list that was intended, and its delta list is made with the next one.

    Raises:
        StorageFailed: The store or the repository refused a write.
    """
    with store.reading() as connection:
        if not lists.unfinished(connection, generation):
            return []
    with publisher.exclusive(), ExitStack() as files:
        with store.reading() as connection:
            unfinished = lists.unfinished(connection, generation)
        signed, placed = [], []
        for record in unfinished:
            file = publisher.numbered(generation, record.scope, record.number)
            if file is None:
                continue
            with file, suppress(BadInput):
                if (
                    ListStream(file, f"list {generation} {record.scope}").digest(hashlib.sha256())
                    != record.tbs_digest
                ):
                    continue
                copy = files.enter_context(publisher.draft(generation))
                digest = hashlib.sha256()
                file.seek(0)
                for block in iter(partial(file.read, _BLOCK), b""):
                    digest.update(block)
                    copy.write(block)
                copy.flush()
                placed.append(replace(record, digest=digest.digest()))
                signed.append(SignedList(record.scope, record.number, delta=False, file=copy))
        publisher.place_lists(generation, signed)
        with store.writing() as connection:
            lists.complete(connection, placed)
    return placed
