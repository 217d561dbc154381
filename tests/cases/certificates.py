"""Certificates of cases: a draft whose every field a note may change, and its DER.

Made with asn1crypto and cryptography alone: none of our issuing code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from asn1crypto import core, x509

from tests.cases.general_names import Spelling, directory, encoded, general_name, unmarked, url
from tests.cases.parties import Party
from tests.relying_world import AT, DAY, Steps, key_id, public, signed

UNKNOWN = "2.999.5.5"
REPOSITORY = "http://repository.example/g"

Extension = tuple[str, bool, bytes]
"""Its object identifier or asn1crypto's word for it, whether it is critical, and its value in DER."""


Value = tuple[str, bool, core.Asn1Value]
"""The same, with its value not yet encoded."""


@dataclass(frozen=True)
class Marks:
    """Which names carry the mark of test worlds: all of a test world's, and of a production world's these."""

    production: bool = False
    marked: frozenset[Steps] = frozenset()

    def __call__(self, steps: Steps) -> Steps:
        return unmarked(steps) if self.production and steps not in self.marked else steps


@dataclass(frozen=True)
class Point:
    """A cRLDistributionPoint: by directory names or by URL, for these reasons (None: for all)."""

    names: tuple[Steps, ...] = ()
    url: str | None = None
    reasons: frozenset[str] | None = None
    issuer: Steps | None = None

    def encoded(self, marks: Marks) -> x509.DistributionPoint:
        names = [directory(marks(steps)) for steps in self.names]
        if self.url is not None:
            names.append(url(self.url))
        value = {"distribution_point": x509.DistributionPointName(name="full_name", value=names)}
        if self.reasons is not None:
            value["reasons"] = set(self.reasons)
        if self.issuer is not None:
            value["crl_issuer"] = x509.GeneralNames([directory(marks(self.issuer))])
        return x509.DistributionPoint(value)


def freshest(generation: Party, scope: str) -> Extension:
    """freshestCRL with the URL of a delta list, as it lies in a published folder."""
    found = Point(url=f"{REPOSITORY}/{generation}/crl/{scope}.crl")
    return "freshest_crl", False, x509.CRLDistributionPoints([found.encoded(Marks())]).dump()


@dataclass(frozen=True)
class CertificateDraft:
    """What a certificate will say.

    Attributes:
        ca: None leaves basicConstraints out.
        key_claimed: Whose key subjectKeyIdentifier says it is; None for the truth.
        key_named: Whose key authorityKeyIdentifier names; None names none.
        certificate_named: A certificate, by issuer and serial, that it names besides.
        permitted, excluded, named: Name constraints and subjectAltName, in words.
    """

    subject: Steps
    issuer: Steps
    key: int
    signer: int
    serial: int
    key_named: int | None
    certificate_named: tuple[Steps, int] | None = None
    subject_spelling: Spelling = Spelling.UTF8
    issuer_spelling: Spelling = Spelling.UTF8
    not_before: timedelta = -100 * DAY
    not_after: timedelta = 1000 * DAY
    ca: bool | None = True
    path_length: int | None = None
    usage: frozenset[str] | None = frozenset({"key_cert_sign", "crl_sign"})
    purposes: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    qualified: bool = False
    mappings: tuple[tuple[str, str], ...] = ()
    explicit: int | None = None
    inhibit_mapping: int | None = None
    inhibit_any: int | None = None
    points: tuple[Point, ...] = ()
    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    identified: bool = True
    key_claimed: int | None = None
    version: str = "v3"
    digest: str = "sha256"
    more: tuple[Extension, ...] = field(default=(), repr=False)

    @cache  # noqa: B019 - cases share most of their certificates, and all are kept for the run
    def der(self, marks: Marks) -> bytes:
        """The certificate, signed."""
        tbs = x509.TbsCertificate(
            {
                "version": self.version,
                "serial_number": self.serial,
                "signature": {"algorithm": "sha256_rsa"},
                "issuer": encoded(marks(self.issuer), self.issuer_spelling),
                "validity": {"not_before": _time(self.not_before), "not_after": _time(self.not_after)},
                "subject": encoded(marks(self.subject), self.subject_spelling),
                "subject_public_key_info": public(self.key),
                "extensions": encode_extensions([*encoded_values(self._extensions(marks)), *self.more]),
            }
        )
        return signed(x509.Certificate, "tbs_certificate", tbs, self.signer, self.digest)

    def _extensions(self, marks: Marks) -> Iterator[Value]:
        if self.usage is not None:
            yield "key_usage", True, x509.KeyUsage(set(self.usage))
        if self.ca is not None:
            constraints = {"ca": self.ca, "path_len_constraint": self.path_length}
            yield "basic_constraints", True, x509.BasicConstraints(constraints)
        if self.purposes:
            yield "extended_key_usage", False, x509.ExtKeyUsageSyntax(list(self.purposes))
        yield from self._of_policies()
        yield from self._of_names(marks)
        if self.points:
            points = [point.encoded(marks) for point in self.points]
            yield "crl_distribution_points", False, x509.CRLDistributionPoints(points)
        if self.identified:
            yield (
                "key_identifier",
                False,
                core.OctetString(key_id(self.key if self.key_claimed is None else self.key_claimed)),
            )
        authority: dict[str, object] = {}
        if self.key_named is not None:
            authority["key_identifier"] = key_id(self.key_named)
        if self.certificate_named is not None:
            issuer, serial = self.certificate_named
            authority["authority_cert_issuer"] = x509.GeneralNames([directory(marks(issuer))])
            authority["authority_cert_serial_number"] = serial
        if authority:
            yield "authority_key_identifier", False, x509.AuthorityKeyIdentifier(authority)

    def _of_policies(self) -> Iterator[Value]:
        if self.policies:
            practice = {"policy_qualifier_id": "certification_practice_statement"}
            qualifier = {**practice, "qualifier": core.IA5String("http://repository.example/cps")}
            qualifiers = [qualifier] if self.qualified else None
            policies = [{"policy_identifier": one, "policy_qualifiers": qualifiers} for one in self.policies]
            yield "certificate_policies", True, x509.CertificatePolicies(policies)
        if self.mappings:
            pairs = [
                {"issuer_domain_policy": above, "subject_domain_policy": below}
                for above, below in self.mappings
            ]
            yield "policy_mappings", True, x509.PolicyMappings(pairs)
        if (self.explicit, self.inhibit_mapping) != (None, None):
            numbers = {
                "require_explicit_policy": self.explicit,
                "inhibit_policy_mapping": self.inhibit_mapping,
            }
            yield "policy_constraints", True, x509.PolicyConstraints(numbers)
        if self.inhibit_any is not None:
            yield "inhibit_any_policy", True, core.Integer(self.inhibit_any)

    def _of_names(self, marks: Marks) -> Iterator[Value]:
        def names(words: tuple[str, ...]) -> list[x509.GeneralName]:
            return [general_name(one, plain=marks.production) for one in words]

        if self.permitted or self.excluded:
            trees = {
                "permitted_subtrees": [{"base": name} for name in names(self.permitted)] or None,
                "excluded_subtrees": [{"base": name} for name in names(self.excluded)] or None,
            }
            yield "name_constraints", True, x509.NameConstraints(trees)
        if self.named:
            yield "subject_alt_name", False, x509.GeneralNames(names(self.named))


def encoded_values(values: Iterable[Value]) -> Iterator[Extension]:
    """Values in DER."""
    return ((oid, critical, value.dump()) for oid, critical, value in values)


def encode_extensions(extensions: list[Extension]) -> list[dict[str, object]] | None:
    """Extensions for a structure's field; None if there are none."""
    found = [
        {"extn_id": oid, "critical": critical, "extn_value": core.ParsableOctetString(value)}
        for oid, critical, value in extensions
    ]
    return found or None


def _time(offset: timedelta) -> x509.Time:
    return x509.Time(name="utc_time", value=moment(offset))


def moment(offset: timedelta) -> datetime:
    """The moment of the cases, moved."""
    return AT + offset
