"""The card's files: its number and keys, what is free to be read of its certificates; strict, bounded, and durable."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from asn1crypto import x509

from ca.errors import BadInput, KeyRefused, StorageFailed
from ca.journal.durable import sync
from ca.wire import walk
from ca.wire.facts import CertificateFacts, read_certificate

R = TypeVar("R", bound=msgspec.Struct)

_LIMIT = 256 * 1024

_Format = Annotated[int, msgspec.Meta(ge=1, le=1)]


class CardRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``card.json``. ``keys`` are DER SubjectPublicKeyInfos by kind."""

    format: _Format = 1
    number: str
    suite: str
    keys: dict[str, bytes]


class AboutRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``<kind>.json``; see About."""

    format: _Format = 1
    serial: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{1,40}\Z")]
    not_before: Annotated[datetime, msgspec.Meta(tz=True)]
    not_after: Annotated[datetime, msgspec.Meta(tz=True)]
    responder: str | None
    issuer: bytes
    certificate: bytes | None


@dataclass(frozen=True, slots=True)
class About:
    """What is free to be read of a certificate of a card.

    Attributes:
        responder: The URL of the OCSP responder that the certificate names, if it names one.
        issuer: The issuer's own certificate.
        certificate: The certificate, DER; None of the signature, whose PIN it takes.
    """

    serial: int
    not_before: datetime
    not_after: datetime
    responder: str | None
    issuer: CertificateFacts = field(repr=False)
    certificate: bytes | None = field(repr=False)


def about_record(facts: CertificateFacts, issuer: CertificateFacts, *, free: bool) -> AboutRecord:
    """What is written down of a certificate; with the certificate itself if that is free to be read."""
    return AboutRecord(
        serial=f"{facts.serial:x}",
        not_before=facts.not_before,
        not_after=facts.not_after,
        responder=_responder(facts),
        issuer=issuer.der,
        certificate=facts.der if free else None,
    )


def read_about(path: Path) -> About | None:
    """What is free to be read of a certificate, if there is one; KeyRefused if it is damaged."""
    record = read_record(path, AboutRecord)
    if record is None:
        return None
    try:
        issuer = read_certificate(record.issuer, f"{path}: issuer")
    except BadInput:
        raise damaged(path) from None
    return About(
        int(record.serial, 16),
        record.not_before,
        record.not_after,
        record.responder,
        issuer,
        record.certificate,
    )


def read_record(path: Path, kind: type[R]) -> R | None:
    """The record in a file of the card; None if there is no such file."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LIMIT), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyRefused(str(path), f"cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise damaged(path) from None


def damaged(path: Path) -> KeyRefused:
    """What is said of a file that is not what it was."""
    return KeyRefused(str(path), "is damaged")


def move_durably(making: Path, folder: Path) -> None:
    """Have the card appear in its place, whole and on the disk."""
    try:
        for path in [*making.rglob("*"), making]:
            sync(path)
        making.rename(folder)
        sync(folder.absolute().parent)
    except OSError as error:
        raise StorageFailed(str(folder), f"cannot be written: {error.strerror}") from None


def _responder(facts: CertificateFacts) -> str | None:
    """The URL of the responder that the certificate names first, if it names one."""
    with walk.reading(facts.place, "authorityInfoAccess"):
        urls = x509.Certificate.load(facts.der).ocsp_urls
        return str(urls[0]) if urls else None
