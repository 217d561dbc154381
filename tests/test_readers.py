"""Readers that are not ours read every profile's certificate and every list without complaint, and see the same in it.

OpenSSL, GnuTLS's certtool and Java's keytool print what they read; a table says where each of them prints what. The
other side of the comparison is asn1crypto's reading of the same octets, which tests/test_profiles.py holds to the
golden files.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import crl, x509

from fixtures.make_golden import make_certificates, make_lists, of_family
from tests.components import require
from tests.engine_world import engine_world
from tests.test_profiles import CERTIFICATES as ALL_CERTIFICATES
from tests.test_profiles import LISTS as ALL_LISTS
from tests.test_profiles import family_of

# These readers know no ML-DSA; who does, judges it in tests/test_suites_judged.py.
CERTIFICATES, LISTS = (
    [name for name in names if family_of(name) != "ml-dsa-65"] for names in (ALL_CERTIFICATES, ALL_LISTS)
)
LONG = pytest.mark.long
ENVIRONMENT = os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
COMPLAINT = re.compile(r"(?i)error|warning|invalid(?!ity date)|unpars|<not supported>|<parse|malformed|fail")


@dataclass(frozen=True)
class Reading:
    """What is read in a certificate: for a list, the serials are those of its entries."""

    serials: tuple[int, ...]
    issuer: str
    since: datetime
    until: datetime
    critical: tuple[bool, ...]


@dataclass(frozen=True)
class Reader:
    """A program, how it is called, and where in its words each thing stands."""

    command: str
    serial: str
    issuer: str
    since: str
    until: str
    time: str
    extension: str
    """With a group ``critical`` that is there, or says ``true``, if the extension is critical; perhaps ``oid``."""

    def read(self, file: Path, identifiers: tuple[str, ...], *, weak: bool = False) -> Reading:
        """What it says of the file, whose extensions have these identifiers, in this order.

        Where the algorithms are ``weak`` it may warn of that; else it complains of nothing.
        """
        command = self.command.split()
        require(command[0])
        done = subprocess.run(
            [*command, file], capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT
        )
        text, _, _ = done.stdout.partition("-----BEGIN")
        assert done.returncode == 0, done.stderr
        complaints = {found.lower() for found in COMPLAINT.findall(text + done.stderr)}
        assert complaints <= ({"warning"} if weak else set()), text + done.stderr
        extensions = list(re.finditer(self.extension, text, re.MULTILINE))
        if "oid" in extensions[0].groupdict():  # keytool sorts them its own way
            extensions.sort(key=lambda one: identifiers.index(one["oid"]))
        return Reading(
            serials=tuple(
                int(found.replace(":", ""), 16) for found in re.findall(self.serial, text, re.MULTILINE)
            ),
            issuer=re.sub(r",\s+", ",", self._one(self.issuer, text)),
            since=self._moment(self.since, text),
            until=self._moment(self.until, text),
            critical=tuple(one["critical"] in {"true", "critical"} for one in extensions),
        )

    def _one(self, pattern: str, text: str) -> str:
        found = re.findall(pattern, text, re.MULTILINE)
        assert len(found) == 1, pattern
        return found[0]

    def _moment(self, pattern: str, text: str) -> datetime:
        return datetime.strptime(self._one(pattern, text), self.time).replace(tzinfo=UTC)


OPENSSL_TIME = "%b %d %H:%M:%S %Y GMT"
OTHER_TIME = "%a %b %d %H:%M:%S UTC %Y"

CERTIFICATE_READERS = {
    "openssl": Reader(
        command="openssl x509 -inform DER -noout -text -certopt ext_error -nameopt RFC2253 -in",
        serial=r"Serial Number:\n\s+([0-9a-f:]+)$",
        issuer=r"^ +Issuer: (.+)$",
        since=r"Not Before: (.+)$",
        until=r"Not After : (.+)$",
        time=OPENSSL_TIME,
        extension=r"^ {12}\S.*: ?(?P<critical>critical)?$",
    ),
    "certtool": Reader(
        command="certtool -i --inder --infile",
        serial=r"Serial Number \(hex\): ([0-9a-f]+)$",
        issuer=r"^\tIssuer: (.+)$",
        since=r"Not Before: (.+)$",
        until=r"Not After: (.+)$",
        time=OTHER_TIME,
        extension=r"^\t\t\S.* \((?P<critical>critical|not critical)\):",
    ),
    "keytool": Reader(
        command="keytool -printcert -file",
        serial=r"^Serial number: ([0-9a-f]+)$",
        issuer=r"^Issuer: (.+)$",
        since=r"^Valid from: (.+) until: ",
        until=r"^Valid from: .+ until: (.+)$",
        time=OTHER_TIME,
        extension=r"^#\d+: ObjectId: (?P<oid>[\d.]+) Criticality=(?P<critical>true|false)$",
    ),
}

LIST_READERS = {
    "openssl": Reader(
        command="openssl crl -inform DER -noout -text -nameopt RFC2253 -in",
        serial=r"Serial Number: ([0-9A-F]+)$",
        issuer=r"^ +Issuer: (.+)$",
        since=r"Last Update: (.+)$",
        until=r"Next Update: (.+)$",
        time=OPENSSL_TIME,
        extension=r"^ {12}X509v3 (?!CRL Reason).*: ?(?P<critical>critical)?$",
    ),
    "certtool": Reader(
        command="certtool --crl-info --inder --infile",
        serial=r"Serial Number \(hex\): ([0-9a-f]+)$",
        issuer=r"^\tIssuer: (.+)$",
        since=r"Issued: (.+)$",
        until=r"Next at: (.+)$",
        time=OTHER_TIME,
        extension=r"^\t\t\S.* \((?P<critical>critical|not critical)\):",
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The file of each."""
    folder = tmp_path_factory.mktemp("readers")
    with engine_world(folder / "world") as world:
        contents = make_certificates(world) | make_lists(world) | dict(of_family("p-256"))
    for kind, encoded in contents.items():
        (folder / f"{kind}.der").write_bytes(encoded)
    return {kind: folder / f"{kind}.der" for kind in contents}


QUICKLY = ("signature", "user-authentication", "self-signed", "cross", "list-full", "list-partition")


def pairs(readers: Mapping[str, Reader], kinds: list[str]) -> list[object]:
    """Each reader with each kind. Java takes a second to start, and another family's profiles are nothing new to readers."""
    return [
        pytest.param(
            reader,
            kind,
            marks=() if kind in QUICKLY or (reader != "keytool" and not family_of(kind)) else LONG,
        )
        for reader in readers
        for kind in kinds
    ]


@pytest.mark.parametrize(("reader", "kind"), pairs(CERTIFICATE_READERS, CERTIFICATES))
def test_a_certificate_is_read_alike(reader: str, kind: str, made: Mapping[str, Path]) -> None:
    tbs = x509.Certificate.load(made[kind].read_bytes(), strict=True)["tbs_certificate"]
    of_old = kind.startswith("old-")  # which are signed with SHA-1
    said = CERTIFICATE_READERS[reader].read(made[kind], identifiers(tbs["extensions"]), weak=of_old)
    assert said == Reading(
        serials=(tbs["serial_number"].native,),
        issuer=words(tbs["issuer"]),
        since=tbs["validity"]["not_before"].native,
        until=tbs["validity"]["not_after"].native,
        critical=tuple(one["critical"].native for one in tbs["extensions"]),
    )


@pytest.mark.parametrize(("reader", "kind"), pairs(LIST_READERS, LISTS))
def test_a_list_is_read_alike(reader: str, kind: str, made: Mapping[str, Path]) -> None:
    tbs = crl.CertificateList.load(made[kind].read_bytes(), strict=True)["tbs_cert_list"]
    said = LIST_READERS[reader].read(made[kind], identifiers(tbs["crl_extensions"]))
    assert said == Reading(
        serials=tuple(one["user_certificate"].native for one in tbs["revoked_certificates"]),
        issuer=words(tbs["issuer"]),
        since=tbs["this_update"].native,
        until=tbs["next_update"].native,
        critical=tuple(one["critical"].native for one in tbs["crl_extensions"]),
    )


def identifiers(extensions: x509.Extensions) -> tuple[str, ...]:
    return tuple(one["extn_id"].dotted for one in extensions)


ABBREVIATIONS = {"2.5.4.6": "C", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.3": "CN", "2.5.4.7": "L"}


def words(name: x509.Name) -> str:
    """An issuer as RFC 4514 writes it: the last step first. Nothing in the names here needs an escape."""
    steps = [(ABBREVIATIONS[one["type"].dotted], one["value"].native) for step in name.chosen for one in step]
    return ",".join(f"{kind}={value}" for kind, value in reversed(steps))


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "cut short": lambda encoded: encoded[:-1],
    "an extension that is no DER": lambda encoded: encoded.replace(
        b"\x55\x1d\x0f\x01\x01\xff\x04\x04\x03", b"\x55\x1d\x0f\x01\x01\xff\x04\x04\x63", 1
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("reader", CERTIFICATE_READERS)
def test_a_damaged_certificate_is_complained_of(
    reader: str, damage: str, made: Mapping[str, Path], tmp_path: Path
) -> None:
    """The readers are awake."""
    whole = made["signature"].read_bytes()
    encoded = DAMAGES[damage](whole)
    assert encoded != whole
    file = tmp_path / "damaged.der"
    file.write_bytes(encoded)
    with pytest.raises(AssertionError):
        CERTIFICATE_READERS[reader].read(file, ())
