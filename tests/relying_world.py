"""Toy worlds for the relying party, made with asn1crypto and cryptography alone: none of our issuing code.

    anchor (gpki-bca.g1) -> bridge (jpki-bridge.g1), policy mapped -> prefecture (jpki-13.g1) -> holder

A test takes the right world, changes one thing, publishes it into a folder and asks us and OpenSSL.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from asn1crypto import core, crl, pem, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.keys.pool import public_test_key
from ca.wire import der, walk

AT = datetime(2014, 10, 1, 3, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GPKI_POLICY = "2.999.1"
JPKI_POLICY = "2.999.2"
OTHER_POLICY = "2.999.77"

Steps = tuple[tuple[str, str], ...]
JP = ("country_name", "JP")


def o(*values: str, test: bool = True) -> Steps:
    """C=JP, O=first, OU=others."""
    first, *rest = values
    organisation = ("organization_name", f"{first}-TEST" if test else first)
    return (JP, organisation, *(("organizational_unit_name", value) for value in rest))


ANCHOR, BRIDGE, PREFECTURE = o("GPKI", "BridgeCA"), o("JPKI", "BridgeCA"), o("JPKI", "Tokyo")
HOLDER: Steps = (JP, ("locality_name", "Tokyo-to"), ("common_name", "ABCDEFGHIJKLMN13101001A"))
TOWN: Steps = (
    *o("JPKI"),
    ("organizational_unit_name", "CRL Distribution Points"),
    ("common_name", "Chiyoda-ku CRLDP"),
)
OTHER_TOWN: Steps = (*TOWN[:-1], ("common_name", "Chuo-ku CRLDP"))


def name(steps: Steps) -> x509.Name:
    def step(kind: str, value: str):
        if kind == "email_address":
            return x509.RelativeDistinguishedName([x509.NameTypeAndValue({"type": kind, "value": value})])
        text = core.PrintableString(value) if kind == "country_name" else core.UTF8String(value)
        chosen = x509.DirectoryString(
            name="printable_string" if kind == "country_name" else "utf8_string", value=text
        )
        return x509.RelativeDistinguishedName([x509.NameTypeAndValue({"type": kind, "value": chosen})])

    return x509.Name(name="", value=x509.RDNSequence([step(*pair) for pair in steps]))


@cache
def key(number: int) -> rsa.RSAPrivateKey:
    return public_test_key(number)


@cache
def public(number: int) -> x509.PublicKeyInfo:
    octets = key(number).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return x509.PublicKeyInfo.load(octets)


def key_id(number: int) -> bytes:
    return public(number).sha1


def signed(kind, field_name: str, tbs, signer: int, digest: str):
    algorithm = {"algorithm": f"{digest}_rsa", "parameters": core.Null()}
    tbs["signature"] = algorithm
    hashed = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}[digest]  # noqa: S303 - of the past
    signature = key(signer).sign(tbs.dump(force=True), padding.PKCS1v15(), hashed)
    return kind(
        {
            field_name: tbs,
            "signature_algorithm": algorithm,
            "signature_value" if kind is x509.Certificate else "signature": core.OctetBitString(signature),
        }
    ).dump()


def signed_again(octets: bytes, signer: int, change: Callable[[bytes], bytes]) -> bytes:
    """A certificate or list with other octets in what is signed; asn1crypto would not write some of them."""
    tbs, algorithm, _ = walk.frame(octets)
    changed = change(tbs.whole(octets))
    signature = key(signer).sign(changed, padding.PKCS1v15(), hashes.SHA256())
    return der.sequence(changed, algorithm.whole(octets), der.value(0x03, b"\0" + signature))


def point_of(steps: Steps):
    return x509.DistributionPointName(
        name="full_name",
        value=x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(steps))]),
    )


@dataclass
class Cert:
    """A certificate to be made. Every field is one thing that a test may change."""

    subject: Steps
    issuer: Steps
    key: int
    signer: int
    serial: int
    not_before: datetime = AT - 100 * DAY
    not_after: datetime = AT + 1000 * DAY
    ca: bool = True
    path_length: int | None = None
    usage: set[str] | None = field(default_factory=lambda: {"key_cert_sign", "crl_sign"})
    purposes: list[str] | None = None
    policies: list[str] = field(default_factory=list)
    mappings: list[tuple[str, str]] = field(default_factory=list)
    explicit: int | None = None
    point: Steps | None = None
    self_signed: bool = False
    aki: dict | None = None
    aki_key: int | None = None
    more: list[tuple[str, bool, object]] = field(default_factory=list)
    version: str = "v3"
    digest: str = "sha256"

    def extensions(self) -> list[tuple[str, bool, object]]:
        found: list[tuple[str, bool, object]] = []
        if self.usage is not None:
            found.append(("key_usage", True, x509.KeyUsage(self.usage)))
        if self.ca:
            found.append(
                (
                    "basic_constraints",
                    True,
                    x509.BasicConstraints({"ca": True, "path_len_constraint": self.path_length}),
                )
            )
        if self.purposes is not None:
            found.append(("extended_key_usage", False, x509.ExtKeyUsageSyntax(self.purposes)))
        if self.policies:
            value = x509.CertificatePolicies([{"policy_identifier": policy} for policy in self.policies])
            found.append(("certificate_policies", True, value))
        if self.mappings:
            pairs = [
                {"issuer_domain_policy": ours, "subject_domain_policy": theirs}
                for ours, theirs in self.mappings
            ]
            found.append(("policy_mappings", True, x509.PolicyMappings(pairs)))
        if self.explicit is not None:
            value = x509.PolicyConstraints({"require_explicit_policy": self.explicit})
            found.append(("policy_constraints", True, value))
        if self.point is not None:
            points = x509.CRLDistributionPoints([{"distribution_point": point_of(self.point)}])
            found.append(("crl_distribution_points", False, points))
        found.append(("key_identifier", False, core.OctetString(key_id(self.key))))
        if not self.self_signed:
            named = self.signer if self.aki_key is None else self.aki_key
            value = x509.AuthorityKeyIdentifier({"key_identifier": key_id(named), **(self.aki or {})})
            found.append(("authority_key_identifier", False, value))
        return found + self.more

    def der(self) -> bytes:
        tbs = x509.TbsCertificate(
            {
                "version": self.version,
                "serial_number": self.serial,
                "signature": {"algorithm": "sha256_rsa"},
                "issuer": name(self.issuer),
                "validity": {
                    "not_before": x509.Time(name="utc_time", value=self.not_before),
                    "not_after": x509.Time(name="utc_time", value=self.not_after),
                },
                "subject": name(self.subject),
                "subject_public_key_info": public(self.key),
                "extensions": [
                    {"extn_id": kind, "critical": critical, "extn_value": value}
                    for kind, critical, value in self.extensions()
                ],
            }
        )
        return signed(x509.Certificate, "tbs_certificate", tbs, self.signer, self.digest)


@dataclass
class Crl:
    """A list to be made."""

    generation: str
    scope: str
    issuer: Steps
    signer: int
    number: int = 1
    this_update: datetime = AT - DAY / 2
    next_update: datetime = AT + DAY / 2
    point: Steps | None = None
    holds: str = "all"
    revoked: dict[int, tuple[datetime, str | None]] = field(default_factory=dict)
    delta: bool = False
    partial: dict = field(default_factory=dict)
    more: list[tuple[str, bool, object]] = field(default_factory=list)
    entry_more: list[tuple[str, bool, object]] = field(default_factory=list)
    aki_key: int | None = None
    digest: str = "sha256"
    listed_under: Steps | None = None  # the point that the manifest gives, if not the list's own

    def der(self) -> bytes:
        named = self.signer if self.aki_key is None else self.aki_key
        extensions: list[tuple[str, bool, object]] = [
            (
                "authority_key_identifier",
                False,
                x509.AuthorityKeyIdentifier({"key_identifier": key_id(named)}),
            ),
            ("crl_number", False, core.Integer(self.number)),
        ]
        if self.delta:
            extensions.append(("delta_crl_indicator", True, core.Integer(1)))
        if self.point is not None or self.partial:
            flags = {
                "user": {"only_contains_user_certs": True},
                "ca": {"only_contains_ca_certs": True},
                "all": {},
            }
            value = {**flags[self.holds], **self.partial}
            if self.point is not None:
                value["distribution_point"] = point_of(self.point)
            extensions.append(("issuing_distribution_point", True, crl.IssuingDistributionPoint(value)))
        tbs = crl.TbsCertList(
            {
                "version": "v2",
                "signature": {"algorithm": "sha256_rsa"},
                "issuer": name(self.issuer),
                "this_update": x509.Time(name="utc_time", value=self.this_update),
                "next_update": x509.Time(name="utc_time", value=self.next_update),
                "revoked_certificates": [self._entry(*item) for item in self.revoked.items()] or None,
                "crl_extensions": [
                    {"extn_id": kind, "critical": critical, "extn_value": value}
                    for kind, critical, value in extensions + self.more
                ],
            }
        )
        return signed(crl.CertificateList, "tbs_cert_list", tbs, self.signer, self.digest)

    def _entry(self, serial: int, ended: tuple[datetime, str | None]) -> dict:
        moment, reason = ended
        extensions = [("crl_reason", False, crl.CRLReason(reason))] if reason else []
        entry = {
            "user_certificate": serial,
            "revocation_date": x509.Time(name="utc_time", value=moment),
        }
        if extensions + self.entry_more:
            entry["crl_entry_extensions"] = [
                {"extn_id": kind, "critical": critical, "extn_value": value}
                for kind, critical, value in extensions + self.entry_more
            ]
        return entry


def authorities() -> dict[str, tuple[Steps, int]]:
    return {"gpki-bca.g1": (ANCHOR, 0), "jpki-bridge.g1": (BRIDGE, 1), "jpki-13.g1": (PREFECTURE, 2)}


def crosses() -> dict[tuple[str, str], Cert]:
    return {
        ("gpki-bca.g1", "jpki-bridge.g1"): Cert(
            BRIDGE,
            ANCHOR,
            key=1,
            signer=0,
            serial=0x1001,
            policies=[GPKI_POLICY],
            mappings=[(GPKI_POLICY, JPKI_POLICY)],
            explicit=0,
            point=ANCHOR,
        ),
        ("jpki-bridge.g1", "jpki-13.g1"): Cert(
            PREFECTURE,
            BRIDGE,
            key=2,
            signer=1,
            serial=0x2001,
            policies=[JPKI_POLICY],
            explicit=0,
            point=BRIDGE,
        ),
    }


def lists() -> dict[tuple[str, str], list[Crl]]:
    """Every list of every scope, the oldest first."""
    return {
        ("gpki-bca.g1", "arl"): [Crl("gpki-bca.g1", "arl", ANCHOR, 0, point=ANCHOR, holds="ca")],
        ("jpki-bridge.g1", "arl"): [Crl("jpki-bridge.g1", "arl", BRIDGE, 1, point=BRIDGE, holds="ca")],
        ("jpki-13.g1", "full"): [Crl("jpki-13.g1", "full", PREFECTURE, 2)],
        ("jpki-13.g1", "signature-131016"): [
            Crl("jpki-13.g1", "signature-131016", PREFECTURE, 2, point=TOWN, holds="user")
        ],
        ("jpki-13.g1", "signature-131024"): [
            Crl("jpki-13.g1", "signature-131024", PREFECTURE, 2, point=OTHER_TOWN, holds="user")
        ],
    }


@dataclass
class World:
    """The right world. ``publish`` writes what it is by then."""

    anchor: Cert = field(
        default_factory=lambda: Cert(
            ANCHOR, ANCHOR, key=0, signer=0, serial=0x1, point=ANCHOR, self_signed=True
        )
    )
    holder: Cert = field(
        default_factory=lambda: Cert(
            HOLDER,
            PREFECTURE,
            key=3,
            signer=2,
            serial=0x3001,
            ca=False,
            usage={"digital_signature", "non_repudiation"},
            policies=[JPKI_POLICY],
            point=TOWN,
        )
    )
    authorities: dict[str, tuple[Steps, int]] = field(default_factory=authorities)
    crosses: dict[tuple[str, str], Cert] = field(default_factory=crosses)
    lists: dict[tuple[str, str], list[Crl]] = field(default_factory=lists)
    marking: str = "test"

    @property
    def to_bridge(self) -> Cert:
        return self.crosses["gpki-bca.g1", "jpki-bridge.g1"]

    @property
    def to_prefecture(self) -> Cert:
        return self.crosses["jpki-bridge.g1", "jpki-13.g1"]

    @property
    def town(self) -> Crl:
        return self.lists["jpki-13.g1", "signature-131016"][-1]

    def arl(self, generation: str) -> Crl:
        return self.lists[generation, "arl"][-1]

    def later_list(self, generation: str, scope: str, **changes) -> Crl:
        """A further list of a scope, a day after the last."""
        last = self.lists[generation, scope][-1]
        changes = {"this_update": last.this_update + DAY, "next_update": last.next_update + DAY, **changes}
        self.lists[generation, scope].append(replace(last, number=last.number + 1, **changes))
        return self.lists[generation, scope][-1]

    def publish(self, folder: Path) -> Path:
        """Write the folder as a repository would."""
        manifest = {
            "format": 1,
            "world": "toy",
            "marking": self.marking,
            "anchor": "gpki-bca.g1",
            "authorities": [
                {
                    "generation": generation,
                    "role": "bridge",
                    "name": base64.b64encode(name(steps).dump()).decode(),
                    "key_identifier": key_id(number).hex(),
                    "certificate": f"g/{generation}/self.cer",
                    "responder": f"g/{generation}/ocsp.cer",
                }
                for generation, (steps, number) in self.authorities.items()
            ],
            "cross": [
                {"issuer": issuer, "subject": subject, "certificate": f"g/{issuer}/cross/{subject}.cer"}
                for issuer, subject in self.crosses
            ],
            "lists": [
                {
                    "generation": generation,
                    "scope": scope,
                    "point": base64.b64encode(name(point).dump()).decode() if point else None,
                    "holds": found[0].holds,
                    "url": f"g/{generation}/crl/{scope}.crl",
                }
                for (generation, scope), found in self.lists.items()
                for point in [found[0].listed_under or found[0].point]
            ],
        }
        for (issuer, subject), cross in self.crosses.items():
            _write(folder / "g" / issuer / "cross" / f"{subject}.cer", cross.der())
        for (generation, scope), found in self.lists.items():
            crls = folder / "g" / generation / "crl"
            for one in found:
                _write(crls / scope / f"{one.number}.crl", one.der())
            _write(crls / f"{scope}.crl", found[-1].der())
        _write(folder / "manifest.json", json.dumps(manifest).encode())
        return folder

    def openssl_accepts(self, folder: Path, policy: str, at: datetime, level: int = 1) -> bool:
        """OpenSSL's verdict on the holder, with the path's cross-certificates and the lists of the moment."""
        newest = [
            max(then, key=lambda one: one.this_update)
            for (_, scope), found in self.lists.items()
            if scope != "full"  # nothing here is listed there; OpenSSL would be content with it
            and (then := [one for one in found if one.this_update <= at])
        ]
        files = {
            "anchor.pem": [("CERTIFICATE", self.anchor.der())],
            "cross.pem": [("CERTIFICATE", cross.der()) for cross in self.crosses.values()],
            "lists.pem": [("X509 CRL", one.der()) for one in newest],
            "holder.pem": [("CERTIFICATE", self.holder.der())],
        }
        for file, contents in files.items():
            _write(folder / file, b"".join(pem.armor(label, octets) for label, octets in contents))
        command = "openssl verify -CAfile anchor.pem -untrusted cross.pem -CRLfile lists.pem -crl_check_all"
        command += f" -auth_level {level} -explicit_policy -policy {policy} -policy_print"
        command += f" -attime {int(at.timestamp())} holder.pem"
        return subprocess.run(command.split(), cwd=folder, capture_output=True, check=False).returncode == 0


def _write(path: Path, octets: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
