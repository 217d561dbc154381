"""The use cases of registration: file, examine, approve, reject, issue.

Each step is one transaction that reads the case under the writer's lock, so two officers at once cannot both
take it. Issuing is the signing cycle around the last step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ca.chance import Chance, new_serial
from ca.errors import BadInput, Conflict, CsrRefused
from ca.issuing import cycle
from ca.issuing.cycle import IssuedCertificate, Prepared
from ca.issuing.intake import read_csr
from ca.issuing.issuer import Issuer, Issuers
from ca.keys.codes import keyed_code
from ca.keys.signer import key_identifier
from ca.model import CertificateKind, Office, OfficialPost, Period, Resident, ResidentCode
from ca.names import Municipalities
from ca.profiles.drafting import CertificateDraft, Subject
from ca.profiles.extensions import (
    AuthorityKey,
    CertificateExtension,
    DistributionPoint,
    IssuerDirectoryName,
    SubjectKey,
)
from ca.profiles.government import post_subject
from ca.profiles.lists import ListPlace
from ca.profiles.practice import HolderPractice
from ca.profiles.residents import four_items, pseudonym, signature_subject, user_authentication_subject
from ca.rules import registration
from ca.rules.registration import Case, Step
from ca.rules.residents import Holding, lapses
from ca.rules.validity import holder_period, require_age
from ca.store import applications, certificates, officers, register
from ca.store.applications import Application, KeyRequest
from ca.store.certificates import CertificateRecord
from ca.store.engine import Store


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration of a world: its offices' cases, and the authorities that issue."""

    store: Store
    issuers: Issuers
    municipalities: Municipalities
    chance: Chance

    def file(
        self,
        officer_id: str,
        applicant: Resident | OfficialPost,
        csrs: Mapping[CertificateKind, bytes],
        *,
        code: ResidentCode | None,
        at: datetime,
    ) -> Application:
        """Receive an application at the officer's office.

        Args:
            officer_id: Who receives it.
            applicant: For whom: a resident of the office's municipality, or a post of the office's ministry.
            csrs: A PKCS#10 request for each kind applied for.
            code: The resident's code; None for a post. It is kept only as a keyed hash.
            at: When.

        Raises:
            BadInput: The applicant may not have this kind, or does not belong to this office.
            CsrRefused: A request is none, its key is refused, or is used already.
            NotFound: The officer is unknown, or the kind is not issued here.
            NotPermitted: The officer may not receive applications here.
        """
        with self.store.reading() as connection:
            officer, office = officers.officer(connection, officer_id)
        if office.authority is None:
            raise BadInput(f"office {office.id}", "receives no applications")
        practice = self.issuers.practice(office.authority)
        self._check_applicant(applicant, office, code)
        requests = []
        for kind, csr in csrs.items():
            holder = practice.holder(kind)
            if isinstance(applicant, Resident) and holder.minimum_age is not None:
                require_age(applicant.birth_date, at, holder.minimum_age)
            # What could not be issued is said now, not after three officers have had the case in hand.
            self._period(holder, applicant, at)
            requests.append(KeyRequest(kind, read_csr(csr, holder.keys, f"{kind} request")))
        if not requests:
            raise BadInput("application", "asks for no certificate", remedy="Give a request for a kind")
        with self.store.writing() as connection:
            case = Case(applications.next_id(connection, office.id), office.id, None, ())
            application = Application(
                case=registration.take(case, Step.FILE, officer, office, at),
                holder=None if code is None else self._keyed(code),
                applicant=applicant,
                requests=tuple(requests),
            )
            _require_new_keys(connection, application)
            applications.add(connection, application)
        return application

    def examine(self, application: str, officer: str, *, at: datetime) -> Case:
        """The office's own check of an application, by another officer than the one who received it."""
        return self._step(application, Step.EXAMINE, officer, at)

    def approve(self, application: str, officer: str, *, at: datetime) -> Case:
        """The centre's check of what an office examined."""
        return self._step(application, Step.APPROVE, officer, at)

    def reject(self, application: str, officer: str, *, at: datetime) -> Case:
        """End a case without a certificate."""
        return self._step(application, Step.REJECT, officer, at)

    def issue(self, application: str, officer_id: str, *, at: datetime) -> list[IssuedCertificate]:
        """Issue what was approved; carries on where an issuance of this case broke off.

        Raises:
            LintRefused: A certificate would break a rule; nothing was written.
            Conflict, NotFound, NotPermitted: As the rules of registration say.
        """
        with self.store.writing() as connection:
            officer, office = officers.officer(connection, officer_id)
            found = applications.find(connection, application)
            if found.case.state is registration.State.ISSUING:
                registration.resume(found.case, officer, office)
                prepared = self._intended(connection, found)
            else:
                case = registration.take(found.case, Step.ISSUE, officer, office, at)
                prepared = [self._prepare(connection, found, request, at) for request in found.requests]
                cycle.intend(connection, prepared)
                for item in prepared:
                    applications.certified(connection, case.id, item.record.kind, item.record.id)
                applications.advance(connection, case)
        issued = [cycle.sign(item, at) for item in prepared]
        with self.store.writing() as connection:
            cycle.complete(connection, issued)
            return [
                IssuedCertificate(record, record.encoded)
                for record in self._records(connection, applications.find(connection, application))
            ]

    def _step(self, application: str, step: Step, officer_id: str, at: datetime) -> Case:
        with self.store.writing() as connection:
            officer, office = officers.officer(connection, officer_id)
            found = applications.find(connection, application)
            case = registration.take(found.case, step, officer, office, at)
            applications.advance(connection, case)
        return case

    def _check_applicant(
        self, applicant: Resident | OfficialPost, office: Office, code: ResidentCode | None
    ) -> None:
        if isinstance(applicant, OfficialPost):
            if applicant.ministry != office.name:
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

    def _keyed(self, code: ResidentCode) -> bytes:
        return keyed_code(self.issuers.vault.code_key(), code)

    def _prepare(
        self, connection: Connection, application: Application, request: KeyRequest, at: datetime
    ) -> Prepared:
        office = officers.office(connection, application.case.office)
        assert office.authority is not None, "an application was filed at an office of an authority"
        issuer = self.issuers.newest(office.authority)
        holder = issuer.practice.holder(request.kind)
        place, draft = self._draft(issuer, holder, application, request, at)
        prepared = cycle.prepare(
            issuer,
            draft,
            scope=place.scope,
            at=at,
            application=application.case.id,
            holder=application.holder,
            decided_at=application.case.moment_of(Step.APPROVE),
        )
        _require_still_true(connection, application, prepared.record, at)
        return prepared

    def _draft(
        self,
        issuer: Issuer,
        holder: HolderPractice,
        application: Application,
        request: KeyRequest,
        at: datetime,
    ) -> tuple[ListPlace, CertificateDraft]:
        applicant = application.applicant
        kind = request.kind
        purpose = f"{issuer.id} {application.case.id} {kind}"
        own: tuple[CertificateExtension, ...] = ()
        if isinstance(applicant, OfficialPost):
            place = holder.whole()
            subject = post_subject(issuer.practice.name, applicant)
        else:
            municipality = self.municipalities.window(applicant.municipality)
            place = holder.place(municipality, self.municipalities)
            common_name = pseudonym(self.chance, purpose, municipality.code)
            own = (issuer.practice.status_service(issuer.id),)
            if kind is CertificateKind.SIGNATURE:
                subject = signature_subject(municipality, common_name)
                own = (*own, four_items(applicant))
            else:
                subject = user_authentication_subject(common_name)
        assert place.point is not None, "a partition has a point"
        draft = holder.profile.draft(
            serial=new_serial(self.chance, purpose),
            suite=issuer.record.suite,
            issuer=issuer.practice.name,
            period=self._period(holder, applicant, at, issuer.record.period.not_after),
            subject=Subject(subject, request.public_key),
            contents=(
                *own,
                holder.policies,
                IssuerDirectoryName(issuer.practice.japanese_name),
                DistributionPoint(place.point),
                AuthorityKey(issuer.key_identifier),
                SubjectKey(key_identifier(request.public_key)),
            ),
        )
        return place, draft

    def _period(
        self, holder: HolderPractice, applicant: Resident | OfficialPost, at: datetime, *limits: datetime
    ) -> Period:
        return holder_period(
            holder.validity,
            issued_at=at,
            birth_date=applicant.birth_date if isinstance(applicant, Resident) else None,
            no_later_than=limits,
        )

    def _intended(self, connection: Connection, application: Application) -> list[Prepared]:
        return [
            Prepared(self.issuers.of(record.id.generation), record)
            for record in self._records(connection, application)
            if record.state is certificates.CertificateState.INTENDED
        ]

    def _records(self, connection: Connection, application: Application) -> list[CertificateRecord]:
        return [
            certificates.find(connection, request.certificate)
            for request in application.requests
            if request.certificate is not None
        ]


def _require_new_keys(connection: Connection, application: Application) -> None:
    """Raise unless every key asked for is in no other certificate or application."""
    keys = [request.public_key for request in application.requests]
    if len(set(keys)) < len(keys):
        raise CsrRefused(
            "application", "asks for two kinds with one key; each kind has a key pair of its own"
        )
    for request in application.requests:
        digest = hashlib.sha256(request.public_key).digest()
        there = applications.with_public_key(connection, request.public_key)
        if there is None and not certificates.with_subject_key(connection, digest):
            continue
        # The case that has it may be this very application, filed before its answer was lost; another office's
        # case is not named.
        ours = there is not None and there.startswith(f"{application.case.office}-")
        raise CsrRefused(
            f"{request.kind} request",
            "its key is in another certificate or application",
            remedy=f"Make a new key pair, or go on with case {there}" if ours else "Make a new key pair",
        )


def _require_still_true(
    connection: Connection, application: Application, record: CertificateRecord, at: datetime
) -> None:
    """Raise Conflict if the register has told, since the approval, what would have ended this certificate.

    Read in the intent's transaction: an event is either seen here, or finds the intent.
    """
    if record.holder is None:
        return
    holding = Holding(record.id, record.kind, record.decided_at, record.period, None)
    for change in register.of_holder(connection, record.holder):
        if change.effective <= at and lapses(change, holding, at) is not None:
            raise Conflict(
                f"case {application.case.id}",
                f"the register has told of a change since it was approved ({change.kind})",
                remedy="Reject the case; if the resident still may, apply again",
            )
