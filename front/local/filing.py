"""The form of a local government's application: what was typed, read into what the use case takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ca.errors import BadInput, CsrRefused, KakehashiError, NotFound
from ca.issuing.intake import read_csr
from ca.model import (
    LOCAL_KINDS,
    ApplicationId,
    CertificateId,
    CertificateKind,
    LocalHolder,
    Office,
    RevocationReason,
)
from ca.profiles.items import LONGEST_NAME
from ca.profiles.practice import HolderPractice
from ca.revoking.deciding import custody
from ca.rules.custody import NEEDS_MEDIUM, medium_id
from ca.rules.identity import Purpose, Reception
from ca.rules.validity import japanese_day, renewal_opens
from ca.store import applications, lives
from ca.store.applications import Application
from ca.store.connections import Connections
from ca.store.lives import Life
from front.assembly import World
from front.pages.forms import Fields
from front.pages.refusals import explained

_GOOD = frozenset({None, RevocationReason.REMOVE_FROM_CRL})


@dataclass(frozen=True, slots=True)
class Choices:
    """What an office's form offers.

    Attributes:
        practices: How each kind that the office may apply for is issued.
        renewed: The case whose certificates are renewed, if the form is for a renewal, and ``good`` those of them that
            are good.
        under_way: The open case that renews each of those already, where there is one.
    """

    office: Office
    practices: Mapping[CertificateKind, HolderPractice]
    renewed: Application | None = None
    good: tuple[Life, ...] = ()
    under_way: Mapping[CertificateId, ApplicationId] = field(default_factory=dict)

    @property
    def holder(self) -> LocalHolder | None:
        """Whose certificates are renewed."""
        applicant = None if self.renewed is None else self.renewed.applicant
        return applicant if isinstance(applicant, LocalHolder) else None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks for, and for whom, as far as it says so.

    Attributes:
        key: The encoded SubjectPublicKeyInfo of the request, if that is one.
    """

    holder: LocalHolder
    kind: CertificateKind | None
    csr: bytes | None = field(repr=False)
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LocalFiling:
    """An application that is right as far as it can be seen from the form."""

    holder: LocalHolder
    kind: CertificateKind
    csr: bytes = field(repr=False)
    reception: Reception
    medium: str | None = None


def choices_of(
    world: World, connections: Connections, office: Office, renewed: Application | None, at: datetime
) -> Choices:
    """What an office's form offers now; NotFound if nothing of the case that it is to renew is good any more."""
    practices = {
        kind: practice
        for authority in office.authorities
        for kind, practice in world.plan.practices[authority].holders.items()
        if kind in LOCAL_KINDS
    }
    if renewed is None:
        return Choices(office, practices)
    good = good_of(connections, renewed, at)
    if not good:
        raise NotFound(f"case {renewed.case.id}", "has no certificate to renew")
    kinds = {life.kind for life in good}
    offered = {kind: each for kind, each in practices.items() if kind in kinds}
    under_way = applications.renewing(connections.nation, office.id, [life.certificate for life in good])
    return Choices(office, offered, renewed, tuple(good), under_way)


def good_of(connections: Connections, application: Application, at: datetime) -> list[Life]:
    """The certificates of a case that have neither ended nor expired."""
    found = lives.of(connections, application.certificates)
    return sorted(
        (life for life in found if life.reason in _GOOD and life.not_after >= at),
        key=lambda life: life.certificate,
    )


def read_filing(
    choices: Choices,
    connections: Connections,
    officer_id: str,
    fields: Fields,
    asked: Asked,
    at: datetime,
) -> LocalFiling:
    """What the form says, or FormRefused with every problem. The check while somebody types asks this too.

    Args:
        choices: What the form offered.
        connections: Transactions that read.
        officer_id: Who files.
        fields: What was sent, with the problems that ``read_asked`` found.
        asked: What came of it.
        at: Now.
    """
    medium = _medium(fields, connections, officer_id, asked, at)
    kind = asked.kind
    renews = tuple(life.certificate for life in choices.good if life.kind is kind)
    for certificate in renews:
        if case := choices.under_way.get(certificate):
            fields.refuse("kind", "local.filing.under_way", case=case)
    fields.settle()
    assert kind is not None, "what is missing is a problem"
    assert asked.csr is not None, "what is missing is a problem"
    reception = Reception(_purpose(choices, kind, at), card_number=medium, renews=renews)
    return LocalFiling(asked.holder, kind, asked.csr, reception, medium)


def read_asked(choices: Choices, fields: Fields, at: datetime) -> Asked:
    """What the form asks for; what is wrong with that is noted in the fields."""
    holder = choices.holder
    if holder is None:
        unit = fields.text("unit", most=LONGEST_NAME, required=False)
        name = fields.text("name", most=LONGEST_NAME)
        holder = LocalHolder(choices.office.name, unit or None, name)
    kind = fields.choice("kind", CertificateKind)
    if kind is not None and kind not in choices.practices:
        fields.refuse("kind", "form.not_a_choice")
        kind = None
    csr = fields.octets("csr")
    if csr is not None and kind is not None:
        try:
            key = read_csr(csr, choices.practices[kind].keys.on(at), f"{kind} request")
            return Asked(holder, kind, csr, key)
        except CsrRefused as error:
            fields.refuse("csr", "local.csr.refused", detail=explained(error))
    return Asked(holder, kind, csr)


def _medium(
    fields: Fields, connections: Connections, officer_id: str, asked: Asked, at: datetime
) -> str | None:
    typed = fields.text("medium", most=40, required=asked.kind in NEEDS_MEDIUM)
    if not typed:
        return None
    try:
        number = medium_id(typed)
        return custody.require_assignable(connections, number, officer_id, asked.holder, at=at).id
    except custody.HoldsKey:
        fields.refuse("medium", "local.medium.others")
    except NotFound:
        fields.refuse("medium", "local.medium.unknown")
    except BadInput:
        fields.refuse("medium", "local.medium.malformed")
    except KakehashiError:
        fields.refuse("medium", "local.medium.away")
    return None


def _purpose(choices: Choices, kind: CertificateKind, at: datetime) -> Purpose:
    """A renewal in a certificate's last months; before that it is a replacement."""
    if choices.renewed is None:
        return Purpose.NEW
    ends = max(life.not_after for life in choices.good if life.kind is kind)
    opens = renewal_opens(choices.practices[kind].validity, ends)
    return Purpose.REPLACEMENT if opens is not None and japanese_day(at) < opens else Purpose.RENEWAL
