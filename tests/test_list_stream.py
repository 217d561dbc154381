"""Lists read from files: the same as asn1crypto reads, or refused; nothing else, whatever the octets."""

from __future__ import annotations

import hashlib
import io
import random
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from asn1crypto import core, crl, x509

from ca.errors import BadInput
from ca.model import RevocationReason
from ca.wire import der, list_stream
from ca.wire.list_stream import ListEntry, ListStream, read_entry
from ca.wire.lists import encode_entry
from tests import rings
from tests.builders import NOW, revocation_of
from tests.gate_lists import DAY, draft_of, list_of

EVERY = [
    revocation_of(2 * number + more, reason=reason, invalid_since=since)
    for number, reason in enumerate(RevocationReason)
    for more, since in enumerate((None, NOW - DAY))
]
LATE = revocation_of(98, revoked_at=datetime(2050, 1, 1, tzinfo=UTC))
LIST = list_of(draft_of(77), [encode_entry(revocation) for revocation in [*EVERY, LATE]])
DELTA = list_of(draft_of(78, base=77), [encode_entry(revocation) for revocation in EVERY[:3]])


def stream_of(octets: bytes) -> ListStream:
    return ListStream(io.BytesIO(octets), "here")


def entries_of(octets: bytes) -> list[ListEntry]:
    return [read_entry(entry, "here") for entry in stream_of(octets)]


def as_we_read(octets: bytes) -> tuple[object, ...]:
    stream = stream_of(octets)
    head = stream.head
    key = head.authority_key
    return (
        head.issuer.der,
        head.this_update,
        head.next_update,
        head.inner,
        head.outer,
        head.signature,
        [(one.oid, one.critical, one.value) for one in head.extensions],
        None if key is None else key.key_identifier,
        head.number,
        head.base,
        octets[head.signed[0] : head.signed[1]],
        [
            (entry.serial, _moment(entry.date), entry.reason, _moment(entry.since))
            for entry in entries_of(octets)
        ],
    )


class Extension(core.Sequence):
    """An extension whose value is left as it is: we do not read each either."""

    _fields: ClassVar = [
        ("extn_id", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("extn_value", core.OctetString),
    ]


class Extensions(core.SequenceOf):
    _child_spec = Extension


def as_asn1crypto_reads(octets: bytes) -> tuple[object, ...]:
    found = crl.CertificateList.load(octets, strict=True)
    tbs = found["tbs_cert_list"]
    extensions = [
        (one["extn_id"].dotted, one["critical"].native, one["extn_value"].native)
        for one in Extensions.load(tbs["crl_extensions"].untag().dump(), strict=True)
    ]
    values = {oid: value for oid, _, value in reversed(extensions)}
    key, number, base = (values.get(oid) for oid in ("2.5.29.35", "2.5.29.20", "2.5.29.27"))
    revoked = tbs["revoked_certificates"]
    return (
        tbs["issuer"].dump(),
        tbs["this_update"].native,
        tbs["next_update"].native,
        tbs["signature"].dump(),
        found["signature_algorithm"].dump(),
        found["signature"].native,
        extensions,
        None if key is None else x509.AuthorityKeyIdentifier.load(key)["key_identifier"].native,
        None if number is None else core.Integer.load(number, strict=True).native,
        None if base is None else core.Integer.load(base, strict=True).native,
        tbs.dump(),
        [] if isinstance(revoked, core.Void) else [_entry(one) for one in revoked],
    )


def _entry(one: crl.RevokedCertificate) -> tuple[object, ...]:
    reason, since = one.crl_reason_value, one.invalidity_date_value
    number = 0 if reason is None else int(reason.contents[0])
    return (
        one["user_certificate"].native,
        one["revocation_date"].native,
        number,
        None if since is None else since.native,
    )


def _moment(digits: bytes) -> datetime | None:
    return datetime.strptime(digits.decode() + "+0000", "%Y%m%d%H%M%S%z") if digits else None


@pytest.mark.parametrize("octets", [LIST, DELTA, list_of(draft_of(1), [])], ids=["all", "delta", "empty"])
def test_a_list_is_read_as_asn1crypto_reads_it(octets: bytes) -> None:
    assert as_we_read(octets) == as_asn1crypto_reads(octets)


def test_entries_are_what_was_revoked() -> None:
    assert [entry.revocation() for entry in entries_of(LIST)] == [*EVERY, LATE]


@pytest.mark.parametrize("suite_digest", ["sha256", "sha384"])
def test_the_digest_is_that_of_what_was_signed(suite_digest: str) -> None:
    stream = stream_of(LIST)
    first = next(iter(stream))
    tbs = crl.CertificateList.load(LIST)["tbs_cert_list"].dump()
    assert stream.digest(hashlib.new(suite_digest)) == hashlib.new(suite_digest, tbs).digest()
    stream.rewind()
    assert next(iter(stream)) == first == encode_entry(EVERY[0])


def test_a_list_much_longer_than_a_block_is_read_whole() -> None:
    serials = range(1, 6001)
    octets = list_of(draft_of(1), [encode_entry(revocation_of(number)) for number in serials])
    assert len(octets) > 4 * list_stream._BLOCK
    assert [entry.serial & 0xFFFF for entry in entries_of(octets)] == list(serials)


@pytest.mark.parametrize("block", [131, 200, 1000])
def test_where_blocks_end_does_not_matter(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_stream, "_BLOCK", block)
    assert [entry.revocation() for entry in entries_of(LIST)] == [*EVERY, LATE]
    ahead, behind = stream_of(LIST), stream_of(LIST)
    seen = []
    while True:
        octets, run = ahead.run()
        if not run:
            break
        # One entry by itself, then the rest in one piece.
        assert behind.peek() == run[0]
        behind.advance()
        assert not run[1:] or not behind.passes(b"".join(run))
        assert behind.passes(octets[len(run[0]) :])
        seen += run
    assert behind.peek() == b""
    assert seen == list(stream_of(LIST))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30",
        LIST[:-1],
        LIST + b"\0",
        LIST[:200],
        b"\x30\x80" + LIST[4:] + b"\0\0",
        b"\x30\x84\xff\xff\xff\xff" + LIST[4:],
    ],
    ids=["nothing", "one octet", "cut", "longer", "head alone", "indefinite", "longer than the file"],
)
def test_what_is_no_list_is_refused(octets: bytes) -> None:
    with pytest.raises(BadInput, match="here"):
        entries_of(octets)


ENTRY = encode_entry(revocation_of(1, reason=RevocationReason.KEY_COMPROMISE, invalid_since=NOW - DAY))
SERIAL, TIME = ENTRY[2:24], ENTRY[24:39]


def framed(*parts: bytes) -> bytes:
    return der.sequence(*parts)


@pytest.mark.parametrize(
    "octets",
    {
        "no serial": framed(TIME),
        "a serial that is no number": framed(b"\x04" + SERIAL[1:], TIME),
        "a serial without octets": framed(b"\x02\x00", TIME),
        "a serial with an octet too many": framed(b"\x02\x15\x00" + SERIAL[2:], TIME),
        "a negative serial with one too many": framed(b"\x02\x02\xff\x80", TIME),
        "no date": framed(SERIAL),
        "a date before 2050 in four digits": framed(SERIAL, der.generalized_time(NOW)),
        "the thirtieth of February": framed(SERIAL, b"\x17\x0d140230000000Z"),
        "the thirteenth month": framed(SERIAL, b"\x17\x0d141301000000Z"),
        "the sixtieth second": framed(SERIAL, b"\x17\x0d140201000060Z"),
        "no seconds": framed(SERIAL, b"\x17\x0b1402010000Z"),
        "suspected on the thirtieth of February": ENTRY.replace(b"\x0f20140831", b"\x0f20140230"),
        "unspecified, said so": encode_entry(revocation_of(1)).replace(b"\x0a\x01\x04", b"\x0a\x01\x00"),
        "reason 7": encode_entry(revocation_of(1)).replace(b"\x0a\x01\x04", b"\x0a\x01\x07"),
        "no extension in the extensions": framed(SERIAL, TIME, framed()),
        "something behind": framed(SERIAL, TIME, framed(), b"\x05\x00"),
    }.items(),
    ids=lambda item: item[0],
)
def test_an_entry_of_another_form_is_refused(octets: tuple[str, bytes]) -> None:
    with pytest.raises(BadInput, match="here: has an entry"):
        read_entry(octets[1], "here")


def test_serials_are_read_as_they_stand() -> None:
    assert [
        read_entry(framed(number, TIME), "here").serial
        for number in (b"\x02\x01\x00", b"\x02\x01\x80", b"\x02\x15\x01" + bytes(20))
    ] == [0, -128, 1 << 160]


def whole(tbs: bytes, *parts: bytes) -> bytes:
    """A list around this to-be-signed part; ``parts`` stand between it and the algorithm."""
    algorithm = b"".join(
        crl.CertificateList.load(LIST)[name].dump() for name in ("signature_algorithm", "signature")
    )
    return der.sequence(tbs, *parts, algorithm)


def of_fields(**others: bytes) -> list[bytes]:
    """The fields of a to-be-signed list, with others in the places of some."""
    tbs = crl.CertificateList.load(LIST)["tbs_cert_list"]
    names = (
        "version",
        "signature",
        "issuer",
        "this_update",
        "next_update",
        "revoked_certificates",
        "crl_extensions",
    )
    return [others.get(name, tbs[name].dump()) for name in names]


MUCH = der.context(0, der.sequence(der.sequence(der.oid("2.999.1"), der.octet_string(bytes(40_000)))))
LONG_NAME = der.sequence(*[der.set_of_one(der.sequence(der.oid("2.5.4.3"), der.utf8("x" * 60)))] * 600)


@pytest.mark.parametrize(
    "octets",
    {
        "of version 1": whole(der.sequence(*of_fields(version=b"\x02\x01\x00"))),
        "a name that is a set": whole(der.sequence(*of_fields(issuer=b"\x31\x00"))),
        "a signature that does not fill its octets": LIST.replace(
            b"\x03\x82\x01\x01\x00", b"\x03\x82\x01\x01\x01"
        ),
        "no nextUpdate": whole(der.sequence(*of_fields(next_update=b""))),
        "entries, but none": whole(der.sequence(*of_fields(revoked_certificates=b"\x30\x00"))),
        "no extensions": whole(der.sequence(*of_fields(crl_extensions=b""))),
        "extensions behind what is signed": whole(der.sequence(*of_fields()[:-1]), of_fields()[-1]),
        "something behind the extensions": whole(der.sequence(*of_fields(), b"\x05\x00")),
        "very long extensions": whole(der.sequence(*of_fields(crl_extensions=MUCH))),
        "a very long name": whole(der.sequence(*of_fields(issuer=LONG_NAME))),
        "half an entry at the end": whole(
            der.sequence(*of_fields(revoked_certificates=der.sequence(ENTRY, ENTRY[:-1])))
        ),
        "something between two entries": whole(
            der.sequence(*of_fields(revoked_certificates=der.sequence(ENTRY, b"\x05\x00", ENTRY)))
        ),
        "an entry longer than any": whole(
            der.sequence(
                *of_fields(revoked_certificates=der.sequence(ENTRY, der.sequence(bytes(200)), ENTRY))
            )
        ),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_list_of_another_form_is_refused(octets: tuple[str, bytes]) -> None:
    with pytest.raises(BadInput, match="here"):
        entries_of(octets[1])


def test_a_list_that_is_cut_while_it_is_read_is_refused() -> None:
    file = io.BytesIO(LIST)
    stream = ListStream(file, "here")
    file.truncate(len(LIST) // 2)
    with pytest.raises(BadInput, match="ends early"):
        list(stream)


def test_the_parts_of_the_lists_above_make_a_right_one() -> None:
    assert as_we_read(whole(der.sequence(*of_fields()))) == as_we_read(LIST)


@pytest.mark.deeper
def test_whatever_the_octets_they_read_as_asn1crypto_reads_them_or_are_refused() -> None:
    dice = random.Random(5280)
    read = 0
    for _ in range(rings.FUZZ):
        octets = bytearray(dice.choice((LIST, DELTA)))
        for _ in range(dice.choice((1, 1, 1, 2, 5))):
            at = dice.randrange(len(octets))
            match dice.randrange(5):
                case 0:
                    octets[at] ^= 1 << dice.randrange(8)
                case 1:
                    octets[at] = dice.randrange(256)
                case 2:
                    del octets[at : at + dice.choice((1, 1, 2, 53))]
                case 3:
                    octets[at:at] = octets[at : at + dice.choice((1, 1, 2, 53))]
                case 4:
                    octets[at] = dice.choice((0x00, 0x01, 0x02, 0x17, 0x18, 0x30, 0x7F, 0x80, 0x84, 0xFF))
        try:
            ours = as_we_read(bytes(octets))
        except BadInput:
            continue
        read += 1
        assert ours == as_asn1crypto_reads(bytes(octets)), octets.hex()
    assert read > rings.FUZZ // 20, "many mutants are lists still"
