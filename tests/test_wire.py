"""What is written as DER is what independent readers read: asn1crypto, cryptography, OpenSSL, GnuTLS."""

from __future__ import annotations

import subprocess
import warnings
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import algos, cms, core, crl, parser, pem, x509
from cryptography import x509 as judge
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import example, given
from hypothesis import strategies as st

from ca.keys.pool import public_test_key
from ca.keys.signer import SoftwareSigner
from ca.model import CertificateKind, Period, RevocationReason
from ca.names import Attribute, DirectoryName
from ca.profiles.drafting import CertificateDraft
from ca.profiles.extensions import (
    AuthorityAccess,
    AuthorityKey,
    BasicConstraints,
    CertificatePolicies,
    DistributionPoint,
    ExtendedKeyUsage,
    Extension,
    Holds,
    IssuerDirectoryName,
    IssuingPoint,
    KeyUsage,
    KeyUse,
    ListNumber,
    NameConstraints,
    OcspNoCheck,
    PolicyConstraints,
    PolicyMappings,
    SubjectAccess,
    SubjectDirectoryName,
    SubjectKey,
    SubjectOtherNames,
    Subtree,
)
from ca.suites import SHA256_RSA2048
from ca.wire import der
from ca.wire.cms import detached_signature
from ca.wire.extensions import encode_extension
from ca.wire.lists import encode_entry, tbs_list
from ca.wire.names import directory_name, encode_name
from ca.wire.pairs import certificate_pair
from ca.wire.tbs import algorithm_identifier, signed, tbs_certificate
from tests import builders
from tests.builders import AUTHORITY, KEYS, NOW, POINT, draft_of, list_draft_of, name_of, revocation_of
from tests.components import require

AUTHORITY_KEY = SoftwareSigner("authority", public_test_key(KEYS["authority"]))
LONG = st.integers(min_value=-(1 << 170), max_value=1 << 170)


def certificate(draft: CertificateDraft) -> bytes:
    tbs = tbs_certificate(draft)
    return signed(tbs, draft.suite, AUTHORITY_KEY.sign(tbs, draft.suite))


# The writer.


@given(LONG)
@example(0)
@example(127)
@example(128)
@example(-128)
@example(-129)
@example(1 << 158)
def test_integers(value: int) -> None:
    assert der.integer(value) == core.Integer(value).dump()


@pytest.mark.parametrize("reason", RevocationReason)
def test_enumerated(reason: RevocationReason) -> None:
    word = {"cACompromise": "ca_compromise", "aACompromise": "aa_compromise"}.get(
        reason.word, reason.name.lower()
    )
    assert crl.CRLReason.load(der.enumerated(reason), strict=True).native == word


ARC = st.integers(0, 1 << 64)
OIDS = st.one_of(st.tuples(st.sampled_from([0, 1]), st.integers(0, 39)), st.tuples(st.just(2), ARC)).flatmap(
    lambda head: st.lists(ARC, max_size=8).map(lambda tail: ".".join(map(str, (*head, *tail))))
)


@given(OIDS)
@example("1.2.392.200149.8.5.5.1")
@example("2.999.2014.1.1")
@example("2.47.1")
@example("2.48.1")
@example("0.0")
def test_object_identifiers(dotted: str) -> None:
    encoded = der.oid(dotted)
    assert encoded == core.ObjectIdentifier(dotted).dump()
    assert core.ObjectIdentifier.load(encoded, strict=True).dotted == dotted


def test_object_identifiers_as_openssl_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "oid.der"
    for dotted in ("2.999.2014.1.1", "1.2.392.200149.8.5.1.0.20", "2.5.29.32.0"):
        file.write_bytes(der.oid(dotted))
        told = openssl("asn1parse", "-inform", "DER", "-in", file, "-oid", write(tmp_path / "none", b""))
        assert told.strip().endswith(f":{dotted}") or dotted == "2.5.29.32.0"


@given(st.integers(0, 70_000))
@example(127)
@example(128)
@example(255)
@example(256)
@example(65_535)
@example(65_536)
def test_lengths(length: int) -> None:
    content = b"\x5a" * length
    assert der.octet_string(content) == parser.emit(0, 0, 4, content)
    assert der.header(0x04, length) + content == der.octet_string(content)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_structures(parts: list[bytes]) -> None:
    content = b"".join(parts)
    assert der.sequence(*parts) == parser.emit(0, 1, 16, content)
    assert der.set_of_one(content) == parser.emit(0, 1, 17, content)
    assert der.context(3, *parts) == parser.emit(2, 1, 3, content)
    assert der.context(3, *parts, constructed=False) == parser.emit(2, 0, 3, content)
    assert der.bit_string(content) == parser.emit(0, 0, 3, b"\0" + content)


@given(st.text(st.characters(codec="utf-8")))
def test_text(text: str) -> None:
    assert der.utf8(text) == core.UTF8String(text).dump()


@given(st.text(st.characters(codec="ascii")))
def test_ascii_text(text: str) -> None:
    assert der.ia5(text) == core.IA5String(text).dump()
    assert der.printable(text) == core.PrintableString(text).dump()


def test_small_values() -> None:
    assert core.Boolean(value=True).dump() == der.BOOLEAN_TRUE
    assert core.Null().dump() == der.NULL


ZONES = st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-12))])
MOMENTS = st.tuples(st.integers(-62_000_000_000, 253_000_000_000), ZONES).map(
    lambda drawn: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=drawn[0])).astimezone(drawn[1])
)  # the years 5 to 9987


@given(MOMENTS)
@example(datetime(1949, 12, 31, 23, 59, 59, tzinfo=UTC))
@example(datetime(1950, 1, 1, tzinfo=UTC))
@example(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))
@example(datetime(2050, 1, 1, tzinfo=UTC))
@example(datetime(2050, 1, 1, 8, 59, 59, tzinfo=timezone(timedelta(hours=9))))
def test_times(moment: datetime) -> None:
    encoded = der.time(moment)
    read = x509.Time.load(encoded, strict=True)
    assert read.native == moment
    utc = moment.astimezone(UTC)
    # RFC 5280 4.1.2.5: UTCTime through 2049; a two-digit year cannot say what came before 1950.
    assert read.name == ("utc_time" if 1950 <= utc.year <= 2049 else "general_time")
    assert encoded == (read.chosen.dump())
    assert len(encoded) == (15 if read.name == "utc_time" else 17)
    assert core.GeneralizedTime.load(der.generalized_time(moment), strict=True).native == moment


@pytest.mark.parametrize(
    ("moment", "encoded"),
    [
        (datetime(1949, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x18\x0f19491231235959Z"),
        (datetime(1950, 1, 1, tzinfo=UTC), b"\x17\x0d500101000000Z"),
        (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x17\x0d491231235959Z"),
        (datetime(2050, 1, 1, tzinfo=UTC), b"\x18\x0f20500101000000Z"),
        (datetime(987, 6, 5, tzinfo=UTC), b"\x18\x0f09870605000000Z"),
    ],
)
def test_times_around_the_borders(moment: datetime, encoded: bytes) -> None:
    assert der.time(moment) == encoded


# Names.

TYPES = {"C": "2.5.4.6", "O": "2.5.4.10", "OU": "2.5.4.11", "L": "2.5.4.7", "CN": "2.5.4.3"}
JAPANESE = st.text(
    st.one_of(
        st.characters(min_codepoint=0x3041, max_codepoint=0x30FF),
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
        st.sampled_from("　 aZ9-.𠮷髙葛"),
    ),
    min_size=1,
    max_size=64,
)
NAMES = st.lists(
    st.one_of(
        st.tuples(st.just(Attribute.C), st.sampled_from(["JP", "ZZ"])),
        st.tuples(st.sampled_from([Attribute.O, Attribute.OU, Attribute.L, Attribute.CN]), JAPANESE),
    ),
    min_size=1,
    max_size=6,
).map(lambda steps: DirectoryName(tuple(steps)))


def steps_of(name: x509.Name) -> tuple[tuple[str, str, str], ...]:
    """(type, string type, value) of each step, each of one attribute."""
    found = []
    for step in name.chosen:
        assert len(step) == 1
        value = step[0]["value"].chosen
        found.append((step[0]["type"].dotted, type(value).__name__, value.native))
    return tuple(found)


def wanted_steps(name: DirectoryName) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (TYPES[attribute], "PrintableString" if attribute is Attribute.C else "UTF8String", value)
        for attribute, value in name.steps
    )


@given(NAMES)
def test_names(name: DirectoryName) -> None:
    encoded = encode_name(name)
    assert steps_of(x509.Name.load(encoded, strict=True)) == wanted_steps(name)
    general = x509.GeneralName.load(directory_name(name), strict=True)
    assert general.name == "directory_name"
    assert steps_of(general.chosen) == wanted_steps(name)


@given(NAMES)
def test_names_as_cryptography_reads_them(name: DirectoryName) -> None:
    read = judge.load_der_x509_certificate(
        signed(tbs_certificate(draft_of(CertificateKind.SELF_SIGNED, issuer=name)), SHA256_RSA2048, b"\0")
    )
    with warnings.catch_warnings():
        # It counts octets where X.520 counts characters: 22 kanji are too many for it.
        warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)
        found = [(one.oid.dotted_string, one.value) for one in read.issuer]
    assert found == [(TYPES[attribute], value) for attribute, value in name.steps]


# Extensions: each value is written, and read back from the octets without any of our readers.


def name_read(name: Any) -> DirectoryName:
    words = {dotted: word for word, dotted in TYPES.items()}
    return DirectoryName(tuple((Attribute(words[dotted]), value) for dotted, _, value in steps_of(name)))


def places_read(access: Any) -> dict[str, str]:
    """The URL of each method, in their order."""
    found = {}
    for one in access:
        assert one["access_location"].name == "uniform_resource_identifier"
        # Its octets: asn1crypto's own form of a URI is a repaired one.
        found[one["access_method"].native] = one["access_location"].chosen.contents.decode("ascii")
    assert len(found) == len(access)
    return found


def only_name(names: Any) -> DirectoryName:
    (name,) = names
    assert name.name == "directory_name"
    return name_read(name.chosen)


def policies_read(policies: Any) -> CertificatePolicies:
    pointers = set()
    for policy in policies:
        qualifiers = [] if isinstance(policy["policy_qualifiers"], core.Void) else policy["policy_qualifiers"]
        assert len(qualifiers) <= 1
        for qualifier in qualifiers:
            assert qualifier["policy_qualifier_id"].native == "certification_practice_statement"
        pointers.add(qualifiers[0]["qualifier"].native if qualifiers else None)
    (pointer,) = pointers
    return CertificatePolicies(tuple(policy["policy_identifier"].dotted for policy in policies), pointer)


def other_names_read(names: Any) -> tuple[tuple[str, str], ...]:
    found = []
    for name in names:
        assert name.name == "other_name"
        # AnotherName's value: [0] EXPLICIT, in it the UTF8String.
        class_, method, tag, _, content, rest = parser.parse(name.chosen["value"].dump(), strict=True)
        assert (class_, method, tag, rest) == (2, 1, 0, b"")
        text = core.UTF8String.load(content, strict=True)
        found.append((name.chosen["type_id"].dotted, text.native))
    return tuple(found)


def number_or_none(value: Any) -> int | None:
    return None if isinstance(value, core.Void) else value.native


def read_value(oid: str, octets: bytes) -> Extension:  # noqa: C901, PLR0911, PLR0912 - one line an extension
    """The value that asn1crypto finds in an extension's octets, in our words."""
    match oid:
        case "2.5.29.15":
            return KeyUsage(frozenset(map(KeyUse, x509.KeyUsage.load(octets, strict=True).native)))
        case "2.5.29.37":
            purposes = x509.ExtKeyUsageSyntax.load(octets, strict=True)
            return ExtendedKeyUsage(tuple(purpose.dotted for purpose in purposes))
        case "2.5.29.19":
            constraints = x509.BasicConstraints.load(octets, strict=True)
            length = number_or_none(constraints["path_len_constraint"])
            return BasicConstraints(constraints["ca"].native, length)
        case "2.5.29.32":
            return policies_read(x509.CertificatePolicies.load(octets, strict=True))
        case "2.5.29.33":
            mappings = x509.PolicyMappings.load(octets, strict=True)
            return PolicyMappings(
                tuple(
                    (pair["issuer_domain_policy"].dotted, pair["subject_domain_policy"].dotted)
                    for pair in mappings
                )
            )
        case "2.5.29.36":
            limits = x509.PolicyConstraints.load(octets, strict=True)
            return PolicyConstraints(
                number_or_none(limits["require_explicit_policy"]),
                number_or_none(limits["inhibit_policy_mapping"]),
            )
        case "2.5.29.30":
            subtrees = x509.NameConstraints.load(octets, strict=True)
            return NameConstraints(
                *(
                    tuple(map(subtree_read, subtrees[part] or ()))
                    for part in ("permitted_subtrees", "excluded_subtrees")
                )
            )
        case "2.5.29.17":
            names = x509.GeneralNames.load(octets, strict=True)
            if names[0].name == "directory_name":
                return SubjectDirectoryName(only_name(names))
            return SubjectOtherNames(other_names_read(names))
        case "2.5.29.18":
            return IssuerDirectoryName(only_name(x509.GeneralNames.load(octets, strict=True)))
        case "2.5.29.31":
            (point,) = x509.CRLDistributionPoints.load(octets, strict=True)
            assert isinstance(point["reasons"], core.Void)
            assert isinstance(point["crl_issuer"], core.Void)
            assert point["distribution_point"].name == "full_name"
            return DistributionPoint(only_name(point["distribution_point"].chosen))
        case "1.3.6.1.5.5.7.1.1":
            found = places_read(x509.AuthorityInfoAccessSyntax.load(octets, strict=True))
            assert list(found) == [method for method in ("ocsp", "ca_issuers") if method in found]
            return AuthorityAccess(found.get("ocsp"), found.get("ca_issuers"))
        case "1.3.6.1.5.5.7.1.11":
            ((method, url),) = places_read(x509.SubjectInfoAccessSyntax.load(octets, strict=True)).items()
            assert method == "ca_repository"
            return SubjectAccess(url)
        case "2.5.29.35":
            key = x509.AuthorityKeyIdentifier.load(octets, strict=True)
            issuer = key["authority_cert_issuer"]
            serial = number_or_none(key["authority_cert_serial_number"])
            return AuthorityKey(
                key["key_identifier"].native,
                None if isinstance(issuer, core.Void) else only_name(issuer),
                None if serial is None else builders.Serial(serial),
            )
        case "2.5.29.14":
            return SubjectKey(core.OctetString.load(octets, strict=True).native)
        case "1.3.6.1.5.5.7.48.1.5":
            core.Null.load(octets, strict=True)
            return OcspNoCheck()
        case "2.5.29.20":
            return ListNumber(core.Integer.load(octets, strict=True).native)
        case "2.5.29.28":
            return point_read(crl.IssuingDistributionPoint.load(octets, strict=True))
    raise AssertionError(oid)


def subtree_read(subtree: Any) -> Subtree:
    """Of a minimum that is not written, asn1crypto says the default."""
    assert (subtree["minimum"].native, subtree["maximum"].native) == (0, None)
    base = subtree["base"]
    if base.name == "directory_name":
        return name_read(base.chosen)
    return {"dns_name": "dns", "rfc822_name": "email"}[base.name], base.chosen.contents.decode("ascii")


def point_read(point: Any) -> IssuingPoint:
    assert not point["indirect_crl"].native
    assert not point["only_contains_attribute_certs"].native
    assert isinstance(point["only_some_reasons"], core.Void)
    flags = (point["only_contains_user_certs"].native, point["only_contains_ca_certs"].native)
    holds = {(True, False): Holds.USER, (False, True): Holds.CA, (False, False): Holds.ALL}[flags]
    assert point["distribution_point"].name == "full_name"
    return IssuingPoint(only_name(point["distribution_point"].chosen), holds)


KEY_IDS = st.binary(min_size=20, max_size=20)
COUNTS = st.one_of(st.none(), st.integers(0, 1000))
URLS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=200)
VALUES: st.SearchStrategy[Extension] = st.one_of(
    st.builds(KeyUsage, st.frozensets(st.sampled_from(KeyUse), min_size=1)),
    st.builds(ExtendedKeyUsage, st.lists(OIDS, min_size=1, max_size=4).map(tuple)),
    st.builds(BasicConstraints, st.booleans(), COUNTS),
    st.builds(CertificatePolicies, st.lists(OIDS, min_size=1, max_size=4).map(tuple), st.none() | URLS),
    st.builds(PolicyMappings, st.lists(st.tuples(OIDS, OIDS), min_size=1, max_size=4).map(tuple)),
    st.builds(PolicyConstraints, COUNTS, COUNTS),
    st.builds(SubjectDirectoryName, NAMES),
    st.builds(SubjectOtherNames, st.lists(st.tuples(OIDS, JAPANESE), min_size=1, max_size=6).map(tuple)),
    st.builds(IssuerDirectoryName, NAMES),
    st.builds(DistributionPoint, NAMES),
    st.builds(AuthorityAccess, URLS, URLS) | st.builds(AuthorityAccess, st.none(), URLS),
    st.builds(SubjectAccess, URLS),
    st.builds(AuthorityKey, KEY_IDS),
    st.builds(AuthorityKey, KEY_IDS, NAMES, st.integers(1, (1 << 159) - 1).map(builders.Serial)),
    st.builds(SubjectKey, KEY_IDS),
    st.just(OcspNoCheck()),
    st.builds(ListNumber, st.integers(1, (1 << 159) - 1)),
    st.builds(IssuingPoint, NAMES, st.sampled_from(Holds)),
)


@given(VALUES, st.booleans())
def test_extensions(value: Extension, critical: bool) -> None:  # noqa: FBT001 - drawn
    octets = encode_extension(value, critical=critical)
    read = x509.Extension.load(octets, strict=True)
    assert read["extn_id"].dotted == value.oid
    assert read["critical"].native is critical
    # X.690 11.5: FALSE is the default and left out; TRUE is FF.
    content = parser.parse(octets, strict=True)[4]
    assert content.removeprefix(der.oid(value.oid))[:3].startswith(der.BOOLEAN_TRUE if critical else b"\x04")
    assert read_value(value.oid, read["extn_value"].contents) == value


@pytest.mark.parametrize("uses", [frozenset({use}) for use in KeyUse] + [frozenset(KeyUse)], ids=sorted)
def test_key_usage_leaves_trailing_zero_bits_out(uses: frozenset[KeyUse]) -> None:
    """X.690 11.2.2: a named-bit list ends with a one."""
    last = max(list(KeyUse).index(use) for use in uses)
    extension = x509.Extension.load(encode_extension(KeyUsage(uses), critical=True))
    octets = extension["extn_value"].contents
    unused, bits = octets[2], octets[3:]
    assert (unused, len(bits)) == (7 - last, 1)
    assert bits[0] >> unused & 1


def test_cryptography_reads_every_extension_of_every_kind() -> None:
    seen = set()
    for kind in CertificateKind:
        read = judge.load_der_x509_certificate(certificate(draft_of(kind)))
        seen |= {(type(extension.value), extension.critical) for extension in read.extensions}
    # policyMappings has no class there.
    assert seen == {
        (judge.KeyUsage, True),
        (judge.ExtendedKeyUsage, True),
        (judge.ExtendedKeyUsage, False),
        (judge.BasicConstraints, True),
        (judge.CertificatePolicies, True),
        (judge.UnrecognizedExtension, True),
        (judge.PolicyConstraints, True),
        (judge.NameConstraints, True),
        (judge.SubjectAlternativeName, False),
        (judge.IssuerAlternativeName, False),
        (judge.CRLDistributionPoints, False),
        (judge.AuthorityInformationAccess, False),
        (judge.SubjectInformationAccess, False),
        (judge.AuthorityKeyIdentifier, False),
        (judge.SubjectKeyIdentifier, False),
        (judge.OCSPNoCheck, False),
    }


# Certificates.


@pytest.mark.parametrize("kind", CertificateKind)
def test_a_certificate_says_what_its_draft_says(kind: CertificateKind) -> None:
    draft = draft_of(kind)
    encoded = certificate(draft)
    read = x509.Certificate.load(encoded, strict=True)
    tbs = read["tbs_certificate"]
    assert tbs["version"].native == "v3"
    assert tbs["serial_number"].native == draft.serial.value
    assert tbs["signature"].dump() == read["signature_algorithm"].dump() == algorithm_identifier(draft.suite)
    assert steps_of(tbs["issuer"]) == wanted_steps(draft.issuer)
    assert steps_of(tbs["subject"]) == wanted_steps(draft.subject.name)
    assert (tbs["validity"]["not_before"].native, tbs["validity"]["not_after"].native) == (
        draft.period.not_before,
        draft.period.not_after,
    )
    assert tbs["subject_public_key_info"].dump() == draft.subject.public_key
    assert isinstance(tbs["issuer_unique_id"], core.Void)
    assert isinstance(tbs["subject_unique_id"], core.Void)
    assert [
        (read_value(one["extn_id"].dotted, one["extn_value"].contents), one["critical"].native)
        for one in tbs["extensions"]
    ] == [(placed.value, placed.critical) for placed in draft.extensions]
    assert tbs.dump() == tbs_certificate(draft)
    load_der_public_key(AUTHORITY_KEY.public_key).verify(
        read.signature, tbs_certificate(draft), padding.PKCS1v15(), hashes.SHA256()
    )


@given(NAMES, MOMENTS, MOMENTS, st.integers(1, (1 << 159) - 1))
def test_any_certificate_says_what_its_draft_says(
    name: DirectoryName, one: datetime, other: datetime, serial: int
) -> None:
    moments = sorted(moment.astimezone(UTC) for moment in (one, other))
    draft = draft_of(
        CertificateKind.CROSS,
        DistributionPoint(name),
        issuer=name,
        serial=builders.Serial(serial),
        period=Period(*moments),
    )
    read = x509.Certificate.load(certificate(draft), strict=True)
    assert read.serial_number == serial
    assert steps_of(read.issuer) == wanted_steps(name)
    assert [read.not_valid_before, read.not_valid_after] == moments
    (point,) = read.crl_distribution_points_value
    assert only_name(point["distribution_point"].chosen) == name


def test_the_algorithm_has_null_parameters() -> None:
    read = algos.SignedDigestAlgorithm.load(algorithm_identifier(SHA256_RSA2048), strict=True)
    assert read["algorithm"].native == "sha256_rsa"
    assert read["parameters"].dump() == der.NULL  # RFC 4055 5


TEXTS = {
    CertificateKind.SELF_SIGNED: ("CA:TRUE", "Certificate Sign, CRL Sign", "DirName:C = JP"),
    CertificateKind.CROSS: (
        "X509v3 Policy Mappings: critical",
        "2.999.392.1:2.999.392.2",
        "Require Explicit Policy:0",
    ),
    CertificateKind.OCSP_RESPONDER: ("OCSP Signing", "OCSP No Check"),
    CertificateKind.REPOSITORY: ("Digital Signature", "Policy: 2.999.392.1"),
    CertificateKind.SIGNATURE: (
        "Digital Signature, Non Repudiation",
        "X509v3 Certificate Policies: critical",
        "CPS: http://repository.example/cps",
        "OCSP - URI:http://repository.example/ocsp/jpki-13.g1",
        "CN = Chiyoda-ku CRLDP",
    ),
    CertificateKind.USER_AUTHENTICATION: ("TLS Web Client Authentication", "Digital Signature\n"),
    CertificateKind.OFFICIAL_POST: ("OU = Ministry, CN = The Minister", "Digital Signature, Non Repudiation"),
    CertificateKind.LINK: ("CA:TRUE", "Certificate Sign, CRL Sign", "Policy: 2.999.392.1"),
    CertificateKind.TIME_STAMP: ("Extended Key Usage: critical\n                Time Stamping\n",),
    CertificateKind.VALIDATION_SERVICE: (
        "Extended Key Usage: critical\n                1.3.6.1.5.5.7.3.15\n",
    ),
    CertificateKind.NATIONAL_RESPONDER: ("OCSP Signing", "OCSP No Check"),
    CertificateKind.LG_POST: (
        "OU = City of Examples, CN = The lg-post",
        "Digital Signature, Non Repudiation",
    ),
    CertificateKind.LG_USER: ("TLS Web Client Authentication", "Digital Signature\n"),
    CertificateKind.LG_ENCRYPTION: ("Key Encipherment, Data Encipherment\n",),
}


@pytest.mark.parametrize("kind", CertificateKind)
def test_openssl_reads_the_certificate(kind: CertificateKind, tmp_path: Path) -> None:
    file = write(tmp_path / "it.der", certificate(draft_of(kind)))
    told = openssl("x509", "-inform", "DER", "-in", file, "-noout", "-text", "-certopt", "ext_error")
    assert "Version: 3 (0x2)" in told
    assert "Signature Algorithm: sha256WithRSAEncryption" in told
    for text in TEXTS[kind]:
        assert text in told


@pytest.mark.parametrize("kind", CertificateKind)
def test_gnutls_reads_the_certificate(kind: CertificateKind, tmp_path: Path) -> None:
    require("certtool")
    file = write(tmp_path / "it.der", certificate(draft_of(kind)))
    told = tool("certtool", "-i", "--inder", "--infile", file)
    assert "Version: 3" in told
    assert f"Serial Number (hex): {builders.serial_of(1)}" in told
    assert "error" not in told.lower()


# Lists.


@pytest.mark.parametrize("holds", Holds)
@pytest.mark.parametrize("count", [0, 1, 200])
def test_a_list_says_what_its_draft_says(holds: Holds, count: int) -> None:
    draft = list_draft_of(holds)
    revocations = [revocation_of(number) for number in range(1, count + 1)]
    encoded = signed(
        tbs_list(draft, [encode_entry(revocation) for revocation in revocations]), draft.suite, b"\1" * 256
    )
    read = crl.CertificateList.load(encoded, strict=True)
    tbs = read["tbs_cert_list"]
    assert tbs["version"].native == "v2"
    assert tbs["signature"].dump() == read["signature_algorithm"].dump() == algorithm_identifier(draft.suite)
    assert steps_of(tbs["issuer"]) == wanted_steps(draft.issuer)
    assert (tbs["this_update"].native, tbs["next_update"].native) == (draft.this_update, draft.next_update)
    assert [
        (read_value(one["extn_id"].dotted, one["extn_value"].contents), one["critical"].native)
        for one in tbs["crl_extensions"]
    ] == [(placed.value, placed.critical) for placed in draft.extensions]
    if count == 0:  # RFC 5280 5.1.2.6: absent, not empty
        assert isinstance(tbs["revoked_certificates"], core.Void)
    else:
        assert [entry["user_certificate"].native for entry in tbs["revoked_certificates"]] == [
            revocation.serial.value for revocation in revocations
        ]
    judged = judge.load_der_x509_crl(encoded)
    assert (len(judged), judged.next_update_utc) == (count, draft.next_update)


SINCE = NOW - timedelta(days=3)


@pytest.mark.parametrize("reason", RevocationReason)
@pytest.mark.parametrize("since", [None, SINCE], ids=["since unknown", "since known"])
def test_an_entry_says_what_its_revocation_says(reason: RevocationReason, since: datetime | None) -> None:
    revocation = revocation_of(7, reason=reason, invalid_since=since)
    draft = list_draft_of(Holds.ALL)
    encoded = signed(tbs_list(draft, [encode_entry(revocation)]), draft.suite, b"\1" * 256)
    (entry,) = judge.load_der_x509_crl(encoded)
    assert (entry.serial_number, entry.revocation_date_utc) == (
        revocation.serial.value,
        revocation.revoked_at,
    )
    found = {type(extension.value): extension for extension in entry.extensions}
    assert not any(extension.critical for extension in found.values())
    wanted = set()
    if reason is not RevocationReason.UNSPECIFIED:  # RFC 5280 5.3.1: absent instead of unspecified
        wanted.add(judge.CRLReason)
        assert found[judge.CRLReason].value.reason.value == reason.word
    if since is not None:
        wanted.add(judge.InvalidityDate)
        assert found[judge.InvalidityDate].value.invalidity_date_utc == since
    assert found.keys() == wanted
    (other,) = crl.CertificateList.load(encoded, strict=True)["tbs_cert_list"]["revoked_certificates"]
    assert isinstance(other["crl_entry_extensions"], core.Void) == (
        not wanted
    )  # 5.3: never an empty sequence


@given(MOMENTS, st.one_of(st.none(), MOMENTS), st.sampled_from(RevocationReason), st.integers(1, 1 << 158))
def test_any_entry_is_read_back(
    moment: datetime, since: datetime | None, reason: RevocationReason, serial: int
) -> None:
    revocation = revocation_of(
        serial=builders.Serial(serial), revoked_at=moment, reason=reason, invalid_since=since
    )
    read = crl.RevokedCertificate.load(encode_entry(revocation), strict=True)
    assert read["user_certificate"].native == serial
    assert read["revocation_date"].native == moment
    assert (read.invalidity_date_value.native if read.invalidity_date_value else None) == since


@pytest.mark.parametrize("holds", Holds)
def test_openssl_and_gnutls_read_the_list(holds: Holds, tmp_path: Path) -> None:
    draft = list_draft_of(holds)
    tbs = tbs_list(draft, [encode_entry(revocation_of(n, invalid_since=SINCE)) for n in (1, 2)])
    file = write(tmp_path / "it.crl", signed(tbs, draft.suite, AUTHORITY_KEY.sign(tbs, draft.suite)))
    told = openssl("crl", "-inform", "DER", "-in", file, "-noout", "-text")
    assert "Version 2 (0x1)" in told
    assert told.count("Superseded") == told.count("Invalidity Date") == 2
    assert "X509v3 CRL Number: \n                2\n" in told
    scope = {Holds.USER: "Only User Certificates", Holds.CA: "Only CA Certificates", Holds.ALL: None}[holds]
    assert ("X509v3 Issuing Distribution Point: critical" in told) == (scope is not None)
    assert scope is None or scope in told
    own = write(tmp_path / "ca.der", certificate(draft_of(CertificateKind.SELF_SIGNED)))
    told = openssl("crl", "-inform", "DER", "-in", file, "-noout", "-verify", "-CAfile", as_pem(own))
    assert "verify OK" in told
    require("certtool")
    told = tool("certtool", "--crl-info", "--inder", "--infile", file)
    assert "Revoked certificates (2)" in told


# Pairs.


def test_a_pair_holds_both_directions_in_their_places() -> None:
    first, second = (
        certificate(draft_of(kind)) for kind in (CertificateKind.CROSS, CertificateKind.SELF_SIGNED)
    )
    for to_this, by_this in ((first, second), (first, None), (None, second)):
        octets = certificate_pair(issued_to_this=to_this, issued_by_this=by_this)
        # RFC 4523 2.3: SEQUENCE { [0] issuedToThisCA OPTIONAL, [1] issuedByThisCA OPTIONAL }, both EXPLICIT.
        _, method, tag, _, content, trailer = parser.parse(octets, strict=True)
        assert (method, tag, trailer) == (1, 16, b"")
        halves: dict[int, bytes] = {}
        while content:
            class_, method, tag, head, inner, _ = parser.parse(content)
            assert (class_, method) == (2, 1)
            halves[tag] = x509.Certificate.load(inner, strict=True).dump()
            content = content[len(head) + len(inner) :]
        assert list(halves) == sorted(halves)
        assert (halves.get(0), halves.get(1)) == (to_this, by_this)


# CMS.


@pytest.mark.parametrize(
    "content", [b"", b"{}", "架け橋\r\n\n".encode() * 5000], ids=["empty", "short", "long"]
)
def test_openssl_verifies_the_detached_signature(content: bytes, tmp_path: Path) -> None:
    service = SoftwareSigner("service", public_test_key(KEYS["service"]))
    own = certificate(draft_of(CertificateKind.SELF_SIGNED))
    octets = detached_signature(
        content,
        signer_certificate=certificate(draft_of(CertificateKind.REPOSITORY)),
        other_certificates=[own],
        suite=SHA256_RSA2048,
        sign=service.sign,
        at=NOW,
    )
    read = cms.ContentInfo.load(octets, strict=True)
    assert read["content_type"].native == "signed_data"
    (info,) = read["content"]["signer_infos"]
    attributes = {one["type"].native: one["values"][0].native for one in info["signed_attrs"]}
    assert attributes.keys() == {"content_type", "signing_time", "message_digest"}
    assert attributes["signing_time"] == NOW
    # X.690 11.6: a SET OF in ascending order of its encodings.
    members = [one.dump() for one in info["signed_attrs"]]
    assert members == sorted(members)
    signature, text = write(tmp_path / "it.p7s", octets), write(tmp_path / "it.txt", content)
    command = [
        "cms", "-verify", "-binary", "-inform", "DER", "-in", signature, "-purpose", "any",
        "-CAfile", as_pem(write(tmp_path / "ca.der", own)), "-attime", str(int(NOW.timestamp())),
    ]  # fmt: skip
    verdict = judged("openssl", *command, "-content", text)
    assert (verdict.returncode, verdict.stdout) == (0, content), verdict.stderr
    write(tmp_path / "it.txt", content + b" ")
    verdict = judged("openssl", *command, "-content", text)
    assert verdict.returncode != 0
    assert b"digest failure" in verdict.stderr or b"verification failure" in verdict.stderr


def test_what_repeats_is_encoded_once() -> None:
    """Equal values give equal octets, whatever stands in the caches."""
    names = [name_of(("C", "JP"), ("CN", f"{number}")) for number in range(10_000)]
    before = [encode_name(name) for name in names]
    assert [encode_name(name) for name in names] == before
    assert len(set(before)) == len(names)
    point = IssuingPoint(POINT, Holds.USER)
    assert encode_extension(point, critical=True) != encode_extension(point, critical=False)
    assert encode_extension(DistributionPoint(AUTHORITY), critical=False) != encode_extension(
        IssuerDirectoryName(AUTHORITY), critical=False
    )


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def as_pem(path: Path) -> Path:
    return write(path.with_suffix(".pem"), pem.armor("CERTIFICATE", path.read_bytes()))


def judged(*command: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(word) for word in command], capture_output=True, check=False)


def tool(*command: object) -> str:
    done = judged(*command)
    assert done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).decode()


def openssl(*arguments: object) -> str:
    return tool("openssl", *arguments)
