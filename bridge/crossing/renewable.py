"""Which cross-certificates may be renewed, and which not.

What stands may be renewed. So may what has expired, as long as what it rested on stands: between authorities of the
nation the edition, which has the pair, and both keys' own certificates; with a CA of somebody else the agreement by which
it was issued. Its expiry was a date that was missed, not a decision of anybody; the two officers of the renewal take the
same decision as those of a day before it, and nothing holds between the two dates.

What was withdrawn is never renewed. A withdrawal ends what stands at its moment, so an older certificate of the pair that
had expired by then carries no mark of it; therefore a certificate counts as withdrawn too if, after it was issued, any
other one of the same issuer for the same subject was. Such a pair begins anew: with other CAs by request and examination.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from bridge.crossing.pairs import Half, all_halves, newest
from bridge.crossing.plan import Plan
from ca.errors import Conflict
from ca.issuing.issuer import Issuers
from ca.model import AuthorityId, CertificateId, GenerationId
from ca.store import agreements
from ca.store.agreements import AgreementRecord, RenewalStep
from ca.store.connections import Reading

Wanted = Callable[[Half], bool]
"""Which halves are to be renewed."""

Key = tuple[AuthorityId, GenerationId]
"""Who certifies, and the key that it certifies: of an authority of this home the one that issues now."""

ANOTHER = "Give another order, under another name"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A half that is wanted and may not be renewed, and why."""

    half: Half
    why: Conflict


@dataclass(frozen=True, slots=True)
class Renewable:
    """What is wanted: the halves that may be renewed, and those that may not."""

    halves: Mapping[Key, Half]
    left_out: Sequence[LeftOut]


def renewable(issuers: Issuers, plan: Plan, wanted: Wanted, at: datetime) -> Renewable:
    """Of each authority and each key that it is to certify now, the half to be renewed: one that stands, if any."""
    may: dict[Key, Half] = {}
    left_out: list[LeftOut] = []
    with issuers.stores.reading() as reading:
        halves = all_halves(reading)
        for key, half in _newest(issuers, plan, halves, wanted, at).items():
            try:
                if half.state(at) == "expired":
                    _require_grounds(issuers, plan, reading.nation, half, halves, at)
            except Conflict as why:
                left_out.append(LeftOut(half, why))
            else:
                may[key] = half
    return Renewable(may, left_out)


def _newest(
    issuers: Issuers, plan: Plan, halves: Iterable[Half], wanted: Wanted, at: datetime
) -> dict[Key, Half]:
    found: dict[Key, Half] = {}
    for half in newest(halves, at):
        if half.received or half.is_link or not wanted(half):
            continue
        subject = half.subject
        if subject.authority in plan.practices:
            subject = issuers.issuing(subject.authority).id
        key = half.issuer.authority, subject
        if key not in found or half.state(at) != "expired" or found[key].state(at) == "expired":
            found[key] = half
    return found


def withdrawn(reading: Reading, steps: Sequence[RenewalStep]) -> Collection[CertificateId]:
    """Which of the certificates that are to be renewed were withdrawn, or their pair was since they were issued."""
    halves = all_halves(reading)
    by_id = {half.certificate: half for half in halves if not half.received}
    wanted = [by_id[step.replaces] for step in steps if step.replaces in by_id]
    return {half.certificate for half in wanted if _ends_of(half, halves)}


def require_standing(step: RenewalStep, ended: Collection[CertificateId]) -> None:
    """Raise Conflict if what is to be renewed was withdrawn: a renewal does not undo that."""
    if step.replaces in ended:
        raise Conflict(f"certificate {step.replaces}", "was withdrawn since the order", remedy=ANOTHER)


def agreed_for(connection: Connection, certificate: CertificateId) -> AgreementRecord:
    """The agreement under which a certificate for a peer was examined, or Conflict."""
    examined = agreements.issued_by(connection, certificate)
    if examined is None:
        raise Conflict(f"certificate {certificate}", "was issued by no agreement")
    return agreements.find(connection, examined.agreement)


def _ends_of(half: Half, halves: Iterable[Half]) -> list[Half]:
    """Itself if it was withdrawn, and those of its issuer for its subject that were after it was issued."""
    pair = half.issuer.authority, half.subject.authority
    return [
        one
        for one in halves
        if one.ended_at is not None
        and not one.received
        and (one.issuer.authority, one.subject.authority) == pair
        and (one == half or one.ended_at > half.period.not_before)
    ]


def _require_grounds(
    issuers: Issuers, plan: Plan, connection: Connection, half: Half, halves: Iterable[Half], at: datetime
) -> None:
    """Raise Conflict unless what an expired half rested on stands still."""
    place = f"certificate {half.certificate}"
    expired = f"of {half.issuer.authority} for {half.subject} has expired, and"
    if ends := _ends_of(half, halves):
        raise Conflict(
            place, f"{expired} {ends[-1].certificate} of its pair was withdrawn since it was issued"
        )
    ours = issuers.issuing(half.issuer.authority)
    if half.subject.authority not in plan.practices:
        keys = [ours]
        try:
            agreed_for(connection, half.certificate).require_in_force(at)
        except Conflict as error:
            raise Conflict(place, f"{expired} {error.place} {error.problem}") from None
    else:
        keys = [ours, issuers.issuing(half.subject.authority)]
        if (half.issuer.authority, half.subject.authority) not in {
            (one.issuer, one.subject) for one in plan.crosses
        }:
            raise Conflict(place, f"{expired} the edition has no such pair")
    for key in keys:
        if key.record.period.not_after < at:
            raise Conflict(
                place, f"{expired} so has {key.id}'s own certificate", remedy="Give it a new key first"
            )
