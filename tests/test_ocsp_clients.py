"""Clients that verifiers have, each with a good, a revoked and an unknown certificate, at the server that people run.

========================  =======  ==========================================  ===============================
client                    good     revoked                                     unknown
========================  =======  ==========================================  ===============================
``openssl ocsp``          good     revoked, with reason and time               unknown; verifies the answer
GnuTLS ``ocsptool``       good     revoked, with time                          unknown; verifies the answer
Java (JDK 17)             valid    revoked, with reason, time, invalidityDate  refused: status is unknown
pyhanko-certvalidator     valid    RevokedError with reason and time           InsufficientRevinfoError
curl, GET and POST        good     revoked, with all of it                     unknown
========================  =======  ==========================================  ===============================

The answer is by the prefecture's own responder; OpenSSL, GnuTLS and Java also ask the nation's, which they trust
directly. GnuTLS is given the signer: it does not find a delegated one by the issuer's word, though it checks the signature.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
import socket
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from asn1crypto import x509
from cryptography.x509 import load_der_x509_certificate
from cryptography.x509 import ocsp as judge
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InsufficientRevinfoError, RevokedError
from pyhanko_certvalidator.fetchers.aiohttp_fetchers import AIOHttpFetcherBackend

from tests.asked_world import PREFECTURE, STATUSES, SUSPECTED, asked_world
from tests.components import require
from tests.ocsp_world import MALFORMED, cert_id, request_for, request_of

SOURCE = Path(__file__).parent / "java" / "StatusJudge.java"
NATIONAL = [pytest.param(False, id="delegated"), pytest.param(True, id="national")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with asked_world(tmp_path_factory.mktemp("asked")) as opened:
        yield opened


@pytest.fixture(scope="module")
def issuer(world):
    return x509.Certificate.load(world.published["root"])


def run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=60)
    return done, done.stdout + done.stderr


@pytest.mark.parametrize("national", NATIONAL)
@pytest.mark.parametrize("status", STATUSES)
class TestCommands:
    def test_openssl(self, world, status, national):
        trust = (
            ("-url", world.national_url, "-VAfile", world.pem("national"))
            if national
            else (
                "-url",
                world.url,
                "-CAfile",
                world.pem("anchor"),
                "-verify_other",
                world.pem("prefecture", "bridge"),
            )
        )
        done, said = run(
            "openssl", "ocsp", "-issuer", world.pem("prefecture"), "-cert", world.pem(status), *trust
        )
        assert done.returncode == 0, said
        assert "Response verify OK" in said
        assert "WARNING" not in said, "the nonce came back, and the times are right"
        assert f"{status}.pem: {status}\n" in said
        revoked = f"Revocation Time: {world.revoked_at:%b} {world.revoked_at.day:2} {world.revoked_at:%H:%M:%S %Y} GMT"
        assert ("Reason: keyCompromise" in said) == (revoked in said) == (status == "revoked")

    def test_gnutls(self, world, status, national):
        require("ocsptool")
        url, signer = (world.national_url, "national") if national else (world.url, "responder")
        asked = (
            "--nonce", "--load-cert", world.pem(status), "--load-issuer", world.pem("prefecture"),
        )  # fmt: skip
        done, said = run("ocsptool", f"--ask={url}", *asked, "--load-signer", world.pem(signer))
        assert done.returncode == 0, said
        assert "Verifying OCSP Response: Success." in said
        assert f"Certificate Status: {status}\n" in said
        assert re.search(r"Nonce: [0-9a-f]+", said)
        assert (f"Revocation time: {world.revoked_at:%a %b %d %H:%M:%S} UTC" in said) == (status == "revoked")
        other = "responder" if national else "national"
        done, said = run("ocsptool", f"--ask={url}", *asked, "--load-signer", world.pem(other))
        assert done.returncode == 1
        assert "Signer cert is not trusted" in said


@pytest.fixture(scope="module")
def said(world, tmp_path_factory):
    """What it says of each status, asking one way and the other; one process answers all of it."""
    require("javac", "java")
    folder = tmp_path_factory.mktemp("java")
    command = ["javac", "-Xlint:all", "-Werror", "-d", folder, SOURCE]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    questions = {}
    for status in STATUSES:
        own = folder / status
        own.mkdir()
        published = world.published
        (own / "path").write_bytes(world.encoded[status] + published["prefecture"] + published["bridge"])
        (own / "anchor").write_bytes(published["anchor"])
        (own / "responder").write_bytes(published["national"])
        (folder / f"{status}-misled").mkdir()
        for name in ("path", "anchor"):
            (folder / f"{status}-misled" / name).write_bytes((own / name).read_bytes())
        (folder / f"{status}-misled" / "responder").write_bytes(published["responder"])
        questions[status, False] = f"{own}"
        questions[status, True] = f"{own} {world.national_url}"
        questions[status, "misled"] = f"{own}-misled {world.national_url}"
    done = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", folder, "StatusJudge"],
        input="".join(f"{line}\n" for line in questions.values()),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return dict(zip(questions, done.stdout.splitlines(), strict=True))


class TestJava:
    """PKIXRevocationChecker without lists and without falling back to them."""

    @pytest.mark.parametrize("national", NATIONAL)
    def test_each_status(self, world, said, national):
        revoked = int(world.revoked_at.timestamp())
        suspected = int((world.revoked_at - SUSPECTED).timestamp())
        assert [said[status, national] for status in STATUSES] == [
            "good",
            f"revoked KEY_COMPROMISE {revoked} {suspected}",
            "refused UNDETERMINED_REVOCATION_STATUS: Certificate's revocation status is unknown",
        ]

    @pytest.mark.parametrize("status", STATUSES)
    def test_the_nations_responder_is_not_believed_by_who_does_not_trust_it(self, said, status):
        assert "Responder's certificate is not authorized to sign" in said[status, "misled"]


class TestPyHanko:
    """pyHanko's validator fetches by the URL in the certificate."""

    def validate(self, world, status, issuer):
        async def validated():
            async with aiohttp.ClientSession() as session:
                context = ValidationContext(
                    trust_roots=[issuer],
                    allow_fetching=True,
                    revocation_mode="hard-fail",
                    fetcher_backend=AIOHttpFetcherBackend(session=session),
                )
                certificate = x509.Certificate.load(world.encoded[status])
                validator = CertificateValidator(certificate, validation_context=context)
                path = await validator.async_validate_usage({"digital_signature"})
                return path, context.ocsps

        return asyncio.run(validated())

    def test_good(self, world, issuer):
        path, answers = self.validate(world, "good", issuer)
        assert len(path) == 2
        assert len(answers) == 1

    def test_revoked(self, world, issuer):
        with pytest.raises(RevokedError) as refused:
            self.validate(world, "revoked", issuer)
        assert refused.value.reason.native == "key_compromise"
        assert refused.value.revocation_dt == world.revoked_at

    def test_unknown(self, world, issuer):
        with pytest.raises(InsufficientRevinfoError):
            self.validate(world, "unknown", issuer)


class TestCurl:
    """What goes over the wire, read by cryptography."""

    def ask(self, *arguments):
        require("curl")
        done = subprocess.run(
            ["curl", "-sS", "--fail", "--path-as-is", *map(str, arguments)],
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return judge.load_der_ocsp_response(done.stdout)

    def answered(self, world, request, method, folder):
        if method == "GET":
            return self.ask(f"{world.url}/{quote(base64.b64encode(request).decode(), safe='')}")
        if method == "GET, not escaped":
            return self.ask(f"{world.url}/{base64.b64encode(request).decode()}")
        (folder / "request.der").write_bytes(request)
        kind = "Content-Type: application/ocsp-request"
        return self.ask("-H", kind, "--data-binary", f"@{folder / 'request.der'}", world.url)

    @pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
    @pytest.mark.parametrize("method", ["GET", "GET, not escaped", "POST"])
    @pytest.mark.parametrize("status", STATUSES)
    def test_each_status(self, world, issuer, tmp_path, status, method, algorithm):
        request = request_for(issuer, world.ids[status].serial, algorithm=algorithm)
        response = self.answered(world, request, method, tmp_path)
        assert response.certificate_status is judge.OCSPCertStatus[status.upper()]
        assert response.serial_number == world.ids[status].serial.value
        signer = load_der_x509_certificate(world.published["responder"])
        assert response.certificates == [signer]
        assert response.revocation_time_utc == (world.revoked_at if status == "revoked" else None)

    def test_over_several_issuers_only_the_nations_answers(self, world, issuer, tmp_path):
        anchor = x509.Certificate.load(world.published["anchor"])
        kind = "Content-Type: application/ocsp-request"
        (tmp_path / "request.der").write_bytes(several(issuer, anchor))
        arguments = ("-H", kind, "--data-binary", f"@{tmp_path / 'request.der'}")
        response = self.ask(*arguments, world.national_url)
        assert [one.certificate_status for one in response.responses] == [judge.OCSPCertStatus.UNKNOWN] * 2
        assert self.ask(*arguments, world.url).response_status is judge.OCSPResponseStatus.UNAUTHORIZED


def several(*issuers):
    return request_of([cert_id(one, 5) for one in issuers])


OCTETS = {"Content-Type": "application/ocsp-request"}


class TestHostileClients:
    """The server goes on: others are answered, nothing is logged as an error, and memory stays as it is."""

    def asks(self, world, issuer):
        request = request_for(issuer, world.ids["good"].serial)
        answer = world.server.send("POST", f"/ocsp/{PREFECTURE}", request, headers=OCTETS)
        return judge.load_der_ocsp_response(answer.body).certificate_status is judge.OCSPCertStatus.GOOD

    def memory(self, world):
        """Octets that the server's processes hold (VmRSS of proc(5)), by process."""
        found = {}
        for pid in world.server.processes("serve"):
            (line,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            found[pid] = int(line) * 1024
        return found

    def test_bodies_that_drip(self, world, issuer):
        """Forty clients send an octet now and then; whoever asks meanwhile is answered before they are done."""
        request = request_for(issuer, world.ids["good"].serial)
        head = (
            f"POST /ocsp/{PREFECTURE} HTTP/1.1\r\nHost: example\r\nContent-Type: application/ocsp-request\r\n"
            f"Content-Length: {len(request)}\r\n\r\n"
        ).encode()
        stop = threading.Event()
        with ExitStack() as stack:
            slow = [
                stack.enter_context(socket.create_connection(("127.0.0.1", world.server.port), timeout=30))
                for _ in range(40)
            ]
            sent = 1

            def drip():
                nonlocal sent
                while not stop.wait(0.05) and sent < len(request) - 1:
                    for one in slow:
                        one.sendall(request[sent : sent + 1])
                    sent += 1

            for one in slow:
                one.sendall(head + request[:1])
            dripping = threading.Thread(target=drip)
            dripping.start()
            try:
                for _ in range(20):
                    assert self.asks(world, issuer)
                assert sent < len(request) - 1, "they are still at it"
            finally:
                stop.set()
                dripping.join()
            slow[0].sendall(request[sent:])
            assert slow[0].recv(1 << 16).startswith(b"HTTP/1.1 200"), "who comes to an end is answered too"
        assert self.asks(world, issuer)

    def test_what_is_no_question(self, world, issuer):
        """Each a hundred times: an OCSP error or a 4xx; nothing is logged, and nothing stays in memory."""
        path = f"/ocsp/{PREFECTURE}"
        query = several(issuer)
        chance = random.Random(7)
        attempts = [
            (path, bytes(10_000_000), OCTETS, 413),
            (path, chance.randbytes(400), OCTETS, 200),
            (path, b"\x30\x80" * 5000, OCTETS, 200),
            (path, query[:-3], OCTETS, 200),
            (path, query, {"Content-Type": "text/plain"}, 415),
            (path, query, OCTETS | {"Content-Length": "99999999999999"}, 413),
            (f"{path}x", query, OCTETS, 404),
            ("/ocsp/" + "x" * 5000, query, OCTETS, 404),
        ]

        def all_of_it():
            for where, body, headers, status in attempts:
                answer = world.server.send("POST", where, body, headers=headers)
                assert answer.status == status, (where[:40], answer)
                assert status != 200 or answer.body == MALFORMED

        for _ in range(10):
            all_of_it()
        before = self.memory(world)
        for _ in range(100):
            all_of_it()
        after = self.memory(world)
        assert after.keys() == before.keys(), "no process died"
        for pid, octets in after.items():
            assert octets < before[pid] + (24 << 20), "less than three of the thousand megabytes sent"
        assert self.asks(world, issuer)
        assert world.server.events("ocsp-not-answered") == []
        assert "Traceback" not in world.server.said()
