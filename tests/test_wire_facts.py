"""DER becomes facts: what is read, what is refused, and that nothing else escapes the readers."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import core, crl, x509
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import BadInput
from ca.model import Revocation, RevocationReason, Serial
from ca.profiles.extensions import BasicConstraints, Holds, KeyUse
from ca.wire import der, walk
from ca.wire.facts import CERTIFICATE_LIMIT, read_certificate, read_name
from ca.wire.list_facts import read_list
from tests.relying_world import (
    ANCHOR,
    AT,
    DAY,
    PREFECTURE,
    TOWN,
    Crl,
    World,
    key_id,
    name,
    public,
)

HOLDER = World().holder.der()
LIST = Crl(
    "jpki-13.g1",
    "signature-131016",
    PREFECTURE,
    2,
    number=77,
    point=TOWN,
    holds="user",
    revoked=dict.fromkeys(range(12289, 12545), (AT - DAY, "key_compromise")),
).der()


def test_a_certificate_is_read() -> None:
    facts = read_certificate(HOLDER, "here")
    judged = x509.Certificate.load(HOLDER)
    assert (facts.place, facts.der, facts.version, facts.serial) == ("here", HOLDER, 3, 0x3001)
    assert facts.signed.tbs == judged["tbs_certificate"].dump()
    assert facts.signed.signature == judged.signature
    assert facts.signed.outer == facts.signed.inner == judged["signature_algorithm"].dump()
    assert facts.signed.algorithm == "1.2.840.113549.1.1.11"
    assert (facts.not_before, facts.not_after) == (judged.not_valid_before, judged.not_valid_after)
    assert facts.public_key == public(3).dump()
    assert facts.key_usage == {KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION}
    assert (facts.subject_key, facts.authority_key.key_identifier) == (key_id(3), key_id(2))
    assert facts.points == (name(TOWN).dump(),)
    assert [extension.oid for extension in facts.extensions if extension.critical] == [
        "2.5.29.15",
        "2.5.29.32",
    ]
    assert not facts.is_ca
    assert facts.purposes is facts.basic_constraints is None


def test_a_cross_certificate_is_read() -> None:
    cross = World().to_bridge
    cross.path_length = 3
    facts = read_certificate(cross.der(), "here")
    assert facts.basic_constraints == BasicConstraints(ca=True, path_length=3)
    assert facts.is_ca
    assert facts.issuer == read_name(name(ANCHOR).dump(), "name")


def test_points_for_some_reasons_or_of_another_issuer_are_left_aside() -> None:
    full_name = x509.DistributionPointName(
        name="full_name",
        value=x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(ANCHOR))]),
    )
    other = x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(ANCHOR))])
    uri = x509.DistributionPointName(
        name="full_name",
        value=x509.GeneralNames([x509.GeneralName(name="uniform_resource_identifier", value="http://x/")]),
    )
    points = [
        {"distribution_point": full_name, "reasons": {"key_compromise"}},
        {"distribution_point": full_name, "crl_issuer": other},
        {"distribution_point": uri},
    ]
    holder = World().holder
    holder.point = None
    holder.more = [("crl_distribution_points", False, x509.CRLDistributionPoints(points))]
    assert read_certificate(holder.der(), "here").points == ()


def step(kind: str, value: core.Asn1Value) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameTypeAndValue({"type": kind, "value": value})])


def single(text: str, encoding: str = "utf8_string", kind: str = "organization_name") -> bytes:
    value = x509.DirectoryString(name=encoding, value=text)
    return x509.Name(name="", value=x509.RDNSequence([step(kind, value)])).dump()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (single("Local Government"), single("LOCAL  government ")),
        (single("LGPKI"), single("LGPKI", "printable_string")),
        (single("LGPKI"), single("LGPKI", "bmp_string")),
        (single("東京"), single("東京", "universal_string")),
        (single("JPKI"), single("ＪＰＫＩ")),  # noqa: RUF001 - full-width letters (RFC 4518 2.3: NFKC)
    ],
)
def test_names_are_equal_as_rfc5280_7_1_says(one: bytes, other: bytes) -> None:
    assert read_name(one, "one") == read_name(other, "other")
    assert hash(read_name(one, "one")) == hash(read_name(other, "other"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (single("JPKI"), single("JPKI-TEST")),
        (single("JPKI"), single("JPKI", kind="common_name")),
        (single("JPKI"), der.sequence()),
        (name(ANCHOR).dump(), name(ANCHOR[::-1]).dump()),
    ],
)
def test_other_names_differ(one: bytes, other: bytes) -> None:
    assert read_name(one, "one") != read_name(other, "other")


def test_a_list_is_read() -> None:
    facts = read_list(LIST, "here")
    judged = crl.CertificateList.load(LIST)
    assert (facts.version, facts.number) == (2, 77)
    assert facts.signed.tbs == judged["tbs_cert_list"].dump()
    assert facts.signed.signature == judged["signature"].native
    assert (facts.this_update, facts.next_update) == (AT - DAY / 2, AT + DAY / 2)
    assert facts.issuing_point.names == (name(TOWN).dump(),)
    assert (facts.issuing_point.holds, facts.issuing_point.partial) == (Holds.USER, False)
    assert facts.critical_in_entries() == frozenset()


@pytest.mark.parametrize("serial", [0x3001, 0x3080, 0x3100])
def test_an_entry_is_found(serial: int) -> None:
    revocation = read_list(LIST, "here").revocation(serial)
    assert revocation == Revocation(Serial(serial), AT - DAY, RevocationReason.KEY_COMPROMISE)


@pytest.mark.parametrize("serial", [0x3000, 0x3101, 0x30, 0x300100, 0x3001 << 64])
def test_what_is_not_listed_is_not_found(serial: int) -> None:
    assert read_list(LIST, "here").revocation(serial) is None


def test_octets_of_a_serial_elsewhere_in_an_entry_are_no_entry() -> None:
    """An entry extension may hold any octets, also those of another serial."""
    hiding = Crl(
        "x", "full", PREFECTURE, 2, revoked={5: (AT, None)}, entry_more=[("2.999.6", False, der.integer(7))]
    )
    facts = read_list(hiding.der(), "here")
    assert facts.revocation(7) is None
    assert facts.revocation(5) is not None


def test_an_invalidity_date_is_read() -> None:
    since = datetime(2014, 9, 1, tzinfo=UTC)
    dated = Crl(
        "x",
        "full",
        PREFECTURE,
        2,
        revoked={5: (AT, None)},
        entry_more=[("invalidity_date", False, core.GeneralizedTime(since))],
    )
    assert read_list(dated.der(), "here").revocation(5).invalid_since == since


def test_a_list_of_openssl_is_read(tmp_path: Path) -> None:
    """Another writer's list: `openssl ca -gencrl` over its own database."""
    key = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "k",
        "-out",
        "c",
        "-subj",
        "/O=X",
    ]
    config = "[ca]\ndefault_ca=x\n[x]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ncrl_extensions=e\n[e]\n"
    (tmp_path / "config").write_text(config)
    (tmp_path / "number").write_text("0A\n")
    (tmp_path / "index").write_text(
        "".join(
            f"R\t300101000000Z\t140901000000Z,CACompromise\t{n:04X}\tunknown\t/CN=x{n}\n"
            for n in range(256, 300)
        )
    )
    subprocess.run(key, cwd=tmp_path, check=True, capture_output=True)
    gencrl = [
        "openssl",
        "ca",
        "-config",
        "config",
        "-gencrl",
        "-keyfile",
        "k",
        "-cert",
        "c",
        "-out",
        "list",
        "-crldays",
        "1",
    ]
    subprocess.run(gencrl, cwd=tmp_path, check=True, capture_output=True)
    convert = ["openssl", "crl", "-in", "list", "-outform", "DER", "-out", "list.der"]
    subprocess.run(convert, cwd=tmp_path, check=True, capture_output=True)
    facts = read_list((tmp_path / "list.der").read_bytes(), "here")
    assert facts.number == 10
    assert facts.revocation(299).reason is RevocationReason.CA_COMPROMISE
    assert facts.revocation(300) is None


@pytest.mark.parametrize(
    "octets", [b"", b"\x30", b"\x30\x00", HOLDER[:-1], HOLDER + b"\0", b"\0" * (CERTIFICATE_LIMIT + 1)]
)
def test_what_is_no_certificate_is_refused(octets: bytes) -> None:
    with pytest.raises(BadInput, match="here"):
        read_certificate(octets, "here")


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", LIST[:-1], LIST + b"\0", HOLDER])
def test_what_is_no_list_is_refused(octets: bytes) -> None:
    with pytest.raises(BadInput, match="here"):
        read_list(octets, "here")


@pytest.mark.parametrize(
    ("last_arc", "value", "named"),
    [
        (19, b"\x30\x03\x04\x01\x05", "basicConstraints"),
        (19, b"\x30\x06\x02\x01\x05\x01\x01\xff", "basicConstraints"),  # the path length first
        (15, b"\x04\x01\x05", "keyUsage"),
        (31, b"\x05\x00", "cRLDistributionPoints"),
        (37, b"\x30\x02\x05\x00", "extKeyUsage"),
        (35, b"\x0c\x01a", "authorityKeyIdentifier"),
        (30, b"\x30\x04\xa1\x00\xa0\x00", "nameConstraints"),  # excluded before permitted
        (36, b"\x30\x06\x81\x01\x00\x80\x01\x00", "policyConstraints"),  # inhibit before require
        (14, b"\x30\x00", "subjectKeyIdentifier"),
    ],
)
def test_a_broken_extension_is_named(last_arc: int, value: bytes, named: str) -> None:
    """Written under an object identifier that nobody reads, which then becomes the extension's."""
    holder = World().holder
    right = holder.extensions()
    holder.extensions = lambda: [("2.5.29.99", False, value), *right]
    octets = holder.der().replace(der.oid("2.5.29.99"), der.oid(f"2.5.29.{last_arc}"))
    with pytest.raises(BadInput, match=named):
        read_certificate(octets, "here")


def test_a_broken_issuing_point_is_no_full_list() -> None:
    """The flag before the name: who overlooks the name takes the town's list for everybody's."""
    town = Crl(
        "x", "full", PREFECTURE, 2, more=[("2.5.29.99", True, der.sequence(b"\x81\x01\xff", b"\xa0\x00"))]
    )
    octets = town.der().replace(der.oid("2.5.29.99"), der.oid("2.5.29.28"))
    with pytest.raises(BadInput, match="issuingDistributionPoint"):
        read_list(octets, "here")


@given(data=st.data())
def test_readers_raise_nothing_but_bad_input(data: st.DataObject) -> None:
    """Octets changed, cut and put in at random places of a certificate or a list."""
    right, read = data.draw(st.sampled_from([(HOLDER, read_certificate), (LIST, read_list)]))
    octets = bytearray(right)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(octets) - 1))
        octets[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        facts = read(bytes(octets), "here")
    except BadInput:
        return
    assert facts.der == bytes(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x30\x80\x00\x00",  # indefinite length
        b"\x30\x81\x02\x05\x00",  # a length that needs fewer octets
        b"\x24\x04\x04\x02ab",  # a string in pieces
        b"\x10\x00",  # SEQUENCE as a primitive
        b"\x1f\x81\x01\x00",  # a tag above 30
        b"\x06\x00",  # an object identifier of no octets
        der.tlv(0x06, b"\x2a" + b"\x81" * 80 + b"\x01"),  # and of too many
        b"\x30\x03\x02\x01",  # an element that ends behind its end
    ],
)
def test_what_is_not_der_is_refused(octets: bytes) -> None:
    with pytest.raises(walk.NotDer):
        walk.check_nesting(octets, 0, len(octets))


def test_nesting_is_bounded() -> None:
    octets = der.NULL
    for _ in range(15):
        octets = der.sequence(octets)
    walk.check_nesting(octets, 0, len(octets))
    octets = der.sequence(octets)
    with pytest.raises(walk.NotDer):
        walk.check_nesting(octets, 0, len(octets))


@given(st.integers(-(1 << 170), 1 << 170))
def test_integers_read_what_was_written(value: int) -> None:
    assert walk.integer(der.integer(value)) == value == core.Integer.load(der.integer(value)).native


@pytest.mark.parametrize(
    "octets", [b"\x02\x00", b"\x02\x02\x00\x01", b"\x02\x02\xff\xff", b"\x02\x01\x01\x00", b"\x0a\x01\x01"]
)
def test_integers_have_one_form(octets: bytes) -> None:
    with pytest.raises(walk.NotDer):
        walk.integer(octets)


@given(st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - Hypothesis wants them naive
def test_moments_read_what_was_written(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    octets = der.time(moment)
    assert walk.moment(octets, walk.element(octets, 0, len(octets))) == moment


@pytest.mark.parametrize(
    "text", [b"1409010000Z", b"140901000000+0900", b"14090100000 Z", b"141301000000Z", b"+40901000000Z"]
)
def test_moments_have_one_form(text: bytes) -> None:
    octets = der.tlv(0x17, text)
    with pytest.raises(ValueError):  # noqa: PT011 - a month 13 is Python's own ValueError
        walk.moment(octets, walk.element(octets, 0, len(octets)))


def test_a_year_of_two_digits_turns_at_fifty() -> None:
    for text, year in ((b"491231235959Z", 2049), (b"500101000000Z", 1950)):
        octets = der.tlv(0x17, text)
        assert walk.moment(octets, walk.element(octets, 0, len(octets))).year == year
