"""Name constraints: one CA that sets them, one certificate below it; OpenSSL's verdict beside ours."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from asn1crypto import core, pem

from bridge.relying.budget import USUAL
from bridge.relying.constraints import check_names
from bridge.relying.path import CandidatePath
from bridge.relying.rejection import PathRejected, Reason
from ca.errors import BadInput
from ca.wire import der
from ca.wire.facts import read_certificate
from tests.relying_world import ANCHOR, AT, BRIDGE, HOLDER, PREFECTURE, Cert, Steps, name, o, signed_again

EMAIL: Steps = (("country_name", "JP"), ("email_address", "hanako@mail.example.jp"))
MAILBOX = "1.3.6.1.5.5.7.8.9"


# General names in DER: a library would not write those that are none.


def dns(value: str) -> bytes:
    return der.value(0x82, value.encode())


def mail(value: str) -> bytes:
    return der.value(0x81, value.encode())


def uri(value: str) -> bytes:
    return der.value(0x86, value.encode())


def address(octets: str) -> bytes:
    return der.value(0x87, bytes(int(one) for one in octets.split(".")))


def directory(steps: Steps) -> bytes:
    return der.value(0xA4, name(steps).dump())


def other(oid: str, text: str) -> bytes:
    kind = core.ObjectIdentifier(oid).dump()
    return der.tlv(0xA0, kind, der.value(0xA0, core.UTF8String(text).dump()))


def registered(oid: str) -> bytes:
    return der.value(0x88, core.ObjectIdentifier(oid).contents)


@dataclass(frozen=True)
class Case:
    """What is permitted and excluded, the names below, whether we let them pass, and OpenSSL.

    ``openssl`` is None where it says the same; where it differs, the reason stands beside the case.
    """

    id: str
    names: tuple[bytes, ...]
    passes: bool
    permitted: tuple[bytes, ...] = ()
    excluded: tuple[bytes, ...] = ()
    subject: Steps = HOLDER
    openssl: bool | None = None
    bounds: bytes = b""


MINIMUM_1, MAXIMUM_5 = b"\x80\x01\x01", b"\x81\x01\x05"
JP = (("country_name", "JP"),)
CASES = [
    Case("nothing is said of the form", (dns("a.example"),), passes=True, permitted=(mail("b.example"),)),
    # directoryName: the subject is one
    Case("subject in the permitted tree", (), passes=True, permitted=(directory(HOLDER[:2]),)),
    Case("subject is the permitted base", (), passes=True, permitted=(directory(HOLDER),)),
    Case("subject outside", (), passes=False, permitted=(directory(o("ELSEWHERE")),)),
    Case("base longer than the subject", (), passes=False, permitted=(directory((*HOLDER, HOLDER[-1])),)),
    Case(
        "base in capitals and spaces",
        (),
        passes=True,
        permitted=(directory((JP[0], ("locality_name", " TOKYO-TO "))),),
    ),
    Case("subject in the excluded tree", (), passes=False, excluded=(directory(HOLDER[:2]),)),
    Case("one of two permitted trees", (), passes=True, permitted=(directory(o("ELSEWHERE")), directory(JP))),
    Case(
        "excluded counts before permitted",
        (),
        passes=False,
        permitted=(directory(JP),),
        excluded=(directory(HOLDER),),
    ),
    Case(
        "another directory name outside",
        (directory(o("ELSEWHERE")),),
        passes=False,
        permitted=(directory(HOLDER[:2]),),
    ),
    Case(
        "a second other name outside",
        (dns("a.example"), dns("b.example")),
        passes=False,
        permitted=(dns("a.example"),),
    ),
    # dNSName
    Case("host itself", (dns("a.example"),), passes=True, permitted=(dns("a.example"),)),
    Case("host below", (dns("www.a.example"),), passes=True, permitted=(dns("a.example"),)),
    Case("host in capitals", (dns("WWW.A.Example"),), passes=True, permitted=(dns("a.example"),)),
    Case("host with the same end", (dns("ba.example"),), passes=False, permitted=(dns("a.example"),)),
    Case("host above", (dns("example"),), passes=False, permitted=(dns("a.example"),)),
    Case("excluded host", (dns("www.a.example"),), passes=False, excluded=(dns("a.example"),)),
    Case("every host excluded", (dns("www.a.example"),), passes=False, excluded=(dns(""),)),
    Case("every host permitted", (dns("www.a.example"),), passes=True, permitted=(dns(""),)),
    Case("wildcard below", (dns("*.a.example"),), passes=True, permitted=(dns("a.example"),)),
    # What the wildcard stands for may be what is excluded; OpenSSL compares the star as a letter.
    Case(
        "wildcard over an excluded host",
        (dns("*.a.example"),),
        passes=False,
        excluded=(dns("www.a.example"),),
        openssl=True,
    ),
    Case(
        "wildcard over a permitted host",
        (dns("*.a.example"),),
        passes=False,
        permitted=(dns("www.a.example"),),
    ),
    # A form of constraints on URIs, not on hosts (RFC 5280 4.2.1.10); OpenSSL takes it.
    Case("leading dot", (dns("www.a.example"),), passes=False, permitted=(dns(".a.example"),), openssl=True),
    # A dot at the end stands for the root; OpenSSL compares it as a letter.
    Case(
        "excluded host with a last dot",
        (dns("www.a.example."),),
        passes=False,
        excluded=(dns("a.example"),),
        openssl=True,
    ),
    # rfc822Name
    Case("mailbox", (mail("taro@a.example"),), passes=True, permitted=(mail("taro@a.example"),)),
    Case("another mailbox", (mail("jiro@a.example"),), passes=False, permitted=(mail("taro@a.example"),)),
    Case("mailbox in capitals", (mail("Taro@a.example"),), passes=False, permitted=(mail("taro@a.example"),)),
    # Before the @ capitals count; where that would let an excluded mailbox pass, they do not.
    Case(
        "excluded mailbox in capitals",
        (mail("Taro@a.example"),),
        passes=False,
        excluded=(mail("taro@a.example"),),
        openssl=True,
    ),
    Case("mailboxes of a host", (mail("taro@A.example"),), passes=True, permitted=(mail("a.example"),)),
    Case(
        "mailboxes of a host below", (mail("taro@b.a.example"),), passes=False, permitted=(mail("a.example"),)
    ),
    Case(
        "mailboxes below a domain", (mail("taro@b.a.example"),), passes=True, permitted=(mail(".a.example"),)
    ),
    Case(
        "mailboxes of the domain itself",
        (mail("taro@a.example"),),
        passes=False,
        permitted=(mail(".a.example"),),
    ),
    Case("excluded mailboxes", (mail("taro@a.example"),), passes=False, excluded=(mail("a.example"),)),
    Case("no mailbox", (mail("a.example"),), passes=False, excluded=(mail("b.example"),)),
    Case("address in the subject", (), passes=False, permitted=(mail("a.example"),), subject=EMAIL),
    Case(
        "permitted address in the subject",
        (),
        passes=True,
        permitted=(mail("mail.example.jp"),),
        subject=EMAIL,
    ),
    # RFC 5280 asks this of certificates without another mail address alone; so does OpenSSL of those with none at all.
    Case(
        "address in the subject beside others",
        (mail("taro@a.example"),),
        passes=False,
        permitted=(mail("a.example"),),
        subject=EMAIL,
    ),
    # An internationalised mailbox is a mail address (RFC 9598 6); OpenSSL compares it, here it refuses.
    Case(
        "mailbox in another alphabet",
        (other(MAILBOX, "花子@a.example"),),
        passes=False,
        excluded=(mail("b.example"),),
        openssl=True,
    ),
    # uniformResourceIdentifier
    Case("URI of a host", (uri("http://a.example/x"),), passes=True, permitted=(uri("a.example"),)),
    Case("URI of a host below", (uri("http://b.a.example/x"),), passes=False, permitted=(uri("a.example"),)),
    Case(
        "URI below a domain",
        (uri("https://b.a.example:8443/x"),),
        passes=True,
        permitted=(uri(".a.example"),),
    ),
    Case("excluded URI", (uri("http://a.example/"),), passes=False, excluded=(uri("a.example"),)),
    Case("excluded URI in capitals", (uri("HTTP://A.Example/"),), passes=False, excluded=(uri("a.example"),)),
    # OpenSSL takes whatever stands before a slash or colon as the host.
    Case(
        "URI with a user",
        (uri("http://b.example@a.example/"),),
        passes=False,
        excluded=(uri("a.example"),),
        openssl=True,
    ),
    Case(
        "URI with an escaped host",
        (uri("http://%61.example/"),),
        passes=False,
        excluded=(uri("a.example"),),
        openssl=True,
    ),
    Case(
        "URI with a backslash",
        (uri("http://a.example\\@b.example/"),),
        passes=False,
        excluded=(uri("a.example"),),
        openssl=True,
    ),
    Case(
        "URI with an address",
        (uri("http://192.0.2.1/"),),
        passes=False,
        excluded=(uri("a.example"),),
        openssl=True,
    ),
    Case("URI without a host", (uri("urn:a"),), passes=False, excluded=(uri("a.example"),)),
    # iPAddress
    Case(
        "address in the network",
        (address("192.0.2.9"),),
        passes=True,
        permitted=(address("192.0.2.0.255.255.255.0"),),
    ),
    Case(
        "address outside",
        (address("192.0.3.9"),),
        passes=False,
        permitted=(address("192.0.2.0.255.255.255.0"),),
    ),
    Case(
        "excluded address",
        (address("192.0.2.9"),),
        passes=False,
        excluded=(address("192.0.2.0.255.255.255.0"),),
    ),
    Case(
        "network named by a host's address",
        (address("192.0.2.9"),),
        passes=False,
        excluded=(address("192.0.2.7.255.255.255.0"),),
    ),
    Case(
        "address of another family",
        (address(".".join(["0"] * 16)),),
        passes=False,
        permitted=(address("192.0.2.0.255.255.255.0"),),
    ),
    Case(
        "another family is not excluded",
        (address(".".join(["0"] * 16)),),
        passes=True,
        excluded=(address("192.0.2.0.255.255.255.0"),),
    ),
    # OpenSSL applies any mask bit by bit.
    Case(
        "mask with gaps",
        (address("192.0.2.9"),),
        passes=False,
        permitted=(address("192.0.2.0.255.0.255.0"),),
        openssl=True,
    ),
    Case(
        "address of no length",
        (address("192.0.2"),),
        passes=False,
        excluded=(address("192.0.2.0.255.255.255.0"),),
    ),
    # Forms that are not compared: refused as soon as such a name is there (RFC 5280 4.2.1.10)
    Case("registered identifier", (registered("2.999.1"),), passes=False, permitted=(registered("2.999"),)),
    Case(
        "excluded registered identifier",
        (registered("2.999.1"),),
        passes=False,
        excluded=(registered("2.999.2"),),
    ),
    Case(
        "no registered identifier there", (dns("a.example"),), passes=True, permitted=(registered("2.999"),)
    ),
    Case(
        "bounds that are not processed",
        (dns("a.example"),),
        passes=False,
        permitted=(dns("a.example"),),
        bounds=MINIMUM_1,
    ),
    Case(
        "an upper bound", (dns("a.example"),), passes=False, permitted=(dns("a.example"),), bounds=MAXIMUM_5
    ),
    Case(
        "bounds of another form",
        (mail("a@a.example"),),
        passes=True,
        permitted=(dns("a.example"),),
        bounds=MINIMUM_1,
    ),
]


# Stand in for subjectAltName and nameConstraints while the library builds a certificate.
PLACES = {"2.5.29.98": "2.5.29.17", "2.5.29.99": "2.5.29.30"}


def placed(tbs: bytes) -> bytes:
    for place, oid in PLACES.items():
        tbs = tbs.replace(core.ObjectIdentifier(place).dump(), core.ObjectIdentifier(oid).dump())
    return tbs


def constraints(case: Case) -> tuple[str, bool, bytes]:
    trees = (
        der.tlv(tag, *(der.sequence(base, case.bounds) for base in bases))
        for tag, bases in ((0xA0, case.permitted), (0xA1, case.excluded))
        if bases
    )
    return "2.5.29.99", True, der.sequence(*trees)


def chain(case: Case) -> list[bytes]:
    """The anchor, the CA that sets the constraints, and the certificate below."""
    names = [("2.5.29.98", False, der.sequence(*case.names))] if case.names else []
    ca = Cert(PREFECTURE, ANCHOR, 2, 0, 2, more=[constraints(case)])
    leaf = Cert(case.subject, PREFECTURE, 3, 2, 3, ca=False, usage=None, more=names)
    return [
        Cert(ANCHOR, ANCHOR, 0, 0, 1, self_signed=True).der(),
        signed_again(ca.der(), 0, placed),
        signed_again(leaf.der(), 2, placed),
    ]


def path(ders: list[bytes]) -> CandidatePath:
    return CandidatePath(tuple(read_certificate(one, f"step {step}") for step, one in enumerate(ders)))


def passes(ders: list[bytes]) -> bool:
    try:
        check_names(path(ders), USUAL.names)
    except PathRejected as rejected:
        if (rejected.reason, rejected.step) == (Reason.CONSTRAINT, len(ders) - 1):
            return False
        raise
    return True


def openssl_passes(folder: Path, ders: list[bytes]) -> bool:
    for file, octets in zip(("anchor", "ca", "leaf"), ders, strict=True):
        (folder / f"{file}.pem").write_bytes(pem.armor("CERTIFICATE", octets))
    command = f"openssl verify -CAfile anchor.pem -untrusted ca.pem -attime {int(AT.timestamp())} leaf.pem"
    return subprocess.run(command.split(), cwd=folder, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_names(case: Case, tmp_path: Path) -> None:
    ders = chain(case)
    assert passes(ders) is case.passes
    expected = case.passes if case.openssl is None else case.openssl
    assert openssl_passes(tmp_path, ders) is expected


# Which certificates bind, and which are bound


def bound(excluded: bytes) -> tuple[str, bool, bytes]:
    return constraints(Case("", (), passes=False, excluded=(excluded,)))


def certificate(
    subject: Steps, issuer: Steps, number: int, signer: int, *more: tuple[str, bool, bytes]
) -> bytes:
    made = Cert(subject, issuer, number, signer, 9, self_signed=number == signer, more=list(more))
    return signed_again(made.der(), signer, placed)


LEAF = certificate(HOLDER, PREFECTURE, 3, 2)
SELF = certificate(ANCHOR, ANCHOR, 0, 0)


@pytest.mark.parametrize(("octets", "fits"), [(1000, True), (2048, False), (50_000, False)])
def test_a_name_too_long_to_be_compared_is_refused(octets: int, *, fits: bool) -> None:
    """Whatever it costs to compare is bounded: in doubt it lies in what is excluded."""
    names = (uri("http://a.example/" + "x" * octets),)
    assert passes(chain(Case("", names, passes=fits, excluded=(uri("b.example"),)))) is fits


def test_what_is_no_host_is_not_compared() -> None:
    assert not passes(chain(Case("", (dns("evil.com "),), passes=False, excluded=(dns("evil.com"),))))


def test_a_constraint_of_no_form_of_names_is_unreadable() -> None:
    case = Case("", (dns("a.example"),), passes=False, excluded=(der.value(0xA2, der.NULL),))
    with pytest.raises(PathRejected, match="nameConstraints cannot be read"):
        check_names(path(chain(case)), USUAL.names)


@pytest.mark.parametrize(
    ("ders", "fits"),
    [
        ([SELF, certificate(PREFECTURE, ANCHOR, 2, 0, bound(directory(HOLDER))), LEAF], False),
        # Its own names are not bound by what it says itself.
        ([SELF, certificate(PREFECTURE, ANCHOR, 2, 0, bound(directory(PREFECTURE))), LEAF], True),
        # RFC 5280 6.1.1 (d): an anchor is a name and a key.
        (
            [
                certificate(ANCHOR, ANCHOR, 0, 0, bound(directory(HOLDER))),
                certificate(PREFECTURE, ANCHOR, 2, 0),
                LEAF,
            ],
            True,
        ),
        # RFC 5280 6.1.3 (b): a link certificate (self-issued) is not bound, the last certificate is.
        (
            [
                SELF,
                certificate(PREFECTURE, ANCHOR, 4, 0, bound(directory(PREFECTURE))),
                certificate(PREFECTURE, PREFECTURE, 2, 4),
                LEAF,
            ],
            True,
        ),
        (
            [
                SELF,
                certificate(PREFECTURE, ANCHOR, 4, 0, bound(directory(PREFECTURE))),
                certificate(PREFECTURE, PREFECTURE, 2, 4),
            ],
            False,
        ),
    ],
)
def test_who_is_bound(ders: list[bytes], *, fits: bool) -> None:
    assert passes(ders) is fits


def test_every_level_binds() -> None:
    """What one CA permits does not widen what another above it does not."""
    middle = constraints(Case("", (), passes=True, permitted=(directory(HOLDER),)))
    for above, fits in ((JP, True), (o("ELSEWHERE"), False)):
        first = constraints(Case("", (), passes=True, permitted=(directory(above), directory(PREFECTURE))))
        ders = [
            SELF,
            certificate(BRIDGE, ANCHOR, 1, 0, first),
            certificate(PREFECTURE, BRIDGE, 2, 1, middle),
            LEAF,
        ]
        assert passes(ders) is fits


@pytest.mark.parametrize("names", [70, 80])
def test_a_bomb_of_names_and_constraints_ends_at_the_limit(names: int) -> None:
    """70 names and 70 constraints are compared, 80 and 80 are not: then it cannot be told."""
    many = tuple(dns(f"{number}.example") for number in range(names))
    case = Case("", many, passes=True, excluded=tuple(dns(f"x{number}.example") for number in range(names)))
    if names == 70:
        assert passes(chain(case))
        return
    with pytest.raises(PathRejected) as caught:
        check_names(path(chain(case)), USUAL.names)
    assert (caught.value.reason, caught.value.step) == (Reason.CANNOT_TELL, 2)


@pytest.mark.parametrize("value", [b"", b"\x30\x02\x05\x00", der.sequence(der.tlv(0xA0, b"\x05\x00"))])
def test_unreadable_constraints_end_the_path(value: bytes) -> None:
    """Read here what the reader of certificates has let pass; most of it has not."""
    try:
        found = path([SELF, certificate(PREFECTURE, ANCHOR, 2, 0, ("2.5.29.99", True, value)), LEAF])
    except BadInput:
        return
    with pytest.raises(PathRejected) as caught:
        check_names(found, USUAL.names)
    assert caught.value.reason is Reason.STRUCTURE


@pytest.mark.parametrize("value", [b"\x30\x03\x82\x05\x00", b"\x05\x00"])
def test_unreadable_names_end_the_path(value: bytes) -> None:
    leaf = Cert(HOLDER, PREFECTURE, 3, 2, 3, ca=False, usage=None, more=[("2.5.29.98", False, value)])
    ca = certificate(PREFECTURE, ANCHOR, 2, 0, bound(dns("a.example")))
    try:
        found = path([SELF, ca, signed_again(leaf.der(), 2, placed)])
    except BadInput:
        return
    with pytest.raises(PathRejected) as caught:
        check_names(found, USUAL.names)
    assert (caught.value.reason, caught.value.step) == (Reason.STRUCTURE, 2)
