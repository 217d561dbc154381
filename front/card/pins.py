"""PINs: what they look like, and tries that are on the disk before they are made.

What opens a token is not the PIN but what scrypt makes of it with a secret that lies beside the count of tries.
Whoever deletes the file has no card any more; and a count that has come to nothing has lost the secret already, so that
writing another number there opens nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, TypeVar

import msgspec

from ca.chance import Chance
from ca.errors import BadInput, KeyRefused, PassphraseRefused, StorageFailed, TokenFailed
from ca.journal.durable import sync
from ca.model import RESIDENT_KINDS, CertificateKind

T = TypeVar("T")

_SECRET = 32  # octets
_LIMIT = 4096
# scrypt (RFC 7914 2): 32 MiB and some 0.1 s a try, so that a copied folder is not opened in no time.
_COST, _BLOCKS, _PARALLEL = 1 << 15, 8, 1
_MEMORY = 64 * 1024 * 1024
_UNLOCK = "`kakehashi card unlock` sets a new one by the card's unlock code"


@dataclass(frozen=True, slots=True)
class PinRule:
    """What a PIN of one application looks like, and how often in a row it may be wrong."""

    pattern: re.Pattern[str]
    words: str
    tries: int

    def require(self, pin: str, place: str) -> None:
        """Raise BadInput, which does not show it, unless the PIN has the form."""
        if not self.pattern.fullmatch(pin):
            raise BadInput(place, f"is not {self.words}", clause="JPKI-AP")


PIN_RULES: Mapping[CertificateKind, PinRule] = MappingProxyType(
    {
        CertificateKind.SIGNATURE: PinRule(
            re.compile(r"[A-Za-z0-9]{6,16}"), "6 to 16 letters and digits of ASCII", tries=5
        ),
        CertificateKind.USER_AUTHENTICATION: PinRule(re.compile(r"[0-9]{4}"), "4 digits", tries=3),
    }
)
"""By application, as residents' cards have it (JPKI-AP)."""
assert PIN_RULES.keys() == set(RESIDENT_KINDS), "each application needs a row"


class PinLocked(KeyRefused):
    """The PIN was wrong too often. The application stays shut until the unlock code sets a new PIN."""


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the file of an application's PIN holds."""

    format: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    left: Annotated[int, msgspec.Meta(ge=0, le=10)]
    secret: Annotated[bytes, msgspec.Meta(min_length=_SECRET, max_length=_SECRET)] | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """The PIN of one application of one card: its file counts the tries.

    Attributes:
        path: The file.
        place: What the PIN is called in messages.
    """

    path: Path
    rule: PinRule
    place: str

    def left(self) -> int:
        """How many tries are left; 0 if it is locked.

        Raises:
            KeyRefused: The file is missing or damaged, and no PIN opens the card any more.
        """
        found = self._read()
        return 0 if found.secret is None else found.left

    def set(self, pin: str, give: Callable[[str], T], chance: Chance) -> T:
        """Have a new PIN from now on, all tries left: ``give`` is given what the token is to know, and tells it.

        In between it is locked, so that an interruption leaves a card that its unlock code still opens. Whether the
        caller may do this, the token says: PassphraseRefused and TokenFailed leave all as it was.
        """
        self.rule.require(pin, self.place)
        secret = chance.octets(f"{self.place}, secret", _SECRET)
        with self._alone():
            try:
                before = self._read()
            except KeyRefused:  # a new card's; or lost, and what can be set anew need not be read
                before = _Record(left=0)
            self._write(_Record(left=0))
            try:
                result = give(_token_pin(pin, secret))
            except (PassphraseRefused, TokenFailed):
                self._write(before)
                raise
            self._write(_Record(left=self.rule.tries, secret=secret))
        return result

    def another(self, pin: str, new: str, change: Callable[[str, str], T]) -> T:
        """Try the PIN, and have a new one: ``change`` is given what the token knows and is to know, and tells it.

        Raises:
            BadInput, PassphraseRefused, PinLocked, KeyRefused, TokenFailed, StorageFailed: As ``attempt`` does.
        """
        self.rule.require(new, self.place)
        # One secret for both: wherever this is interrupted, one of the two PINs is right.
        return self._counted(pin, lambda secret: change(_token_pin(pin, secret), _token_pin(new, secret)))

    def attempt(self, pin: str, log_in: Callable[[str], T]) -> T:
        """Try the PIN: ``log_in`` is given what the token knows, once it is on the disk that a try is gone.

        Raises:
            BadInput: It does not have a PIN's form; no try is lost.
            PassphraseRefused: It is wrong.
            PinLocked: No try was left.
            KeyRefused: The file is missing or damaged, and the PIN opens nothing any more.
            TokenFailed: The token cannot be used, and has not looked at the PIN; no try is lost.
            StorageFailed: The disk refused; the PIN was not tried, or a try is lost.
        """
        return self._counted(pin, lambda secret: log_in(_token_pin(pin, secret)))

    def _counted(self, pin: str, use: Callable[[bytes], T]) -> T:
        self.rule.require(pin, self.place)
        with self._alone():
            before = self._read()
            secret = before.secret
            if secret is None or not before.left:
                raise PinLocked(self.place, "is locked: it was wrong too often", remedy=_UNLOCK)
            left = before.left - 1
            self._write(_Record(left=left, secret=secret if left else None))
            try:
                result = use(secret)
            except PassphraseRefused:
                raise PassphraseRefused(self.place, _wrong(left), remedy=None if left else _UNLOCK) from None
            except TokenFailed:
                self._write(before)
                raise
            self._write(_Record(left=self.rule.tries, secret=secret))
        return result

    def _read(self) -> _Record:
        try:
            with self.path.open("rb") as file:
                return msgspec.json.decode(file.read(_LIMIT), type=_Record)
        except FileNotFoundError:
            problem = "is missing"
        except OSError as error:
            raise KeyRefused(str(self.path), f"cannot be read: {error.strerror}") from None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            problem = "is damaged"
        raise KeyRefused(str(self.path), f"{problem}, and without it no PIN opens the card", remedy=_UNLOCK)

    def _write(self, record: _Record) -> None:
        write_durably(self.path, msgspec.json.encode(record))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process tries a PIN of this card."""
        try:
            descriptor = os.open(self.path.with_name("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageFailed(str(self.path), f"cannot be locked: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _wrong(left: int) -> str:
    if not left:
        return "is wrong, and is locked now"
    return f"is wrong; {left} {'try is' if left == 1 else 'tries are'} left"


def _token_pin(pin: str, secret: bytes) -> str:
    """What opens the token."""
    made = hashlib.scrypt(
        pin.encode("ascii"), salt=secret, n=_COST, r=_BLOCKS, p=_PARALLEL, maxmem=_MEMORY, dklen=32
    )
    return made.hex()


def write_durably(path: Path, content: bytes) -> None:
    """Put a file (mode 0600) in the place of the one before, whole or not at all; it is on the disk on return."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        sync(path.parent)
    except OSError as error:
        raise StorageFailed(str(path), f"cannot be written: {error.strerror}") from None
