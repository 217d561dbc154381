"""The key that a request holds, judged by its octets: what is refused is named, whatever a library says of it."""

from __future__ import annotations

from ca.errors import CsrRefused
from ca.issuing.weak_rsa import require_strong
from ca.suites import ML_DSA_SETS, SUITES, Curve, KeyFamily, SubjectKeyRule
from ca.wire import der, walk

_RSA_OID, _EC_OID = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1"
_RSA = der.sequence(der.oid(_RSA_OID), der.NULL)
_EC = {
    der.sequence(der.oid(_EC_OID), der.oid("1.2.840.10045.3.1.7")): Curve.P256,  # secp256r1, RFC 5480 2.1.1.1
    der.sequence(der.oid(_EC_OID), der.oid("1.3.132.0.34")): Curve.P384,  # secp384r1
}
_COORDINATE = {Curve.P256: 32, Curve.P384: 48}  # octets
# RFC 9881 2: without parameters. Octets of a public key: FIPS 204 table 2.
_ML_DSA = {
    der.sequence(der.oid(suite.algorithm)): suite.key_size
    for suite in SUITES.values()
    if suite.family is KeyFamily.ML_DSA
}
_ML_DSA_OIDS = frozenset(suite.algorithm for suite in SUITES.values() if suite.family is KeyFamily.ML_DSA)
_ML_DSA_OCTETS = {44: 1312, 65: 1952, 87: 2592}
assert set(_ML_DSA.values()) == ML_DSA_SETS == _ML_DSA_OCTETS.keys()

_ALGORITHM = "RFC 5280 4.1.2.7"
_NAMED_CURVE = "RFC 5480 2.1.1"
_POINT = "RFC 5480 2.2"


def require_key(info: bytes, rule: SubjectKeyRule, place: str) -> None:
    """Raise CsrRefused unless this SubjectPublicKeyInfo is one that the rule allows, in the form of a certificate.

    That an EC point lies on its curve is left to the library that takes the key.

    Raises:
        CsrRefused: Another algorithm, curve, length or exponent; an encoding that is not the one form that a
            certificate carries (so that a key has one digest); a modulus that anybody can factor.
        NotDer: It is no SubjectPublicKeyInfo.
    """
    outside = walk.only(info, 0x30)
    algorithm, bits = walk.elements(info, outside.start, outside.end)
    walk.expect(0x03, bits)
    octets = bits.contents(info)
    if octets[:1] != b"\0":
        raise CsrRefused(place, "its key is not a whole number of octets", clause=_ALGORITHM)
    written = algorithm.whole(info)
    if written == _RSA:
        _require_rsa(octets[1:], rule, place)
    elif written in _EC:
        _require_ec(_EC[written], octets[1:], rule, place)
    elif written in _ML_DSA:
        _require_ml_dsa(_ML_DSA[written], octets[1:], rule, place)
    else:
        raise _other_algorithm(info, algorithm, rule, place)


def _require_rsa(key: bytes, rule: SubjectKeyRule, place: str) -> None:
    try:
        outside = walk.only(key, 0x30)
        modulus, exponent = (
            walk.integer(one.whole(key)) for one in walk.elements(key, outside.start, outside.end)
        )
    except ValueError:
        raise CsrRefused(
            place, "its RSA key is not a modulus and an exponent in DER", clause="RFC 8017 A.1.1"
        ) from None
    require_rsa(modulus, exponent, rule, place)


def require_rsa(modulus: int, exponent: int, rule: SubjectKeyRule, place: str) -> None:
    """Raise CsrRefused unless the rule allows an RSA key of these numbers, and nobody can factor it with ease."""
    if rule.rsa is None:
        raise CsrRefused(place, f"holds an RSA key; certified is {rule}", clause=_ALGORITHM)
    if modulus <= 0 or exponent <= 0:
        raise CsrRefused(place, "its RSA key holds a number that is not positive", clause="RFC 8017 3.1")
    bits = modulus.bit_length()
    if bits < rule.rsa.minimum_bits:
        raise CsrRefused(
            place,
            f"its RSA key has {bits} bits; {rule.rsa.minimum_bits} are the least",
            clause="FIPS 186-5 5.1",
        )
    if bits > rule.rsa.maximum_bits:
        raise CsrRefused(place, f"its RSA key has {bits} bits; {rule.rsa.maximum_bits} are the most")
    least, most = rule.rsa.minimum_exponent, rule.rsa.maximum_exponent
    if least == most != exponent:
        raise CsrRefused(
            place,
            f"its RSA exponent is not {least}",
            clause="FIPS 186-5 A.1.1",
            remedy="Make a new key pair with it, as tools do by themselves",
        )
    if not least <= exponent <= most or exponent % 2 == 0:
        raise CsrRefused(
            place, "its RSA exponent is even, or outside 2^16 to 2^256", clause="FIPS 186-5 A.1.1"
        )
    require_strong(modulus, place)


def _require_ec(curve: Curve, point: bytes, rule: SubjectKeyRule, place: str) -> None:
    if rule.encrypted_to:
        raise CsrRefused(
            place,
            f"holds an EC key on {curve}, to which nobody can encrypt; certified is {rule}",
            clause="RFC 8813 3",
        )
    if curve not in rule.curves:
        raise CsrRefused(place, f"holds an EC key on {curve}; certified is {rule}", clause=_NAMED_CURVE)
    if point == b"\0":
        raise CsrRefused(place, "its EC key is the point at infinity", clause="SP 800-56A 5.6.2.3.3")
    if point[:1] in {b"\2", b"\3"}:
        raise CsrRefused(
            place, "its EC point is compressed", clause=_POINT, remedy="Make the request with the whole point"
        )
    if point[:1] != b"\4" or len(point) != 1 + 2 * _COORDINATE[curve]:
        raise CsrRefused(place, f"its EC key is not a point of {curve}", clause=_POINT)


def _require_ml_dsa(parameter_set: int, key: bytes, rule: SubjectKeyRule, place: str) -> None:
    if rule.encrypted_to:
        raise CsrRefused(
            place,
            f"holds an ML-DSA-{parameter_set} key, to which nobody can encrypt; certified is {rule}",
            clause="RFC 9881 5",
        )
    if parameter_set not in rule.ml_dsa:
        raise CsrRefused(
            place, f"holds an ML-DSA-{parameter_set} key; certified is {rule}", clause=_ALGORITHM
        )
    if len(key) != _ML_DSA_OCTETS[parameter_set]:
        raise CsrRefused(place, f"its key is not one of ML-DSA-{parameter_set}", clause="FIPS 204 table 2")


def _other_algorithm(info: bytes, algorithm: walk.Element, rule: SubjectKeyRule, place: str) -> CsrRefused:
    """Why no key of this algorithm or with these parameters is certified."""
    oid, *parameters = walk.elements(info, algorithm.start, algorithm.end)
    name = walk.oid(oid.whole(info))
    if name == _RSA_OID:
        return CsrRefused(place, "its RSA key's parameters are not NULL", clause="RFC 3279 2.3.1")
    if name in _ML_DSA_OIDS:
        return CsrRefused(place, "its ML-DSA key has parameters", clause="RFC 9881 2")
    if name != _EC_OID:
        return CsrRefused(
            place, f"holds a key of the algorithm {name}; certified is {rule}", clause=_ALGORITHM
        )
    if not parameters or parameters[0].tag != 0x06:
        return CsrRefused(
            place,
            "its EC key does not name its curve",
            clause=_NAMED_CURVE,
            remedy="Make the key with a named curve",
        )
    curve = walk.oid(parameters[0].whole(info))
    return CsrRefused(
        place, f"holds an EC key on the curve {curve}; certified is {rule}", clause=_NAMED_CURVE
    )
