"""The status responder: judged by ``openssl ocsp`` and read a second time by cryptography; and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import random
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from asn1crypto import algos, ocsp, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509 import ReasonFlags, load_der_x509_certificate
from cryptography.x509 import ocsp as judge
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from ca.clock import system_clock
from ca.errors import BadInput, KakehashiError, KeyRefused, NotFound
from ca.issuing import cycle
from ca.model import (
    CertificateId,
    CertificateKind,
    GenerationId,
    Revocation,
    RevocationReason,
    Scope,
    Serial,
)
from ca.store import authorities, certificates, status
from ca.store.certificates import CertificateState
from ca.suites import SHA256_RSA2048, SHA384_P384
from ca.wire import der
from front.logs import LOGGER
from ocsp.messages import NONCE_LIMIT, QUERY_LIMIT, REQUEST_LIMIT, read_request
from ocsp.responder import NotAuthoritative, NotInService, open_responder
from ocsp.wsgi import OcspApplication
from tests import rings
from tests.components import require
from tests.ended import record_end
from tests.ocsp_world import (
    ANCHOR,
    BEGIN,
    BRIDGE,
    INTERNAL,
    LATER,
    LIFETIME,
    MALFORMED,
    PREFECTURE,
    SHA1,
    SHA256,
    UNAUTHORIZED,
    CountingInput,
    OpensslClient,
    call,
    cert_id,
    ocsp_world,
    post,
    request_for,
    request_of,
    served,
)

GOOD, REVOKED, UNKNOWN = judge.OCSPCertStatus.GOOD, judge.OCSPCertStatus.REVOKED, judge.OCSPCertStatus.UNKNOWN
NEVER_ISSUED = 0x0123456789ABCDEF
PREFERRED = "1.3.6.1.5.5.7.48.1.8"


@pytest.fixture
def world(tmp_path):
    with ocsp_world(tmp_path / "world") as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A world for reading only, with a good, a revoked and a held certificate, and one that is only intended."""
    with ocsp_world(tmp_path_factory.mktemp("shared") / "world") as opened:
        opened.good, opened.revoked, opened.held, opened.intended = (opened.issue() for _ in range(4))
        opened.revoke(opened.revoked)
        opened.revoke(opened.held, RevocationReason.CERTIFICATE_HOLD)
        opened.change(opened.intended, state=CertificateState.INTENDED)
        yield opened


@pytest.fixture(scope="module")
def url(shared):
    """The shared world's responder over HTTP, by the machine's clock."""
    with served(shared.application(system_clock)) as url:
        yield url


@pytest.fixture(scope="module")
def still_url(shared):
    """The same at one moment, so that an answer can be foretold octet for octet."""
    with served(shared.application()) as url:
        yield url


@pytest.fixture(scope="module")
def request_of_all_letters(shared):
    """A request whose base64 has "+", "//" and padding, so that every slip matters."""
    chance = random.Random(6960)
    while True:
        request = shared.request(shared.good.serial, nonce=chance.randbytes(24))
        text = base64.b64encode(request).decode()
        if "+" in text and "//" in text and text.endswith("="):
            return request


@pytest.fixture
def log():
    """What the responder logs. The product's own handler may be in place or not: this one stands nearer."""
    lines = []
    handler = logging.Handler()
    handler.emit = lines.append
    logger = logging.getLogger(f"{LOGGER.name}.ocsp")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def answers(body):
    """The SingleResponses of a successful response, by cryptography."""
    response = judge.load_der_ocsp_response(body)
    assert response.response_status is judge.OCSPResponseStatus.SUCCESSFUL
    return list(response.responses)


def status_said(world, serial, **options):
    (one,) = answers(post(world.application(), world.request(serial, **options)).body)
    return one.certificate_status


class TestOpenssl:
    """``openssl ocsp`` verifies every answer from the GPKI anchor through both bridges."""

    @pytest.fixture
    def client(self, shared, tmp_path):
        return OpensslClient(shared.repository.folder, tmp_path)

    @pytest.mark.parametrize("sha256", [False, True], ids=["sha1", "sha256"])
    @pytest.mark.parametrize("nonce", ["-nonce", "-no_nonce"])
    @pytest.mark.parametrize(
        ("which", "says"),
        [
            ("good", [": good"]),
            ("revoked", [": revoked", "Reason: keyCompromise", "Revocation Time: "]),
            ("held", [": revoked", "Reason: certificateHold"]),
        ],
    )
    def test_over_http(self, shared, client, url, which, says, nonce, sha256):
        with shared.store.reading() as connection:
            encoded = certificates.find(connection, getattr(shared, which)).encoded
        said = client.ask("-cert", client.certificate(encoded), "-url", url, nonce, sha256=sha256)
        assert "Response verify OK" in said
        assert "WARNING" not in said, "neither the nonce is missing nor a time is wrong"
        for words in says:
            assert words in said

    def test_what_was_never_issued_is_unknown(self, client, url):
        said = client.ask("-serial", hex(NEVER_ISSUED), "-url", url)
        assert "Response verify OK" in said
        assert f"{hex(NEVER_ISSUED)}: unknown" in said

    def test_several_in_one_request(self, shared, client, url):
        serials = [shared.revoked.serial.value, NEVER_ISSUED, shared.good.serial.value]
        said = client.ask(*(word for one in serials for word in ("-serial", hex(one))), "-url", url)
        for serial, word in zip(serials, ("revoked", "unknown", "good"), strict=True):
            assert f"{hex(serial)}: {word}" in said

    @pytest.mark.parametrize("policy", ["2.999.2014.1.1", "2.999.2014.1.2"])
    def test_under_the_policies_of_the_government(self, shared, client, url, policy):
        serial = hex(shared.good.serial.value)
        said = client.ask("-serial", serial, "-url", url, "-policy", policy, "-explicit_policy")
        assert "Response verify OK" in said

    def test_a_policy_that_nobody_has_is_refused(self, shared, client, url):
        with pytest.raises(AssertionError, match=r"(?i)policy"):
            client.ask("-serial", hex(shared.good.serial.value), "-url", url, "-policy", "2.999.9", "-explicit_policy")  # fmt: skip

    def test_by_file(self, shared, client, tmp_path):
        asked, answered = tmp_path / "request.der", tmp_path / "response.der"
        serial = hex(shared.revoked.serial.value)
        client.ask("-serial", serial, "-no_nonce", "-reqout", asked)
        answered.write_bytes(shared.responder().answer(asked.read_bytes(), system_clock()).octets)
        said = client.ask("-serial", serial, "-reqin", asked, "-respin", answered)
        assert "Response verify OK" in said
        assert f"{serial}: revoked" in said

    def test_a_signed_request_is_answered_as_if_it_were_not(self, shared, client, tmp_path):
        key, own, asked = (tmp_path / name for name in ("key.pem", "own.pem", "request.der"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=verifier", "-keyout", key, "-out", own],
            check=True, capture_output=True,
        )  # fmt: skip
        serial = hex(shared.good.serial.value)
        client.ask("-serial", serial, "-reqout", asked, "-signer", own, "-signkey", key)
        request = ocsp.OCSPRequest.load(asked.read_bytes())
        assert request["optional_signature"].native is not None
        assert request["tbs_request"]["requestor_name"].native is not None
        (one,) = answers(shared.responder().answer(asked.read_bytes(), shared.now).octets)
        assert one.certificate_status is GOOD

    def test_an_answer_of_another_authority_is_not_believed(self, shared, client, tmp_path):
        asked, answered = tmp_path / "request.der", tmp_path / "response.der"
        client.ask("-serial", "0x77", "-no_nonce", "-reqout", asked)
        other = request_for(shared.foreign_certificate, 0x77)
        answered.write_bytes(shared.responder(BRIDGE).answer(other, system_clock()).octets)
        with pytest.raises(AssertionError, match=r"certificate verify error|No Status found"):
            client.ask("-serial", "0x77", "-reqin", asked, "-respin", answered)


class TestWhatAnAnswerSays:
    @pytest.mark.parametrize("algorithm", [SHA1, SHA256])
    def test_its_fields_by_a_second_reader(self, shared, algorithm):
        responder = shared.responder()
        at = shared.now + timedelta(microseconds=654_321)
        body = responder.answer(
            shared.request(shared.good.serial, algorithm=algorithm, nonce=b"n" * 32), at
        ).octets
        read = judge.load_der_ocsp_response(body)
        certificate = load_der_x509_certificate(responder.facts.certificate.der)
        assert read.certificates == [certificate]
        assert read.responder_name is None
        spki = x509.Certificate.load(responder.facts.certificate.der).public_key
        assert read.responder_key_hash == spki.sha1
        assert read.produced_at_utc == read.this_update_utc == shared.now, "whole seconds"
        assert read.next_update_utc == shared.now + LIFETIME
        assert (read.serial_number, read.certificate_status) == (shared.good.serial.value, GOOD)
        assert read.hash_algorithm.name == algorithm
        (nonce,) = read.extensions
        assert (nonce.critical, nonce.value.nonce) == (False, b"n" * 32)
        certificate.public_key().verify(
            read.signature, read.tbs_response_bytes, padding.PKCS1v15(), hashes.SHA256()
        )

    def test_pkilint_remarks_nothing(self, shared, tmp_path):
        """An independent linter, which remarks upon one octet that is changed."""
        serials = (shared.good.serial, shared.revoked.serial, shared.held.serial, 5)
        body = shared.responder().answer(shared.request(*serials, nonce=b"n" * 32), shared.now).octets
        zoneless = body.replace(
            f"{shared.now:%Y%m%d%H%M%S}Z".encode(), f"{shared.now:%Y%m%d%H%M%S}A".encode(), 1
        )
        said = []
        for octets in (body, zoneless):
            (tmp_path / "response.der").write_bytes(octets)
            linter = Path(sys.executable).with_name("lint_ocsp_response")
            done = subprocess.run(
                [linter, "lint", "-s", "INFO", tmp_path / "response.der"],
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            said.append(done.stdout.strip() + done.stderr)
        assert said[0] == ""
        assert "generalizedtime_incorrect_syntax" in said[1]

    def test_octets_asked_are_octets_answered(self, shared):
        """With and without the NULL behind the hash function: a client compares what it gets with what it sent."""
        for parameters in (b"", der.NULL):
            algorithm = der.sequence(der.oid("1.3.14.3.2.26"), parameters)
            subject, key = shared.issuer_certificate.subject.sha1, shared.issuer_certificate.public_key.sha1
            identifier = der.sequence(
                algorithm,
                der.octet_string(subject),
                der.octet_string(key),
                der.integer(shared.good.serial.value),
            )
            request = der.sequence(der.sequence(der.sequence(der.sequence(identifier))))
            body = shared.responder().answer(request, shared.now).octets
            assert body.count(identifier) == 1
            assert answers(body)[0].certificate_status is GOOD

    def test_without_a_nonce_there_is_none(self, shared):
        body = shared.responder().answer(shared.request(shared.good.serial), shared.now).octets
        assert list(judge.load_der_ocsp_response(body).extensions) == []

    @pytest.mark.parametrize("length", [1, 16, 32, 33, NONCE_LIMIT])
    def test_a_nonce_comes_back(self, shared, length):
        nonce = bytes(range(length))
        body = shared.responder().answer(shared.request(shared.good.serial, nonce=nonce), shared.now).octets
        response = ocsp.OCSPResponse.load(body)
        assert response.nonce_value.native == nonce

    @pytest.mark.parametrize(
        ("reason", "said"),
        [
            (RevocationReason.UNSPECIFIED, None),
            (RevocationReason.KEY_COMPROMISE, ReasonFlags.key_compromise),
            (RevocationReason.AFFILIATION_CHANGED, ReasonFlags.affiliation_changed),
            (RevocationReason.SUPERSEDED, ReasonFlags.superseded),
            (RevocationReason.CESSATION_OF_OPERATION, ReasonFlags.cessation_of_operation),
            (RevocationReason.CERTIFICATE_HOLD, ReasonFlags.certificate_hold),
        ],
    )
    def test_a_revocation_with_its_moment_and_reason(self, world, reason, said):
        certificate = world.issue()
        world.revoke(certificate, reason, at=world.now - timedelta(minutes=5))
        (one,) = answers(world.responder().answer(world.request(certificate.serial), world.now).octets)
        assert one.certificate_status is REVOKED
        assert one.revocation_time_utc == world.now - timedelta(minutes=5)
        assert one.revocation_reason is said

    def test_a_revocation_counts_though_the_clock_that_wrote_it_runs_ahead(self, world):
        """An answer that says good would be kept, since what is dropped at a revocation has been dropped."""
        certificate = world.issue()
        world.revoke(certificate, at=world.now + timedelta(seconds=2))
        (one,) = answers(world.responder().answer(world.request(certificate.serial), world.now).octets)
        assert one.certificate_status is REVOKED

    @pytest.mark.parametrize("algorithm", [SHA1, SHA256])
    def test_an_invalidity_date_stands_with_a_revocation_that_has_one(self, world, algorithm):
        """As it does with the list's entry (RFC 6960 4.4.5)."""
        certificates = [world.issue() for _ in range(3)]
        since = world.now - timedelta(hours=1)
        world.revoke(certificates[0], at=world.now, invalid_since=since)
        world.revoke(certificates[1], at=world.now)
        request = world.request(*(one.serial for one in certificates), algorithm=algorithm)
        body = world.responder().answer(request, world.now).octets
        said = [
            [
                (one["extn_id"].dotted, one["critical"].native, one["extn_value"].parsed.native)
                for one in extensions
            ]
            for each in ocsp.OCSPResponse.load(body).response_data["responses"]
            for extensions in [each["single_extensions"]]
        ]
        assert said == [[("2.5.29.24", False, since)], [], []]

    def test_beside_an_archive_cutoff(self, world):
        certificate = world.issue()
        world.revoke(certificate, at=world.now, invalid_since=world.now - timedelta(hours=1))
        world.change(certificate, not_after=world.now - timedelta(seconds=1))
        body = world.responder().answer(world.request(certificate.serial), world.now).octets
        (single,) = ocsp.OCSPResponse.load(body).response_data["responses"]
        assert [one["extn_id"].native for one in single["single_extensions"]] == [
            "archive_cutoff",
            "invalidity_date",
        ]
        assert single.archive_cutoff_value.native < world.now
        assert single.invalidity_date_value.native == world.now - timedelta(hours=1)

    @pytest.mark.parametrize(
        "preferred",
        [
            [],
            ["sha256_rsa"],
            ["sha384_ecdsa", "sha256_rsa"],
            ["sha1_rsa", "md5_rsa", "sha512_rsa"],
            ["rsassa_pss"],
        ],
        ids=lambda preferred: ", ".join(preferred) or "none",
    )
    def test_what_a_client_prefers_and_we_never_use_is_left_aside(self, shared, preferred):
        wanted = [
            {"sig_identifier": {"algorithm": one}, "cert_identifier": {"algorithm": "rsa"}}
            for one in preferred
        ]
        extension = {"extn_id": PREFERRED, "critical": True, "extn_value": wanted}
        body = (
            shared.responder()
            .answer(shared.request(shared.good.serial, extensions=[extension]), shared.now)
            .octets
        )
        assert (
            judge.load_der_ocsp_response(body).signature_algorithm_oid.dotted_string
            == SHA256_RSA2048.algorithm
        )

    def test_a_key_that_can_more_signs_as_the_client_prefers(self, shared):
        """No key of ours has two suites today. What is chosen is what signs, and what the answer names."""
        responder = shared.responder()
        able = replace(responder, facts=replace(responder.facts, suites=(SHA384_P384, SHA256_RSA2048)))
        wanted = [{"sig_identifier": {"algorithm": "sha256_rsa"}}]
        extension = {"extn_id": PREFERRED, "critical": False, "extn_value": wanted}
        request = shared.request(shared.good.serial, extensions=[extension])
        body = able.answer(request, shared.now).octets
        assert (
            judge.load_der_ocsp_response(body).signature_algorithm_oid.dotted_string
            == SHA256_RSA2048.algorithm
        )
        with pytest.raises(KeyRefused):
            able.answer(shared.request(shared.good.serial), shared.now)

    def test_an_answer_does_not_outlive_the_responders_certificate(self, world):
        world.renew_responder(world.now, days=1)
        responder = world.responder(lifetime=timedelta(days=3))
        (one,) = answers(
            responder.answer(world.request(NEVER_ISSUED), world.now + timedelta(minutes=1)).octets
        )
        assert one.next_update_utc == responder.facts.certificate.not_after

    def test_queries_are_answered_in_their_order_even_twice(self, shared):
        serials = [shared.revoked.serial.value, 5, shared.good.serial.value, shared.revoked.serial.value]
        read = answers(shared.responder().answer(shared.request(*serials), shared.now).octets)
        assert [one.serial_number for one in read] == serials
        assert [one.certificate_status for one in read] == [REVOKED, UNKNOWN, GOOD, REVOKED]

    def test_as_many_queries_as_are_read(self, shared):
        request = shared.request(*range(1, QUERY_LIMIT), shared.good.serial)
        read = answers(shared.responder().answer(request, shared.now).octets)
        assert [one.certificate_status for one in read] == [UNKNOWN] * (QUERY_LIMIT - 1) + [GOOD]


class TestStatus:
    @pytest.mark.parametrize(
        "serial", [0, -1, 1, NEVER_ISSUED, (1 << 159) - 1, 1 << 159, -(1 << 200), 1 << 4000]
    )
    def test_what_was_never_issued_is_unknown(self, shared, serial):
        (one,) = ocsp.OCSPResponse.load(
            shared.responder().answer(shared.request(serial), shared.now).octets
        ).response_data["responses"]
        assert one["cert_status"].name == "unknown"
        assert one["cert_id"]["serial_number"].native == serial

    def test_what_is_intended_and_not_signed_is_unknown(self, shared):
        assert status_said(shared, shared.intended.serial) is UNKNOWN

    def test_it_becomes_good_when_it_is_signed(self, world):
        application = world.approved(kinds=(CertificateKind.SIGNATURE,), at=BEGIN)
        prepared = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cycle, "sign", lambda item, _: prepared.append(item) or 1 / 0)
            with pytest.raises(ZeroDivisionError):
                world.registration.issue(application.case.id, "operator", at=BEGIN)
        serial = prepared[0].record.id.serial
        assert status_said(world, serial) is UNKNOWN
        cycle.recover(world.issuers, BEGIN)
        assert status_said(world, serial) is GOOD

    def test_neighbours_of_what_was_issued_are_unknown(self, shared):
        for step in (-1, 1, 1 << 64):
            assert status_said(shared, shared.good.serial.value + step) is UNKNOWN

    @settings(max_examples=40, deadline=None)
    @given(serials=st.lists(st.integers(-(1 << 170), 1 << 170), min_size=1, max_size=QUERY_LIMIT))
    def test_random_serials_are_never_good(self, shared, serials):
        read = ocsp.OCSPResponse.load(shared.responder().answer(shared.request(*serials), shared.now).octets)
        said = {one["cert_status"].name for one in read.response_data["responses"]}
        assert said == {"unknown"}

    def test_another_authoritys_serial_is_unknown(self, shared):
        with shared.store.reading() as connection:
            serial = authorities.generation(connection, BRIDGE).serial
        assert status_said(shared, serial) is UNKNOWN

    def test_not_yet_issued_at_the_moment_is_unknown(self, world):
        certificate = world.issued(kinds=(CertificateKind.SIGNATURE,), at=world.now)[
            CertificateKind.SIGNATURE
        ].id
        request = world.request(certificate.serial)
        said = [
            answers(world.responder().answer(request, at).octets)[0].certificate_status
            for at in (world.now - timedelta(seconds=1), world.now)
        ]
        assert said == [UNKNOWN, GOOD]

    def test_a_revocation_is_said_at_once(self, world):
        certificate, application = world.issue(), world.application()
        request = world.request(certificate.serial)
        assert answers(post(application, request).body)[0].certificate_status is GOOD
        world.revoke(certificate)
        assert answers(post(application, request).body)[0].certificate_status is REVOKED

    @pytest.mark.parametrize("what", ["revoked", "issued", "expired"])
    def test_what_is_newer_than_the_watermark_counts_already(self, world, what):
        """A copy may show a change before the heartbeat that says that it shows everything up to then."""
        certificate, serial = world.issue(), NEVER_ISSUED
        if what == "revoked":
            serial = certificate.serial
            world.revoke(certificate, at=world.now)
        elif what == "issued":
            issued = world.issued(kinds=(CertificateKind.SIGNATURE,), at=world.now)
            serial = issued[CertificateKind.SIGNATURE].id.serial
        else:
            serial = certificate.serial
            world.change(certificate, not_after=world.now - timedelta(seconds=1))

        class Behind:
            def watermark(self):
                return world.now - timedelta(seconds=2)

        responder = open_responder(world.issuers, PREFECTURE, LIFETIME, Behind())
        answer = responder.answer(world.request(serial), world.now)
        (one,) = answers(answer.octets)
        assert one.certificate_status is (REVOKED if what == "revoked" else GOOD)
        assert one.this_update_utc == answer.this_update == world.now - timedelta(seconds=2)

    @pytest.mark.parametrize("ended", [False, True])
    def test_an_expired_certificate_is_answered_by_its_record(self, world, ended):
        certificate = world.issue()
        if ended:
            world.revoke(certificate)
        world.change(certificate, not_after=world.now - timedelta(minutes=1))
        assert status_said(world, certificate.serial) is (REVOKED if ended else GOOD)

    def test_certificates_of_the_authority_itself(self, shared):
        for generation in (ANCHOR, BRIDGE, PREFECTURE):
            with shared.store.reading() as connection:
                record = authorities.generation(connection, generation)
                own = [record.serial]
                own += [
                    one.serial for _, one in authorities.crosses(connection) if one.generation == generation
                ]
                own += [
                    one.certificate.serial
                    for one in authorities.services(connection)
                    if one.certificate.generation == generation
                ]
                encoded = certificates.find(connection, CertificateId(generation, record.serial)).encoded
            request = request_for(x509.Certificate.load(encoded), *own)
            read = answers(post(shared.application(), request, generation).body)
            assert [one.certificate_status for one in read] == [GOOD] * len(own)
            assert len(own) >= 3

    def test_a_revocation_counts_without_a_record_of_the_issue(self, world):
        """As after restoring last night's backup: a list names it, and an answer may not say less."""
        serial = Serial(NEVER_ISSUED)
        ended = Revocation(serial, world.now, RevocationReason.SUPERSEDED)
        with world.store.writing() as connection:
            record_end(connection, CertificateId(PREFECTURE, serial), Scope("signature-312011"), ended)
        assert status_said(world, serial) is REVOKED

    def test_no_look_up_walks_through_a_generation(self, shared):
        """With ten million rows a walk would be an attack that costs the asker one request."""
        seen = []
        engine = shared.store.engine
        event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2:4]))
        with shared.store.reading() as connection:
            status.records(connection, PREFECTURE, {shared.good.serial, Serial(NEVER_ISSUED)})
            queries = [(text, values) for text, values in seen if text.startswith("SELECT")]
            assert len(queries) == 2
            for text, values in queries:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
                of_rows = [step for step in plan if "certificates" in step or "revocations" in step]
                assert of_rows
                assert all(step.startswith("SEARCH") and "serial=?" in step for step in of_rows), plan


class TestWhomAResponderSpeaksFor:
    def refused(self, world, *identifiers):
        request = request_of(identifiers)
        with pytest.raises(NotAuthoritative):
            world.responder().answer(request, world.now)
        assert post(world.application(), request).body == UNAUTHORIZED

    def test_not_for_another_issuer(self, shared):
        self.refused(shared, cert_id(shared.foreign_certificate, 5))

    def test_not_in_part(self, shared):
        own, foreign = (
            cert_id(one, shared.good.serial)
            for one in (shared.issuer_certificate, shared.foreign_certificate)
        )
        self.refused(shared, own, foreign)
        self.refused(shared, foreign, own)

    @pytest.mark.parametrize("algorithm", [SHA1, SHA256])
    @pytest.mark.parametrize("hashed", ["issuer_name_hash", "issuer_key_hash"])
    def test_not_by_half(self, shared, hashed, algorithm):
        """All generations of an authority carry one name, and a key may have two names."""
        identifier = cert_id(shared.issuer_certificate, shared.good.serial, algorithm)
        identifier[hashed] = cert_id(shared.foreign_certificate, 5, algorithm)[hashed].native
        self.refused(shared, identifier)

    def test_not_by_a_hash_function_that_it_does_not_reckon_with(self, shared):
        certificate = shared.issuer_certificate
        key = bytes(certificate.public_key["public_key"])
        identifier = ocsp.CertId(
            {
                "hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha512"}),
                "issuer_name_hash": hashlib.sha512(certificate.subject.dump()).digest(),
                "issuer_key_hash": hashlib.sha512(key).digest(),
                "serial_number": shared.good.serial.value,
            }
        )
        self.refused(shared, identifier)


class TestService:
    """When a responder cannot answer, and what the client and the log are told."""

    def later(self, world, log, at, words):
        world.now = at
        request = world.request(NEVER_ISSUED)
        with pytest.raises(NotInService, match=words):
            world.responder().answer(request, at)
        assert post(world.application(), request).body == LATER
        (line,) = log
        assert line.levelno == logging.ERROR
        assert line.facts["responder"] == str(PREFECTURE)
        assert words in line.facts["error"]

    def test_not_before_its_certificate_is_valid(self, world, log):
        self.later(world, log, BEGIN - timedelta(seconds=1), "not valid at this moment")

    def test_not_from_its_last_second_on(self, world, log):
        end = world.responder().facts.certificate.not_after
        (one,) = answers(world.responder().answer(world.request(5), end - timedelta(seconds=1)).octets)
        assert one.next_update_utc == end
        self.later(world, log, end, "not valid at this moment")

    def test_not_after_its_certificate_was_revoked(self, world, log):
        with world.store.reading() as connection:
            (own,) = [
                one.certificate
                for one in authorities.services(connection)
                if one.certificate.generation == PREFECTURE and one.kind is CertificateKind.OCSP_RESPONDER
            ]
        world.revoke(own)
        self.later(world, log, world.now, "own status is revoked")

    def test_a_renewed_certificate_is_taken_up_without_a_restart(self, world, log):
        application = world.application()
        first = world.responder().facts.certificate
        assert answers(post(application, world.request(5)).body)
        world.now = first.not_after
        assert post(application, world.request(5)).body == LATER
        world.renew_responder(first.not_after)
        renewed = judge.load_der_ocsp_response(post(application, world.request(5)).body)
        assert renewed.certificates[0].serial_number not in (first.serial, 0)
        assert renewed.certificates[0].not_valid_before_utc == first.not_after
        assert len(log) == 1

    def test_an_unsigned_renewal_is_not_taken(self, world):
        own = world.responder().facts.certificate.serial
        world.change(world.renew_responder(world.now), state=CertificateState.INTENDED)
        assert world.responder().facts.certificate.serial == own

    def test_a_wrong_signature_does_not_leave_the_house(self, world, log):
        class Faulty:
            checks = False

            def __init__(self, signer):
                self.public_key, self._sign = signer.public_key, signer.sign

            def sign(self, message, suite):
                signature = bytearray(self._sign(message, suite))
                signature[20] ^= 4
                return bytes(signature)

        responder = world.responder()
        responder = replace(responder, signer=Faulty(responder.signer))
        with pytest.raises(KeyRefused, match="wrong"):
            responder.answer(world.request(5), world.now)
        application = OcspApplication(lambda _: responder, lambda: world.now)
        assert post(application, world.request(5)).body == INTERNAL
        assert len(log) == 1

    def test_another_keys_certificate_is_noticed_before_signing(self, world, log):
        responder, other = world.responder(), world.responder(BRIDGE)
        wrong = replace(responder, signer=other.signer)
        application = OcspApplication(lambda _: wrong, lambda: world.now)
        assert post(application, world.request(5)).body == INTERNAL
        assert "answer_responder_key" in log[0].facts["error"]

    def test_a_store_that_cannot_be_read_means_later(self, world, log):
        application = world.application()
        assert answers(post(application, world.request(5)).body)
        world.store.close()
        for name in ("store.db", "store.db-wal", "store.db-shm"):
            (world.folder / name).unlink(missing_ok=True)
        (world.folder / "store.db").write_bytes(b"no database" * 1000)
        assert post(application, world.request(5)).body == LATER
        assert len(log) == 1

    def test_an_error_that_nobody_foresaw(self, world, log):
        def lookup(_):
            raise ZeroDivisionError("with something secret")

        application = OcspApplication(lookup, lambda: world.now)
        assert post(application, world.request(5)).body == INTERNAL
        (line,) = log
        assert "secret" not in json.dumps([line.getMessage(), line.facts])

    def test_a_lost_key_is_an_internal_error(self, world, log):
        (world.folder / "keys" / f"{PREFECTURE}.ocsp.key.json").unlink()
        assert post(world.application(), world.request(5)).body == INTERNAL
        assert len(log) == 1

    def test_it_does_without_the_authoritys_own_key(self, world):
        for key in (world.folder / "keys").glob("*.key.json"):
            if not key.name.endswith(".ocsp.key.json"):
                key.unlink()
        assert status_said(world, NEVER_ISSUED) is UNKNOWN

    def test_a_generation_without_a_responder(self, world):
        with pytest.raises(NotFound):
            world.responder(GenerationId.parse("jpki-31.g2"))

    def test_threads_share_a_responder(self, shared):
        application = shared.application()
        wanted = {shared.good.serial: GOOD, shared.revoked.serial: REVOKED, Serial(5): UNKNOWN}

        def ask(serial):
            return serial, answers(post(application, shared.request(serial, nonce=b"1")).body)[0]

        with ThreadPoolExecutor(4) as pool:
            for serial, one in pool.map(ask, list(wanted) * 10):
                assert one.serial_number == serial.value
                assert one.certificate_status is wanted[serial]


REQUEST_SLIPS = {
    "escaped": lambda text: quote(text, safe=""),
    "not escaped": lambda text: text,
    "slashes left": lambda text: quote(text, safe="/"),
    "escaped twice": lambda text: quote(quote(text, safe=""), safe=""),
    "without padding": lambda text: quote(text.rstrip("="), safe=""),
    "padded too well": lambda text: quote(text.rstrip("=") + "===", safe=""),
    "alphabet for URLs": lambda text: text.replace("+", "-").replace("/", "_"),
    "plus made a space": lambda text: quote(text.replace("+", " "), safe=""),
    "in lines": lambda text: quote(
        "\r\n".join(text[i : i + 64] for i in range(0, len(text), 64)) + "\n", safe=""
    ),
    "a slash too many": lambda text: "/" + quote(text, safe=""),
    "three slashes too many": lambda text: "///" + text,
    "a slash behind": lambda text: quote(text, safe="") + "/",
    "a slash behind, nothing escaped": lambda text: text + "/",
    "escapes in small letters": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
    "every letter escaped": lambda text: "".join(f"%{ord(letter):02X}" for letter in text),
    "padding alone escaped": lambda text: text.replace("=", "%3D"),
    "a space behind": lambda text: text + "%20",
    "a query behind": lambda text: quote(text, safe="") + "?1700000000",
    "a query's end behind": lambda text: quote(text, safe="") + "?",
    "alphabet for URLs, without padding": lambda text: text.rstrip("=").replace("+", "-").replace("/", "_"),
}


class TestGet:
    """RFC 6960 A.1: the request in the path, with the slips that clients make."""

    @pytest.mark.parametrize("slip", REQUEST_SLIPS.values(), ids=REQUEST_SLIPS)
    def test_over_http(self, shared, still_url, request_of_all_letters, slip):
        parts = urlsplit(still_url)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
        connection.request("GET", f"{parts.path}/{slip(base64.b64encode(request_of_all_letters).decode())}")
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/ocsp-response")
        assert body == shared.responder().answer(request_of_all_letters, shared.now).octets

    def test_by_curl(self, shared, still_url, request_of_all_letters):
        require("curl")
        text = quote(base64.b64encode(request_of_all_letters).decode(), safe="")
        done = subprocess.run(
            ["curl", "-sS", "--fail", f"{still_url}/{text}"], capture_output=True, check=True, timeout=30
        )
        assert done.stdout == shared.responder().answer(request_of_all_letters, shared.now).octets

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/",
            "/M",
            "/MEUw",
            "/%",
            "/!!!!",
            "/MEUw=QzBB",
            "/\u00e9\u00e9\u00e9\u00e9",
            "/" + "A" * 80_000,
            "/..%2f",
        ],
    )
    def test_what_is_no_request(self, shared, path):
        reply = call(shared.application(), "GET", f"/ocsp/{PREFECTURE}{path}")
        assert (reply.status, reply.body) == (200, MALFORMED)

    @pytest.mark.parametrize("text", ["A" * 90_000, "%41" * 90_000, "=" * 300_000])
    def test_a_path_that_is_too_long(self, shared, text):
        assert call(shared.application(), "GET", f"/ocsp/{PREFECTURE}/{text}").status == 414


class TestHttp:
    def test_where_it_is_mounted_does_not_matter(self, shared):
        request = shared.request(shared.good.serial)
        for script, path in (
            ("", "/ocsp/jpki-31.g1"),
            ("/ocsp", "/jpki-31.g1/"),
            ("/jpki/ocsp", "/jpki-31.g1"),
        ):
            reply = call(shared.application(), "POST", path, request, SCRIPT_NAME=script)
            assert answers(reply.body)[0].certificate_status is GOOD

    def test_headers(self, shared):
        reply = post(shared.application(), shared.request(5))
        assert reply.headers["Content-Type"] == "application/ocsp-response"
        assert reply.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        ("method", "path", "environ", "status"),
        [
            ("HEAD", "/ocsp/jpki-31.g1", {}, 405),
            ("PUT", "/ocsp/jpki-31.g1", {}, 405),
            ("DELETE", "/ocsp/jpki-31.g1", {}, 405),
            ("POST", "/ocsp/jpki-31.g1", {"CONTENT_TYPE": None}, 415),
            ("POST", "/ocsp/jpki-31.g1", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}, 415),
            ("POST", "/ocsp/jpki-31.g1", {"CONTENT_TYPE": "application/ocsp-requests"}, 415),
            ("POST", "/ocsp/jpki-31.g1", {"CONTENT_TYPE": "Application/OCSP-Request ; q=1"}, 200),
            ("POST", "/ocsp/jpki-31.g1", {"CONTENT_LENGTH": None}, 411),
            ("POST", "/ocsp/jpki-31.g1", {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}, 200),
            ("POST", "/ocsp/jpki-31.g1", {"CONTENT_LENGTH": str(REQUEST_LIMIT + 1)}, 413),
            ("POST", "/ocsp/jpki-31.g1", {"CONTENT_LENGTH": "9" * 4000}, 413),
            ("POST", "/ocsp/jpki-31.g2", {}, 404),
            ("POST", "/ocsp/jpki-99.g1", {}, 404),
            ("POST", "/ocsp/JPKI-31.G1", {}, 404),
            ("POST", "/ocsp/", {}, 404),
            ("POST", "/ocsp", {}, 404),
            ("POST", "/", {}, 404),
            ("POST", "/ocsp/../keys", {}, 404),
            ("POST", "/ocsp/jpki-31.g1/more", {}, 404),
            ("GET", "/ocsp/jpki-31.g2/MEUw", {}, 404),
        ],
    )  # fmt: skip
    def test_status(self, shared, method, path, environ, status):
        reply = call(shared.application(), method, path, shared.request(5), **environ)
        assert reply.status == status
        assert ("Allow" in reply.headers) == (status == 405)
        if status == 200:
            assert answers(reply.body)

    @pytest.mark.parametrize(
        ("length", "status"), [("-1", 400), ("1e3", 400), ("\u0661", 400), ("", 411), ("0" * 5000, 413)]
    )
    def test_a_length_that_no_server_hands_over(self, shared, length, status):
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/ocsp/{PREFECTURE}",
            "CONTENT_TYPE": "application/ocsp-request",
            "CONTENT_LENGTH": length,
            "wsgi.input": io.BytesIO(b"x"),
        }  # the judge of WSGI refuses it too
        seen = []
        shared.application()(environ, lambda line, _: seen.append(int(line[:3])))
        assert seen == [status]

    def test_a_client_that_goes_away(self, shared):
        class Broken(io.BytesIO):
            def read(self, _size=-1, /):
                raise ConnectionResetError

        assert post(shared.application(), Broken(b"x" * 10)).status == 400

    def test_a_body_in_small_pieces(self, shared):
        class Slow(io.BytesIO):
            def read(self, size=-1, /):
                return super().read(min(size, 7))

        assert answers(post(shared.application(), Slow(shared.request(5))).body)

    def test_a_body_that_is_shorter_than_it_says(self, shared):
        reply = post(shared.application(), shared.request(5)[:-4], CONTENT_LENGTH="4000")
        assert (reply.status, reply.body) == (200, MALFORMED)

    @pytest.mark.parametrize("environ", [{}, {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}])
    def test_a_long_body_is_not_read(self, shared, environ):
        application = shared.application()
        post(application, shared.request(5))  # the responder is open
        body = CountingInput(bytes(10_000_000))
        tracemalloc.start()
        reply = post(application, body, **environ)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert reply.status == 413
        assert body.read_octets <= REQUEST_LIMIT + 1
        assert peak < 8 * REQUEST_LIMIT

    def test_the_longest_body_that_is_read(self, shared):
        assert post(shared.application(), bytes(REQUEST_LIMIT)).body == MALFORMED


def nested(depth):
    octets = b"\x02\x01\x05"
    for _ in range(depth):
        octets = der.sequence(octets)
    return octets


def with_extension(value, critical=b"", oid="1.3.6.1.5.5.7.48.1.2"):
    """A query that is well formed, beside a request extension."""
    query = der.sequence(
        der.sequence(
            der.sequence(der.oid("1.3.14.3.2.26"), der.NULL),
            der.octet_string(bytes(20)),
            der.octet_string(bytes(20)),
            der.integer(5),
        )
    )
    extension = der.sequence(der.oid(oid), critical, der.octet_string(value))
    return der.sequence(der.sequence(der.sequence(query), der.context(2, der.sequence(extension))))


QUERY = der.sequence(
    der.sequence(der.oid("1.3.14.3.2.26"), der.NULL),
    der.octet_string(bytes(20)),
    der.octet_string(bytes(20)),
    der.integer(5),
)
UNKNOWN_OID = "2.999.1"


def tbs(*parts):
    return der.sequence(der.sequence(*parts))


def listed(*extras):
    return der.sequence(der.sequence(QUERY, *extras))


MALFORMED_REQUESTS = {
    "nothing": b"",
    "zeros": bytes(100),
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "an empty sequence": der.sequence(),
    "no request list": tbs(),
    "no query": tbs(der.sequence()),
    "version 2": tbs(der.context(0, der.integer(1)), listed()),
    "a version that is no number": tbs(der.context(0, der.NULL), listed()),
    "fields out of order": tbs(listed(), der.context(1, der.NULL)),
    "a field twice": tbs(listed(), listed()),
    "an unknown field": tbs(listed(), der.context(3, der.NULL)),
    "a signature twice": der.sequence(der.sequence(listed()), der.context(0), der.context(0)),
    "octets behind": tbs(listed()) + b"\0",
    "an indefinite length": b"\x30\x80" + der.sequence(listed()) + b"\0\0",
    "deep nesting": nested(2000),
    "deep nesting in a query": tbs(der.sequence(nested(500))),
    "a CertID too short": tbs(der.sequence(der.sequence(der.sequence(der.integer(5))))),
    "a serial with a needless octet": tbs(der.sequence(der.sequence(QUERY[:-3] + b"\x02\x02\x00\x05"))),
    "a parameter of the hash": tbs(
        der.sequence(der.sequence(QUERY.replace(der.NULL, b"\x04\x00")))
    ),
    "too many queries": tbs(der.sequence(*[der.sequence(QUERY)] * (QUERY_LIMIT + 1))),
    "10,000 queries": tbs(der.sequence(*[der.sequence(QUERY)] * 10_000)),
    "10,000 small ones": tbs(der.sequence(*[der.sequence()] * 10_000)),
    "1 MB": tbs(listed(), der.context(2, der.sequence(bytes(1_000_000)))),
    "an empty nonce": with_extension(der.octet_string(b"")),
    "a long nonce": with_extension(der.octet_string(bytes(NONCE_LIMIT + 1))),
    "a very long nonce": with_extension(der.octet_string(bytes(60_000))),
    "a nonce that is no octet string": with_extension(der.integer(5)),
    "preferences that are none": with_extension(der.integer(5), oid=PREFERRED),
    "a preference that is none": with_extension(der.sequence(der.NULL), oid=PREFERRED),
    "a preference without an algorithm": with_extension(der.sequence(der.sequence(der.sequence())), oid=PREFERRED),
    "too many preferences": with_extension(
        der.sequence(*[der.sequence(der.sequence(der.oid("2.999")))] * 33), oid=PREFERRED
    ),
    "a nonce without its tag": with_extension(b"\x01\x02\x03\x04\x05\x06\x07\x08"),
    "a critical extension": with_extension(b"x", der.BOOLEAN_TRUE, UNKNOWN_OID),
    "a critical extension of a query": tbs(
        listed(der.context(0, der.sequence(der.sequence(der.oid(UNKNOWN_OID), der.BOOLEAN_TRUE, der.octet_string(b"")))))
    ),
    "an extension twice": tbs(
        listed(),
        der.context(2, der.sequence(*[der.sequence(der.oid(UNKNOWN_OID), der.octet_string(b""))] * 2)),
    ),
    "many extensions": tbs(
        listed(),
        der.context(
            2,
            der.sequence(*(der.sequence(der.oid(f"2.999.{i}"), der.octet_string(b"")) for i in range(3000))),
        ),
    ),
    "a huge object identifier": tbs(
        der.sequence(der.sequence(QUERY.replace(der.oid("1.3.14.3.2.26"), b"\x06\x82\xff\x00" + b"\x81" * 65279 + b"\x01")))
    ),
}  # fmt: skip


class TestBadInput:
    @pytest.mark.parametrize("octets", MALFORMED_REQUESTS.values(), ids=MALFORMED_REQUESTS)
    def test_malformed(self, shared, log, octets):
        with pytest.raises(BadInput):
            shared.responder().answer(octets, shared.now)
        reply = post(shared.application(), octets)
        if len(octets) > REQUEST_LIMIT:
            assert reply.status == 413
        else:
            assert (reply.status, reply.body) == (200, MALFORMED)
        assert log == [], "a client's mistake is no event of ours"

    @pytest.mark.parametrize(
        "options",
        [
            {"extensions": [{"extn_id": "nonce", "critical": True, "extn_value": b"n"}]},
            {"extensions": [{"extn_id": "acceptable_responses", "critical": True, "extn_value": ["basic_ocsp_response"]}]},
            {"extensions": [{"extn_id": UNKNOWN_OID, "critical": False, "extn_value": b"\x05\x00"}]},
            {"query_extensions": [{"extn_id": UNKNOWN_OID, "critical": False, "extn_value": b"\x05\x00"}]},
        ],
        ids=["critical nonce", "critical response types", "unknown", "unknown of a query"],
    )  # fmt: skip
    def test_extensions_that_do_no_harm(self, shared, options):
        request = shared.request(shared.good.serial, **options)
        assert answers(post(shared.application(), request).body)[0].certificate_status is GOOD

    def test_a_version_written_out(self, shared):
        octets = bytes(ocsp.OCSPRequest.load(shared.request(5))["tbs_request"]["request_list"].dump())
        request = tbs(der.context(0, der.integer(0)), octets)
        assert answers(post(shared.application(), request).body)[0].certificate_status is UNKNOWN

    def test_cut_at_every_length(self, shared):
        request = shared.request(shared.good.serial, nonce=b"n" * 16)
        application = shared.application()
        for length in range(len(request)):
            assert post(application, request[:length]).body == MALFORMED

    def test_random_octets(self, shared):
        chance, application = random.Random(1), shared.application()
        for _ in range(300):
            reply = post(application, chance.randbytes(chance.randrange(400)))
            assert (reply.status, reply.body) == (200, MALFORMED)

    @pytest.mark.deeper
    def test_mutants(self, shared, log):
        """Flipped, removed and doubled octets: an error response, or an answer that is right about what was asked."""
        chance, application = random.Random(3), shared.application()
        issued = {shared.good.serial.value: "good", shared.revoked.serial.value: "revoked"}
        seeds = [
            shared.request(*(Serial(one) for one in issued), algorithm=algorithm, nonce=b"n" * 16)
            for algorithm in (SHA1, SHA256)
        ]
        outcomes = {MALFORMED: 0, UNAUTHORIZED: 0, b"answered": 0}
        for number in range(rings.FUZZ):
            octets = bytearray(seeds[number % 2])
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(len(octets))
                match chance.randrange(4):
                    case 0:
                        octets[at] ^= 1 << chance.randrange(8)
                    case 1:
                        octets[at] = chance.randrange(256)
                    case 2:
                        del octets[at : at + chance.randint(1, 4)]
                    case 3:
                        octets[at:at] = octets[at : at + chance.randint(1, 4)]
            reply = post(application, bytes(octets))
            assert reply.status == 200
            if reply.body in outcomes:
                outcomes[reply.body] += 1
                continue
            outcomes[b"answered"] += 1
            read = ocsp.OCSPResponse.load(reply.body).response_data["responses"]
            for one in read:
                serial = one["cert_id"]["serial_number"].native
                assert one["cert_status"].name == issued.get(serial, "unknown")
        assert all(outcomes.values()), "the mutants reach every outcome"
        assert log == []

    @settings(max_examples=3 * rings.EXAMPLES)
    @given(octets=st.binary(max_size=200))
    def test_nothing_but_bad_input_escapes_the_reader(self, octets):
        for wrapped in (octets, der.sequence(octets), tbs(octets), tbs(der.sequence(octets))):
            with pytest.raises(KakehashiError):
                read_request(wrapped)


@settings(max_examples=60, deadline=None)
@given(
    serials=st.lists(st.integers(-(1 << 170), 1 << 170), min_size=1, max_size=5),
    algorithm=st.sampled_from([SHA1, SHA256]),
    nonce=st.none() | st.binary(min_size=1, max_size=NONCE_LIMIT),
)
def test_what_another_writer_writes_is_read(shared, serials, algorithm, nonce):
    read = read_request(shared.request(*serials, algorithm=algorithm, nonce=nonce))
    assert [query.serial for query in read.queries] == serials
    assert read.nonce == nonce
    wanted = [cert_id(shared.issuer_certificate, serial, algorithm) for serial in serials]
    assert [query.encoded for query in read.queries] == [one.dump() for one in wanted]
    assert {query.name_hash for query in read.queries} == {wanted[0]["issuer_name_hash"].native}
    assert {query.key_hash for query in read.queries} == {wanted[0]["issuer_key_hash"].native}
