"""The vault of a home whose keys lie in a PKCS#11 token: made there, and never out of it.

The objects of a home bear its random id in their labels, so that homes share a token and never a key:
``kakehashi-<home id>/<key id>`` for both halves of a key pair, and ``kakehashi-<home id>/residents' code key`` for a
data object that is read after the login only.

Needs python-pkcs11 (``pip install kakehashi[hsm]``), so nobody imports this module who need not.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import Any, Final, final

import pkcs11
from pkcs11 import Attribute, Mechanism, ObjectClass

from ca.errors import KeyRefused
from ca.keys.kinds import read_public_key, require_fit
from ca.keys.sealing import KEY_OCTETS
from ca.keys.session import Token, TokenAddress
from ca.keys.signer import Signer, key_identifier, sign_in_token
from ca.keys.token_objects import RESTORE, find_object, make_pair, public_key_of, require_private
from ca.keys.vault import KeyId, key_id
from ca.suites import KeyFamily, Suite

_CODE_KEY: Final = "residents' code key"
_MECHANISMS = {KeyFamily.RSA: Mechanism.RSA_PKCS, KeyFamily.EC: Mechanism.ECDSA}


@final
class TokenSigner:
    """Signs with a key in a token. Safe to use from several threads."""

    __slots__ = ("_found", "_name", "_public", "_token")

    def __init__(self, token: Token, name: str, public: bytes) -> None:
        self._token = token
        self._name = name
        self._public = public
        self._found: tuple[pkcs11.Session, Any] | None = None

    def __repr__(self) -> str:
        return f"TokenSigner({self._name}, key identifier {key_identifier(self._public).hex()})"

    @property
    def public_key(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""
        return self._public

    @property
    def checks(self) -> bool:
        """No: what a token looks at is its own secret."""
        return False

    def require(self, suite: Suite) -> None:
        """Raise KeyRefused unless this key is one that the suite signs with."""
        require_fit(f"key {self._name}", read_public_key(self._public), suite)

    def sign(self, message: bytes, suite: Suite) -> bytes:
        """The raw signature value over the message.

        Raises:
            KeyRefused: The suite does not fit the key, or the token has the key no more.
            TokenFailed: The token fails; the same call succeeds once it is back.
        """
        return self.sign_digest(hashlib.new(suite.digest, message).digest(), suite)

    def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
        """The same over a message whose digest this is."""
        self.require(suite)
        mechanism = _MECHANISMS[suite.family]
        return self._token.run(
            lambda session: sign_in_token(self._private(session), mechanism, digest, suite)
        )

    def _private(self, session: pkcs11.Session) -> Any:
        # A handle is good in the session that found it, and looking for it costs more than signing does.
        if self._found is None or self._found[0] is not session:
            self._found = session, require_private(session, self._name, self._token.address)
        return self._found[1]


@final
class TokenVault:
    """The keys of one home in a token; see KeyVault. One login serves all threads of a process."""

    def __init__(self, token: Token, home: str, code_key: bytes) -> None:
        self._token = token
        self._home = home
        self._code_key = code_key
        self._signers: dict[KeyId, TokenSigner] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TokenVault({self._token.address}, home {self._home})"

    @classmethod
    def make(cls, address: TokenAddress, home: str, pin: str) -> TokenVault:
        """Begin a home of this id in the token, or open the one that is there already.

        Raises:
            PassphraseRefused: The PIN is wrong.
            TokenFailed: The module or the token is missing, or fails.
        """
        return cls._opened(Token.open(address, pin), home, make=True)

    @classmethod
    def open(cls, address: TokenAddress, home: str, pin: str) -> TokenVault:
        """Log in to the token of a home.

        Raises:
            PassphraseRefused: The PIN is wrong.
            TokenFailed: The module or the token is missing, or fails.
            KeyRefused: The token has nothing of this home.
        """
        return cls._opened(Token.open(address, pin), home, make=False)

    @classmethod
    def _opened(cls, token: Token, home: str, *, make: bool) -> TokenVault:
        name = _name(home, _CODE_KEY)

        def work(session: pkcs11.Session) -> bytes:
            if make and find_object(session, ObjectClass.DATA, name) is None:
                session.create_object(
                    {
                        Attribute.CLASS: ObjectClass.DATA,
                        Attribute.TOKEN: True,
                        Attribute.PRIVATE: True,
                        Attribute.LABEL: name,
                        Attribute.VALUE: secrets.token_bytes(KEY_OCTETS),
                    }
                )
            found = find_object(session, ObjectClass.DATA, name)
            if found is None:
                raise KeyRefused(
                    str(token.address), f"has nothing of this home (no {name!r})", remedy=RESTORE
                )
            code_key = bytes(found[Attribute.VALUE])
            if len(code_key) != KEY_OCTETS:
                raise KeyRefused(str(token.address), f"its {name!r} is damaged", remedy=RESTORE)
            return code_key

        try:
            code_key = token.run(work)
        except BaseException:
            token.close()
            raise
        return cls(token, home, code_key)

    def create(self, key: KeyId, suite: Suite) -> Signer:
        """Make the key in the token if it is not there, else open it; see KeyVault."""
        name = _name(self._home, key_id(key))

        def work(session: pkcs11.Session) -> None:
            if find_object(session, ObjectClass.PRIVATE_KEY, name) is None:
                make_pair(session, name, suite)

        if key not in self._signers:
            self._token.run(work)
        signer = self._signer(key)
        signer.require(suite)
        return signer

    def signer(self, key: KeyId) -> Signer:
        """The signer of this key; KeyRefused if the token does not have it, TokenFailed if that fails."""
        return self._signer(key)

    def code_key(self) -> bytes:
        """The 32 octets under which residents' codes are kept; the token gives them out after the login only."""
        return self._code_key

    def close(self) -> None:
        """Log out, unless another vault of this process uses the token too."""
        self._signers.clear()
        self._token.close()

    def _signer(self, key: KeyId) -> TokenSigner:
        signer = self._signers.get(key)
        if signer is None:
            name = _name(self._home, key_id(key))
            public = self._token.run(lambda session: public_key_of(session, name, self._token.address))
            with self._lock:
                signer = self._signers.setdefault(key, TokenSigner(self._token, name, public))
        return signer


def _name(home: str, what: str) -> str:
    return f"kakehashi-{home}/{what}"
