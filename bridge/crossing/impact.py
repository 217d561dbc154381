"""What the end of a pair would do: who can be reached from where now, and could not be any more.

Reachability alone, over what holds at the moment: cross-certificates and links, ours and those that peers have issued to
us. A path that policies or constraints break already counts as one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.crossing.pairs import Half, all_halves, live
from bridge.crossing.plan import Plan
from ca.errors import NotFound
from ca.model import HOLDER_KINDS, AuthorityId, CertificateKind, GenerationId
from ca.store import authorities, certificates, peers, verifiers
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
class Impact:
    """What the end of some cross-certificates would do.

    Attributes:
        ending: These certificates; only what holds now.
        lost: What could not be reached any more.
        holders: How many certificates of holders each lost key of ours has in use, by kind.
        verifiers: The registered verifiers who trust the nation's anchor, if something is lost from there.
        peers: The CAs of others whose relying parties lose something, or that are lost themselves.
    """

    ending: tuple[Half, ...]
    lost: tuple[Lost, ...]
    holders: Mapping[GenerationId, Mapping[CertificateKind, int]]
    verifiers: tuple[VerifierId, ...]
    peers: tuple[AuthorityId, ...]

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


def _verifiers(reading: Reading, at: datetime) -> tuple[VerifierId, ...]:
    return tuple(
        one.id
        for one in verifiers.everybody(reading.nation)
        if one.ended_at is None and one.valid_from <= at <= one.valid_until
    )
