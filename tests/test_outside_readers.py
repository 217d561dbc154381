"""What outsiders read of a world: status answers and detached signatures. Altered ones say the same, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from asn1crypto import ocsp
from hypothesis import given
from hypothesis import strategies as st

from bridge.manifest import MANIFEST, MANIFEST_SIGNATURE
from bridge.repository.contents import publish_certificates, publish_manifest
from bridge.repository.layout import self_signed_path
from ca.errors import BadInput, KakehashiError, KeyRefused
from ca.model import CertificateId, RevocationReason, Serial
from ca.rules.revocation import CertificateStatus, Status
from ca.wire.cms_facts import SIGNATURE_LIMIT, read_detached
from ca.wire.facts import CertificateFacts, read_certificate
from ocsp.client import RESPONSE_LIMIT, Asked, ask_about, read_answer
from ocsp.messages import AnswerDraft, SingleAnswer, read_request
from tests.ocsp_world import (
    BRIDGE,
    INTERNAL,
    LATER,
    LIFETIME,
    MALFORMED,
    PREFECTURE,
    UNAUTHORIZED,
    OcspWorld,
    ocsp_world,
)

UNKNOWN = Serial(0x1234)


@dataclass(frozen=True)
class Seen:
    """A world, a question about four of its certificates, the answer, and the manifest with its signature."""

    world: OcspWorld
    issuer: CertificateFacts
    certificates: tuple[CertificateId, ...]
    asked: Asked
    answer: bytes
    manifest: bytes
    signature: bytes


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    with ocsp_world(tmp_path_factory.mktemp("outside") / "world") as world:
        publish_certificates(world.stores, world.repository)
        publish_manifest(world.issuers, world.plan, world.repository, at=world.now)
        good, revoked, expired = world.issue(), world.issue(), world.issue()
        world.revoke(revoked, RevocationReason.SUPERSEDED)
        world.change(expired, not_after=world.now - timedelta(hours=1))
        issuer = certificate_of(world, PREFECTURE)
        asked = ask_about(issuer, (good.serial, revoked.serial, expired.serial, UNKNOWN), "ocsp/x")
        answer = world.responder().answer(asked.request, world.now).octets
        folder = world.repository.folder
        manifest, signature = ((folder / name).read_bytes() for name in (MANIFEST, MANIFEST_SIGNATURE))
        yield Seen(world, issuer, (good, revoked, expired), asked, answer, manifest, signature)


def certificate_of(world, generation):
    path = self_signed_path(generation)
    return read_certificate((world.repository.folder / path).read_bytes(), path)


def test_an_answer_says_what_the_store_knows(seen):
    good, revoked, expired, unknown = read_answer(seen.answer, seen.asked, seen.world.now)
    assert (good.good, good.expired) == (True, False)
    assert (revoked.known, revoked.revocation.reason) == (True, RevocationReason.SUPERSEDED)
    assert revoked.revocation.revoked_at == seen.world.now
    assert (expired.good, expired.expired) == (True, True)
    assert (unknown.known, unknown.good, unknown.revocation) == (False, False, None)


def test_asn1crypto_reads_the_archive_cutoff_of_what_has_expired(seen):
    responses = ocsp.OCSPResponse.load(seen.answer).response_data["responses"]
    cutoffs = [response.archive_cutoff_value for response in responses]
    since = seen.world.issuers.of(PREFECTURE).record.period.not_before
    assert [cutoff and cutoff.native for cutoff in cutoffs] == [None, None, since, None]


def other_question(seen):
    return ask_about(seen.issuer, seen.asked.serials[::-1], "ocsp/x")


def shorter_question(seen):
    return ask_about(seen.issuer, seen.asked.serials[:2], "ocsp/x")


def other_issuer(seen):
    return ask_about(certificate_of(seen.world, BRIDGE), seen.asked.serials, "ocsp/x")


@pytest.mark.parametrize(
    ("answer", "asked", "moved", "words"),
    [
        (MALFORMED, None, 0, "error 1"),
        (INTERNAL, None, 0, "error 2"),
        (LATER, None, 0, "error 3"),
        (UNAUTHORIZED, None, 0, "error 6"),
        (b"", None, 0, "0 octets"),
        (b"<!DOCTYPE html>", None, 0, "cannot be read"),
        (b"0" * (RESPONSE_LIMIT + 1), None, 0, "octets"),
        (None, other_question, 0, "another certificate"),
        (None, shorter_question, 0, "each query once"),
        (None, other_issuer, 0, "another certificate"),
        (None, None, LIFETIME + timedelta(minutes=6), "of another time"),
        (None, None, -timedelta(minutes=6), "of another time"),
    ],
)
def test_what_is_no_answer_to_the_question_is_refused(seen, answer, asked, moved, words):
    question = asked(seen) if asked else seen.asked
    at = seen.world.now + (moved or timedelta(0))
    with pytest.raises(BadInput, match=words):
        read_answer(seen.answer if answer is None else answer, question, at)


def test_an_answer_by_another_authoritys_responder_is_refused(seen):
    """The bridge's responder has a valid certificate, of the bridge's key: it may not speak for the prefecture."""
    responder, at = seen.world.responder(BRIDGE), seen.world.now
    queries = read_request(seen.asked.request).queries
    status = Status(CertificateStatus.GOOD)
    draft = AnswerDraft(
        suite=responder.suite,
        responder=responder.facts.certificate.subject_key,
        produced_at=at,
        answers=tuple(SingleAnswer(query, status, at, at + LIFETIME) for query in queries),
        nonce=None,
    )
    with pytest.raises(BadInput, match="another issuer's"):
        read_answer(responder._sign(draft), seen.asked, at)


@given(st.data())
def test_an_altered_answer_says_the_same_or_nothing(seen, data):
    octets = bytearray(seen.answer)
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    said = read_answer(seen.answer, seen.asked, seen.world.now)
    try:
        found = read_answer(bytes(octets), seen.asked, seen.world.now)
    except KakehashiError:
        return
    assert found == said


def test_an_altered_signature_of_an_answer_is_refused(seen):
    """The last octets are those of the responder's certificate, and the answer's signature stands before it."""
    parsed = ocsp.OCSPResponse.load(seen.answer)
    signature = parsed.basic_ocsp_response["signature"].native
    at = seen.answer.index(signature)
    altered = bytearray(seen.answer)
    altered[at + 5] ^= 1
    with pytest.raises(KeyRefused, match="wrong"):
        read_answer(bytes(altered), seen.asked, seen.world.now)


# Detached signatures


def test_a_detached_signature_says_who_and_when(seen):
    found = read_detached(seen.signature, seen.manifest, "manifest")
    assert found.signed_at == seen.world.now
    signer = read_certificate(found.signer, "signer")
    assert signer.issuer == certificate_of(seen.world, BRIDGE).subject


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda it: (b"", it.manifest), "0 octets"),
        (lambda it: (b"\x30\x80\x00\x00", it.manifest), "cannot be read"),
        (lambda it: (b"0" * (SIGNATURE_LIMIT + 1), it.manifest), "octets"),
        (lambda it: (it.signature[:-1], it.manifest), "cannot be read"),
        (lambda it: (it.signature + b"\0", it.manifest), "cannot be read"),
        (lambda it: (it.signature, it.manifest + b" "), "over other content"),
        (lambda it: (it.issuer.der, it.manifest), "cannot be read"),
    ],
)
def test_what_is_no_signature_over_the_content_is_refused(seen, alter, words):
    with pytest.raises(BadInput, match=words):
        read_detached(*alter(seen), "manifest")


@given(st.data())
def test_an_altered_signature_never_breaks_the_reader(seen, data):
    octets = bytearray(seen.signature)
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = read_detached(bytes(octets), seen.manifest, "manifest")
    except BadInput:
        return
    assert found.signed
