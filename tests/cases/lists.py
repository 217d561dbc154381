"""Revocation lists of cases: a draft whose every field a note may change, and its DER."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from asn1crypto import core, crl, x509

from tests.cases.certificates import Extension, Marks, Value, encode_extensions, encoded_values, moment
from tests.cases.general_names import Spelling, directory, encoded
from tests.relying_world import DAY, Steps, key_id, signed

_HOLDS: dict[str, dict[str, object]] = {
    "all": {},
    "users": {"only_contains_user_certs": True},
    "CAs": {"only_contains_ca_certs": True},
    "attributes": {"only_contains_attribute_certs": True},
}


@dataclass(frozen=True)
class Entry:
    """A revocation to be listed: of whom, when, why. Who is a party, or already a serial number in hexadecimal digits."""

    who: str
    when: timedelta = -DAY
    reason: str | None = "affiliation_changed"
    more: tuple[Extension, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class ListDraft:
    """What a list will say.

    Attributes:
        point: Of its issuingDistributionPoint; None names none.
        base: Which number it adds to; None if it is complete.
    """

    issuer: Steps
    signer: int
    key_named: int | None
    number: int | None
    point: Steps | None
    holds: str
    this_update: timedelta = -DAY / 2
    next_update: timedelta | None = DAY / 2
    revoked: tuple[Entry, ...] = ()
    base: int | None = None
    reasons: frozenset[str] | None = None
    indirect: bool = False
    issuer_spelling: Spelling = Spelling.UTF8
    point_spelling: Spelling = Spelling.UTF8
    version: str = "v2"
    digest: str = "sha256"
    more: tuple[Extension, ...] = field(default=(), repr=False)

    @cache  # noqa: B019 - cases share most of their lists, and all are kept for the run
    def der(self, marks: Marks) -> bytes:
        """The list, signed; its entries name serial numbers."""
        entries = [_entry(entry) for entry in self.revoked]
        value = {
            "version": self.version,
            "signature": {"algorithm": "sha256_rsa"},
            "issuer": encoded(marks(self.issuer), self.issuer_spelling),
            "this_update": _time(self.this_update),
            "revoked_certificates": entries or None,
            "crl_extensions": encode_extensions([*encoded_values(self._extensions(marks)), *self.more]),
        }
        if self.next_update is not None:
            value["next_update"] = _time(self.next_update)
        return signed(crl.CertificateList, "tbs_cert_list", crl.TbsCertList(value), self.signer, self.digest)

    def _extensions(self, marks: Marks) -> Iterator[Value]:
        if self.key_named is not None:
            named = x509.AuthorityKeyIdentifier({"key_identifier": key_id(self.key_named)})
            yield "authority_key_identifier", False, named
        if self.number is not None:
            yield "crl_number", False, core.Integer(self.number)
        if self.base is not None:
            yield "delta_crl_indicator", True, core.Integer(self.base)
        scope = dict(_HOLDS[self.holds])
        if self.point is not None:
            scope["distribution_point"] = x509.DistributionPointName(
                name="full_name", value=[directory(marks(self.point), self.point_spelling)]
            )
        if self.reasons is not None:
            scope["only_some_reasons"] = set(self.reasons)
        if self.indirect:
            scope["indirect_crl"] = True
        if scope:
            yield "issuing_distribution_point", True, crl.IssuingDistributionPoint(scope)


def _entry(entry: Entry) -> dict[str, object]:
    extensions: list[Extension] = list(entry.more)
    if entry.reason is not None:
        extensions.append(("crl_reason", False, crl.CRLReason(entry.reason).dump()))
    return {
        "user_certificate": int(entry.who, 16),
        "revocation_date": _time(entry.when),
        "crl_entry_extensions": encode_extensions(extensions),
    }


def _time(offset: timedelta) -> x509.Time:
    return x509.Time(name="utc_time", value=moment(offset))
