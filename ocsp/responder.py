"""From a request to a signed answer: records, status, lint, signature.

A responder is delegated (RFC 6960 4.2.2.2): it has a key and a certificate of its own for each generation of an
authority, and never touches the authority's key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ca import suites
from ca.errors import KakehashiError, NotFound
from ca.issuing.issuer import Issuers
from ca.keys.signer import Signer, key_identifier, verify
from ca.keys.vault import KeyId
from ca.model import CertificateKind, GenerationId, Serial
from ca.rules.revocation import CertificateStatus, status_of
from ca.store import authorities, certificates, status
from ca.store.certificates import CertificateState
from ca.store.engine import Store
from ca.store.status import NOTHING, StatusRecord
from ca.suites import Suite, Use
from ca.wire.names import encode_name
from ocsp.freshness import Freshness, Itself
from ocsp.lint import AnswerCandidate, ResponderFacts, check_answer
from ocsp.messages import (
    AnswerDraft,
    SingleAnswer,
    StatusRequest,
    read_request,
    response,
    response_data,
)


class NotAuthoritative(KakehashiError):
    """A query about another issuer's certificate: the responder does not speak for it."""


class NotInService(KakehashiError):
    """The responder's certificate is not valid, or has been revoked, at the moment of asking."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A signed answer, and what those who keep it need to know.

    Attributes:
        octets: The OCSPResponse.
        certificates: What it is about.
        this_update: Of the oldest of its single answers.
        next_update: Of the first of them to end.
        for_one: It has the request's nonce: it is nobody else's answer.
        statuses: What it says, query by query.
    """

    octets: bytes = field(repr=False)
    certificates: tuple[tuple[GenerationId, Serial], ...]
    this_update: datetime
    next_update: datetime
    for_one: bool
    statuses: tuple[CertificateStatus, ...]


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers for what one generation of an authority has issued. Safe to use from several threads.

    Attributes:
        facts: For whom it speaks, and its certificate.
        suite: What it signs with.
        lifetime: From an answer's thisUpdate to its nextUpdate, unless the responder's certificate ends before.
        since: The generation's beginning: all that it has issued since then is known, also what has expired.
        freshness: Up to when its database says everything.
    """

    generation: GenerationId
    facts: ResponderFacts
    signer: Signer = field(repr=False)
    suite: Suite
    store: Store
    lifetime: timedelta
    since: datetime
    freshness: Freshness = field(default_factory=Itself)

    def answer(self, request: bytes, at: datetime) -> Answer:
        """The answer to an OCSPRequest at this moment.

        Raises:
            BadInput: The request is malformed.
            NotAuthoritative: It asks about another issuer's certificates, be it in one of many queries.
            NotInService: The responder may not answer at this moment.
            Stale: Its database is too old a copy.
            HomeBusy, StorageFailed: The store cannot be read now.
            LintRefused, KeyRefused: The answer would be wrong; it was not given out.
        """
        asked = read_request(request)
        self._require_own(asked)
        moment = at.astimezone(UTC).replace(microsecond=0)
        self._require_valid(moment)
        # Before the records are read: they say everything up to here, and may say more.
        this_update = min(moment, self.freshness.watermark().astimezone(UTC).replace(microsecond=0))
        records = self._records(asked, moment)
        next_update = min(this_update + self.lifetime, self.facts.certificate.not_after)
        draft = AnswerDraft(
            suite=self.suite,
            responder=key_identifier(self.signer.public_key),
            produced_at=moment,
            answers=tuple(
                SingleAnswer(
                    query,
                    status_of(known.issued_at, known.revocation, moment),
                    this_update,
                    next_update,
                    self.since if known.has_expired(moment) else None,
                )
                for query, known in zip(asked.queries, records, strict=True)
            ),
            nonce=asked.nonce,
        )
        check_answer(AnswerCandidate(draft, asked, self.facts, records))
        return Answer(
            self._sign(draft),
            tuple(
                (self.generation, serial)
                for query in asked.queries
                if (serial := _serial(query.serial)) is not None
            ),
            this_update,
            next_update,
            for_one=asked.nonce is not None,
            statuses=tuple(answer.status.status for answer in draft.answers),
        )

    def _require_own(self, asked: StatusRequest) -> None:
        if not all(self.facts.hashes.match(query) for query in asked.queries):
            raise NotAuthoritative(
                f"responder of {self.generation}",
                "is asked about another issuer's certificate",
                clause="RFC 6960 2.3",
            )

    def _require_valid(self, moment: datetime) -> None:
        certificate = self.facts.certificate
        # In its last second the certificate is valid still, but leaves no time for an answer to live.
        if not certificate.not_before <= moment < certificate.not_after:
            raise self._not_in_service("has a certificate that is not valid at this moment")

    def _records(self, asked: StatusRequest, moment: datetime) -> tuple[StatusRecord, ...]:
        """What the store knows of each query; NotInService if the responder's own certificate is not good."""
        own = Serial(self.facts.certificate.serial)
        # What is no certificate's number cannot be in the store. RFC 6960 has no error for it: it is unknown.
        serials = [_serial(query.serial) for query in asked.queries]
        with self.store.reading() as connection:
            known = status.records(
                connection, self.generation, {own, *(serial for serial in serials if serial is not None)}
            )
        itself = status_of(known[own].issued_at, known[own].revocation, moment).status
        if itself is not CertificateStatus.GOOD:
            raise self._not_in_service(f"has a certificate whose own status is {itself}")
        return tuple(NOTHING if serial is None else known[serial] for serial in serials)

    def _sign(self, draft: AnswerDraft) -> bytes:
        suites.require(self.suite, Use.SIGN, draft.produced_at)
        data = response_data(draft)
        signature = self.signer.sign(data, self.suite)
        verify(self.facts.certificate.public_key, self.suite, data, signature)
        return response(data, self.suite, signature, self.facts.certificate.der)

    def _not_in_service(self, problem: str) -> NotInService:
        return NotInService(
            f"responder of {self.generation}",
            problem,
            clause="RFC 6960 4.2.2.2",
            remedy="Give the responder a new certificate",
        )


def open_responder(
    issuers: Issuers, generation: GenerationId, lifetime: timedelta, freshness: Freshness | None = None
) -> Responder:
    """The responder of a generation with its newest certificate; the authority's own key stays closed.

    Raises:
        NotFound: The generation is unknown, or has no responder.
        KeyRefused: The responder's key cannot be opened.
    """
    store = issuers.store(generation.authority)
    with store.reading() as connection:
        issuer = authorities.generation(connection, generation)
        found = [
            (certificates.find(connection, service.certificate), service)
            for service in authorities.services(connection)
            if service.certificate.generation == generation and service.kind is CertificateKind.OCSP_RESPONDER
        ]
    issued = [pair for pair in found if pair[0].state is CertificateState.ISSUED]
    if not issued:
        raise NotFound(f"generation {generation}", "has no OCSP responder")
    certificate, service = max(issued, key=lambda pair: (pair[0].period.not_before, pair[0].id))
    return Responder(
        generation=generation,
        facts=ResponderFacts.of(
            encode_name(issuers.practice(generation.authority).name),
            issuer.public_key,
            certificate.encoded,
            f"responder of {generation}",
        ),
        signer=issuers.vault.signer(KeyId(service.key)),
        suite=issuer.suite,
        store=store,
        lifetime=lifetime,
        since=issuer.period.not_before,
        freshness=freshness or Itself(),
    )


def _serial(number: int) -> Serial | None:
    return Serial(number) if 0 < number < 1 << 159 else None
