"""The door for answers: what must hold of one before it is signed, as rules over its draft."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ca.keys.signer import key_identifier
from ca.lint import parts
from ca.lint.rules import Rule, RuleBook, findings, refusal
from ca.profiles.extensions import KeyUse, OcspNoCheck
from ca.profiles.services import OCSP_SIGNING
from ca.rules.revocation import status_of
from ca.store.status import StatusRecord
from ca.suites import SUITES, Suite, Use
from ca.wire.facts import CertificateFacts, NameFacts, read_certificate, read_name
from ocsp.messages import AnswerDraft, IssuerHashes, StatusRequest

LONGEST = timedelta(days=10)
"""How far nextUpdate may lie ahead: a replayed answer hides a revocation for no longer than this."""


@dataclass(frozen=True, slots=True)
class ResponderFacts:
    """For whom a responder speaks, and by which certificate.

    Attributes:
        issuer: The name of the authority that issued the responder's certificate.
        issuer_key: The identifier of the generation's key that did.
        hashes: How queries name the two.
        certificate: The responder's own.
        suites: What its key can sign under: its own suite, then others.
        direct: Relying parties trust the certificate directly, and so for every issuer (RFC 6960 2.2); otherwise the
            issuer's key has delegated it, and for itself alone.
    """

    issuer: NameFacts
    issuer_key: bytes
    hashes: IssuerHashes
    certificate: CertificateFacts
    suites: tuple[Suite, ...]
    direct: bool = False

    @classmethod
    def of(
        cls,
        name: bytes,
        public_key: bytes,
        certificate: bytes,
        suite: Suite,
        place: str,
        *,
        direct: bool = False,
    ) -> ResponderFacts:
        """The facts of an encoded name, a SubjectPublicKeyInfo, a certificate and a suite, or BadInput."""
        others = (
            one
            for one in SUITES.values()
            if (one.family, one.key_size) == (suite.family, suite.key_size)
            and not (one.legacy or one == suite)
        )
        return cls(
            issuer=read_name(name, f"{place}: issuer"),
            issuer_key=key_identifier(public_key),
            hashes=IssuerHashes.of(name, public_key),
            certificate=read_certificate(certificate, place),
            suites=(suite, *others),
            direct=direct,
        )

    def suite_for(self, preferred: Sequence[str], at: datetime) -> Suite:
        """The client's choice among what the key may sign under now, or its own suite (RFC 6960 4.4.7.2.1).

        Args:
            preferred: Dotted identifiers of signature algorithms, best first. What we never use stays ignored.
            at: The moment of signing.
        """
        for algorithm in preferred:
            for suite in self.suites:
                if suite.algorithm == algorithm and at <= suite.status_until:
                    return suite
        return self.suites[0]


@dataclass(frozen=True, slots=True)
class AnswerCandidate:
    """An answer on its way to the signer, with what it has to agree with.

    Attributes:
        records: What the store knows of each query, in the order of the request.
        issuers: Whose records they are, in the same order.
    """

    draft: AnswerDraft
    request: StatusRequest
    responder: ResponderFacts
    records: tuple[StatusRecord, ...]
    issuers: tuple[IssuerHashes, ...]

    def moments(self) -> Iterator[tuple[str, datetime]]:
        """Every moment in the answer besides revocations, with the word for where it stands."""
        yield "producedAt", self.draft.produced_at
        for answer in self.draft.answers:
            yield "thisUpdate", answer.this_update
            yield "nextUpdate", answer.next_update


_ANSWERS: RuleBook[AnswerCandidate] = RuleBook()


@_ANSWERS.rule("RFC 6960 4.3", "the suite is one that the product knows, with its own hash and key size")
def answer_suite_known(candidate: AnswerCandidate) -> Iterator[str]:
    yield from parts.altered_suite(candidate.draft.suite)


@_ANSWERS.rule("NIST SP 800-131A 3", "the suite may sign at producedAt")
def answer_suite_may_sign(candidate: AnswerCandidate) -> Iterator[str]:
    yield from parts.retired_suite(candidate.draft.suite, Use.SIGN_STATUS, candidate.draft.produced_at)


@_ANSWERS.rule("RFC 6960 4.4.7.2.1", "no suite that the client prefers could have been taken instead")
def answer_suite_preferred(candidate: AnswerCandidate) -> Iterator[str]:
    own, at = candidate.responder.suites, parts.instant(candidate.draft.produced_at)
    usable = {suite.algorithm for suite in own if at <= suite.status_until}
    best = next((one for one in candidate.request.preferred if one in usable), own[0].algorithm)
    if candidate.draft.suite.algorithm != best:
        yield "the suite is neither the first that the client prefers nor the responder's own"


@_ANSWERS.rule("RFC 6960 4.2.1", "moments are in UTC, to the second")
def answer_times(candidate: AnswerCandidate) -> Iterator[str]:
    for place, moment in candidate.moments():
        yield from parts.wrong_moment(place, moment)


@_ANSWERS.rule("RFC 6960 4.2.2.1, thisUpdate", "thisUpdate does not lie after producedAt")
def answer_this_update(candidate: AnswerCandidate) -> Iterator[str]:
    for answer in candidate.draft.answers:
        if parts.instant(answer.this_update) > parts.instant(candidate.draft.produced_at):
            yield "thisUpdate lies after producedAt"


@_ANSWERS.rule("RFC 6960 4.2.2.1, nextUpdate", "nextUpdate lies after thisUpdate")
def answer_next_update_after(candidate: AnswerCandidate) -> Iterator[str]:
    for answer in candidate.draft.answers:
        if parts.instant(answer.next_update) <= parts.instant(answer.this_update):
            yield "nextUpdate does not lie after thisUpdate"


@_ANSWERS.rule("JPKI profile, nextUpdate of answers", f"nextUpdate lies at most {LONGEST.days} days ahead")
def answer_next_update_near(candidate: AnswerCandidate) -> Iterator[str]:
    for answer in candidate.draft.answers:
        if parts.instant(answer.next_update) - parts.instant(answer.this_update) > LONGEST:
            yield f"nextUpdate lies more than {LONGEST.days} days after thisUpdate"


@_ANSWERS.rule("RFC 6960 3.2", "the responder's certificate is valid from producedAt to the last nextUpdate")
def answer_within_certificate(candidate: AnswerCandidate) -> Iterator[str]:
    certificate = candidate.responder.certificate
    if parts.instant(candidate.draft.produced_at) < certificate.not_before:
        yield "produced before the responder's certificate is valid"
    if any(parts.instant(moment) > certificate.not_after for _, moment in candidate.moments()):
        yield "speaks for moments after the responder's certificate has expired"


@_ANSWERS.rule("RFC 6960 4.2.1, responderID", "the responder is named by the key of its certificate")
def answer_responder_key(candidate: AnswerCandidate) -> Iterator[str]:
    if candidate.draft.responder != key_identifier(candidate.responder.certificate.public_key):
        yield "the responder's key is not that of its certificate"


@_ANSWERS.rule("RFC 6960 4.2.2.2", "the authority whose key issued what is asked about named the responder")
def answer_responder_delegated(candidate: AnswerCandidate) -> Iterator[str]:
    certificate, authority_key = (
        candidate.responder.certificate,
        candidate.responder.certificate.authority_key,
    )
    if certificate.issuer != candidate.responder.issuer:
        yield "the responder's certificate was issued under another name"
    if authority_key is None or authority_key.key_identifier != candidate.responder.issuer_key:
        yield "the responder's certificate was issued by another key"


@_ANSWERS.rule(
    "RFC 6960 4.2.2.2, id-kp-OCSPSigning", "the responder's certificate is one for signing answers"
)
def answer_responder_purpose(candidate: AnswerCandidate) -> Iterator[str]:
    certificate = candidate.responder.certificate
    if OCSP_SIGNING not in (certificate.purposes or ()):
        yield "the responder's certificate is not for signing answers"
    if KeyUse.DIGITAL_SIGNATURE not in (certificate.key_usage or ()):
        yield "the responder's key is not for signatures"


@_ANSWERS.rule("RFC 6960 4.2.2.2.1", "whoever asks the responder need not ask about it")
def answer_responder_no_check(candidate: AnswerCandidate) -> Iterator[str]:
    if not candidate.responder.certificate.has(OcspNoCheck.oid):
        yield "the responder's certificate lacks id-pkix-ocsp-nocheck"


@_ANSWERS.rule("RFC 6960 4.2.2.3", "each query is answered once, in its place")
def answer_each_query(candidate: AnswerCandidate) -> Iterator[str]:
    if tuple(answer.query for answer in candidate.draft.answers) != candidate.request.queries:
        yield "the answers are not those to the request's queries"


@_ANSWERS.rule("RFC 6960 2.3, unauthorized", "nothing is said of another issuer's certificates")
def answer_own_issuer(candidate: AnswerCandidate) -> Iterator[str]:
    if len(candidate.issuers) != len(candidate.draft.answers):
        yield "there is not one issuer for each answer"
        return
    for answer, issuer in zip(candidate.draft.answers, candidate.issuers, strict=True):
        if not issuer.match(answer.query):
            yield "an answer is about another issuer's certificate"


@_ANSWERS.rule(
    "RFC 6960 2.2, Trusted Responder",
    "only a responder that relying parties trust directly speaks for others than the issuer of its certificate",
)
def answer_for_others(candidate: AnswerCandidate) -> Iterator[str]:
    own = candidate.responder.hashes
    if not candidate.responder.direct and any(issuer != own for issuer in candidate.issuers):
        yield "a delegated responder speaks for another issuer than its own"


@_ANSWERS.rule(
    "RFC 6960 2.2", "each status is what the rules say of the records: never good without an issue"
)
def answer_by_record(candidate: AnswerCandidate) -> Iterator[str]:
    if len(candidate.records) != len(candidate.draft.answers):
        yield "there is not one record for each answer"
        return
    # As of producedAt: thisUpdate says up to when everything is known, and a record may be newer.
    at = parts.instant(candidate.draft.produced_at)
    for answer, record in zip(candidate.draft.answers, candidate.records, strict=True):
        said = status_of(record.issued_at, record.revocation, record.judged_at(at))
        if answer.status != said:
            yield f"{answer.status.status} is said where the records say {said.status}"


@_ANSWERS.rule(
    "RFC 6960 4.4.4", "an archive cutoff stands with what has expired, with nothing else, and lies before"
)
def answer_archive_cutoff(candidate: AnswerCandidate) -> Iterator[str]:
    at = parts.instant(candidate.draft.produced_at)
    for answer, record in zip(candidate.draft.answers, candidate.records, strict=False):
        if (answer.archive_cutoff is not None) != record.has_expired(at):
            yield "an archive cutoff does not tell whether the certificate has expired"
        if answer.archive_cutoff is not None and parts.instant(answer.archive_cutoff) > parts.instant(
            answer.this_update
        ):
            yield "the archive cutoff lies after thisUpdate"


@_ANSWERS.rule(
    "RFC 6960 4.4.5", "an invalidity date is in UTC to the second, and does not lie after the revocation"
)
def answer_invalidity(candidate: AnswerCandidate) -> Iterator[str]:
    for answer in candidate.draft.answers:
        revocation = answer.status.revocation
        if revocation is None or revocation.invalid_since is None:
            continue
        yield from parts.wrong_moment("invalidityDate", revocation.invalid_since)
        if parts.instant(revocation.invalid_since) > parts.instant(revocation.revoked_at):
            yield "invalidityDate lies after revocationTime"


@_ANSWERS.rule("RFC 9654 2.1", "the nonce is the request's; without one in the request there is none")
def answer_nonce(candidate: AnswerCandidate) -> Iterator[str]:
    if candidate.draft.nonce != candidate.request.nonce:
        yield "the nonce is not the request's"


RULES: tuple[Rule[AnswerCandidate], ...] = tuple(_ANSWERS)
"""Every rule about an answer."""


def check_answer(candidate: AnswerCandidate) -> None:
    """Look at what an answer says before it becomes octets.

    Raises:
        LintRefused: With every finding, each after its rule's name; the clause is the first one's.
    """
    if found := findings(RULES, candidate):
        raise refusal("OCSP answer", found)
