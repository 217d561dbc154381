"""The use cases of registration: file, examine, approve, reject, issue.

Each step is one transaction that reads the case under the writer's lock, so two officers at once cannot both
take it. Issuing is the signing cycle around the last step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from ca.chance import Chance
from ca.errors import BadInput, CsrRefused
from ca.issuing import cycle
from ca.issuing.claims import Claim, Claims
from ca.issuing.cycle import Intended, IssuedCertificate, Prepared
from ca.issuing.intake import read_csr
from ca.issuing.issuer import Issuers
from ca.issuing.receiving import require_one_successor, require_purpose
from ca.issuing.standing import AskedKey, Standing, own_keys, require_keys_apart, standing_of
from ca.issuing.subject_keys import require_key
from ca.keys.codes import keyed_code
from ca.model import (
    HOLDER_KINDS,
    LOCAL_KINDS,
    RESIDENT_KINDS,
    Applicant,
    ApplicationId,
    CertificateKind,
    LocalHolder,
    Office,
    OfficerId,
    OfficialPost,
    Resident,
    ResidentCode,
)
from ca.names import Municipalities
from ca.profiles.items import require_certifiable
from ca.rules import registration
from ca.rules.identity import Reception, require_identified
from ca.rules.registration import Case, State, Step
from ca.store import applications, certificates, officers
from ca.store.applications import Application, KeyRequest
from ca.store.carrying import end_cases
from ca.store.certificates import CertificateState
from ca.store.connections import Connections
from ca.store.recording import Recording
from ca.store.stores import Stores


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration of a world: its offices' cases, and the authorities that issue."""

    issuers: Issuers
    municipalities: Municipalities
    chance: Chance
    _claims: Claims = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_claims", Claims(self.issuers, self.municipalities, self.chance))

    @property
    def stores(self) -> Stores:
        """Where cases and certificates are written down."""
        return self.issuers.stores

    def file(
        self,
        officer_id: str,
        applicant: Applicant,
        csrs: Mapping[CertificateKind, bytes],
        *,
        code: ResidentCode | None,
        at: datetime,
        card_expires: date | None = None,
        reception: Reception | None = None,
    ) -> Application:
        """Receive an application at the officer's office.

        Args:
            officer_id: Who receives it.
            applicant: For whom: a resident of the office's municipality, or a post of the office's ministry.
            csrs: A PKCS#10 request for each kind applied for.
            code: The resident's code; None for a post. It is kept only as a keyed hash.
            at: When.
            card_expires: The last day, in Japan, of the card that the keys lie in, if it has an end.
            reception: What else the office wrote down; an office with a system of its own may keep it there.

        Raises:
            BadInput: The applicant may not have this kind, or does not belong to this office; a name or an address
                cannot stand in a certificate; or the documents do not make a resident known, or the purpose is not
                what the holder's certificates say.
            CsrRefused: A request is none, its key is refused, or is used already.
            NotFound: The officer is unknown, or the kind is not issued here.
            NotPermitted: The officer may not receive applications here.
            Conflict: An open case renews what this one would.
        """
        with self.stores.nation.reading() as connection:
            officer, office = officers.officer(connection, officer_id)
        if not office.authorities:
            raise BadInput(f"office {office.id}", "receives no applications")
        self._check_applicant(applicant, office, code)
        require_certifiable(applicant)
        if reception is not None and isinstance(applicant, Resident):
            require_identified(reception.documents, at)
        requests, practices = [], {}
        own = own_keys(self.stores)
        for kind, csr in csrs.items():
            # What could not be issued is said now, not after three officers have had the case in hand.
            practices[kind] = self._claims.require(office, applicant, kind, card_expires, at)
            _require_fitting(applicant, kind)
            requests.append(KeyRequest(kind, read_csr(csr, practices[kind].keys.on(at), f"{kind} request")))
        if not requests:
            raise BadInput("application", "asks for no certificate", remedy="Give a request for a kind")
        with self.stores.writing() as writing:
            connection = writing.nation
            case = Case(applications.next_id(connection, office.id), office.id, course=office.kind)
            application = Application(
                case=registration.take(case, Step.FILE, officer, office, at),
                holder=None if code is None else keyed_code(self.issuers.vault.code_key(), code),
                applicant=applicant,
                requests=tuple(requests),
                card_expires=card_expires,
                reception=reception,
            )
            standing = _standing(writing, application)
            _require_new_keys(standing, application, own)
            if reception is not None:
                rules = {kind: practice.validity for kind, practice in practices.items()}
                require_purpose(writing, standing, application, rules, at)
                require_one_successor(writing, application)
            applications.add(connection, application)
        return application

    def examine(self, application: str, officer: str, *, at: datetime) -> Case:
        """The office's own check of an application, by another officer than the one who received it."""
        return self._step(application, Step.EXAMINE, officer, at)

    def approve(self, application: str, officer: str, *, at: datetime) -> Case:
        """The centre's check of what an office examined."""
        return self._step(application, Step.APPROVE, officer, at)

    def reexamine(self, application: str, officer: str, *, at: datetime) -> Case:
        """The centre's own examination of what a local government's sub-office examined."""
        return self._step(application, Step.REEXAMINE, officer, at)

    def reject(self, application: str, officer: str, *, at: datetime, note: str | None = None) -> Case:
        """End a case without a certificate, for a reason that the office is told."""
        return self._step(application, Step.REJECT, officer, at, note)

    def issue(self, application: str, officer_id: str, *, at: datetime) -> list[IssuedCertificate]:
        """Issue what was approved; carries on where an issuance of this case broke off.

        Raises:
            LintRefused: A certificate would break a rule; nothing was written.
            CsrRefused: A key that was filed is none that is certified at this moment.
            Conflict, NotFound, NotPermitted: As the rules of registration say.
        """
        with self.stores.recording() as recording:
            officer, office = officers.officer(recording.nation, officer_id)
            found = applications.find(recording.nation, application)
            if found.case.state is State.ISSUING:
                registration.resume(found.case, officer, office)
                prepared = self._resumed(recording, found, at)
                # If all is signed already, a recovery of an earlier version has left the case open.
                end_cases(recording, certificates.several(recording, found.certificates))
            else:
                officers.require_at_work(recording.nation, found.case.office)
                case = registration.take(found.case, Step.ISSUE, officer, office, at)
                prepared = self._prepared(recording, found, officer.id, at)
                applications.advance(recording.nation, case)
        return self._finish(found.case.id, prepared, at)

    def _step(
        self, application: str, step: Step, officer_id: str, at: datetime, note: str | None = None
    ) -> Case:
        with self.stores.nation.writing() as connection:
            officer, office = officers.officer(connection, officer_id)
            found = applications.find(connection, application)
            if step is not Step.REJECT:
                officers.require_at_work(connection, found.case.office)
            case = registration.take(found.case, step, officer, office, at, note)
            applications.advance(connection, case)
        return case

    def _check_applicant(self, applicant: Applicant, office: Office, code: ResidentCode | None) -> None:
        if isinstance(applicant, OfficialPost | LocalHolder):
            whose = applicant.ministry if isinstance(applicant, OfficialPost) else applicant.government
            if whose != office.name:
                raise BadInput("applicant", f"the post is not one of {office.name}")
            return
        self.municipalities.window(applicant.municipality)
        if str(applicant.municipality) != str(office.id):
            raise BadInput(
                "applicant",
                f"lives in {applicant.municipality}, which office {office.id} does not serve",
                remedy=f"The application belongs to office {applicant.municipality}",
            )
        if code is None:
            raise BadInput("applicant", "a resident's application needs the resident code")

    def _prepared(
        self, recording: Recording, application: Application, officer: OfficerId, at: datetime
    ) -> list[Prepared]:
        """Prepare and intend what is asked for, and write down that it is held."""
        case = application.case
        office = officers.office(recording.nation, case.office)
        keys = _asked(application)
        for key in keys:  # what was certified on the day of filing may not be any more
            rule = self._claims.practice(office, key.kind).keys.on(at)
            require_key(key.info, rule, f"case {case.id}, {key.kind} request")
        claim = Claim(
            name=f"case {case.id}",
            office=office,
            applicant=application.require_applicant(),
            holder=application.holder,
            card_expires=application.card_expires,
            keys=tuple(keys),
            decided_at=case.moment_of(Step.APPROVE),
            application=case.id,
        )
        self._claims.begin()
        granted = self._claims.prepare(claim, _standing(recording, application), at)
        for item in granted:
            record = item.prepared.record
            applications.certified(recording.nation, case.id, record.kind, record.id)
        cycle.intend(
            recording, [Intended(item.prepared, item.holding) for item in granted], at, officer=officer
        )
        return [item.prepared for item in granted]

    def _resumed(self, connections: Connections, application: Application, at: datetime) -> list[Prepared]:
        """What is left to sign of a case in the signing cycle."""
        prepared: list[Prepared] = []
        for certificate in application.certificates:
            record = certificates.find(connections.of(certificate.generation.authority), certificate)
            if record.state is CertificateState.INTENDED:
                prepared.append(cycle.resumed(self.issuers, record, at))
        return prepared

    def _finish(
        self, case: ApplicationId, prepared: Sequence[Prepared], at: datetime
    ) -> list[IssuedCertificate]:
        """Sign, and write down the certificates: with the last of them their case ends."""
        issued = [cycle.sign(item, at) for item in prepared]
        with self.stores.recording() as recording:
            cycle.complete(recording, issued, at)
            found = applications.find(recording.nation, case)
        return cycle.standing(self.stores, found.certificates)


def _standing(connections: Connections, application: Application) -> Standing:
    holders = [] if application.holder is None else [application.holder]
    return standing_of(connections, holders, _asked(application))


def _require_new_keys(standing: Standing, application: Application, own: frozenset[bytes]) -> None:
    """Raise CsrRefused unless every key asked for is in no other certificate or application."""
    keys = _asked(application)
    require_keys_apart(keys, "application")
    for key in keys:
        place = f"{key.kind} request"
        if not own.isdisjoint(key.digests):
            raise CsrRefused(place, "its key is in another certificate or application")
        standing.require_new_key(key, place, application.case.office)


def _asked(application: Application) -> list[AskedKey]:
    return [AskedKey.of(request.kind, request.public_key) for request in application.requests]


_KINDS: Mapping[type[Applicant], frozenset[CertificateKind]] = {
    Resident: frozenset(RESIDENT_KINDS),
    OfficialPost: frozenset({CertificateKind.OFFICIAL_POST}),
    LocalHolder: frozenset(LOCAL_KINDS),
}
"""Which kinds are for whom."""


def _require_fitting(applicant: Applicant, kind: CertificateKind) -> None:
    """Raise BadInput for a holder's kind that is not for such an applicant; others are not issued at any office."""
    if kind in HOLDER_KINDS and kind not in _KINDS[type(applicant)]:
        raise BadInput("application", f"the kind {kind} is not for this kind of applicant")
