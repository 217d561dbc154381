"""Lists: entries are encoded once, when a certificate ends, and lists of any length are written from them into files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import BinaryIO

from ca.model import Revocation, RevocationReason
from ca.profiles.lists import ListDraft
from ca.suites import Hashing, KeyFamily, Suite
from ca.wire import der
from ca.wire.extensions import encode_extension
from ca.wire.names import encode_name
from ca.wire.tbs import algorithm_identifier

_VERSION_2 = der.integer(1)
_REASON_CODE = der.oid("2.5.29.21")
_INVALIDITY_DATE = der.oid("2.5.29.24")
_ML_DSA_OCTETS = {44: 2420, 65: 3309, 87: 4627}  # of a signature, FIPS 204 table 2


def encode_entry(revocation: Revocation) -> bytes:
    """An element of revokedCertificates (RFC 5280 5.3); the reason unspecified is left out (5.3.1)."""
    said = _said(revocation.revoked_at, revocation.reason, revocation.invalid_since)
    return der.sequence(der.integer(revocation.serial.value), said)


@lru_cache(maxsize=256)  # what one order ends, it ends at one moment for one reason
def _said(revoked_at: datetime, reason: RevocationReason, invalid_since: datetime | None) -> bytes:
    """What an entry says behind the serial number."""
    extensions = b""
    if reason is not RevocationReason.UNSPECIFIED:
        code = der.octet_string(der.enumerated(reason))
        extensions += der.sequence(_REASON_CODE, code)
    if invalid_since is not None:
        since = der.octet_string(der.generalized_time(invalid_since))
        extensions += der.sequence(_INVALIDITY_DATE, since)
    return der.time(revoked_at) + (der.sequence(extensions) if extensions else b"")


def tbs_list(draft: ListDraft, entries: Sequence[bytes]) -> bytes:
    """The TBSCertList of a draft over encoded entries; no entries, no revokedCertificates (RFC 5280 5.1.2.6)."""
    head, tail = _around(draft, sum(map(len, entries)))
    return b"".join((head, *entries, tail))


@dataclass(frozen=True, slots=True)
class UnsignedList:
    """A TBSCertList that stands in a file, and waits there for its signature.

    Attributes:
        digest: What is to be signed: what the key's hashing made of it.
        sha256: Its SHA-256.
        octets: How long it is.
        room: How many octets before it are free for the outer header.
    """

    digest: bytes
    sha256: bytes
    octets: int
    room: int


def write_unsigned(
    file: BinaryIO, draft: ListDraft, blocks: Iterable[bytes], octets: int, hashing: Hashing
) -> UnsignedList:
    """Write the TBSCertList of a draft into an empty file, as its encoded entries come.

    Args:
        file: Where to; ``write_signature`` makes a list of it.
        draft: What it says besides its entries.
        blocks: The encoded entries, however many together.
        octets: How long they are in all: that stands before them.
        hashing: What makes of the octets what the key signs.
    """
    head, tail = _around(draft, octets)
    length = len(head) + octets + len(tail)
    room = len(
        der.header(0x30, length + len(_signature_fields(draft.suite, bytes(_usual_length(draft.suite)))))
    )
    file.write(bytes(room))
    sha256 = hashlib.sha256()
    written = 0
    for part in chain((head,), blocks, (tail,)):
        file.write(part)
        sha256.update(part)
        hashing.update(part)
        written += len(part)
    assert written == length, "the entries are as long as was said"
    return UnsignedList(hashing.digest(), sha256.digest(), length, room)


def write_signature(file: BinaryIO, unsigned: UnsignedList, suite: Suite, signature: bytes) -> None:
    """Make a CertificateList of what ``write_unsigned`` has left in the file (RFC 5280 5.1.1)."""
    fields = _signature_fields(suite, signature)
    header = der.header(0x30, unsigned.octets + len(fields))
    if len(header) != unsigned.room:
        # An EC signature's length varies. Header and room differ only about 256 octets, 64 KiB or 16 MiB.
        file.seek(unsigned.room)
        tbs = file.read()
        file.seek(len(header))
        file.write(tbs)
        file.truncate()
    file.seek(0)
    file.write(header)
    file.seek(len(header) + unsigned.octets)
    file.write(fields)


def _around(draft: ListDraft, octets: int) -> tuple[bytes, bytes]:
    """What stands before and behind so many octets of entries, the header of the whole included."""
    before = b"".join(
        (
            _VERSION_2,
            algorithm_identifier(draft.suite),
            encode_name(draft.issuer),
            der.time(draft.this_update),
            der.time(draft.next_update),
            der.header(0x30, octets) if octets else b"",
        )
    )
    extensions = (encode_extension(placed.value, critical=placed.critical) for placed in draft.extensions)
    behind = der.context(0, der.sequence(*extensions))
    return der.header(0x30, len(before) + octets + len(behind)) + before, behind


def _signature_fields(suite: Suite, signature: bytes) -> bytes:
    return algorithm_identifier(suite) + der.bit_string(signature)


def _usual_length(suite: Suite) -> int:
    """How long a signature value is; one by an EC key may be some octets shorter (RFC 3279 2.2.3)."""
    match suite.family:
        case KeyFamily.RSA:
            return suite.key_size // 8
        case KeyFamily.EC:
            return 2 * (suite.key_size // 8) + 8
        case KeyFamily.ML_DSA:
            return _ML_DSA_OCTETS[suite.key_size]
