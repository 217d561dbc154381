"""What a peer hands in, held against the agreement: its request, or the certificate that it has issued to us.

Every deviation is told, each with the clause that it is against, not the first one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from bridge.crossing.agreement import Agreement
from bridge.crossing.crosscert import PeerKey
from bridge.crossing.deviations import (
    Deviates,
    Deviation,
    asked_extensions,
    digest_of,
    repeated,
    unagreed_key,
    wrong_constraints,
    wrong_frame,
    wrong_name,
    wrong_policies,
    wrong_validity,
)
from ca.errors import BadInput, KakehashiError, SuiteRetired
from ca.issuing.intake import read_csr, request_der
from ca.keys.kinds import LONGEST_RSA, believed
from ca.keys.signer import verify
from ca.model import AuthorityId, GenerationId, Period, Serial
from ca.names import DirectoryName
from ca.rules.generations import OVER, RFC4210, Keys
from ca.store import authorities, key_lives
from ca.store.authorities import GenerationRecord
from ca.store.peers import PeerRecord
from ca.suites import MAXIMUM_EXPONENT, ML_DSA_SETS, Curve, RsaKeys, SubjectKeyRule, SuiteId
from ca.wire.cross_facts import read_cross
from ca.wire.facts import CertificateFacts, NameFacts, read_certificate
from ca.wire.names import encode_name
from ca.wire.requests import read_request

PEER_KEYS = SubjectKeyRule(
    RsaKeys(minimum_bits=2048, maximum_bits=LONGEST_RSA, maximum_exponent=MAXIMUM_EXPONENT),
    frozenset(Curve),
    ML_DSA_SETS,
)
"""Which keys of other CAs are certified: those whose signatures relying parties here believe."""


@dataclass(frozen=True, slots=True)
class FitRequest:
    """A request that is as the agreement says. Made by ``fit_request`` alone.

    Attributes:
        name: The peer's name as it writes it itself.
        digest: SHA-256 of the DER.
    """

    name: DirectoryName
    public_key: bytes = field(repr=False)
    digest: bytes

    def key(self, generation: GenerationId) -> PeerKey:
        """The key under the name that it has here."""
        return PeerKey(generation, self.name, self.public_key)


@dataclass(frozen=True, slots=True)
class FitCertificate:
    """A certificate of the peer's for us that is as the agreement says. Made by ``fit_certificate`` alone."""

    issuer: GenerationId
    subject: GenerationId
    serial: Serial
    period: Period
    encoded: bytes = field(repr=False)
    digest: bytes


@dataclass(frozen=True, slots=True)
class Ours:
    """Our party to an agreement: its name, its keys, and how they stand."""

    name: DirectoryName
    records: tuple[GenerationRecord, ...]
    keys: Keys

    @classmethod
    def read(cls, connection: Connection, authority: AuthorityId, name: DirectoryName) -> Ours:
        """What the authority's database knows."""
        records = (one for one in authorities.all_generations(connection) if one.id.authority == authority)
        return cls(name, tuple(records), key_lives.keys_of(connection, authority))


def fit_request(
    data: bytes, place: str, agreement: Agreement, legacy: frozenset[SuiteId] = frozenset()
) -> FitRequest:
    """A peer's request, PEM or DER, looked at; where legacy suites are named, it may be signed with SHA-1.

    Raises:
        CsrRefused: It is not a request, does not prove possession of its key, or the key is too weak.
        Deviates: It is not as the agreement says.
    """
    public_key = read_csr(data, replace(PEER_KEYS, sha1=bool(legacy)), place)
    encoded = request_der(data, place)
    facts = read_request(encoded, place)
    asked = read_cross(facts.extensions, place)
    terms = agreement.certify
    found = [
        *wrong_name("subject", facts.subject, agreement.name),
        *unagreed_key(public_key, agreement),
        *repeated(facts.extensions),
        *asked_extensions(facts.extensions, asked, terms, public_key),
    ]
    if found:
        raise Deviates.by(place, agreement, found)
    return FitRequest(_as_written(facts.subject, agreement.name), public_key, digest_of(encoded))


def fit_certificate(
    encoded: bytes,
    place: str,
    agreement: Agreement,
    ours: Ours,
    peers: Sequence[PeerRecord],
    at: datetime,
    legacy: frozenset[SuiteId] = frozenset(),
) -> FitCertificate:
    """A certificate in DER that the peer has issued to one of our keys, looked at.

    Args:
        encoded: The certificate.
        place: What messages call it.
        agreement: What was agreed.
        ours: Our authority that is the party.
        peers: The keys of the peer that are known.
        at: Now.
        legacy: The legacy suites whose signatures are believed in their time.

    Raises:
        BadInput: It is not a certificate.
        Deviates: It is not as the agreement says.
    """
    facts = read_certificate(encoded, place)
    said = read_cross(facts.extensions, place)
    agreed = [peer for peer in peers if digest_of(peer.public_key) in agreement.keys]
    mine = next((one for one in ours.records if one.public_key == facts.public_key), None)
    signer, unsigned = _signer(facts, agreed, agreement, at, legacy)
    found = [
        *wrong_name("issuer", facts.issuer, agreement.name),
        *wrong_name("subject", facts.subject, ours.name),
        *unsigned,
        *repeated(facts.extensions),
        *wrong_frame(facts),
        *wrong_constraints(facts, said, agreement.receive),
        *wrong_policies(said, agreement.receive),
        *wrong_validity(facts, agreement, at),
    ]
    if mine is None:
        found.append(Deviation("key", f"is no key of {agreement.ours}", "RFC 5280 4.1.2.7"))
    elif (life := ours.keys.life(mine.id)) is not None and life.state in OVER:
        found.append(Deviation("key", f"is {mine.id}, which is {life.state}", RFC4210))
    elif facts.subject_key is None or facts.subject_key != mine.key_identifier:
        found.append(
            Deviation("subjectKeyIdentifier", f"is not {mine.key_identifier.hex()}", "RFC 5280 4.2.1.2")
        )
    if found or mine is None or signer is None:
        raise Deviates.by(place, agreement, found)
    return FitCertificate(
        issuer=signer.generation,
        subject=mine.id,
        serial=Serial(facts.serial),
        period=Period(facts.not_before, facts.not_after),
        encoded=encoded,
        digest=digest_of(encoded),
    )


def fit_self_signed(
    encoded: bytes,
    place: str,
    agreement: Agreement,
    at: datetime,
    legacy: frozenset[SuiteId] = frozenset(),
) -> FitRequest:
    """A peer's own certificate for one of its keys, in DER, looked at: its name, its key, and its signature.

    Raises:
        BadInput: It is not a certificate.
        Deviates: It is not the peer's, or not self-signed.
    """
    facts = read_certificate(encoded, place)
    found = [
        *wrong_name("subject", facts.subject, agreement.name),
        *unagreed_key(facts.public_key, agreement),
    ]
    if facts.issuer != facts.subject:
        found.append(Deviation("issuer", "is not the subject", "RFC 5280 3.2"))
    if not facts.is_ca:
        found.append(Deviation("basicConstraints", "does not say cA", "RFC 5280 4.2.1.9"))
    try:
        _require_signed(facts, facts.public_key, at, legacy)
    except KakehashiError as error:
        found.append(Deviation("signature", error.problem, "RFC 5280 6.1.3 (a)(1)"))
    if found:
        raise Deviates.by(place, agreement, found)
    return FitRequest(_as_written(facts.subject, agreement.name), facts.public_key, digest_of(encoded))


def _as_written(name: NameFacts, agreed: DirectoryName) -> DirectoryName:
    """The agreed name in the octets that the peer uses, if those are others."""
    return agreed if name.der == encode_name(agreed) else DirectoryName(agreed.steps, name.der)


def _signer(
    facts: CertificateFacts,
    agreed: Sequence[PeerRecord],
    agreement: Agreement,
    at: datetime,
    legacy: frozenset[SuiteId],
) -> tuple[PeerRecord | None, list[Deviation]]:
    """By which of the peer's keys the certificate is signed; else what is wrong."""
    clause = "RFC 5280 6.1.3 (a)(1)"
    if not agreed:
        problem = f"no key of {agreement.peer} is known: examine its request first, or its own certificate"
        return None, [Deviation("signature", problem, clause)]
    problem = "is by none of the peer's keys"
    for peer in agreed:
        try:
            _require_signed(facts, peer.public_key, at, legacy)
        except SuiteRetired as retired:
            problem = f"{retired.place} {retired.problem}"
        except KakehashiError:
            continue
        else:
            key = None if facts.authority_key is None else facts.authority_key.key_identifier
            if key is not None and key != peer.key_identifier:
                wrong = Deviation("authorityKeyIdentifier", "is another key's", "RFC 5280 4.2.1.1")
                return peer, [wrong]
            return peer, []
    return None, [Deviation("signature", problem, clause)]


def _require_signed(
    facts: CertificateFacts, public_key: bytes, at: datetime, legacy: frozenset[SuiteId]
) -> None:
    """Raise BadInput or KeyRefused unless this key has signed the certificate, under a suite that is believed."""
    if facts.signed.inner != facts.signed.outer:
        raise BadInput(facts.place, "names two algorithms", clause="RFC 5280 4.1.1.2")
    suite = believed(facts.signed.algorithm, public_key, at, legacy)
    verify(public_key, suite, facts.signed.tbs, facts.signed.signature)
