"""Cross-certificates as they stand: every half of every pair, what peers have issued to us among them, and how each ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ca.model import AuthorityId, CertificateId, GenerationId, Period, Revocation, RevocationReason, Serial
from ca.store import authorities, certificates, lives, peers
from ca.store.connections import Reading


@dataclass(frozen=True, slots=True)
class Half:
    """One generation's certificate for another's key.

    Attributes:
        received: Whether a peer has issued it; then the ARL that would name it is not ours.
        revocation: How it ended, if it did and it is ours.
        ended_at: Since when it is half of a pair no more: it was revoked, or a peer's is not shown any more.
    """

    issuer: GenerationId
    subject: GenerationId
    serial: Serial
    period: Period
    received: bool = False
    revocation: Revocation | None = None
    ended_at: datetime | None = None

    @property
    def certificate(self) -> CertificateId:
        """What it is called."""
        return CertificateId(self.issuer, self.serial)

    @property
    def is_link(self) -> bool:
        """Whether it is between two keys of one authority."""
        return self.issuer.authority == self.subject.authority

    def state(self, at: datetime) -> str:
        """In a word, how it stands at this moment; both ends of its validity count."""
        if self.ended_at is not None and self.ended_at <= at:
            return "withdrawn"
        now = at.replace(microsecond=0)
        if now > self.period.not_after:
            return "expired"
        return "live" if self.period.not_before <= now else "not yet valid"

    def is_between(self, first: AuthorityId, second: AuthorityId) -> bool:
        """Whether these two are its issuer and its subject, in either order."""
        return {self.issuer.authority, self.subject.authority} == {first, second}


def all_halves(reading: Reading) -> list[Half]:
    """Every cross-certificate and link that was ever issued or received, in the order of their notBefore."""
    made = [one for connection in reading.each() for one in authorities.crosses(connection)]
    ids = [certificate for _, certificate in made]
    periods = {record.id: record.period for record in certificates.several(reading, ids)}
    ended = {
        life.certificate: life.standing.revocation
        for life in lives.of(reading, ids)
        if life.standing is not None and life.reason is not RevocationReason.REMOVE_FROM_CRL
    }
    found: list[Half] = []
    for subject, certificate in made:
        issuer, end = certificate.generation, ended.get(certificate)
        at = None if end is None else end.revoked_at
        period = periods[certificate]
        found.append(Half(issuer, subject, certificate.serial, period, revocation=end, ended_at=at))
    found += [
        Half(one.issuer, one.subject, one.serial, one.period, received=True, ended_at=one.ended_at)
        for one in peers.all_received(reading.nation)
    ]
    return sorted(
        found, key=lambda half: half.period.not_before
    )  # stable: within a second as the store has it


def live(halves: Iterable[Half], at: datetime) -> list[Half]:
    """Those that hold at this moment."""
    return [half for half in halves if half.state(at) == "live"]


def newest(halves: Iterable[Half], at: datetime) -> list[Half]:
    """Of each two generations the newest that is not withdrawn."""
    found: dict[tuple[GenerationId, GenerationId], Half] = {}
    for half in halves:
        if half.state(at) != "withdrawn":
            found[half.issuer, half.subject] = half
    return list(found.values())
