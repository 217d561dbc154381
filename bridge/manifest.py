"""The manifest: what a repository says of itself, the one word that its writer and its readers share.

It maps each distribution point of each generation to a URL. It is signed for those who mirror it; a relying party
believes certificates and lists, not the manifest.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from ca.profiles.extensions import Holds

MANIFEST = "manifest.json"
MANIFEST_SIGNATURE = "manifest.p7s"
SUMS = "SHA256SUMS"
"""In a sealed copy: the SHA-256 of every file, as sha256sum writes and checks them."""

SUMS_SIGNATURE = "SHA256SUMS.p7s"
JOURNAL_HEAD = "journal/head.json"
JOURNAL_HEAD_SIGNATURE = "journal/head.p7s"

# Each step of a path begins with a letter or digit, so none is `.`, `..` or empty.
_Path = Annotated[
    str, msgspec.Meta(max_length=200, pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\Z")
]
_Generation = Annotated[str, msgspec.Meta(max_length=50)]
_Name = Annotated[bytes, msgspec.Meta(max_length=4096)]
_KeyIdentifier = Annotated[str, msgspec.Meta(max_length=128, pattern=r"\A([0-9a-f]{2})+\Z")]


class Marking(StrEnum):
    """Whether a world, or a trust, is for tests. A test root never validates under production trust."""

    TEST = "test"
    PRODUCTION = "production"


PEER = "peer"
"""The role of an authority that is not of this world, and is cross-certified with it."""


class AuthorityEntry(msgspec.Struct, frozen=True):
    """One generation of one authority.

    Attributes:
        role: What it is in its world; ``PEER`` if it is of another.
        key_identifier: Of its key, as certificates and lists name it, in hexadecimal digits.
        certificate: Where its self-signed certificate is; None if a peer gave none, or before it is there.
        responder: Where the certificate of its OCSP responder is; None if it has none, or before it is there.
    """

    generation: _Generation
    role: str
    name: _Name
    key_identifier: _KeyIdentifier
    certificate: _Path | None
    responder: _Path | None = None


class CrossEntry(msgspec.Struct, frozen=True):
    """A cross-certificate: the issuing and the certified generation. Of one authority, it is a link certificate.

    A pair of generations has as many as were ever issued: the past is verified with them.
    """

    issuer: _Generation
    subject: _Generation
    certificate: _Path


class ListEntry(msgspec.Struct, frozen=True):
    """A list: its point is the encoded name that certificates carry, or null for the full list."""

    generation: _Generation
    scope: str
    point: _Name | None
    holds: Holds
    url: _Path


class Manifest(msgspec.Struct, frozen=True):
    """What a repository holds. Paths are relative to the manifest. Fields that this version does not know are left aside."""

    format: Literal[1]
    world: str
    marking: Marking
    anchor: _Generation
    authorities: tuple[AuthorityEntry, ...]
    cross: tuple[CrossEntry, ...]
    lists: tuple[ListEntry, ...]


class JournalHead(msgspec.Struct, frozen=True):
    """How far the journal of a world reached: with it every record up to there is fixed.

    Attributes:
        count: How many records there were.
        digest: SHA-256 of the last record's line, in hexadecimal digits; zeros if there were none.
    """

    format: Literal[1]
    world: Annotated[str, msgspec.Meta(max_length=200)]
    count: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    digest: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    at: datetime
