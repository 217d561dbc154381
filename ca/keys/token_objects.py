"""What lies in a PKCS#11 token, found by its label: key pairs that never leave it, and data that is read after the login.

Each function does its work in a session that somebody else opened (``session.Token.run``); what PKCS#11 says passes through.

Needs python-pkcs11 (``pip install kakehashi[hsm]``), so nobody imports this module who need not.
"""

from __future__ import annotations

from typing import Any, Final, cast

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from ca.errors import KeyRefused
from ca.keys.kinds import CURVES, EXPONENT, PublicKey, require_in_token
from ca.keys.session import TokenAddress
from ca.suites import KeyFamily, Suite

RESTORE: Final = "Restore the token from its backup"
"""What helps where an object of a token is gone or damaged."""

_CURVES = {encode_named_curve_parameters(curve.name): curve for curve in CURVES.values()}
_PRIVATE = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
}


def find_object(session: pkcs11.Session, kind: ObjectClass, name: str) -> Any:
    """The object of this class and label, or None.

    Raises:
        KeyRefused: There are several.
    """
    found = list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: name}))
    if len(found) > 1:
        raise KeyRefused(str(session.token), f"has {len(found)} objects named {name!r}", remedy=RESTORE)
    if not found:
        # A token that is gone may answer that it is empty; asking for the token itself tells that apart.
        session.token.slot.get_token()
    return found[0] if found else None


def make_pair(session: pkcs11.Session, name: str, suite: Suite) -> None:
    """Make a key pair in the token, in the place of whatever half one bears this label.

    It is made under a passing label and gets its own last, so that no half of a pair ever has it alone.

    Raises:
        KeyRefused: Tokens have no keys for this suite.
    """
    require_in_token(f"token {session.token.label}", suite)
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
        pair = session.generate_keypair(KeyType.RSA, suite.key_size, **options)
    else:
        parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(CURVES[suite.key_size].name)}
        pair = session.create_domain_parameters(KeyType.EC, parameters, local=True).generate_keypair(
            **options
        )
    for half in pair:  # the private one comes last
        half[Attribute.LABEL] = name


def require_private(session: pkcs11.Session, name: str, address: TokenAddress) -> Any:
    """The private half, or KeyRefused if it is not there, or could leave the token."""
    private = find_object(session, ObjectClass.PRIVATE_KEY, name)
    if private is None:
        raise KeyRefused(str(address), f"has no private key {name!r}", remedy=RESTORE)
    if private[Attribute.EXTRACTABLE] or not private[Attribute.SENSITIVE]:
        raise KeyRefused(str(address), f"would give out its private key {name!r}: it was not made by us")
    return private


def public_key_of(session: pkcs11.Session, name: str, address: TokenAddress) -> bytes:
    """The public half as DER SubjectPublicKeyInfo, once its private half was found."""
    require_private(session, name, address)
    found = find_object(session, ObjectClass.PUBLIC_KEY, name)
    if found is None:
        raise KeyRefused(str(address), f"has no public key {name!r}", remedy=RESTORE)
    try:
        public = _read_public(found)
    except (ValueError, KeyError):
        raise KeyRefused(str(address), f"its public key {name!r} is damaged", remedy=RESTORE) from None
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
