"""One responder for all the nation: whom it answers for, who believes it, and that it is off unless the edition says so."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta

import pytest
from asn1crypto import x509
from cryptography.x509 import ocsp as judge

from bridge.crossing.rekeying import Rekeying
from bridge.repository.layout import cross_path, self_signed_path, service_path
from ca.clock import system_clock
from ca.errors import NotFound
from ca.issuing.succession import Succession
from ca.model import CertificateId, CertificateKind, GenerationId, Serial
from ca.rules.generations import Step
from ca.store import authorities, certificates
from ca.store.certificates import CertificateState
from ocsp.freshness import Stale
from ocsp.national import NATIONAL, open_national
from ocsp.responder import NotAuthoritative
from tests.ocsp_world import (
    ANCHOR,
    BRIDGE,
    LATER,
    PREFECTURE,
    SHA1,
    SHA256,
    UNAUTHORIZED,
    cert_id,
    ocsp_world,
    post,
    request_for,
    request_of,
    served,
)

GOOD, REVOKED, UNKNOWN = judge.OCSPCertStatus.GOOD, judge.OCSPCertStatus.REVOKED, judge.OCSPCertStatus.UNKNOWN
GENERATIONS = (ANCHOR, BRIDGE, PREFECTURE)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ocsp_world(tmp_path_factory.mktemp("nation") / "world", national=True) as opened:
        opened.good, opened.revoked = opened.issue(), opened.issue()
        opened.revoke(opened.revoked)
        yield opened


def own(world, generation):
    """A generation's self-signed certificate, and what names it in queries."""
    with world.store.reading() as connection:
        return authorities.generation(connection, generation).serial


def issuer(world, generation):
    return x509.Certificate.load((world.repository.folder / self_signed_path(generation)).read_bytes())


def path_request(world, algorithm=SHA1):
    """What a verifier has to ask about a path: certificates of three issuers."""
    crosses = []
    with world.store.reading() as connection:
        for subject, certificate in authorities.crosses(connection):
            if (certificate.generation, subject) in {(ANCHOR, BRIDGE), (BRIDGE, PREFECTURE)}:
                crosses.append(certificate)
    asked = [world.revoked, world.good, *crosses]
    return asked, request_of(
        [cert_id(issuer(world, one.generation), one.serial, algorithm) for one in asked], nonce=b"n" * 32
    )


def answers(body):
    response = judge.load_der_ocsp_response(body)
    assert response.response_status is judge.OCSPResponseStatus.SUCCESSFUL
    return list(response.responses)


@pytest.mark.parametrize("algorithm", [SHA1, SHA256])
def test_one_answer_about_certificates_of_several_issuers(world, algorithm):
    asked, request = path_request(world, algorithm)
    assert len({one.generation for one in asked}) == 3
    read = answers(post(world.application(), request, NATIONAL).body)
    assert [one.serial_number for one in read] == [one.serial.value for one in asked]
    assert [one.certificate_status for one in read] == [REVOKED, GOOD, GOOD, GOOD]


def test_what_kept_answers_are_dropped_by_names_each_issuer(world):
    asked, request = path_request(world)
    assert world.national().answer(request, world.now).certificates == tuple(
        (one.generation, one.serial) for one in asked
    )


@pytest.mark.parametrize("generation", GENERATIONS, ids=str)
def test_a_delegated_responder_refuses_the_same(world, generation):
    _, request = path_request(world)
    with pytest.raises(NotAuthoritative):
        world.responder(generation).answer(request, world.now)
    assert post(world.application(), request, generation).body == UNAUTHORIZED


def test_a_serial_counts_with_its_issuer_alone(world):
    """The number of one authority's certificate is unknown under another's name."""
    numbers = {generation: own(world, generation) for generation in GENERATIONS}
    for generation in GENERATIONS:
        request = request_for(issuer(world, generation), *numbers.values())
        read = answers(post(world.application(), request, NATIONAL).body)
        assert [one.certificate_status for one in read] == [
            GOOD if other == generation else UNKNOWN for other in GENERATIONS
        ]


def test_not_for_an_issuer_that_is_not_of_the_nation(world):
    stranger = cert_id(issuer(world, BRIDGE), 5)
    stranger["issuer_key_hash"] = bytes(20)
    request = request_of([cert_id(issuer(world, BRIDGE), 5), stranger])
    assert post(world.application(), request, NATIONAL).body == UNAUTHORIZED


def test_without_the_editions_word_there_is_none(tmp_path):
    with ocsp_world(tmp_path / "world") as other:
        with pytest.raises(NotFound, match="names no national responder"):
            other.national()
        assert post(other.application(), other.request(5), NATIONAL).status == 404
        assert not (
            other.repository.folder / service_path(ANCHOR, CertificateKind.NATIONAL_RESPONDER)
        ).exists()


def test_it_is_certified_by_the_anchors_key_that_issues(tmp_path):
    """A key on its way has none, one that has taken over has its own; taken back, or not signed yet, the old one speaks."""
    with ocsp_world(tmp_path / "world", national=True) as other:
        request, new = other.request(5), GenerationId(ANCHOR.authority, 2)
        taking = Succession(other.issuers, other.plan.municipalities, other.chance)

        def speaks(generation):
            answer = other.national().answer(request, other.now)
            assert answer.statuses == ("unknown",)
            assert other.national().generation == generation

        for step in Step:
            if step is Step.RETIRE:
                break
            if step is Step.RENEW_CROSSES:
                Rekeying(other.issuers, other.plan, other.chance).renew_crosses(new, at=other.now)
            speaks(ANCHOR)
            taking.take(step, new, at=other.now)
        speaks(new)
        own = other.national().facts.certificate.serial
        with other.store.writing() as connection:
            made = certificates.find(connection, CertificateId(new, Serial(own)))
        other.change(made.id, state=CertificateState.INTENDED)
        speaks(ANCHOR)
        other.change(made.id, state=CertificateState.ISSUED)
        speaks(new)
        assert post(other.application(), request, NATIONAL).status == 200
        taking.back(new, at=other.now)
        speaks(ANCHOR)


def test_not_after_its_certificate_was_revoked(tmp_path):
    with ocsp_world(tmp_path / "world", national=True) as other:
        with other.store.reading() as connection:
            (itself,) = [
                one.certificate
                for one in authorities.services(connection)
                if one.kind is CertificateKind.NATIONAL_RESPONDER
            ]
        other.revoke(itself)
        assert post(other.application(), other.request(5), NATIONAL).body == LATER
        assert answers(post(other.application(), other.request(5)).body), "the delegated ones go on"


def test_its_answer_is_no_newer_than_the_oldest_database_asked(world):
    class Until:
        def __init__(self, moment):
            self.moment = moment

        def watermark(self) -> datetime:
            if self.moment is None:
                raise Stale("a database", "has not heard of the primary")
            return self.moment

    def opened(**marks):
        return open_national(
            world.issuers,
            world.plan.anchor,
            world.stores.each(),
            lambda authority: Until(marks.get(authority.replace("-", "_"), world.now)),
        )

    _, request = path_request(world)
    older = world.now - timedelta(seconds=3)
    assert opened().answer(request, world.now).this_update == world.now
    assert opened(jpki_bridge=older).answer(request, world.now).this_update == older
    # What is not asked about does not matter.
    assert opened(jpki_bridge=older).answer(world.request(5), world.now).this_update == world.now
    with pytest.raises(Stale):
        opened(jpki_31=None).answer(request, world.now)


class TestWhoBelievesIt:
    """``openssl ocsp``: with -VAfile the certificate is trusted; without, only the anchor's delegation would count."""

    @pytest.fixture
    def files(self, world, tmp_path):
        folder = world.repository.folder
        with world.store.reading() as connection:
            holder = {
                name: certificates.find(connection, getattr(world, name)).encoded
                for name in ("good", "revoked")
            }
        found = {
            "anchor": (folder / self_signed_path(ANCHOR)).read_bytes(),
            "bridge": (folder / cross_path(ANCHOR, BRIDGE)).read_bytes(),
            "prefecture": (folder / cross_path(BRIDGE, PREFECTURE)).read_bytes(),
            "national": (folder / service_path(ANCHOR, CertificateKind.NATIONAL_RESPONDER)).read_bytes(),
            **holder,
        }
        for name, encoded in found.items():
            (tmp_path / name).write_bytes(
                subprocess.run(
                    ["openssl", "x509", "-inform", "DER"], input=encoded, capture_output=True, check=True
                ).stdout
            )
        return tmp_path

    def ask(self, files, url, *trust):
        return subprocess.run(
            [
                "openssl", "ocsp", "-url", f"{url.rpartition('/')[0]}/{NATIONAL}",
                "-issuer", "anchor", "-cert", "bridge",
                "-issuer", "bridge", "-cert", "prefecture",
                "-issuer", "prefecture", "-cert", "good", "-cert", "revoked",
                *trust,
            ],
            cwd=files, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def test_over_http(self, world, files):
        with served(world.application(system_clock)) as url:
            done = self.ask(files, url, "-VAfile", "national")
            assert "Response verify OK" in done.stderr, done
            assert "WARNING" not in done.stderr, "the nonce came back"
            said = [line.partition(": ")[2] for line in done.stdout.splitlines() if not line.startswith("\t")]
            assert said == ["good", "good", "good", "revoked"]
            (files / "path").write_bytes(
                (files / "bridge").read_bytes() + (files / "prefecture").read_bytes()
            )
            nobody = self.ask(files, url, "-CAfile", "anchor", "-verify_other", "path")
            assert "Response Verify Failure" in nobody.stderr


def test_its_certificate(world):
    """The anchor's, for status answers, listed nowhere but in its full list; and it says which responder it is."""
    found = x509.Certificate.load(world.national().facts.certificate.der)
    assert found.subject.native["common_name"] == "National OCSP Responder"
    assert found.issuer == issuer(world, ANCHOR).subject
    assert found.extended_key_usage_value.native == ["ocsp_signing"]
    assert found.ocsp_no_check_value is not None
    assert (
        found.public_key.sha1
        != x509.Certificate.load(world.responder(ANCHOR).facts.certificate.der).public_key.sha1
    )
    with world.store.reading() as connection:
        ours = certificates.find(
            connection, next(one.certificate for one in authorities.services(connection)
                             if one.certificate.serial == Serial(found.serial_number))
        )  # fmt: skip
    assert (ours.kind, ours.scope) == (CertificateKind.NATIONAL_RESPONDER, "full")
