"""SoftHSM tokens that are applications of somebody's card: made in a folder of their own, each with one key pair.

python-pkcs11 has no word for C_InitToken (PKCS#11 v2.40 5.5), so that one call is made through ctypes: thus no PIN is
ever on a command line, as it would be with SoftHSM's own tool.

Needs python-pkcs11 (``pip install kakehashi[hsm]``), so nobody imports this module who need not.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self, final

import pkcs11
from pkcs11 import Attribute, ObjectClass, TokenFlag

from ca.errors import KeyRefused, StorageFailed, TokenFailed
from ca.keys.session import Token, TokenAddress, alone, require_none_open
from ca.keys.token import TokenSigner
from ca.keys.token_objects import find_object, make_pair, public_key_of
from ca.suites import Suite

_KEY: Final = "key"
_CERTIFICATE: Final = "certificate"
_CONFIGURATION: Final = "softhsm2.conf"
_VARIABLE: Final = "SOFTHSM2_CONF"
# Octets of a label (PKCS#11 v2.40 5.5), padded with blanks.
_LABEL: Final = 32

_turn = threading.RLock()


@contextmanager
def tokens_in(folder: Path) -> Iterator[None]:
    """Have SoftHSM find the tokens of this folder, and no others, while the block runs; one folder at a time.

    Raises:
        TokenFailed: This process has tokens of another folder open.
        StorageFailed: The disk refused.
    """
    configuration = folder.resolve() / _CONFIGURATION
    with _turn:
        before = os.environ.get(_VARIABLE)
        if before != str(configuration):
            require_none_open(str(folder))
        _configure(configuration)
        os.environ[_VARIABLE] = str(configuration)
        try:
            yield
        finally:
            if before is None:
                del os.environ[_VARIABLE]
            else:
                os.environ[_VARIABLE] = before


def initialise(address: TokenAddress, officer_pin: str, pin: str) -> None:
    """Make a token of this label; its security officer's PIN is what sets a new PIN later.

    Raises:
        TokenFailed: The module cannot be loaded, or makes no token.
    """
    with alone(address) as library:
        slots = library.get_slots(token_present=True)
        free = [slot for slot in slots if TokenFlag.TOKEN_INITIALIZED not in slot.get_token().flags]
        if not free:
            raise TokenFailed(f"PKCS#11 module {address.module}", "has no room for a new token")
        _init_token(address, free[0].slot_id, officer_pin)
    set_pin(address, officer_pin, pin)


def set_pin(address: TokenAddress, officer_pin: str, pin: str) -> None:
    """Give a token a new PIN by the word of its security officer; what lies in it stays.

    Raises:
        PassphraseRefused: The officer's PIN is wrong.
        TokenFailed: The token is missing or fails.
    """
    with alone(address) as library:
        token = library.get_token(token_label=address.label)
        with token.open(rw=True, so_pin=officer_pin) as session:
            session.init_pin(pin)


@final
class CardToken:
    """A token that somebody has logged in to, with the key pair and the certificate that lie in it."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __repr__(self) -> str:
        return f"CardToken({self._token.address})"

    def __enter__(self) -> Self:
        """Use it in a block, at whose end it is logged out of."""
        return self

    def __exit__(self, *_: object) -> None:
        self._token.close()

    @classmethod
    def open(cls, address: TokenAddress, pin: str) -> Self:
        """Log in; see ``Token.open``."""
        return cls(Token.open(address, pin))

    def make_key(self, suite: Suite) -> TokenSigner:
        """Make the key pair. Its private half never leaves the token."""
        self._token.run(lambda session: make_pair(session, _KEY, suite))
        return self.signer()

    def signer(self) -> TokenSigner:
        """What signs with the key; KeyRefused if it is not there, or could leave the token."""
        public = self._token.run(lambda session: public_key_of(session, _KEY, self._token.address))
        return TokenSigner(self._token, _KEY, public)

    def change_pin(self, old: str, new: str) -> None:
        """Give the token another PIN; this login ends with it."""
        self._token.run(lambda session: session.set_pin(old, new))

    def keep_certificate(self, der: bytes) -> None:
        """Keep a certificate in the place of the one before; it is read after the login only."""
        self._token.run(lambda session: _replace(session, _CERTIFICATE, der))

    def certificate(self) -> bytes | None:
        """The certificate that is kept, if there is one."""

        def work(session: pkcs11.Session) -> bytes | None:
            found = find_object(session, ObjectClass.DATA, _CERTIFICATE)
            return None if found is None else bytes(found[Attribute.VALUE])

        return self._token.run(work)


def _init_token(address: TokenAddress, slot: int, officer_pin: str) -> None:
    pin, label = officer_pin.encode(), address.label.encode().ljust(_LABEL)
    if len(label) != _LABEL:
        raise KeyRefused(str(address), f"its label is longer than {_LABEL} octets")
    call = ctypes.CDLL(address.module).C_InitToken
    call.argtypes = ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p
    call.restype = ctypes.c_ulong
    code = call(slot, pin, len(pin), label)
    if code:
        raise TokenFailed(str(address), f"cannot be made (PKCS#11 return value {code:#x})")


def _replace(session: pkcs11.Session, name: str, value: bytes) -> None:
    """Keep a data object under this name; the old one goes when the new one is there."""
    passing = f"{name} (being written)"
    _destroy(session, passing)  # what an interrupted writing has left
    made = session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.LABEL: passing,
            Attribute.VALUE: value,
        }
    )
    _destroy(session, name)
    made[Attribute.LABEL] = name


def _destroy(session: pkcs11.Session, label: str) -> None:
    for found in list(session.get_objects({Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label})):
        found.destroy()


def _configure(configuration: Path) -> None:
    """Write SoftHSM's configuration; anew if the folder was moved."""
    tokens = configuration.parent / "tokens"
    text = f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    try:
        tokens.mkdir(mode=0o700, exist_ok=True)
        if not configuration.is_file() or configuration.read_text(encoding="utf-8") != text:
            passing = configuration.with_suffix(".new")
            passing.write_text(text, encoding="utf-8")
            passing.replace(configuration)
    except OSError as error:
        raise StorageFailed(str(configuration), f"cannot be written: {error.strerror}") from None
