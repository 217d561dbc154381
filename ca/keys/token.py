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
from typing import Any, Final, cast, final

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from ca.errors import KeyRefused
from ca.keys.pool import EXPONENT
from ca.keys.sealing import KEY_OCTETS
from ca.keys.session import Token, TokenAddress
from ca.keys.signer import (
    CURVES,
    PublicKey,
    Signer,
    key_identifier,
    read_public_key,
    require_fit,
    sign_in_token,
)
from ca.keys.vault import KeyId, key_id
from ca.suites import KeyFamily, Suite

_CODE_KEY: Final = "residents' code key"
_MECHANISMS = {KeyFamily.RSA: Mechanism.RSA_PKCS, KeyFamily.EC: Mechanism.ECDSA}
_CURVES = {encode_named_curve_parameters(curve.name): curve for curve in CURVES.values()}
_PRIVATE = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
}
_RESTORE = "Restore the token from its backup"


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
            self._found = session, _require_private(session, self._name, self._token.address)
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
            if make and _find(session, ObjectClass.DATA, name) is None:
                session.create_object(
                    {
                        Attribute.CLASS: ObjectClass.DATA,
                        Attribute.TOKEN: True,
                        Attribute.PRIVATE: True,
                        Attribute.LABEL: name,
                        Attribute.VALUE: secrets.token_bytes(KEY_OCTETS),
                    }
                )
            found = _find(session, ObjectClass.DATA, name)
            if found is None:
                raise KeyRefused(
                    str(token.address), f"has nothing of this home (no {name!r})", remedy=_RESTORE
                )
            code_key = bytes(found[Attribute.VALUE])
            if len(code_key) != KEY_OCTETS:
                raise KeyRefused(str(token.address), f"its {name!r} is damaged", remedy=_RESTORE)
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
            if _find(session, ObjectClass.PRIVATE_KEY, name) is None:
                _make_pair(session, name, suite)

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
            public = self._token.run(lambda session: _public_key(session, name, self._token.address))
            with self._lock:
                signer = self._signers.setdefault(key, TokenSigner(self._token, name, public))
        return signer


def _name(home: str, what: str) -> str:
    return f"kakehashi-{home}/{what}"


def _find(session: pkcs11.Session, kind: ObjectClass, name: str) -> Any:
    """The object of this class and label, or None; KeyRefused if there are several."""
    found = list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: name}))
    if len(found) > 1:
        raise KeyRefused(str(session.token), f"has {len(found)} objects named {name!r}", remedy=_RESTORE)
    if not found:
        # A token that is gone may answer that it is empty; asking for the token itself tells that apart.
        session.token.slot.get_token()
    return found[0] if found else None


def _make_pair(session: pkcs11.Session, name: str, suite: Suite) -> None:
    """Make a key pair under a passing name; it gets its own last, so that half a pair never has it."""
    passing = f"{name} (being made)"
    kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
    # What an interrupted making has left: no private half ever had its name, so nothing was signed with it.
    for stray in [
        found
        for label in (passing, name)
        for kind in kinds
        for found in session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label})
    ]:
        stray.destroy()
    options: dict[str, Any] = {
        "id": name.encode(),
        "label": passing,
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "private_template": _PRIVATE,
    }
    if suite.family is KeyFamily.RSA:
        options["public_template"] = {Attribute.PUBLIC_EXPONENT: EXPONENT.to_bytes(3)}
        pair = session.generate_keypair(KeyType.RSA, suite.key_bits, **options)
    else:
        parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(CURVES[suite.key_bits].name)}
        pair = session.create_domain_parameters(KeyType.EC, parameters, local=True).generate_keypair(
            **options
        )
    for half in pair:  # the private one comes last
        half[Attribute.LABEL] = name


def _require_private(session: pkcs11.Session, name: str, address: TokenAddress) -> Any:
    """The private half, or KeyRefused if it is not there, or could leave the token."""
    private = _find(session, ObjectClass.PRIVATE_KEY, name)
    if private is None:
        raise KeyRefused(str(address), f"has no private key {name!r}", remedy=_RESTORE)
    if private[Attribute.EXTRACTABLE] or not private[Attribute.SENSITIVE]:
        raise KeyRefused(str(address), f"would give out its private key {name!r}: it was not made by us")
    return private


def _public_key(session: pkcs11.Session, name: str, address: TokenAddress) -> bytes:
    """The public half as DER SubjectPublicKeyInfo, once its private half was found."""
    _require_private(session, name, address)
    found = _find(session, ObjectClass.PUBLIC_KEY, name)
    if found is None:
        raise KeyRefused(str(address), f"has no public key {name!r}", remedy=_RESTORE)
    try:
        public = _read_public(found)
    except (ValueError, KeyError):
        raise KeyRefused(str(address), f"its public key {name!r} is damaged", remedy=_RESTORE) from None
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read_public(found: Any) -> PublicKey:
    if found[Attribute.KEY_TYPE] is KeyType.RSA:
        exponent, modulus = (
            int.from_bytes(cast("bytes", found[part]))
            for part in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)
        )
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    curve = _CURVES[bytes(found[Attribute.EC_PARAMS])]
    # PKCS#11 v2.40 2.3.3 wraps the point in an OCTET STRING, which some tokens leave out.
    size = 1 + 2 * (curve.key_size // 8)
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes(found[Attribute.EC_POINT])[-size:])
