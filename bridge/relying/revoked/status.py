"""What all lists at hand say of a certificate together (RFC 5280 6.3.3).

A list that may not speak says nothing. What no list tells of is unknown, and so an error: never "not revoked".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Reading
from bridge.relying.finding.points import ALL_REASONS
from bridge.relying.revoked.deltas import Finder, Freshened, freshen
from bridge.relying.revoked.lists import Question, Signers, require_speaker
from bridge.relying.signatures import Signatures
from ca.errors import BadInput, KeyRefused
from ca.model import Revocation


class EntryUnreadable(BadInput):
    """A list that speaks names the certificate, and what it says of it cannot be read: nothing else makes up for that."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and in which lists. The revocation is what is listed; its date may still lie ahead."""

    revocation: Revocation | None
    lists: tuple[Freshened, ...]


def ask(
    asked: Question,
    lists: Iterable[Reading[IndexedList]],
    find: Finder,
    signers: Signers,
    signatures: Signatures,
) -> Answer:
    """Ask the lists at hand, until they have told of all reasons.

    Args:
        asked: The certificate.
        lists: Complete lists that may speak for it, the likeliest first.
        find: Where their delta lists are had from.
        signers: Who may sign lists beside the certificate's own issuer.
        signatures: Checks them.

    Raises:
        EntryUnreadable: A list that speaks has an entry for it that cannot be read.
        BadInput, KeyRefused: It cannot be told, and this is why the first list did not speak.
        BudgetSpent: Too many signatures were checked.
    """
    used: list[Freshened] = []
    told: frozenset[str] = frozenset()
    silent: BadInput | KeyRefused | None = None
    for read in lists:
        try:
            speaker = require_speaker(read(), asked, signers, signatures)
            freshened = freshen(speaker, asked, find, signatures)
        except (BadInput, KeyRefused) as error:
            silent = silent or error
            continue
        try:
            revocation = freshened.revocation(asked.certificate)
        except BadInput as error:
            raise EntryUnreadable(error.place, error.problem, clause=error.clause) from error
        used.append(freshened)
        told |= speaker.reasons
        if revocation is not None or told == ALL_REASONS:
            return Answer(revocation, tuple(used))
    place = asked.certificate.place
    clause = "RFC 5280 6.3.3 (l)"
    raise silent or BadInput(
        place, "the lists leave reasons out" if used else "there was no list for it then", clause=clause
    )
