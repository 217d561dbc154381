"""From a request to a signed answer: records, status, lint, signature.

A responder is delegated (RFC 6960 4.2.2.2): it has a key and a certificate of its own for each generation of an
authority, and never touches the authority's key. ``ocsp.national`` opens the one that answers for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeAlias

from ca import suites
from ca.errors import KakehashiError, NotFound
from ca.keys.signer import Signer, key_identifier, verify
from ca.keys.vault import KeyId
from ca.model import AuthorityId, CertificateId, CertificateKind, GenerationId, Serial
from ca.profiles.practice import Practice
from ca.rules.revocation import CertificateStatus, status_of
from ca.store import authorities, certificates, key_lives, status
from ca.store.authorities import GenerationRecord
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.engine import Store
from ca.store.status import NOTHING, StatusRecord
from ca.suites import Suite, Use
from ca.wire.names import encode_name
from ocsp.freshness import Freshness, Itself
from ocsp.lint import AnswerCandidate, ResponderFacts, check_answer
from ocsp.messages import (
    AnswerDraft,
    IssuerHashes,
    Query,
    SingleAnswer,
    StatusRequest,
    read_request,
    response,
    response_data,
)

IssuerKey: TypeAlias = tuple[str, bytes, bytes]
"""What names an issuer in a query: hash function, name hash, key hash."""


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
        freshness: Of every database that it is made from.
    """

    octets: bytes = field(repr=False)
    certificates: tuple[tuple[GenerationId, Serial], ...]
    this_update: datetime
    next_update: datetime
    for_one: bool
    statuses: tuple[CertificateStatus, ...]
    freshness: frozenset[Freshness] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """A generation that a responder speaks for, and where what it issued is recorded.

    Attributes:
        hashes: How queries name it.
        since: Its beginning: all that it has issued since then is known, also what has expired.
        freshness: Up to when its database says everything.
    """

    generation: GenerationId
    hashes: IssuerHashes
    store: Store
    since: datetime
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers for what one generation of an authority has issued, or several. Safe to use from several threads.

    Attributes:
        home: The generation that issued its certificate.
        spoken: Every generation that it speaks for, by what names it in queries (``keys_of``).
        facts: Its certificate, and what its key may sign under.
        lifetime: From an answer's thisUpdate to its nextUpdate, unless the responder's certificate ends before.
    """

    home: Spoken
    spoken: Mapping[IssuerKey, Spoken] = field(repr=False)
    facts: ResponderFacts
    signer: Signer = field(repr=False)
    lifetime: timedelta

    @property
    def generation(self) -> GenerationId:
        """The generation that issued its certificate."""
        return self.home.generation

    @property
    def suite(self) -> Suite:
        """What it signs with, unless a client prefers another that its key can."""
        return self.facts.suites[0]

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
        spoken = [self._speaking_for(query) for query in asked.queries]
        moment = at.astimezone(UTC).replace(microsecond=0)
        self._require_valid(moment)
        # Before the records are read: they say everything up to here, and may say more.
        freshness = frozenset(one.freshness for one in (self.home, *spoken))
        this_update = min(
            moment, *(one.watermark().astimezone(UTC).replace(microsecond=0) for one in freshness)
        )
        records = self._records(asked, spoken, moment)
        next_update = min(this_update + self.lifetime, self.facts.certificate.not_after)
        draft = AnswerDraft(
            suite=self.facts.suite_for(asked.preferred, moment),
            responder=key_identifier(self.signer.public_key),
            produced_at=moment,
            answers=tuple(
                SingleAnswer(
                    query,
                    status_of(known.issued_at, known.revocation, known.judged_at(moment)),
                    this_update,
                    next_update,
                    one.since if known.has_expired(moment) else None,
                )
                for query, one, known in zip(asked.queries, spoken, records, strict=True)
            ),
            nonce=asked.nonce,
        )
        check_answer(AnswerCandidate(draft, asked, self.facts, records, tuple(one.hashes for one in spoken)))
        return Answer(
            self._sign(draft),
            tuple(
                (one.generation, serial)
                for query, one in zip(asked.queries, spoken, strict=True)
                if (serial := _serial(query.serial)) is not None
            ),
            this_update,
            next_update,
            for_one=asked.nonce is not None,
            statuses=tuple(answer.status.status for answer in draft.answers),
            freshness=freshness,
        )

    def _speaking_for(self, query: Query) -> Spoken:
        """Whose certificate a query is about."""
        try:
            return self.spoken[query.algorithm, query.name_hash, query.key_hash]
        except KeyError:
            raise NotAuthoritative(
                f"responder of {self.generation}",
                "is asked about another issuer's certificate",
                clause="RFC 6960 2.3",
            ) from None

    def _require_valid(self, moment: datetime) -> None:
        certificate = self.facts.certificate
        # In its last second the certificate is valid still, but leaves no time for an answer to live.
        if not certificate.not_before <= moment < certificate.not_after:
            raise self._not_in_service("has a certificate that is not valid at this moment")

    def _records(
        self, asked: StatusRequest, spoken: Sequence[Spoken], moment: datetime
    ) -> tuple[StatusRecord, ...]:
        """What the stores know of each query; NotInService if the responder's own certificate is not good."""
        own = Serial(self.facts.certificate.serial)
        # What is no certificate's number cannot be in the store. RFC 6960 has no error for it: it is unknown.
        wanted = [(one, _serial(query.serial)) for one, query in zip(spoken, asked.queries, strict=True)]
        serials: dict[Spoken, set[Serial]] = {self.home: {own}}
        for one, serial in wanted:
            if serial is not None:
                serials.setdefault(one, set()).add(serial)
        known = {one: status.known(one.store, one.generation, some) for one, some in serials.items()}
        record = known[self.home][own]
        itself = status_of(record.issued_at, record.revocation, record.judged_at(moment)).status
        if itself is not CertificateStatus.GOOD:
            raise self._not_in_service(f"has a certificate whose own status is {itself}")
        return tuple(NOTHING if serial is None else known[one][serial] for one, serial in wanted)

    def _sign(self, draft: AnswerDraft) -> bytes:
        suites.require(draft.suite, Use.SIGN_STATUS, draft.produced_at)
        data = response_data(draft)
        signature = self.signer.sign(data, draft.suite)
        if not self.signer.checks:
            verify(self.facts.certificate.public_key, draft.suite, data, signature)
        return response(data, draft.suite, signature, self.facts.certificate.der)

    def _not_in_service(self, problem: str) -> NotInService:
        return NotInService(
            f"responder of {self.generation}",
            problem,
            clause="RFC 6960 4.2.2.2",
            remedy="Give the responder a new certificate",
        )


class Signers(Protocol):
    """Where responders' keys lie."""

    def signer(self, key: KeyId) -> Signer:
        """The signer of this key, or KeyRefused."""


class Keeping(Protocol):
    """What responders are opened from: ``ca.issuing.issuer.Issuers``, or what a server of responders alone has."""

    @property
    def vault(self) -> Signers:
        """Their keys."""

    def practice(self, authority: AuthorityId) -> Practice:
        """What the authority does, or NotFound."""

    def store(self, authority: AuthorityId) -> Store:
        """Where the authority's certificates and revocations lie."""


def open_responder(
    issuers: Keeping, generation: GenerationId, lifetime: timedelta, freshness: Freshness | None = None
) -> Responder:
    """The responder of a generation with its newest certificate; the authority's own key stays closed.

    Raises:
        NotFound: The generation is unknown, its status is not served yet or no more, or it has no responder.
        KeyRefused: The responder's key cannot be opened.
    """
    store = issuers.store(generation.authority)
    with store.reading() as connection:
        issuer = authorities.generation(connection, generation)
        serving = key_lives.signing_status(connection)
    if generation not in serving:  # nobody is told more than of a key that never was
        raise NotFound(f"generation {generation}", "has no status to be asked for")
    home = spoken_for(issuers, issuer, freshness or Itself())
    certificate, key = newest_certificate(store, generation, CertificateKind.OCSP_RESPONDER)
    return Responder(
        home=home,
        spoken=dict.fromkeys(keys_of(home.hashes), home),
        facts=ResponderFacts.of(
            encode_name(issuers.practice(generation.authority).name),
            issuer.public_key,
            certificate.encoded,
            issuer.suite,
            f"responder of {generation}",
        ),
        signer=issuers.vault.signer(key),
        lifetime=lifetime,
    )


def spoken_for(issuers: Keeping, record: GenerationRecord, freshness: Freshness) -> Spoken:
    """A generation as a responder knows it."""
    authority = record.id.authority
    return Spoken(
        generation=record.id,
        hashes=IssuerHashes.of(encode_name(issuers.practice(authority).name), record.public_key),
        store=issuers.store(authority),
        since=record.period.not_before,
        freshness=freshness,
    )


def keys_of(hashes: IssuerHashes) -> Iterator[IssuerKey]:
    """What names an issuer in queries: hash function, name hash and key hash, for each function that we reckon with."""
    for algorithm, (name_hash, key_hash) in hashes.by_algorithm.items():
        yield algorithm, name_hash, key_hash


def newest_certificate(
    store: Store, generation: GenerationId, kind: CertificateKind
) -> tuple[CertificateRecord, KeyId]:
    """A generation's newest certificate for responders of a kind, and the name of its key; NotFound if there is none."""
    with store.reading() as connection:
        found = [
            (certificates.find(connection, service.certificate), KeyId(service.key))
            for service in authorities.services(connection)
            if service.certificate.generation == generation and service.kind is kind
        ]
    issued = [pair for pair in found if pair[0].state is CertificateState.ISSUED]
    if not issued:
        raise NotFound(f"generation {generation}", f"has no {kind}")
    known = status.known(store, generation, {record.id.serial for record, _ in issued})

    def age(pair: tuple[CertificateRecord, KeyId]) -> tuple[datetime, bool, CertificateId]:
        # In one second one may have been taken back, and another made.
        record, _ = pair
        return record.period.not_before, known[record.id.serial].revocation is None, record.id

    return max(issued, key=age)


def _serial(number: int) -> Serial | None:
    return Serial(number) if 0 < number < 1 << 159 else None
