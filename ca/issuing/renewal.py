"""Responders' certificates are short-lived, and follow each other: same key, new serial, some days before the end.

A generation's responder is renewed from the day on which its status is served, and when another key has taken over for
as long as anything that the key has signed is valid. Once it has retired, nobody answers for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ca.chance import Chance
from ca.errors import KakehashiError
from ca.issuing import cycle
from ca.issuing.cycle import Intended, IssuedCertificate, Prepared
from ca.issuing.founding import service
from ca.issuing.issuer import Issuers
from ca.keys.vault import KeyId
from ca.rules.generations import MAY_SIGN_STATUS, State
from ca.store import key_lives, responders
from ca.store.certificates import CertificateState
from ca.store.responders import ResponderRecord

# So many share a sync of the journal.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Due:
    """A responder whose newest certificate ends soon, and the next one."""

    responder: ResponderRecord
    next: Prepared


def renew_responders(issuers: Issuers, *, chance: Chance, at: datetime) -> list[IssuedCertificate]:
    """Give every responder whose newest certificate ends soon the next one, on the same key.

    Safe in several processes at once: only one of them writes the next certificate down. What one of them intended and
    did not come to sign is signed. A responder whose newest certificate was revoked gets none: its key may be the
    reason, and an officer has to look.

    Raises:
        KakehashiError: One responder could not be renewed: the first such error, after all others were renewed.
    """
    failures: list[KakehashiError] = []
    renewed: list[IssuedCertificate] = []
    found = _ending(issuers, at)
    for start in range(0, len(found), _AT_ONCE):
        to_sign: list[Prepared] = []
        due: list[_Due] = []
        for responder in found[start : start + _AT_ONCE]:
            try:
                if responder.state is CertificateState.INTENDED:
                    (record,) = issuers.stores.certificates([responder.certificate])
                    to_sign.append(cycle.resumed(issuers, record, at))
                else:
                    due.append(_Due(responder, _next(issuers, responder, chance, at)))
            except KakehashiError as error:
                failures.append(error)
        to_sign += _intend(issuers, due, at)
        renewed += _issue(issuers, to_sign, at, failures)
    if failures:
        raise failures[0]
    return renewed


def _ending(issuers: Issuers, at: datetime) -> list[ResponderRecord]:
    """The responders that need a next certificate now, or its signature."""
    found: list[ResponderRecord] = []
    for store in issuers.stores.each():
        with store.reading() as connection:
            found += [
                responder
                for responder in responders.newest(connection)
                if responder.state is CertificateState.INTENDED
                or _needs_next(issuers, connection, responder, at)
            ]
    return found


def _needs_next(issuers: Issuers, connection: Connection, responder: ResponderRecord, at: datetime) -> bool:
    generation, ends = responder.generation, responder.period.not_after
    if at < ends - issuers.practice(generation.authority).status.overlap:
        return False
    # The authority's own certificate bounds it: after that there is nothing to answer for.
    if responder.ended or ends >= responder.authority_ends or at >= responder.authority_ends:
        return False
    life = key_lives.life_of(connection, generation)
    if life is None or life.state not in MAY_SIGN_STATUS:
        return False
    return life.state is not State.STATUS_ONLY or responders.is_asked(connection, generation, at)


def _next(issuers: Issuers, responder: ResponderRecord, chance: Chance, at: datetime) -> Prepared:
    issuer = issuers.of(responder.generation)
    return service(
        issuer,
        responder.kind,
        public_key=issuers.vault.signer(KeyId(responder.key)).public_key,
        days=issuer.practice.periods.responder_days,
        purpose=str(responder.number + 1),
        chance=chance,
        at=at,
    )


def _intend(issuers: Issuers, due: Sequence[_Due], at: datetime) -> list[Prepared]:
    """Write down those that nobody has renewed meanwhile; gives what was written down."""
    if not due:
        return []
    wanted: list[_Due] = []
    with issuers.stores.recording() as recording:
        for one in due:
            generation = one.responder.generation
            connection = recording.of(generation.authority)
            there = responders.newest(connection, generation)
            life = key_lives.life_of(connection, generation)
            if life is None or life.state not in MAY_SIGN_STATUS:
                continue
            if one.responder.certificate in {newest.certificate for newest in there}:
                wanted.append(one)
        intended = [Intended(one.next, service_key=KeyId(one.responder.key)) for one in wanted]
        cycle.intend(recording, intended, at)
    return [one.next for one in wanted]


def _issue(
    issuers: Issuers, prepared: Sequence[Prepared], at: datetime, failures: list[KakehashiError]
) -> list[IssuedCertificate]:
    signed = []
    for one in prepared:
        try:
            signed.append(cycle.sign(one, at))
        except KakehashiError as error:  # the intent stays, and is tried again
            failures.append(error)
    if not signed:
        return []
    with issuers.stores.recording() as recording:
        cycle.complete(recording, signed, at)
    return cycle.standing(issuers.stores, [one.id for one in signed])
