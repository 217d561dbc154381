"""A CA of somebody else, made with OpenSSL's command line alone: it knows nothing of this product but the files it is sent.

It has a P-256 key of its own, a self-signed certificate, a register (``openssl ca``) and a list.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from front.demo.openssl import run

NAME = (("C", "JP"), ("O", "Foreign Trust"), ("CN", "Foreign Root"))
POLICY, AUTHENTICATION = "1.3.6.1.4.1.99999.1.1", "1.3.6.1.4.1.99999.1.2"
"""Policies in the domain of the peer."""
NOW = datetime(2014, 9, 1, tzinfo=UTC)
BEGINS, ENDS = NOW - timedelta(days=30), datetime(2024, 8, 31, 14, 59, 59, tzinfo=UTC)

_CONFIG = """
[ca]
default_ca = foreign
[foreign]
dir = {folder}
database = {folder}/index.txt
rand_serial = yes
new_certs_dir = {folder}/new
certificate = {folder}/root.pem
private_key = {folder}/root.key
default_md = sha256
default_crl_days = 30
crlnumber = {folder}/crlnumber
policy = anything
unique_subject = no
preserve = yes
string_mask = utf8only
[anything]
countryName = optional
organizationName = optional
organizationalUnitName = optional
localityName = optional
commonName = optional
[req]
distinguished_name = name
prompt = no
utf8 = yes
string_mask = {mask}
req_extensions = asked
[name]
{name}
[asked]
{asked}
[lists]
authorityKeyIdentifier = keyid
[{section}]
{extensions}
"""
ROOT = """
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
ASKED = """
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
CROSS = f"""
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = critical, {POLICY}, {AUTHENTICATION}
policyMappings = critical, {POLICY}:2.999.2014.1.1, {AUTHENTICATION}:2.999.2014.1.2
policyConstraints = critical, requireExplicitPolicy:0
"""
HOLDER = f"""
keyUsage = critical, digitalSignature, nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = critical, {POLICY}
"""


@dataclass
class OpensslPeer:
    """The foreign CA, in a folder of its own.

    Attributes:
        mask: Which string type its names have: ``utf8only``, or ``default`` for PrintableString.
    """

    folder: Path
    name: tuple[tuple[str, str], ...] = NAME
    mask: str = "utf8only"
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "new").mkdir(parents=True)
        (self.folder / "index.txt").touch()
        (self.folder / "crlnumber").write_text("01\n")
        self.root = self.folder / "root.pem"
        self.key("root")
        request = self.request("root", ROOT)
        self._sign(request, self.root, ROOT, "-selfsign")

    def key(self, name: str) -> Path:
        """A new P-256 key."""
        path = self.folder / f"{name}.key"
        run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
        return path

    def request(
        self,
        name: str,
        asked: str = ASKED,
        *,
        subject: tuple[tuple[str, str], ...] | None = None,
        key: str = "root",
    ) -> Path:
        """A request of the CA's for its key; ``asked`` are the extensions that it asks for."""
        path = self.folder / f"{name}.csr"
        config = self.config(name, asked=asked, subject=subject)
        run("req", "-new", "-sha256", "-key", self.folder / f"{key}.key", "-config", config, "-out", path)
        return path

    def certify(
        self,
        request: Path,
        name: str,
        extensions: str = CROSS,
        *,
        begins: datetime = BEGINS,
        ends: datetime = datetime(2019, 8, 31, 14, 59, 59, tzinfo=UTC),
    ) -> Path:
        """Certify a request; gives the certificate as PEM."""
        path = self.folder / f"{name}.pem"
        self._sign(request, path, extensions, begins=begins, ends=ends)
        return path

    def holder(self, name: str = "holder") -> Path:
        """A certificate for a holder of its own."""
        self.key(name)
        subject = (("C", "JP"), ("O", "Foreign Trust"), ("CN", name))
        return self.certify(
            self.request(name, "subjectKeyIdentifier = hash", subject=subject, key=name), name, HOLDER
        )

    def crl(self, at: datetime) -> Path:
        """Its list, as of this moment."""
        path = self.folder / "list.pem"
        run(
            "ca", "-config", self.config("crl"), "-gencrl", "-crlexts", "lists", "-out", path,
            "-crl_lastupdate", _digits(at), "-crl_nextupdate", _digits(at + timedelta(days=30)),
        )  # fmt: skip
        return path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its key, as an agreement names it: made by OpenSSL alone."""
        return key_fingerprint(self.folder / "root.key")

    def config(
        self,
        name: str,
        extensions: str = "",
        asked: str = "",
        subject: tuple[tuple[str, str], ...] | None = None,
    ) -> Path:
        """A configuration file for one command."""
        path = self.folder / f"{name}.cnf"
        words = "\n".join(
            f"{place}.{kind} = {value}" for place, (kind, value) in enumerate(subject or self.name)
        )
        path.write_text(
            _CONFIG.format(
                folder=self.folder,
                mask=self.mask,
                name=words,
                asked=asked,
                section="made",
                extensions=extensions,
            ),
            encoding="utf-8",
        )
        return path

    def _sign(
        self,
        request: Path,
        out: Path,
        extensions: str,
        *options: str,
        begins: datetime = BEGINS,
        ends: datetime = ENDS,
    ) -> None:
        run(
            "ca", "-config", self.config(out.stem, extensions), "-batch", "-notext", *options, "-in", request,
            "-out", out, "-extensions", "made", "-startdate", _digits(begins), "-enddate", _digits(ends),
        )  # fmt: skip


def key_fingerprint(key: Path) -> str:
    """SHA-256 of the SubjectPublicKeyInfo of a private key's file."""
    words = ["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"]
    return hashlib.sha256(subprocess.run(words, capture_output=True, check=True).stdout).hexdigest()


def agreement(fingerprints: list[str], subject: tuple[tuple[str, str], ...] = NAME, **changes: str) -> str:
    """An agreement's text; a change replaces what stands behind this key of the file, in whatever table it is."""
    steps = ", ".join(f'["{kind}", "{value}"]' for kind, value in subject)
    values = {
        "id": '"foreign-2014"',
        "from": "2014-08-01T00:00:00Z",
        "to": "2019-08-31T14:59:59Z",
        "authority": '"gpki-bca"',
        "peer": '"foreign"',
        "name": f"[{steps}]",
        "keys": "[" + ", ".join(f'"{key}"' for key in fingerprints) + "]",
        "ours": '"gpki-signature"',
        "certify": "path_length = 0\nmaximum_days = 1830",
        "receive": "maximum_days = 3660",
    } | changes
    return f"""
format = 1
id = {values["id"]}
title = "Mutual recognition of signatures"
from = {values["from"]}
to = {values["to"]}

[ours]
authority = {values["authority"]}

[peer]
id = {values["peer"]}
organisation = "Foreign Trust"
contact = "pki-desk@foreign.example"
name = {values["name"]}
keys = {values["keys"]}

[[map]]
ours = {values["ours"]}
theirs = "{POLICY}"

[[map]]
ours = "gpki-user-authentication"
theirs = "{AUTHENTICATION}"

[certify]
{values["certify"]}

[receive]
{values["receive"]}
"""


def _digits(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%d%H%M%SZ}"
