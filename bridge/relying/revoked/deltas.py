"""A complete list and the delta list that makes it fresher (RFC 5280 5.2.4, 5.2.6, 6.3.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Reading
from bridge.relying.finding.points import Point
from bridge.relying.revoked.lists import (
    ListSigner,
    Question,
    Speaker,
    check_current,
    check_form,
    check_signature,
)
from bridge.relying.signatures import Signatures
from ca.errors import BadInput, KeyRefused
from ca.model import Revocation, RevocationReason
from ca.wire.facts import CertificateFacts

Finder = Callable[[IndexedList, tuple[Point, ...]], Iterable[Reading[IndexedList]]]
"""Finds the delta lists of a complete list at these points (freshestCRL), as far as they can be had."""

_HOLD, _REMOVED = RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL


@dataclass(frozen=True, slots=True)
class Freshened:
    """A complete list with the newest delta list that can be added to it.

    Attributes:
        complete: Current itself, unless there is a delta list.
        delta: None if none was named, could be used, or is newer than the complete list.
        without: Why a delta list that was named is not used; None if there was no such thing.
        signer: Whose key has signed them.
    """

    complete: IndexedList
    delta: IndexedList | None
    without: BadInput | KeyRefused | None
    signer: ListSigner

    def revocation(self, certificate: CertificateFacts) -> Revocation | None:
        """What the two say of the certificate together, or None if it is not revoked.

        The delta's entry counts before the complete list's, and removeFromCRL takes that one off (6.3.3 (i) to (k)).

        Raises:
            BadInput: An entry is unreadable, or says what may not stand there: who is removed was on hold, or was
                never in this complete list (5.3.1).
        """
        asked = certificate.serial, certificate.issuer
        listed = self.complete.revocation(*asked)
        if listed is not None and listed.reason is _REMOVED:
            place = self.complete.facts.place
            raise BadInput(place, "removeFromCRL stands in a complete list", clause="RFC 5280 5.3.1")
        changed = None if self.delta is None else self.delta.revocation(*asked)
        if self.delta is None or changed is None:
            return listed
        if changed.reason is not _REMOVED:
            return changed
        if listed is not None and listed.reason is not _HOLD:
            place = self.delta.facts.place
            raise BadInput(place, "it removes what was not on hold", clause="RFC 5280 5.3.1")
        return None


def freshen(speaker: Speaker, asked: Question, find: Finder, signatures: Signatures) -> Freshened:
    """Add the newest delta list that the certificate or the complete list names, if one can be used.

    Using delta lists is the verifier's choice (6.3.1 (b)): while the complete list is current, it decides alone if no
    delta list can be had or used. Once it is out of date, it counts only with a delta list that is current (6.3.3 (a)).

    Raises:
        BadInput: The complete list is out of date and no delta list helps; or its freshestCRL cannot be read.
        BudgetSpent: Too many signatures were checked.
    """
    complete = speaker.found
    newest: IndexedList | None = None
    without: BadInput | KeyRefused | None = None
    points = (*complete.freshest, *asked.freshest)
    for read in find(complete, points) if points else ():
        try:
            delta = read()
            if _is_newer(delta, newest or complete):
                _check_delta(delta, speaker, asked, signatures)
                newest = delta
        except (BadInput, KeyRefused) as error:
            without = without or error
    if newest is None:
        check_current(complete, asked)
    return Freshened(complete, newest, None if newest else without, speaker.signer)


def _is_newer(delta: IndexedList, than: IndexedList) -> bool:
    """5.2.4 (d): a delta list of the complete list's own moment has the same number and adds nothing."""
    numbers = delta.facts.number, than.facts.number
    if numbers[0] is None or numbers[1] is None:
        raise BadInput(delta.facts.place, "it, or its complete list, has no number", clause="RFC 5280 5.2.3")
    return numbers[0] > numbers[1]


def _check_delta(delta: IndexedList, speaker: Speaker, asked: Question, signatures: Signatures) -> None:
    """Raise BadInput, KeyRefused or BudgetSpent unless the delta list can be added to the complete one."""
    check_form(delta, asked)
    found, complete = delta.facts, speaker.found.facts
    if delta.base is None:
        raise BadInput(found.place, "it is no delta list", clause="RFC 5280 5.2.4")
    if found.issuer != complete.issuer:
        raise BadInput(
            found.place, "it is another issuer's than the complete list", clause="RFC 5280 6.3.3 (c)(1)"
        )
    if delta.scope != speaker.found.scope:
        raise BadInput(
            found.place, "it is of another scope than the complete list", clause="RFC 5280 6.3.3 (c)(2)"
        )
    if found.authority_key != complete.authority_key:
        raise BadInput(
            found.place, "it is of another key than the complete list", clause="RFC 5280 6.3.3 (c)(3)"
        )
    if complete.number is None or delta.base > complete.number:
        raise BadInput(
            found.place,
            "it builds on a list that is newer than the complete one",
            clause="RFC 5280 5.2.4 (c)",
        )
    check_current(delta, asked)
    check_signature(
        delta, speaker.signer.certificate, signatures
    )  # 6.3.3 (h): by the key that signed the complete list
