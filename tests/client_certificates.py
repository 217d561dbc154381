"""Client certificates of signature verifiers, and what is signed with them: all made by OpenSSL."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests import components


@dataclass(frozen=True)
class Client:
    """A client with its certificate and key, in files of PEM."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> bytes:
        return self.certificate.read_bytes()

    @property
    def der(self) -> bytes:
        return openssl("x509", "-in", self.certificate, "-outform", "DER")

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(self.der).digest()

    @property
    def header(self) -> str:
        """As nginx writes it: everything escaped but RFC 3986's unreserved characters."""
        return quote(self.pem, safe="")


def openssl(*arguments: str | Path, given: bytes | None = None) -> bytes:
    """What it wrote to its standard output."""
    done = subprocess.run(
        [components.require("openssl"), *map(str, arguments)],
        input=given,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make_client(
    folder: Path, name: str, *extensions: str, key: str = "ec", dates: tuple[str, str] | None = None
) -> Client:
    """A client with a certificate that it has signed itself, valid for ten years around now unless dates are given."""
    algorithm = {
        "ec": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "rsa": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    }
    client = Client(folder / f"{name}.pem", folder / f"{name}.key")
    openssl(
        "genpkey",
        "-algorithm",
        *algorithm.get(key, ("RSA", "-pkeyopt", f"rsa_keygen_bits:{key}")),
        "-out",
        client.key,
    )
    request = folder / f"{name}.csr"
    openssl("req", "-new", "-key", client.key, "-subj", f"/C=JP/O=Verifiers/CN={name}", "-out", request)
    configuration = folder / f"{name}.cnf"
    (folder / f"{name}.index").write_text("")
    configuration.write_text(
        f"[ca]\ndefault_ca=it\n[it]\ndatabase={folder / name}.index\nnew_certs_dir={folder}\nserial={folder / name}.serial\n"
        "default_md=sha256\npolicy=any\nunique_subject=no\nx509_extensions=wanted\n[any]\ncommonName=supplied\n"
        "countryName=optional\norganizationName=optional\n[wanted]\n" + "\n".join(extensions) + "\n"
    )
    first, last = dates or ("20200101000000Z", "20491231235959Z")
    openssl(
        "ca", "-batch", "-notext", "-selfsign", "-rand_serial", "-config", configuration, "-in", request,
        "-keyfile", client.key, "-startdate", first, "-enddate", last, "-out", client.certificate,
    )  # fmt: skip
    return client


def signed_request(folder: Path, client: Client, *options: str, serial: int = 1) -> bytes:
    """An OCSPRequest about a certificate of this client's own making, signed by it."""
    out = folder / "request.der"
    openssl(
        "ocsp", "-issuer", client.certificate, "-serial", str(serial), "-no_nonce",
        "-signer", client.certificate, "-signkey", client.key, *options, "-reqout", out,
    )  # fmt: skip
    return out.read_bytes()
