"""Published lists as relying parties read them: by cryptography and OpenSSL, never by the product's own readers."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509

from bridge.repository.heads import read_head
from ca.journal.journal import Head
from ca.model import RevocationReason

HOLD, LIFTED = RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL
_COMPROMISE = {RevocationReason.KEY_COMPROMISE, RevocationReason.CA_COMPROMISE}

Listed = tuple[datetime, RevocationReason, datetime | None]
"""Since when a certificate is revoked, why, and since when it is not to be believed."""


def rank(reason: RevocationReason | None) -> int:
    """How much has come over a certificate."""
    if reason in {None, LIFTED}:
        return 0
    return 1 if reason is HOLD else 3 if reason in _COMPROMISE else 2


@dataclass(frozen=True)
class ReadList:
    """A list as cryptography reads it."""

    number: int
    this_update: datetime
    base: int | None
    entries: dict[int, Listed]


@lru_cache(64)
def read_list(path: Path) -> ReadList:
    """A list under its number, which never changes."""
    return parsed(path.read_bytes())


def parsed(encoded: bytes) -> ReadList:
    found = x509.load_der_x509_crl(encoded)
    base = None
    for extension in found.extensions:
        if isinstance(extension.value, x509.DeltaCRLIndicator):
            base = extension.value.crl_number
    number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    entries = {one.serial_number: _entry(one) for one in found}
    assert len(entries) == len(found), "a serial stands there twice"
    return ReadList(number, found.last_update_utc, base, entries)


def _entry(one: x509.RevokedCertificate) -> Listed:
    reason, since = RevocationReason.UNSPECIFIED, None
    for extension in one.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = RevocationReason.recorded(extension.value.reason.value)
        elif isinstance(extension.value, x509.InvalidityDate):
            since = extension.value.invalidity_date_utc
    return one.revocation_date_utc, reason, since


def newest_lists(repository: Path) -> dict[Path, ReadList]:
    """What relying parties get now, but for delta lists."""
    paths = repository.glob("g/*/crl/*.crl")
    return {path: parsed(path.read_bytes()) for path in paths if not path.name.endswith(".delta.crl")}


class Eyes:
    """A relying party that looks at what is published, again and again: newest numbers, and the journal's heads."""

    def __init__(self, home: Path) -> None:
        self.repository = home / "repository"
        self.newest: dict[Path, tuple[int, int]] = {}
        self.heads: dict[int, str] = {}

    def look(self) -> None:
        """No list's number ever falls, nor does the head's; whatever is there is whole."""
        for path in self.repository.glob("g/jpki-[13]*/crl/*.crl"):
            seen = self.newest.get(path)
            inode = path.stat().st_ino
            if seen is None or seen[0] != inode:
                number = parsed(path.read_bytes()).number
                assert seen is None or number >= seen[1], f"{path} went back"
                self.newest[path] = inode, number
        self._look_at(self.repository / "journal" / "head.json")

    def look_at_kept_heads(self) -> list[Head]:
        """Every head that was ever seen, and those that are kept for ever."""
        for path in self.repository.glob("journal/heads/*.json"):
            self._look_at(path)
        return [Head(*one) for one in self.heads.items()]

    def _look_at(self, path: Path) -> None:
        if path.exists():
            head = read_head(path.read_bytes(), str(path))
            assert self.heads.setdefault(head.count, head.digest) == head.digest


def require_read_by_openssl(path: Path, read: ReadList) -> None:
    """OpenSSL reads it, and finds as many entries."""
    arguments = ["openssl", "crl", "-inform", "DER", "-noout", "-text", "-in", path]
    told = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    assert told.count("Serial Number: ") == len(read.entries)
    assert str(read.number) in told
