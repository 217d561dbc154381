"""The way into a PKCS#11 token: load the module, log in, and do things in the session one after another.

Needs python-pkcs11 (``pip install kakehashi[hsm]``), so nobody imports this module who need not.

A process logs in to a token once, whoever asks. python-pkcs11 initialises modules for use by one thread at a time
(PKCS#11 v2.40 5.4, C_Initialize without arguments), so every call into one is made under one lock. Whoever wants
more speed takes more processes, each started by spawn: nothing of a token outlives a fork, and a forked process cannot
open it either, since modules say there that they are initialised already.
"""

from __future__ import annotations

import hmac
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import pkcs11
from pkcs11 import exceptions
from pkcs11.exceptions import PKCS11Error

from ca.errors import KakehashiError, PassphraseRefused, TokenFailed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Which token.

    Attributes:
        module: The file of its PKCS#11 module, or a name that the system's loader finds.
        label: The token's label.
    """

    module: str
    label: str

    def __str__(self) -> str:
        return f"token {self.label!r}"


_WRONG_PIN = (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange)
_NOT_REACHED = (
    exceptions.DeviceRemoved,
    exceptions.SessionClosed,
    exceptions.SessionCount,
    exceptions.SessionHandleInvalid,
    exceptions.SlotIDInvalid,
    exceptions.TokenNotPresent,
    exceptions.TokenNotRecognised,
    exceptions.UserAlreadyLoggedIn,
)
"""With what a login may end before the token looked at the PIN; any other failure may have been counted."""

_PROBLEMS: Mapping[type[PKCS11Error], tuple[str, str | None]] = MappingProxyType(
    {
        exceptions.PinLocked: (
            "is locked: its PIN was wrong too often",
            "Its security officer sets a new PIN",
        ),
        exceptions.PinExpired: ("its PIN has expired", "Set a new one"),
        exceptions.UserPinNotInitialized: ("has no PIN yet", "Initialise the token with one"),
        exceptions.NoSuchToken: (
            "is not there",
            "Insert it, or check the label; SoftHSM finds its tokens by SOFTHSM2_CONF",
        ),
        exceptions.MultipleTokensReturned: (
            "there are several tokens of this label",
            "Give each a label of its own",
        ),
        exceptions.DeviceMemory: ("is full", None),
        exceptions.TokenWriteProtected: ("is write-protected", None),
    }
)
"""What the user of a token can do something about; (problem, remedy). Anything else is told by its name."""

_SOFT = "SoftHSM project"
"""The manufacturer of SoftHSM's tokens."""

_PAUSES = (0.05, 0.1, 0.2)
"""Seconds between the tries of a first login."""

_lock = threading.RLock()
_open: dict[TokenAddress, Token] = {}
_initialised: Counter[str] = Counter()
"""How often each module was initialised: sessions of an earlier time are dead."""


class Token:
    """A token that this process has logged in to. Safe to use from several threads; not across a fork."""

    def __init__(self, address: TokenAddress, pin: str) -> None:
        self.address = address
        self._pin: str | None = pin
        self._process = os.getpid()
        self._users = 1
        self._session: pkcs11.Session | None = None
        self._time = 0

    def __repr__(self) -> str:
        return f"Token({self.address})"

    @classmethod
    def open(cls, address: TokenAddress, pin: str) -> Token:
        """Log in, or share the login that this process has; each opening wants a ``close``.

        Raises:
            PassphraseRefused: The PIN is wrong. What a token has refused for whatever reason is not tried again,
                since tokens count.
            TokenFailed: The module cannot be loaded, or the token is missing, locked or out of order.
        """
        # Encoding a surrogate would raise an error that carries the PIN.
        if any("\ud800" <= character <= "\udfff" for character in pin):
            raise PassphraseRefused(str(address), "the PIN is not text in UTF-8")
        # SoftHSM misses a token while another process logs in to it, as the processes of a server do at their start.
        for pause in _PAUSES:
            with suppress(PKCS11Error):
                return cls._begin(address, pin)
            time.sleep(pause)
        try:
            return cls._begin(address, pin)
        except PKCS11Error as error:
            raise refusal(address, error) from None

    def close(self) -> None:
        """End this use; the last one logs out."""
        with _lock:
            self._users -= 1
            if not self._users and self._process == os.getpid():
                del _open[self.address]
                self._leave()

    def run(self, work: Callable[[pkcs11.Session], T]) -> T:
        """Do something in the session. If the token fails, log in anew and do it once more: it must stand that.

        A login that is refused is not repeated here: the next call tries it.

        Raises:
            PassphraseRefused: The PIN is no longer right.
            TokenFailed: The token fails still.
        """
        with _lock:
            self._require_own_process()
            try:
                return work(self._anew() if self._session is None else self._live())
            except PKCS11Error:
                # What a token that was away says is anything, and only a new start finds it again.
                return self._guarded(lambda: work(self._anew()))

    @classmethod
    def _begin(cls, address: TokenAddress, pin: str) -> Token:
        """What ``open`` gives; a PKCS11Error says that the token was not reached, and may be the next time."""
        with _lock:
            there = _open.get(address)
            if there is not None:
                there.share(pin)
                return there
            token = cls(address, pin)
            try:
                token._reach()
            except (KakehashiError, PKCS11Error):
                token._leave()
                raise
            _open[address] = token
            return token

    def _reach(self) -> None:
        try:
            self._live()
        except PKCS11Error:
            self._anew()

    def share(self, pin: str) -> None:
        """Let one more use this login, who must know the PIN all the same."""
        self._require_own_process()
        if self._pin is None or not hmac.compare_digest(self._pin.encode(), pin.encode()):
            raise _wrong_pin(self.address)
        self._users += 1

    def _leave(self) -> None:
        """Log out; the last token of a module ends it, so that it begins anew with whoever comes next."""
        session, self._session = self._session, None
        with suppress(PKCS11Error):  # a token that is gone cannot be taken leave of
            if session is not None and self._time == _initialised[self.address.module]:
                session.close()
        if not any(other.module == self.address.module for other in _open):
            with suppress(PKCS11Error, TokenFailed):
                _library(self.address).finalize()

    def _require_own_process(self) -> None:
        if self._process != os.getpid():
            raise TokenFailed(
                str(self.address), "was opened before a fork", remedy="Start the process by spawn"
            )

    def _live(self) -> pkcs11.Session:
        """The session, opened if there is none of this time."""
        now = _initialised[self.address.module]
        if self._session is None or self._time != now:
            self._session, self._time = None, now
            self._session = self._login(_library(self.address))
        return self._session

    def _anew(self) -> pkcs11.Session:
        """A new session; the module is initialised again unless another token's failure has done so meanwhile."""
        self._known_pin()  # or the others' sessions would end for nothing
        module = self.address.module
        if self._time == _initialised[module]:
            self._session = None
            library = _library(self.address)
            with suppress(PKCS11Error):  # what cannot be ended in order has ended too
                library.finalize()
            _initialised[module] += 1
        return self._live()

    def _login(self, library: Any) -> pkcs11.Session:
        """A session that is logged in; PKCS11Error only if the token has not counted this as a wrong PIN."""
        pin = self._known_pin()
        token: pkcs11.Token = library.get_token(token_label=self.address.label)
        try:
            return token.open(rw=True, user_pin=pin)
        except _NOT_REACHED:
            raise
        except PKCS11Error as error:
            # SoftHSM fails so beside another's login; a wrong PIN it calls by its name, and counts none.
            if isinstance(error, exceptions.GeneralError) and token.manufacturer_id == _SOFT:
                raise
            if isinstance(error, _WRONG_PIN):
                self._pin = None
            raise refusal(self.address, error) from None

    def _known_pin(self) -> str:
        if self._pin is None:
            raise _wrong_pin(self.address)
        return self._pin

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except PKCS11Error as error:
            self._session = None
            raise refusal(self.address, error) from None


def require_none_open(place: str) -> None:
    """Raise TokenFailed if this process is logged in to a token, of whatever module; ``place`` is what cannot be used."""
    if _open:
        raise TokenFailed(place, "cannot be used while this process has another token open")


@contextmanager
def alone(address: TokenAddress) -> Iterator[Any]:
    """The module of a token, while nobody of this process is logged in to any; it begins anew with whoever comes next.

    Raises:
        TokenFailed: Somebody is, or the module cannot be loaded; or what PKCS#11 says inside the block.
        PassphraseRefused: PKCS#11 says inside the block that a PIN is wrong.
    """
    with _lock:
        require_none_open(str(address))
        library = _library(address)
        try:
            yield library
        except PKCS11Error as error:
            raise refusal(address, error) from None
        finally:
            # SoftHSM gives a new token another slot from its next start on.
            with suppress(PKCS11Error):
                library.finalize()


def refusal(address: TokenAddress, error: PKCS11Error) -> KakehashiError:
    """What an error of PKCS#11 is to us."""
    if isinstance(error, _WRONG_PIN):
        return _wrong_pin(address)
    for kind, (problem, remedy) in _PROBLEMS.items():
        if isinstance(error, kind):
            return TokenFailed(str(address), problem, remedy=remedy)
    name = type(error).__name__
    return TokenFailed(str(address), f"has failed or is gone ({name})", remedy="Bring it back and try again")


def _wrong_pin(address: TokenAddress) -> PassphraseRefused:
    return PassphraseRefused(
        str(address), "the PIN is not the token's", remedy="Mind that tokens lock after a few wrong ones"
    )


def _library(address: TokenAddress) -> Any:
    """The module, initialised; python-pkcs11 does not name its type."""
    try:
        return pkcs11.lib(address.module)
    except PKCS11Error as error:
        # python-pkcs11 has no type of its own for a file that is no module.
        if type(error) is not PKCS11Error:
            raise
        raise TokenFailed(
            f"PKCS#11 module {address.module}",
            "cannot be loaded",
            remedy="Name the module of the token; Debian's softhsm2 has /usr/lib/softhsm/libsofthsm2.so",
        ) from None
