"""All that is known of a pair, or of an agreement: halves, examinations, deviations, renewals, withdrawals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.crossing.agreement import Agreement, read_agreement
from bridge.crossing.deviations import (
    Deviates,
    Deviation,
    unagreed_key,
    wrong_constraints,
    wrong_frame,
    wrong_name,
    wrong_policies,
)
from bridge.crossing.examining import Ours, fit_certificate
from bridge.crossing.pairs import Half, all_halves
from bridge.crossing.plan import Plan
from ca.errors import KakehashiError, NotFound
from ca.model import AuthorityId, CertificateId
from ca.store import agreements, certificates, peers
from ca.store.agreements import AgreementRecord, Examination, RenewalRecord, RenewalStep
from ca.store.connections import Reading
from ca.wire.cross_facts import read_cross
from ca.wire.facts import read_certificate


@dataclass(frozen=True, slots=True)
class HalfShown:
    """A half, the agreement by which it was issued or taken, and where it deviates from that now."""

    half: Half
    agreement: str | None
    deviations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RenewalShown:
    """A step of an order between the two.

    Attributes:
        made: Whether the databases have what it was to make.
    """

    order: RenewalRecord
    step: RenewalStep
    made: bool


@dataclass(frozen=True, slots=True)
class PairShown:
    """Two CAs, in the order in which they were asked for, and what there is between them."""

    between: tuple[AuthorityId, AuthorityId]
    agreements: tuple[AgreementRecord, ...]
    halves: tuple[HalfShown, ...]
    examinations: tuple[Examination, ...]
    renewals: tuple[RenewalShown, ...]


def show_agreement(reading: Reading, plan: Plan, agreement_id: str, at: datetime) -> PairShown:
    """What was done by an agreement; NotFound if there is none of this id."""
    record = agreements.find(reading.nation, agreement_id)
    found = _shown(reading, plan, (record.ours, record.peer), at)
    halves = tuple(one for one in found.halves if one.agreement == record.id)
    mine = {one.half.certificate for one in halves}
    return PairShown(
        found.between,
        (record,),
        halves,
        tuple(one for one in found.examinations if one.agreement == record.id),
        tuple(one for one in found.renewals if {one.step.certificate, one.step.replaces} & mine),
    )


def show_pair(
    reading: Reading, plan: Plan, first: AuthorityId, second: AuthorityId, at: datetime
) -> PairShown:
    """What there is and was between two CAs; NotFound if there never was anything."""
    found = _shown(reading, plan, (first, second), at)
    if not (found.halves or found.agreements):
        raise NotFound(
            f"pair {first} and {second}",
            "was never one",
            remedy="`kakehashi cross list --all` shows every one",
        )
    return found


def _shown(reading: Reading, plan: Plan, between: tuple[AuthorityId, AuthorityId], at: datetime) -> PairShown:
    pair = set(between)
    agreed = {one.id: one for one in agreements.everything(reading.nation) if {one.ours, one.peer} == pair}
    examined = [one for one in agreements.all_examinations(reading.nation) if one.agreement in agreed]
    by_certificate = _by_certificate(reading, examined)
    halves = [half for half in all_halves(reading) if half.is_between(*between) and not half.is_link]
    made = {half.certificate for half in halves}
    return PairShown(
        between,
        tuple(agreed.values()),
        tuple(_half(reading, plan, half, agreed, by_certificate, at) for half in halves),
        tuple(examined),
        tuple(
            RenewalShown(order, step, step.certificate in made)
            for order in agreements.all_renewals(reading.nation)
            for step in order.steps
            if {step.certificate.generation.authority, step.subject.authority} == pair
        ),
    )


def _by_certificate(reading: Reading, examined: Iterable[Examination]) -> Mapping[CertificateId, str]:
    """By which agreement each certificate was issued or taken."""
    by_number = {one.number: one.agreement for one in examined}
    issued = {one.certificate: one.agreement for one in examined if one.certificate is not None}
    received = {
        CertificateId(one.issuer, one.serial): by_number[one.examination]
        for one in peers.all_received(reading.nation)
        if one.examination in by_number
    }
    return issued | received


def _half(
    reading: Reading,
    plan: Plan,
    half: Half,
    agreed: Mapping[str, AgreementRecord],
    by_certificate: Mapping[CertificateId, str],
    at: datetime,
) -> HalfShown:
    name = by_certificate.get(half.certificate)
    if name is None or half.state(at) == "withdrawn":
        return HalfShown(half, name, ())
    try:
        agreement = read_agreement(agreed[name].text, f"agreement {name}", plan)
        found = tuple(
            _received(reading, plan, half, agreement, at)
            if half.received
            else _issued(reading, half, agreement)
        )
    except (
        KakehashiError
    ) as error:  # what was agreed by an older edition's words may not be readable any more
        found = (str(error),)
    return HalfShown(half, name, found)


def _received(reading: Reading, plan: Plan, half: Half, agreement: Agreement, at: datetime) -> Iterator[str]:
    """Where a peer's certificate deviates now: as its examination looked at it, but for its own number, which is known."""
    (encoded,) = (
        one.encoded
        for one in peers.all_received(reading.nation)
        if (one.issuer, one.serial) == (half.issuer, half.serial)
    )
    ours = Ours.read(reading.of(agreement.ours), agreement.ours, plan.practices[agreement.ours].name)
    theirs = peers.all_generations(reading.nation)
    try:
        fit_certificate(
            encoded,
            f"certificate {half.certificate}",
            agreement,
            ours,
            [one for one in theirs if one.generation.authority == agreement.peer],
            at,
            plan.legacy,
        )
    except Deviates as deviates:
        yield from deviates.deviations


def _issued(reading: Reading, half: Half, agreement: Agreement) -> Iterator[str]:
    """Where our certificate for a peer is not as the agreement says."""
    place = f"certificate {half.certificate}"
    record = certificates.find(reading.of(half.issuer.authority), half.certificate)
    facts = read_certificate(record.encoded, place)
    said = read_cross(facts.extensions, place)
    found: list[Deviation] = [
        *wrong_frame(facts),
        *wrong_name("subject", facts.subject, agreement.name),
        *unagreed_key(facts.public_key, agreement),
        *wrong_constraints(facts, said, agreement.certify),
        *wrong_policies(said, agreement.certify),
    ]
    yield from map(str, found)
