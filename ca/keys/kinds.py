"""Keys by their family: made, read, told apart, and fitted to suites."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ca.errors import KeyRefused, SuiteRetired
from ca.suites import SUITES, KeyFamily, Suite, SuiteId, Use, of_algorithm, require

MlDsaPrivateKey = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
MlDsaPublicKey = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | MlDsaPrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | MlDsaPublicKey

EXPONENT = 65537
"""Of the RSA keys that are made here (FIPS 186-5 A.1.1)."""

CURVES: Mapping[int, ec.EllipticCurve] = MappingProxyType({256: ec.SECP256R1(), 384: ec.SECP384R1()})
"""The curves of EC keys by their size in bits (FIPS 186-5: P-256, P-384)."""

_ML_DSA: Mapping[int, type[MlDsaPrivateKey]] = MappingProxyType(
    {44: mldsa.MLDSA44PrivateKey, 65: mldsa.MLDSA65PrivateKey, 87: mldsa.MLDSA87PrivateKey}
)
# The parameter set of an ML-DSA key (FIPS 204 4) by its class.
_PARAMETER_SETS: Mapping[type, int] = MappingProxyType(
    {private: number for number, private in _ML_DSA.items()}
    | {mldsa.MLDSA44PublicKey: 44, mldsa.MLDSA65PublicKey: 65, mldsa.MLDSA87PublicKey: 87}
)
for _family, _sizes in ((KeyFamily.EC, CURVES.keys()), (KeyFamily.ML_DSA, _ML_DSA.keys())):
    assert {suite.key_size for suite in SUITES.values() if suite.family is _family} <= _sizes

LONGEST_RSA = 8192
"""Bits of the longest RSA key of others that is still looked at: a signature of it takes about a millisecond to check."""

# The largest keys in sight are RSA-16384 and ML-DSA-87, both near 2,600 octets.
PUBLIC_KEY_LIMIT = 8192
"""Octets of the longest SubjectPublicKeyInfo that is read."""


def make(suite: Suite) -> PrivateKey:
    """A new key that the suite signs with."""
    match suite.family:
        case KeyFamily.RSA:
            return rsa.generate_private_key(EXPONENT, suite.key_size)
        case KeyFamily.EC:
            return ec.generate_private_key(CURVES[suite.key_size])
        case KeyFamily.ML_DSA:
            return _ML_DSA[suite.key_size].generate()


@lru_cache(maxsize=1024)  # verifying follows every signature, and reading the key costs as much as the check
def read_public_key(public_key: bytes) -> PublicKey:
    """The RSA, EC or ML-DSA key of a DER SubjectPublicKeyInfo, or KeyRefused."""
    key = None
    if len(public_key) <= PUBLIC_KEY_LIMIT:
        try:
            key = load_der_public_key(public_key)
        except (ValueError, UnsupportedAlgorithm):
            key = None
    if not isinstance(key, PublicKey):
        raise KeyRefused(
            "public key",
            "is not an RSA, EC or ML-DSA SubjectPublicKeyInfo in DER",
            clause="RFC 5280 4.1.2.7",
        )
    return key


@lru_cache(maxsize=1024)  # as above
def suite_of(algorithm: str, public_key: bytes) -> Suite:
    """The suite under which a key signs by this algorithm: an RSA key's is that of the longest keys not longer than it.

    Args:
        algorithm: The dotted object identifier of a signature algorithm.
        public_key: DER SubjectPublicKeyInfo.

    Raises:
        SuiteRetired: The algorithm is not one that is believed, whatever the key.
        KeyRefused: The key is of another family, or none that a suite of this algorithm signs with.
    """
    suites, key = of_algorithm(algorithm), read_public_key(public_key)
    fitting = [suite for suite in suites if _serves(key, suite)]
    if not fitting:
        require_fit("public key", key, suites[0])
    return fitting[-1]


def believed(algorithm: str, public_key: bytes, at: datetime, legacy: Collection[SuiteId] = ()) -> Suite:
    """The suite under which a key's signature is believed at this moment; of legacy suites only those named here.

    Raises:
        SuiteRetired: The algorithm is not one that is believed; its time is over; it is a legacy one, and not named.
        KeyRefused: The key is none that a suite of this algorithm signs with.
    """
    suite = suite_of(algorithm, public_key)
    require_believed(suite, at, legacy)
    return suite


def require_believed(suite: Suite, at: datetime, legacy: Collection[SuiteId] = ()) -> None:
    """Raise SuiteRetired unless signatures of the suite are believed at this moment."""
    require(suite, Use.VERIFY, at)
    require_named(suite, legacy)


def require_named(suite: Suite, legacy: Collection[SuiteId]) -> None:
    """Raise SuiteRetired for a legacy suite that is not named here."""
    if suite.legacy and suite.id not in legacy:
        raise SuiteRetired(f"suite {suite.id}", "is believed only where it is named")


def require_in_token(place: str, suite: Suite) -> None:
    """Raise KeyRefused, naming the place, if no token makes keys for this suite: PKCS#11 has ML-DSA since 3.2 only."""
    if suite.family is KeyFamily.ML_DSA:
        raise KeyRefused(place, f"has no keys for the suite {suite.id}: tokens do not know them yet")


def require_serving(place: str, key: PublicKey, suite: Suite) -> None:
    """Raise KeyRefused unless others may have signed under the suite with this key: its own, or a longer RSA key."""
    if not _serves(key, suite):
        require_fit(place, key, suite)


def require_fit(place: str, key: PrivateKey | PublicKey, suite: Suite) -> None:
    """Raise KeyRefused, naming the place, unless this is a key that the suite signs with."""
    family, size, found = _told(key)
    if family is not suite.family:
        raise KeyRefused(place, f"is an {family} key and cannot serve the suite {suite.id}")
    # Curves are told apart by name: others have as many bits.
    if size != suite.key_size:
        raise KeyRefused(place, f"has {found}; the suite {suite.id} needs {_wanted(suite)}")


def _told(key: PrivateKey | PublicKey) -> tuple[KeyFamily, int | None, str]:
    """A key's family, its size as suites say it (None for a curve that no suite has), and that in words."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return KeyFamily.RSA, key.key_size, f"{key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        size = next((bits for bits, curve in CURVES.items() if curve.name == key.curve.name), None)
        return KeyFamily.EC, size, f"the curve {key.curve.name}"
    number = next(number for known, number in _PARAMETER_SETS.items() if isinstance(key, known))
    return KeyFamily.ML_DSA, number, f"the parameter set {number}"


def _wanted(suite: Suite) -> str:
    match suite.family:
        case KeyFamily.RSA:
            return f"{suite.key_size} bits"
        case KeyFamily.EC:
            return f"the curve {CURVES[suite.key_size].name}"
        case KeyFamily.ML_DSA:
            return f"the parameter set {suite.key_size}"


def _serves(key: PublicKey, suite: Suite) -> bool:
    family, size, _ = _told(key)
    if family is not suite.family or size is None:
        return False
    longer = family is KeyFamily.RSA and suite.key_size < size <= LONGEST_RSA
    return longer or size == suite.key_size
