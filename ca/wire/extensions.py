"""Extension values as DER: one function a type, found by the type."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, singledispatch

from ca.names import DirectoryName
from ca.profiles.extensions import (
    AuthorityAccess,
    AuthorityKey,
    BasicConstraints,
    CertificatePolicies,
    DeltaBase,
    DistributionPoint,
    ExtendedKeyUsage,
    Extension,
    FreshestPoint,
    Holds,
    IssuerDirectoryName,
    IssuingPoint,
    KeyUsage,
    KeyUse,
    ListNumber,
    NameConstraints,
    OcspNoCheck,
    PolicyConstraints,
    PolicyMappings,
    SubjectAccess,
    SubjectDirectoryName,
    SubjectKey,
    SubjectOtherNames,
    Subtree,
)
from ca.wire import der
from ca.wire.names import directory_name

GENERAL_NAMES = {"email": 1, "dns": 2}
"""Tags of the GeneralNames that are text, by the words of ``Subtree`` (RFC 5280 4.2.1.6)."""

_ID_QT_CPS = "1.3.6.1.5.5.7.2.1"
_ID_AD_OCSP = "1.3.6.1.5.5.7.48.1"
_ID_AD_CA_ISSUERS = "1.3.6.1.5.5.7.48.2"
_ID_AD_CA_REPOSITORY = "1.3.6.1.5.5.7.48.5"


@lru_cache(maxsize=8192)
def encode_extension(extension: Extension, *, critical: bool) -> bytes:
    """An Extension (RFC 5280 4.1): what an authority repeats in every certificate is encoded once."""
    return extension_encoder(type(extension), critical=critical)(extension)


def extension_encoder(kind: type[Extension], *, critical: bool) -> Callable[[Extension], bytes]:
    """What encodes extensions of this type: for values that are one certificate's own, and so are not kept."""
    head = der.oid(kind.oid) + (der.BOOLEAN_TRUE if critical else b"")
    value = _value.dispatch(kind)

    def encode(extension: Extension) -> bytes:
        return der.sequence(head, der.octet_string(value(extension)))

    return encode


@singledispatch
def _value(extension: Extension) -> bytes:
    raise AssertionError(f"no encoding for {type(extension).__name__}")


@_value.register
def _key_usage(extension: KeyUsage) -> bytes:
    return _named_bits([use in extension.uses for use in KeyUse])


def _named_bits(flags: list[bool]) -> bytes:
    """A named-bit list: trailing zero bits are left out (X.690 11.2.2)."""
    while flags and not flags[-1]:
        flags = flags[:-1]
    unused = -len(flags) % 8
    bits = sum(1 << (len(flags) - 1 - position) for position, flag in enumerate(flags) if flag) << unused
    return der.bit_string(bits.to_bytes((len(flags) + unused) // 8, "big"), unused)


@_value.register
def _extended_key_usage(extension: ExtendedKeyUsage) -> bytes:
    return der.sequence(*map(der.oid, extension.purposes))


@_value.register
def _basic_constraints(extension: BasicConstraints) -> bytes:
    path_length = b"" if extension.path_length is None else der.integer(extension.path_length)
    return der.sequence(der.BOOLEAN_TRUE if extension.ca else b"", path_length)


@_value.register
def _certificate_policies(extension: CertificatePolicies) -> bytes:
    qualifiers = b""
    if extension.cps is not None:
        qualifiers = der.sequence(der.sequence(der.oid(_ID_QT_CPS), der.ia5(extension.cps)))
    return der.sequence(*(der.sequence(der.oid(policy), qualifiers) for policy in extension.policies))


@_value.register
def _policy_mappings(extension: PolicyMappings) -> bytes:
    return der.sequence(*(der.sequence(der.oid(ours), der.oid(theirs)) for ours, theirs in extension.pairs))


@_value.register
def _policy_constraints(extension: PolicyConstraints) -> bytes:
    return der.sequence(
        _skip_certs(0, extension.require_explicit_policy), _skip_certs(1, extension.inhibit_policy_mapping)
    )


def _skip_certs(tag: int, count: int | None) -> bytes:
    return b"" if count is None else bytes((0x80 | tag,)) + der.integer(count)[1:]


@_value.register
def _name_constraints(extension: NameConstraints) -> bytes:
    parts = ((0, extension.permitted), (1, extension.excluded))
    return der.sequence(*(der.context(tag, *map(_subtree, bases)) for tag, bases in parts if bases))


def _subtree(base: Subtree) -> bytes:
    """A GeneralSubtree; minimum 0 is the default and so not written."""
    if isinstance(base, DirectoryName):
        return der.sequence(directory_name(base))
    form, text = base
    return der.sequence(der.context(GENERAL_NAMES[form], text.encode("ascii"), constructed=False))


@_value.register
def _subject_directory_name(extension: SubjectDirectoryName) -> bytes:
    return der.sequence(directory_name(extension.name))


@_value.register
def _issuer_directory_name(extension: IssuerDirectoryName) -> bytes:
    return der.sequence(directory_name(extension.name))


@_value.register
def _subject_other_names(extension: SubjectOtherNames) -> bytes:
    return der.sequence(
        *[
            der.value(0xA0, der.oid(identifier) + der.value(0xA0, der.utf8(text)))  # both [0], explicit
            for identifier, text in extension.names
        ]
    )


@_value.register
def _distribution_point(extension: DistributionPoint) -> bytes:
    full_name = der.context(0, directory_name(extension.name))
    return der.sequence(der.sequence(der.context(0, full_name)))


@_value.register
def _authority_access(extension: AuthorityAccess) -> bytes:
    places = ((_ID_AD_OCSP, extension.status), (_ID_AD_CA_ISSUERS, extension.issuers))
    return der.sequence(*(_access(method, url) for method, url in places if url is not None))


@_value.register
def _subject_access(extension: SubjectAccess) -> bytes:
    return der.sequence(_access(_ID_AD_CA_REPOSITORY, extension.repository))


def _access(method: str, url: str) -> bytes:
    """An AccessDescription."""
    return der.sequence(der.oid(method), der.tlv(0x86, url.encode("ascii")))  # [6] uniformResourceIdentifier


@_value.register
def _authority_key(extension: AuthorityKey) -> bytes:
    parts = [der.context(0, extension.key_identifier, constructed=False)]
    if extension.issuer is not None and extension.serial is not None:
        parts.append(der.context(1, directory_name(extension.issuer)))
        parts.append(bytes((0x82,)) + der.integer(extension.serial.value)[1:])
    return der.sequence(*parts)


@_value.register
def _subject_key(extension: SubjectKey) -> bytes:
    return der.octet_string(extension.key_identifier)


@_value.register
def _ocsp_no_check(extension: OcspNoCheck) -> bytes:  # noqa: ARG001 - the type alone says it
    return der.NULL


@_value.register
def _list_number(extension: ListNumber) -> bytes:
    return der.integer(extension.number)


@_value.register
def _delta_base(extension: DeltaBase) -> bytes:
    return der.integer(extension.number)


@_value.register
def _freshest_point(extension: FreshestPoint) -> bytes:
    # A reader that knows no scheme of the URL finds the list by its name, as it finds the complete one.
    location = der.tlv(0x86, extension.url.encode("ascii"))  # [6] uniformResourceIdentifier
    names = location if extension.name is None else location + directory_name(extension.name)
    return der.sequence(der.sequence(der.context(0, der.context(0, names))))


@_value.register
def _issuing_point(extension: IssuingPoint) -> bytes:
    flags = {Holds.USER: b"\x81\x01\xff", Holds.CA: b"\x82\x01\xff", Holds.ALL: b""}
    full_name = der.context(0, directory_name(extension.name))
    return der.sequence(der.context(0, full_name), flags[extension.holds])
