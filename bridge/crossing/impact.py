"""What the end of a pair would do: who can be reached from where now, and could not be any more.

Reachability alone, over what holds at the moment: cross-certificates and links, ours and those that peers have issued to
us. A path that policies or constraints break already counts as one. Holders are counted by certificates that are issued
and in use; what is on its way, for holders and of the pair itself, is told beside that and counts for nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.crossing.pairs import Half, all_halves, live
from bridge.crossing.plan import Plan
from ca.errors import NotFound
from ca.model import HOLDER_KINDS, AuthorityId, CertificateKind, GenerationId
from ca.store import agreements, authorities, certificates, coming, officers, peers, verifiers
from ca.store.certificates import CertificateState
from ca.store.connections import Reading
from ca.store.verifiers import VerifierId

Path = tuple[GenerationId, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """A key that relying parties could not reach any more.

    Attributes:
        anchor: The key that they trust.
        generation: The key that they could not reach.
        path: The shortest way to it as it is now, both of them included.
    """

    anchor: GenerationId
    generation: GenerationId
    path: Path


@dataclass(frozen=True, slots=True)
class Coming:
    """Certificates of holders that a lost key has not issued yet.

    Attributes:
        state: ``approved``: an application was; ``intended``: written down, and not signed.
    """

    generation: GenerationId
    kind: CertificateKind
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class Impact:
    """What the end of some cross-certificates would do.

    Attributes:
        ending: These certificates; only what holds now.
        lost: What could not be reached any more.
        holders: How many certificates of holders each lost key of ours has in use, by kind.
        verifiers: The registered verifiers who trust the nation's anchor, if something is lost from there.
        peers: The CAs of others whose relying parties lose something, or that are lost themselves.
        coming: What is on its way behind the lost keys; not among those who are stranded.
        planned: What is on its way of the pairs themselves, in words.
    """

    ending: tuple[Half, ...]
    lost: tuple[Lost, ...]
    holders: Mapping[GenerationId, Mapping[CertificateKind, int]]
    verifiers: tuple[VerifierId, ...]
    peers: tuple[AuthorityId, ...]
    coming: tuple[Coming, ...]
    planned: tuple[str, ...]

    @property
    def stranded(self) -> int:
        """How many holders' certificates, and CAs of others, would be cut off from somebody."""
        return sum(sum(kinds.values()) for kinds in self.holders.values()) + len(self.peers)


def impact_of(reading: Reading, plan: Plan, ending: Sequence[Half], at: datetime) -> Impact:
    """What would come of the end of these cross-certificates now."""
    now = live(all_halves(reading), at)
    after = [half for half in now if half not in ending]
    foreign = {record.generation for record in peers.all_generations(reading.nation)}
    own = [record.id for connection in reading.each() for record in authorities.all_generations(connection)]
    lost: list[Lost] = []
    for anchor in sorted({one for one in own if one.authority == plan.anchor} | foreign):
        before, left = _reached(anchor, now), _reached(anchor, after)
        lost += [Lost(anchor, one, path) for one, path in sorted(before.items()) if one not in left]
    cut_off = {one.generation for one in lost}
    strangers = {one.anchor.authority for one in lost if one.anchor in foreign}
    return Impact(
        ending=tuple(half for half in now if half in ending),
        lost=tuple(lost),
        holders={one: _holders(reading, one, at) for one in sorted(cut_off - foreign)},
        verifiers=_verifiers(reading, at) if any(one.anchor not in foreign for one in lost) else (),
        peers=tuple(sorted(strangers | {one.authority for one in cut_off & foreign})),
        coming=tuple(_coming(reading, plan, cut_off - foreign)),
        planned=tuple(
            _planned(reading, {frozenset((one.issuer.authority, one.subject.authority)) for one in ending})
        ),
    )


def of_pair(
    reading: Reading,
    first: AuthorityId,
    second: AuthorityId,
    at: datetime,
    *,
    issued_by: AuthorityId | None = None,
) -> list[Half]:
    """The cross-certificates between two CAs that are neither withdrawn nor expired: old ones and renewed ones.

    Args:
        reading: Transactions in the databases.
        first: One of the two, of this home or a peer.
        second: The other one.
        at: Now.
        issued_by: Only the half that this one has issued.

    Raises:
        NotFound: There are none.
    """
    found = [
        half
        for half in all_halves(reading)
        if half.is_between(first, second)
        and not half.is_link
        and half.state(at) in {"live", "not yet valid"}
        and issued_by in {None, half.issuer.authority}
    ]
    if not found:
        half = "" if issued_by is None else f" issued by {issued_by}"
        raise NotFound(
            f"pair {first} and {second}",
            f"has no cross-certificate{half} that stands",
            remedy="`kakehashi cross list` shows them",
        )
    return found


def _reached(anchor: GenerationId, halves: Iterable[Half]) -> dict[GenerationId, Path]:
    """Every key that a path leads to from this one, and the shortest such path."""
    onward: dict[GenerationId, list[GenerationId]] = {}
    for half in halves:
        onward.setdefault(half.issuer, []).append(half.subject)
    found: dict[GenerationId, Path] = {anchor: (anchor,)}
    waiting = deque([anchor])
    while waiting:
        here = waiting.popleft()
        for subject in onward.get(here, ()):
            if subject not in found:
                found[subject] = (*found[here], subject)
                waiting.append(subject)
    del found[anchor]
    return found


def _holders(reading: Reading, generation: GenerationId, at: datetime) -> dict[CertificateKind, int]:
    kinds = certificates.in_use(reading.of(generation.authority), generation, at)
    return {kind: count for kind, count in sorted(kinds.items()) if kind in HOLDER_KINDS}


def _coming(reading: Reading, plan: Plan, lost: Iterable[GenerationId]) -> Iterator[Coming]:
    """What the lost keys are about to issue. Applications are answered with the key that issues then."""
    approved = coming.approved(reading.nation)
    for generation in sorted(lost):
        authority, connection = generation.authority, reading.of(generation.authority)
        for kind, count in sorted(coming.intended(connection, generation).items()):
            if kind in HOLDER_KINDS:
                yield Coming(generation, kind, "intended", count)
        if generation != authorities.issuing_generation(connection, authority):
            continue
        asked: Counter[CertificateKind] = Counter()
        for (office, kind), count in approved.items():
            issues = authority in officers.office(reading.nation, office).authorities
            if issues and kind in plan.practices[authority].holders:
                asked[kind] += count
        yield from (Coming(generation, kind, "approved", count) for kind, count in sorted(asked.items()))


def _planned(reading: Reading, pairs: Collection[frozenset[AuthorityId]]) -> Iterator[str]:
    """What is on its way between these CAs: halves that are not signed, renewals not made, examinations not accepted."""
    made = {one for connection in reading.each() for _, one in authorities.crosses(connection)}
    for connection in reading.each():
        for subject, certificate in authorities.crosses(connection, CertificateState.INTENDED):
            made.add(certificate)
            if {certificate.generation.authority, subject.authority} in pairs:
                yield f"{certificate} for {subject}: written down, and not signed yet"
    for order in agreements.all_renewals(reading.nation):
        for step in order.steps:
            between = {step.certificate.generation.authority, step.subject.authority}
            if between in pairs and step.certificate not in made:
                yield f"{step.certificate} for {step.subject}: ordered as {order.plan}, and not made yet"
    for one in agreements.all_examinations(reading.nation):
        if one.accepted_at is None and {one.ours.authority, one.peer.authority} in pairs:
            yield f"{one.what.value} of {one.peer}: examined as number {one.number}, and not accepted yet"


def _verifiers(reading: Reading, at: datetime) -> tuple[VerifierId, ...]:
    return tuple(
        one.id
        for one in verifiers.everybody(reading.nation)
        if one.ended_at is None and one.valid_from <= at <= one.valid_until
    )
