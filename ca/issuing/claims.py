"""Claims: what one holder is to get, of a case or of a batch's row, and how it becomes prepared certificates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from ca.chance import Chance
from ca.errors import Conflict, NotFound
from ca.issuing import cycle
from ca.issuing.cycle import Prepared
from ca.issuing.holders import HolderCertificates, HolderRequest
from ca.issuing.issuer import Issuer, Issuers
from ca.issuing.standing import AskedKey, Standing
from ca.model import Applicant, ApplicationId, AuthorityId, CertificateKind, Office, Period, Resident
from ca.names import Municipalities
from ca.profiles.practice import HolderPractice
from ca.rules.validity import day_end, holder_period, require_age
from ca.store.holdings import HoldingRecord


@dataclass(frozen=True, slots=True)
class Claim:
    """What one holder is to get.

    Attributes:
        name: The case's number, or the batch's row: what messages call it, and what tells it from all others.
        office: Where it was filed, or whose window the holder belongs to.
        holder: The resident's keyed code; None for whoever is no resident.
        decided_at: When it was approved: what takes effect later ends the certificates.
    """

    name: str
    office: Office
    applicant: Applicant = field(repr=False)
    holder: bytes | None = field(repr=False)
    card_expires: date | None = field(repr=False)
    keys: tuple[AskedKey, ...] = field(repr=False)
    decided_at: datetime | None
    application: ApplicationId | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A certificate that is prepared, and the holding that it makes."""

    prepared: Prepared
    holding: HoldingRecord


class Claims:
    """Turns claims into prepared certificates, as the practices of the offices' authorities say."""

    def __init__(self, issuers: Issuers, municipalities: Municipalities, chance: Chance) -> None:
        self.issuers = issuers
        self._certificates = HolderCertificates(municipalities, chance)
        self._issuing: dict[AuthorityId, Issuer] = {}

    def begin(self) -> None:
        """Begin with a case or a group: which keys sign now is asked again, once an authority."""
        self._issuing.clear()

    def practice(self, office: Office, kind: CertificateKind) -> HolderPractice:
        """How the office's authorities issue this kind, or NotFound naming the kinds that they do issue."""
        return self.issuers.practice(self._authority(office, kind)).holder(kind)

    def require(
        self,
        office: Office,
        applicant: Applicant,
        kind: CertificateKind,
        card_expires: date | None,
        at: datetime,
    ) -> HolderPractice:
        """How this kind is issued, if the applicant may have it; what could not be issued is said before the work.

        Raises:
            NotFound: The kind is not issued for this office.
            BadInput: The applicant is too young, or a limit of the certificate's life is over.
        """
        practice = self.require_age(office, applicant, kind, at)
        _period(practice, applicant, card_expires, at)
        return practice

    def require_age(
        self, office: Office, applicant: Applicant, kind: CertificateKind, at: datetime
    ) -> HolderPractice:
        """The same for what is prepared at once: the period is looked at then."""
        practice = self.practice(office, kind)
        if isinstance(applicant, Resident) and practice.minimum_age is not None:
            require_age(applicant.birth_date, at, practice.minimum_age)
        return practice

    def prepare(self, claim: Claim, standing: Standing, at: datetime) -> list[Granted]:
        """Prepare every certificate of a claim, given how its holder and keys stand.

        Raises:
            Conflict: A key was certified meanwhile, or the register has told what would end a certificate.
            BadInput, NotFound: As ``require``.
            LintRefused: A certificate would break a rule.
        """
        held = standing.live(claim.holder, at)
        granted: list[Granted] = []
        for key in self._in_order(claim):
            if standing.holdings_on(key):
                raise Conflict(
                    claim.name,
                    f"the key of its {key.kind} request has been certified meanwhile",
                    remedy="Make a new key pair",
                )
            one = self._one(claim, key, held, at)
            practice = self.issuers.practice(one.holding.certificate.generation.authority)
            standing.require_still_true(one.holding, practice.lapses, at, claim.name)
            held.append(one.holding)
            granted.append(one)
        return granted

    def _in_order(self, claim: Claim) -> Sequence[AskedKey]:
        """The keys of a claim, what is bounded by another certificate of it behind that one."""
        if len(claim.keys) == 1:
            return claim.keys
        return sorted(claim.keys, key=lambda item: self.practice(claim.office, item.kind).within is not None)

    def _one(self, claim: Claim, key: AskedKey, held: Sequence[HoldingRecord], at: datetime) -> Granted:
        kind = key.kind
        issuer = self._issuer(self._authority(claim.office, kind))
        practice = issuer.practice.holder(kind)
        limits = (issuer.record.period.not_after,)
        period = _period(practice, claim.applicant, claim.card_expires, at, held=held, limits=limits)
        request = HolderRequest(claim.applicant, kind, key.info, f"{claim.name} {kind}")
        place, linted = self._certificates.make(issuer, request, period)
        prepared = cycle.prepare_linted(
            issuer, linted, scope=place.scope, at=at, application=claim.application
        )
        record = prepared.record
        return Granted(
            prepared,
            HoldingRecord(
                record.id, kind, place.scope, period, record.subject_key, claim.holder, claim.decided_at
            ),
        )

    def _issuer(self, authority: AuthorityId) -> Issuer:
        issuer = self._issuing.get(authority)
        if issuer is None:
            issuer = self._issuing[authority] = self.issuers.issuing(authority)
        return issuer

    def _authority(self, office: Office, kind: CertificateKind) -> AuthorityId:
        """Which of the office's authorities issues this kind, or NotFound naming the kinds that they do issue."""
        kinds: list[str] = []
        for authority in office.authorities:
            holders = self.issuers.practice(authority).holders
            if kind in holders:
                return authority
            kinds += holders
        raise NotFound(
            f"kind {kind}",
            f"is not issued by {' or '.join(office.authorities)} (issued: {', '.join(kinds) or 'none'})",
        )


def _period(
    practice: HolderPractice,
    applicant: Applicant,
    card_expires: date | None,
    at: datetime,
    *,
    held: Sequence[HoldingRecord] = (),
    limits: Iterable[datetime] = (),
) -> Period:
    """The validity of a kind, within that of what it leans on, and longer if it renews what ends soon."""
    card = [] if card_expires is None else [day_end(card_expires)]
    leaned_on = [record.period.not_after for record in held if record.kind is practice.within]
    predecessors = [record.period.not_after for record in held if record.kind is practice.profile.kind]
    return holder_period(
        practice.validity,
        issued_at=at,
        birth_date=applicant.birth_date if isinstance(applicant, Resident) else None,
        no_later_than=(*limits, *card, *([max(leaned_on)] if leaned_on else [])),
        predecessor_not_after=max(predecessors, default=None),
    )
