"""What ends before a key retires, and whether the key may retire then."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ca.model import CertificateKind, GenerationId
from ca.rules import generations
from ca.rules.generations import Known, Step
from ca.store import authorities, key_lives, key_needs
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading

_ENDING_WITH_THE_KEY = frozenset({CertificateKind.LINK, CertificateKind.OCSP_RESPONDER})


def before_the_key(reading: Reading, generation: GenerationId, at: datetime) -> list[CertificateRecord]:
    """The certificates in force that a key has made for other authorities and for services."""
    crosses = [
        one
        for state in (CertificateState.ISSUED, CertificateState.INTENDED)
        for _, one in authorities.crosses(reading.of(generation.authority), state)
        if one.generation == generation
    ]
    there = [*key_needs.in_force(reading, crosses, at), *key_needs.services(reading, generation, at)]
    return [one for one in there if one.kind not in _ENDING_WITH_THE_KEY]


def require_may_retire(connection: Connection, generation: GenerationId, at: datetime) -> None:
    """Raise Conflict, as the step itself would, unless nothing else of the key is valid and its turn has come."""
    known = Known(valid=key_needs.still_valid(connection, generation, at))
    keys = key_lives.keys_of(connection, generation.authority)
    generations.take(keys, Step.RETIRE, generation, known, at)
