"""Counter-examples: for each rule of lint a candidate that breaks it and no other rule, and more of their kind.

Each is a valid thing of ``tests.builders`` with one thing changed. What no profile of ours would let through is
drafted through a wrong profile, as a slip in the profile's own data would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.keys.signer import key_identifier
from ca.lint import lists
from ca.lint.candidate import PROFILES, Candidate
from ca.lint.lists import Entry, ListCandidate
from ca.model import ARL, CertificateKind, Period, RevocationReason, Scope, Serial, partition_scope
from ca.names import Attribute, DirectoryName
from ca.profiles.drafting import PlacedExtension, Slot, Subject
from ca.profiles.extensions import (
    ANY_POLICY,
    CLIENT_AUTH,
    AuthorityAccess,
    AuthorityKey,
    BasicConstraints,
    CertificatePolicies,
    DeltaBase,
    DistributionPoint,
    ExtendedKeyUsage,
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
)
from ca.profiles.lists import ListDraft, PlacedListExtension, draft_delta
from ca.profiles.services import OCSP_SIGNING, SCVP_SERVER, TIME_STAMPING
from ca.suites import (
    ML_DSA_44,
    ML_DSA_65_KEYS,
    P256_KEYS,
    RSA1024_KEYS,
    SHA256_P256,
    SHA256_RSA2048,
    SHA384_P384,
    SubjectKeyRule,
)
from tests.builders import (
    AUTHORITY,
    AUTHORITY_JAPANESE,
    NOW,
    OTHER_AUTHORITY,
    OTHER_AUTHORITY_JAPANESE,
    POINT,
    POINTS,
    POLICY,
    PSEUDONYM,
    draft_of,
    issuer_of,
    key_id,
    list_draft_of,
    list_of,
    period_of,
    place_of,
    public_key,
    revocation_of,
    serial_of,
    subject_of,
    values_of,
)
from tests.suite_keys import signer_for

JST = timezone(timedelta(hours=9))
SELF_SIGNED, LINK, CROSS = CertificateKind.SELF_SIGNED, CertificateKind.LINK, CertificateKind.CROSS
RESPONDER, REPOSITORY = CertificateKind.OCSP_RESPONDER, CertificateKind.REPOSITORY
TIME_STAMP, VALIDATION_SERVICE = CertificateKind.TIME_STAMP, CertificateKind.VALIDATION_SERVICE
SIGNATURE, USER_AUTHENTICATION = CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION
OFFICIAL_POST, LG_ENCRYPTION = CertificateKind.OFFICIAL_POST, CertificateKind.LG_ENCRYPTION
DELTA_URL = "http://repository.example/g/jpki-13.g1/crl/signature-131016.delta.crl"


# Ways to change one thing of a valid candidate.


def candidate(
    kind: CertificateKind,
    *values: Any,
    issuer: Mapping[str, Any] | None = None,
    place: Mapping[str, Any] | None = None,
    **fields: Any,
):
    """A valid candidate with other extension values, other facts of its issuer or list, or other fields."""
    listed = replace(list_of(kind), **(place or {}))
    return Candidate.of(draft_of(kind, *values, **fields), issuer_of(kind, **(issuer or {})), listed)


def misprofiled(kind: CertificateKind, *slots: Slot, without: type | None = None):
    """A candidate that follows a wrong profile to the letter: these slots instead of, or beside, its own."""
    changed = {slot.extension: slot for slot in slots}
    own = [
        changed.pop(slot.extension, slot) for slot in PROFILES[kind].slots if slot.extension is not without
    ]
    profile = replace(PROFILES[kind], slots=(*own, *changed.values()))
    return Candidate(draft_of(kind, profile=profile), profile, issuer_of(kind), list_of(kind))


def extended(kind: CertificateKind, change: Callable[[list[PlacedExtension]], object]):
    """A candidate whose list of extensions was changed behind the profile's back."""
    draft = draft_of(kind)
    extensions = list(draft.extensions)
    change(extensions)
    return Candidate.of(replace(draft, extensions=tuple(extensions)), issuer_of(kind), list_of(kind))


def with_critical(placed: list[PlacedExtension], extension: type) -> None:
    for index, one in enumerate(placed):
        if type(one.value) is extension:
            placed[index] = replace(one, critical=not one.critical)


def without(placed: list[PlacedExtension], extension: type) -> None:
    placed[:] = [one for one in placed if type(one.value) is not extension]


def renamed(kind: CertificateKind, *steps: tuple[str, str]):
    """A candidate for another name, which may break the bounds that ``DirectoryName.of`` keeps."""
    name = DirectoryName(tuple((Attribute(attribute), value) for attribute, value in steps))
    return candidate(kind, subject=replace(subject_of(kind), name=name))


def with_item(number: int, text: str):
    """A signature certificate with another text in one of the six items."""
    items = values_of(SIGNATURE)[SubjectOtherNames]
    oid = f"1.2.392.200149.8.5.5.{number}"
    names = tuple((one, text if one == oid else value) for one, value in items.names)
    return candidate(SIGNATURE, SubjectOtherNames(names))


def ending(kind: CertificateKind, not_after: datetime):
    return candidate(kind, period=Period(NOW, not_after))


def policies(*oids: str, cps: str | None = None):
    """A candidate with these policies, as its authority practises them."""
    carried = CertificatePolicies(oids, cps)
    return candidate(SIGNATURE, carried, issuer={"policies": {SIGNATURE: carried}})


def pointed(kind: CertificateKind, point: DirectoryName, *, above: DirectoryName = POINTS):
    """A candidate in the list of another point, where its authority has the lists of the kind."""
    return candidate(kind, DistributionPoint(point), issuer={"points": {kind: above}}, place={"point": point})


def keyed(kind: CertificateKind, key: Any, *, issuer: Mapping[str, Any] | None = None, **fields: Any):
    """A candidate for another key."""
    info = (
        key if isinstance(key, bytes) else key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    subject = Subject(subject_of(kind).name, info)
    return candidate(kind, SubjectKey(key_identifier(info)), subject=subject, issuer=issuer, **fields)


def rsa_key(bits: int, exponent: int = 65537):
    return rsa.RSAPublicNumbers(exponent, 1 << bits - 1 | 1).public_key()


def mappings(*pairs: tuple[str, str]):
    return candidate(CROSS, PolicyMappings(pairs))


def forged(value: Any, /, **fields: Any) -> Any:
    """A copy of a frozen value with what its constructor would refuse: lint believes no constructor."""
    copy = object.__new__(type(value))
    for field in dataclasses.fields(value):
        object.__setattr__(copy, field.name, fields.get(field.name, getattr(value, field.name)))
    return copy


def forged_serial(value: int) -> Serial:
    return forged(Serial(1), value=value)


def in_all_parts(kind: CertificateKind, issuer: DirectoryName, serial: Serial):
    """A candidate whose authorityKeyIdentifier names these, of an authority that practises all parts."""
    key = AuthorityKey(key_id("authority"), issuer, serial)
    return candidate(kind, key, issuer={"all_parts": frozenset({kind})})


def signing_uses() -> Slot:
    return Slot(
        KeyUsage,
        critical=True,
        fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.KEY_ENCIPHERMENT})),
    )


def signing_holder(use: KeyUse):
    """A holder whose key may also do what only a CA's may."""
    uses = frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION, use})
    return misprofiled(SIGNATURE, Slot(KeyUsage, critical=True, fixed=KeyUsage(uses)))


def accessed(kind: CertificateKind, status: str | None = None, issuers: str | None = None):
    """A candidate whose authorityInfoAccess is this, as its authority practises it."""
    access = AuthorityAccess(status, issuers)
    return candidate(kind, access, issuer={"access": {kind: access}})


def with_an_item_twice():
    names = values_of(SIGNATURE)[SubjectOtherNames].names
    return candidate(SIGNATURE, SubjectOtherNames((*names, names[0])))


COUNTEREXAMPLES: Mapping[str, Callable[[], Candidate]] = {
    # fields
    "serial_shape": lambda: candidate(REPOSITORY, serial=Serial((1 << 158) - 1)),
    "suite_known": lambda: candidate(REPOSITORY, suite=replace(SHA256_RSA2048, key_size=1024)),
    "suite_may_sign": lambda: candidate(
        REPOSITORY,
        period=Period(datetime(2031, 1, 1, tzinfo=UTC), datetime(2031, 1, 31, tzinfo=UTC)),
        issuer={"period": Period(NOW, datetime(2032, 1, 1, tzinfo=UTC))},
    ),
    "issuer_is_signer": lambda: candidate(REPOSITORY, issuer={"name": OTHER_AUTHORITY}),
    "kind_is_issued": lambda: candidate(SIGNATURE, issuer={"kinds": frozenset({USER_AUTHENTICATION})}),
    "validity_in_utc": lambda: candidate(
        SIGNATURE,
        period=forged(period_of(SIGNATURE), not_after=datetime(2019, 5, 5, 23, 59, 59, tzinfo=JST)),
    ),
    "validity_forwards": lambda: candidate(
        REPOSITORY, period=forged(period_of(REPOSITORY), not_after=NOW - timedelta(seconds=1))
    ),
    "validity_within_issuer": lambda: ending(SIGNATURE, datetime(2024, 9, 1, 14, 59, 59, tzinfo=UTC)),
    "validity_ends_a_day": lambda: ending(SIGNATURE, datetime(2019, 5, 5, 15, 0, 0, tzinfo=UTC)),
    "names_not_empty": lambda: renamed(REPOSITORY),
    "names_country": lambda: renamed(REPOSITORY, ("C", "jp"), ("CN", "signer")),
    "names_lengths": lambda: renamed(REPOSITORY, ("C", "JP"), ("CN", "s" * 65)),
    "names_text": lambda: renamed(REPOSITORY, ("C", "JP"), ("CN", "sign\x07er")),
    "self_signed_names": lambda: renamed(SELF_SIGNED, ("C", "JP"), ("O", "JPKI-TEST"), ("OU", "another")),
    "link_names": lambda: renamed(LINK, *OTHER_AUTHORITY.steps),
    "cross_names": lambda: renamed(CROSS, *AUTHORITY.steps[:-1], ("CN", "  TOKYO   ca")),
    "public_key_frame": lambda: candidate(
        SIGNATURE, subject=replace(subject_of(SIGNATURE), public_key=public_key("holder") + b"\0")
    ),
    # profile
    "extension_once": lambda: extended(REPOSITORY, lambda placed: placed.append(placed[-1])),
    "profile_complete": lambda: extended(SIGNATURE, lambda placed: without(placed, IssuerDirectoryName)),
    "profile_closed": lambda: extended(
        REPOSITORY,
        lambda placed: placed.append(
            PlacedExtension(IssuerDirectoryName(AUTHORITY_JAPANESE), critical=False)
        ),
    ),
    "profile_order": lambda: extended(SIGNATURE, lambda placed: placed.reverse()),
    "profile_criticality": lambda: extended(
        SIGNATURE, lambda placed: with_critical(placed, DistributionPoint)
    ),
    "profile_fixed": lambda: candidate(USER_AUTHENTICATION, ExtendedKeyUsage(("1.3.6.1.5.5.7.3.4",))),
    # extensions: what holds even under a wrong profile
    "constraints_only_in_cas": lambda: misprofiled(
        SIGNATURE, Slot(BasicConstraints, critical=True, fixed=BasicConstraints(ca=False))
    ),
    "constraints_of_cas": lambda: misprofiled(CROSS, without=BasicConstraints),
    "constraints_path_length": lambda: misprofiled(
        CROSS, Slot(BasicConstraints, critical=True, fixed=BasicConstraints(ca=True, path_length=-1))
    ),
    "name_constraints_sense": lambda: candidate(CROSS, NameConstraints()),
    "key_usage_there": lambda: misprofiled(REPOSITORY, without=KeyUsage),
    "key_usage_of_cas_only": lambda: misprofiled(
        REPOSITORY,
        Slot(
            KeyUsage,
            critical=True,
            fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.CRL_SIGN})),
        ),
    ),
    "key_usage_of_kind": lambda: misprofiled(
        USER_AUTHENTICATION,
        Slot(
            KeyUsage,
            critical=True,
            fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION})),
        ),
    ),
    "must_be_critical": lambda: misprofiled(REPOSITORY, Slot(CertificatePolicies, critical=False)),
    "never_critical": lambda: misprofiled(REPOSITORY, Slot(SubjectKey, critical=True)),
    "authority_key_there": lambda: misprofiled(SELF_SIGNED, Slot(AuthorityKey)),
    "authority_key_is_issuers": lambda: candidate(SIGNATURE, AuthorityKey(key_id("other authority"))),
    "authority_key_pair": lambda: candidate(
        SIGNATURE, AuthorityKey(key_id("authority"), issuer=OTHER_AUTHORITY)
    ),
    "authority_key_form": lambda: candidate(SIGNATURE, issuer={"all_parts": frozenset({SIGNATURE})}),
    "authority_key_names": lambda: in_all_parts(SIGNATURE, OTHER_AUTHORITY, serial_of(0)),
    "subject_key_there": lambda: misprofiled(REPOSITORY, without=SubjectKey),
    "subject_key_length": lambda: candidate(CROSS, SubjectKey(key_id("other authority")[:8])),
    "subject_key_is_hash": lambda: candidate(SIGNATURE, SubjectKey(key_id("service"))),
    "self_signed_key": lambda: candidate(SELF_SIGNED, issuer={"key_identifier": key_id("service")}),
    "link_key": lambda: candidate(
        LINK, SubjectKey(key_id("authority")), subject=Subject(AUTHORITY, public_key("authority"))
    ),
    "point_there": lambda: misprofiled(REPOSITORY, Slot(DistributionPoint)),
    "point_of_cas": lambda: pointed(CROSS, OTHER_AUTHORITY),
    "point_of_holders": lambda: pointed(SIGNATURE, AUTHORITY, above=AUTHORITY),
    "purposes_once": lambda: misprofiled(
        USER_AUTHENTICATION, Slot(ExtendedKeyUsage, fixed=ExtendedKeyUsage((CLIENT_AUTH, CLIENT_AUTH)))
    ),
    "responder_purpose": lambda: misprofiled(
        RESPONDER,
        Slot(ExtendedKeyUsage, critical=True, fixed=ExtendedKeyUsage((OCSP_SIGNING, CLIENT_AUTH))),
    ),
    "responder_purpose_only": lambda: misprofiled(
        REPOSITORY, Slot(ExtendedKeyUsage, fixed=ExtendedKeyUsage((OCSP_SIGNING,)))
    ),
    "time_stamp_purpose": lambda: misprofiled(
        TIME_STAMP, Slot(ExtendedKeyUsage, fixed=ExtendedKeyUsage((TIME_STAMPING,)))
    ),
    "time_stamp_purpose_only": lambda: misprofiled(
        REPOSITORY, Slot(ExtendedKeyUsage, fixed=ExtendedKeyUsage((TIME_STAMPING,)))
    ),
    "validation_purpose": lambda: misprofiled(VALIDATION_SERVICE, without=ExtendedKeyUsage),
    "responder_no_check": lambda: misprofiled(RESPONDER, without=OcspNoCheck),
    # access
    "access_there": lambda: accessed(SIGNATURE),
    "status_url": lambda: accessed(SIGNATURE, "https://repository.example/ocsp"),
    "issuers_url": lambda: accessed(CROSS, issuers="ldap://repository.example/cn=CA?cACertificate"),
    "access_of_issuer": lambda: candidate(
        LINK, AuthorityAccess(issuers="http://repository.example/g/jpki-13.g2/issued-to.p7c")
    ),
    "repository_of_cas_only": lambda: misprofiled(SIGNATURE, Slot(SubjectAccess)),
    "repository_url": lambda: candidate(CROSS, SubjectAccess("ftp://repository.example/issued-by.p7c")),
    "repository_of_self": lambda: candidate(
        SELF_SIGNED, SubjectAccess("http://repository.example/g/jpki-13.g2/issued-by.p7c")
    ),
    # policies
    "identifiers": lambda: policies("1.40.1"),
    "policies_there": policies,
    "policies_once": lambda: policies(POLICY, POLICY),
    "policies_never_any": lambda: policies(POLICY, ANY_POLICY),
    "policies_statement": lambda: policies(POLICY, cps="ldap://repository.example/cps"),
    "mappings_only_in_cas": lambda: misprofiled(SIGNATURE, Slot(PolicyMappings, critical=True)),
    "mappings_once": mappings,
    "mappings_never_any": lambda: mappings((POLICY, ANY_POLICY)),
    "mappings_asserted": lambda: mappings(("2.999.9", "2.999.10")),
    "policy_constraints_sense": lambda: misprofiled(
        SELF_SIGNED, Slot(PolicyConstraints, critical=True, fixed=PolicyConstraints())
    ),
    "cross_requires_policy": lambda: misprofiled(
        CROSS, Slot(PolicyConstraints, critical=True, fixed=PolicyConstraints(require_explicit_policy=1))
    ),
    # practice
    "list_of_kind": lambda: candidate(REPOSITORY, place={"scope": ARL}),
    "point_of_list": lambda: candidate(SIGNATURE, DistributionPoint(POINTS.child((Attribute.CN, "Mitaka")))),
    "point_of_practice": lambda: pointed(SIGNATURE, OTHER_AUTHORITY.child((Attribute.CN, "CRLDP"))),
    "list_of_municipality": lambda: candidate(
        SIGNATURE, place={"scope": partition_scope(SIGNATURE, "131024")}
    ),
    "policies_of_practice": lambda: candidate(SIGNATURE, CertificatePolicies(("2.999.77",))),
    "issuer_name_in_japanese": lambda: candidate(SIGNATURE, IssuerDirectoryName(OTHER_AUTHORITY_JAPANESE)),
    "subject_name_in_japanese": lambda: candidate(
        SELF_SIGNED, SubjectDirectoryName(OTHER_AUTHORITY_JAPANESE)
    ),
    "subject_is_not_issuer": lambda: renamed(OFFICIAL_POST, *AUTHORITY.steps),
    "subject_key_is_not_issuers": lambda: keyed(SIGNATURE, public_key("authority")),
    "subject_key_of_practice": lambda: keyed(SIGNATURE, rsa_key(1024)),
    "key_usage_of_algorithm": lambda: keyed(
        LG_ENCRYPTION,
        signer_for(SHA256_P256).public_key,
        issuer={"keys": {LG_ENCRYPTION: P256_KEYS}},
    ),
    # residents
    "pseudonym": lambda: renamed(USER_AUTHENTICATION, ("C", "JP"), ("CN", PSEUDONYM[:-1])),
    "signature_subject": lambda: renamed(SIGNATURE, ("C", "JP"), ("L", "Tokyo"), ("CN", PSEUDONYM)),
    "user_authentication_subject": lambda: renamed(
        USER_AUTHENTICATION, ("C", "JP"), ("L", "Tokyo"), ("CN", PSEUDONYM)
    ),
    "items_only_for_signature": lambda: misprofiled(USER_AUTHENTICATION, Slot(SubjectOtherNames)),
    "items_complete": lambda: candidate(
        SIGNATURE, SubjectOtherNames(values_of(SIGNATURE)[SubjectOtherNames].names[:-1])
    ),
    "items_text": lambda: with_item(1, "架橋\x07見本"),
    "items_substitutes": lambda: with_item(2, "0100"),
    "items_birth_date": lambda: with_item(4, "419900230"),
    "items_sex": lambda: with_item(3, "3"),
}

# More ways to break the same rules.
FURTHER: tuple[tuple[str, Callable[[], Candidate]], ...] = (
    ("serial_shape", lambda: candidate(SIGNATURE, serial=forged_serial(-1))),
    ("serial_shape", lambda: candidate(SIGNATURE, serial=forged_serial(1 << 159))),
    (
        "validity_within_issuer",
        lambda: candidate(
            REPOSITORY, period=Period(NOW - timedelta(seconds=1), period_of(REPOSITORY).not_after)
        ),
    ),
    ("validity_within_issuer", lambda: candidate(REPOSITORY, issuer={"period": None})),
    (
        "validity_in_utc",
        lambda: candidate(
            SIGNATURE, period=forged(period_of(SIGNATURE), not_before=NOW.replace(microsecond=1))
        ),
    ),
    ("names_country", lambda: renamed(REPOSITORY, ("C", "JPN"), ("CN", "signer"))),
    ("names_country", lambda: renamed(REPOSITORY, ("C", "\uff2a\uff30"), ("CN", "signer"))),
    ("names_lengths", lambda: renamed(REPOSITORY, ("C", "JP"), ("CN", ""))),
    ("names_lengths", lambda: pointed(SIGNATURE, POINT.child((Attribute.OU, "u" * 65)))),
    ("names_text", lambda: renamed(REPOSITORY, ("C", "JP"), ("CN", "half a surrogate \ud83d"))),
    ("public_key_frame", lambda: candidate(CROSS, subject=Subject(OTHER_AUTHORITY, b""))),
    ("key_usage_of_kind", lambda: misprofiled(CROSS, Slot(KeyUsage, True, KeyUsage(frozenset())))),
    ("key_usage_of_cas_only", lambda: signing_holder(KeyUse.KEY_CERT_SIGN)),
    (
        "constraints_of_cas",
        lambda: misprofiled(CROSS, Slot(BasicConstraints, True, BasicConstraints(ca=False))),
    ),
    ("authority_key_there", lambda: misprofiled(SIGNATURE, without=AuthorityKey)),
    (
        "authority_key_pair",
        lambda: candidate(SIGNATURE, AuthorityKey(key_id("authority"), None, serial_of(1))),
    ),
    (
        "authority_key_form",
        lambda: candidate(SIGNATURE, AuthorityKey(key_id("authority"), AUTHORITY, serial_of(0))),
    ),
    # The form is practised for holders alone: CA and service certificates have the key identifier only.
    (
        "authority_key_form",
        lambda: candidate(CROSS, AuthorityKey(key_id("authority"), AUTHORITY, serial_of(0))),
    ),
    (
        "authority_key_form",
        lambda: candidate(RESPONDER, AuthorityKey(key_id("authority"), AUTHORITY, serial_of(0))),
    ),
    ("authority_key_names", lambda: in_all_parts(SIGNATURE, AUTHORITY, serial_of(1))),
    ("subject_key_is_hash", lambda: candidate(LINK, SubjectKey(key_id("service")))),
    ("policies_there", lambda: misprofiled(LINK, without=CertificatePolicies)),
    ("point_of_cas", lambda: pointed(LINK, OTHER_AUTHORITY)),
    ("key_usage_of_kind", lambda: misprofiled(LG_ENCRYPTION, signing_uses())),
    (
        "time_stamp_purpose",
        lambda: misprofiled(
            TIME_STAMP,
            Slot(ExtendedKeyUsage, critical=True, fixed=ExtendedKeyUsage((TIME_STAMPING, CLIENT_AUTH))),
        ),
    ),
    ("time_stamp_purpose", lambda: misprofiled(TIME_STAMP, without=ExtendedKeyUsage)),
    (
        "validation_purpose",
        lambda: misprofiled(REPOSITORY, Slot(ExtendedKeyUsage, fixed=ExtendedKeyUsage((SCVP_SERVER,)))),
    ),
    ("subject_key_length", lambda: candidate(SIGNATURE, SubjectKey(key_id("holder") + b"\0"))),
    ("point_there", lambda: misprofiled(OFFICIAL_POST, without=DistributionPoint)),
    ("point_there", lambda: misprofiled(SELF_SIGNED, without=DistributionPoint)),
    ("point_of_cas", lambda: pointed(SELF_SIGNED, POINT)),
    ("status_url", lambda: accessed(SIGNATURE, "http://r.example/" + "o" * 239)),
    ("status_url", lambda: accessed(SIGNATURE, "http:///ocsp")),
    ("issuers_url", lambda: accessed(SIGNATURE, issuers="http://r.example/" + "c" * 239)),
    ("access_of_issuer", lambda: extended(CROSS, lambda placed: without(placed, AuthorityAccess))),
    ("access_of_issuer", lambda: candidate(REPOSITORY, issuer={"access": {}})),
    ("repository_of_self", lambda: extended(SELF_SIGNED, lambda placed: without(placed, SubjectAccess))),
    ("repository_of_self", lambda: candidate(SELF_SIGNED, issuer={"repository": None})),
    ("status_url", lambda: accessed(SIGNATURE, "http://r.example/o csp")),
    ("status_url", lambda: accessed(SIGNATURE, "http://r.example/ocsp\n")),
    (
        "purposes_once",
        lambda: misprofiled(USER_AUTHENTICATION, Slot(ExtendedKeyUsage, fixed=ExtendedKeyUsage(()))),
    ),
    ("responder_purpose", lambda: misprofiled(RESPONDER, without=ExtendedKeyUsage)),
    ("responder_no_check", lambda: misprofiled(REPOSITORY, Slot(OcspNoCheck, fixed=OcspNoCheck()))),
    ("policies_there", lambda: misprofiled(RESPONDER, without=CertificatePolicies)),
    ("identifiers", lambda: policies("2.999.01")),
    ("identifiers", lambda: policies("3.1")),
    ("mappings_never_any", lambda: mappings((ANY_POLICY, POLICY))),
    (
        "mappings_only_in_cas",
        lambda: misprofiled(SIGNATURE, Slot(PolicyConstraints, True, PolicyConstraints(0))),
    ),
    ("mappings_once", lambda: mappings((POLICY, "2.999.9"), (POLICY, "2.999.9"))),
    (
        "policy_constraints_sense",
        lambda: misprofiled(CROSS, Slot(PolicyConstraints, True, PolicyConstraints(0, -1))),
    ),
    (
        "cross_requires_policy",
        lambda: misprofiled(CROSS, Slot(PolicyConstraints, True, PolicyConstraints(None, 0))),
    ),
    ("cross_requires_policy", lambda: misprofiled(CROSS, without=PolicyConstraints)),
    ("list_of_kind", lambda: candidate(CROSS, place={"scope": Scope("full")})),
    (
        "list_of_kind",
        lambda: candidate(SIGNATURE, place={"scope": partition_scope(USER_AUTHENTICATION, "131016")}),
    ),
    ("point_of_list", lambda: candidate(OFFICIAL_POST, DistributionPoint(POINTS))),
    ("point_of_practice", lambda: candidate(LG_ENCRYPTION, issuer={"points": {}})),
    (
        "list_of_municipality",
        lambda: renamed(USER_AUTHENTICATION, ("C", "JP"), ("CN", f"{PSEUDONYM[:14]}13102{PSEUDONYM[19:]}")),
    ),
    # Neither another edition's statement of practice, nor another kind's policy, nor a link's.
    ("policies_of_practice", lambda: candidate(SIGNATURE, CertificatePolicies((POLICY,)))),
    ("policies_of_practice", lambda: candidate(LINK, CertificatePolicies(("2.999.77",)))),
    ("policies_of_practice", lambda: candidate(RESPONDER, issuer={"policies": {}})),
    ("issuer_name_in_japanese", lambda: candidate(CROSS, IssuerDirectoryName(OTHER_AUTHORITY_JAPANESE))),
    ("subject_name_in_japanese", lambda: candidate(LINK, SubjectDirectoryName(OTHER_AUTHORITY_JAPANESE))),
    (
        "subject_is_not_issuer",
        lambda: renamed(REPOSITORY, *AUTHORITY.steps[:-1], ("CN", "\uff34okyo  ca")),
    ),
    ("subject_key_is_not_issuers", lambda: keyed(CROSS, public_key("authority"))),
    ("subject_key_is_not_issuers", lambda: keyed(RESPONDER, public_key("authority"))),
    ("subject_key_of_practice", lambda: keyed(SIGNATURE, rsa_key(4104))),
    ("subject_key_of_practice", lambda: keyed(SIGNATURE, rsa_key(2048, exponent=3))),
    ("subject_key_of_practice", lambda: keyed(SIGNATURE, signer_for(SHA256_P256).public_key)),
    ("subject_key_of_practice", lambda: keyed(SIGNATURE, signer_for(ML_DSA_44).public_key)),
    (
        "subject_key_of_practice",
        lambda: keyed(SIGNATURE, ed25519.Ed25519PublicKey.from_public_bytes(bytes(32))),
    ),
    *(
        (
            "subject_key_of_practice",
            lambda key=key, rule=rule: keyed(SIGNATURE, key, issuer={"keys": {SIGNATURE: rule}}),
        )
        for key, rule in (
            (signer_for(SHA384_P384).public_key, P256_KEYS),
            (ec.derive_private_key(5, ec.SECP521R1()).public_key(), P256_KEYS),
            (signer_for(ML_DSA_44).public_key, ML_DSA_65_KEYS),
            (public_key("holder"), ML_DSA_65_KEYS),
        )
    ),
    # What only the past allowed.
    (
        "subject_key_of_practice",
        lambda: keyed(
            SIGNATURE,
            rsa_key(1024),
            issuer={"keys": {SIGNATURE: RSA1024_KEYS}},
            period=Period(datetime(2016, 1, 8, tzinfo=UTC), period_of(SIGNATURE).not_after),
        ),
    ),
    (
        "key_usage_of_algorithm",
        lambda: keyed(
            LG_ENCRYPTION,
            signer_for(ML_DSA_44).public_key,
            issuer={"keys": {LG_ENCRYPTION: SubjectKeyRule(ml_dsa=frozenset({44}))}},
        ),
    ),
    ("pseudonym", lambda: renamed(USER_AUTHENTICATION, ("C", "JP"), ("CN", PSEUDONYM + "A"))),
    ("user_authentication_subject", lambda: renamed(USER_AUTHENTICATION, ("C", "JP"))),
    ("items_only_for_signature", lambda: misprofiled(USER_AUTHENTICATION, Slot(SubjectDirectoryName))),
    ("items_complete", with_an_item_twice),
    ("items_text", lambda: with_item(5, "　" * 17)),
    ("items_substitutes", lambda: with_item(6, "2" * 17)),
    ("items_birth_date", lambda: with_item(4, "619900505")),
    ("items_birth_date", lambda: with_item(4, "41990505")),
    ("items_birth_date", lambda: with_item(4, "419901305")),
)


ALL_BREACHES = (*COUNTEREXAMPLES.items(), *FURTHER)


# Lists.


def list_candidate(holds: Holds, *values: Any, issuer: Mapping[str, Any] | None = None, **fields: Any):
    return ListCandidate(list_draft_of(holds, *values, **fields), issuer_of(REPOSITORY, **(issuer or {})))


def relisted(holds: Holds, change: Callable[[list[PlacedListExtension]], object]):
    draft = list_draft_of(holds)
    extensions = list(draft.extensions)
    change(extensions)
    return ListCandidate(replace(draft, extensions=tuple(extensions)), issuer_of(REPOSITORY))


def with_point_elsewhere():
    return list_candidate(Holds.USER, IssuingPoint(POINT.child((Attribute.CN, "elsewhere")), Holds.USER))


def delta_list(change: Callable[[list[PlacedListExtension]], object] = len, base: int = 1):
    """A delta list of a town, changed behind the profile's back."""
    draft = draft_delta(list_draft_of(Holds.USER), base)
    return _changed(draft, change)


def fresher_list(change: Callable[[list[PlacedListExtension]], object] = len, **fields: Any):
    """A complete list of a town that has a delta list, which is said wrongly."""
    freshest = replace(FreshestPoint(DELTA_URL, POINT), **fields)
    draft = list_draft_of(Holds.USER)
    placed = PlacedListExtension(freshest, critical=False)
    return _changed(replace(draft, extensions=(*draft.extensions, placed)), change)


def _changed(draft: ListDraft, change: Callable[[list[PlacedListExtension]], object]) -> ListCandidate:
    extensions = list(draft.extensions)
    change(extensions)
    return ListCandidate(replace(draft, extensions=tuple(extensions)), issuer_of(REPOSITORY))


def critical(placed: list[PlacedListExtension], extension: type) -> None:
    placed[:] = [replace(one, critical=one.critical or isinstance(one.value, extension)) for one in placed]


def uncritical(placed: list[PlacedListExtension], extension: type) -> None:
    placed[:] = [
        replace(one, critical=one.critical and not isinstance(one.value, extension)) for one in placed
    ]


def entry(after: int = 0, holds: Holds = Holds.USER, **fields: Any) -> Entry:
    return Entry(revocation_of(**fields), list_draft_of(holds), after)


LIST_COUNTEREXAMPLES: Mapping[str, Callable[[], ListCandidate]] = {
    "list_suite_known": lambda: list_candidate(Holds.USER, suite=replace(SHA256_RSA2048, algorithm="1.2.3")),
    "list_suite_may_sign": lambda: list_candidate(
        Holds.USER,
        this_update=datetime(2042, 1, 1, tzinfo=UTC),
        next_update=datetime(2042, 1, 2, tzinfo=UTC),
    ),
    "list_issuer_is_signer": lambda: (
        list_candidate(Holds.USER, issuer=OTHER_AUTHORITY)
        if False
        else list_candidate(Holds.USER, issuer={"name": OTHER_AUTHORITY})
    ),
    "list_names": lambda: ListCandidate(
        list_draft_of(Holds.ALL, issuer=DirectoryName(())), issuer_of(REPOSITORY, name=DirectoryName(()))
    ),
    "list_times": lambda: list_candidate(Holds.USER, this_update=NOW.replace(microsecond=1)),
    "list_next_update_after": lambda: list_candidate(Holds.USER, next_update=NOW),
    "list_next_update_near": lambda: list_candidate(
        Holds.USER, next_update=NOW + lists.LONGEST + timedelta(seconds=1)
    ),
    "list_extension_once": lambda: relisted(Holds.USER, lambda placed: placed.append(placed[-1])),
    "list_authority_key_there": lambda: relisted(Holds.USER, lambda placed: placed.pop(0)),
    "list_authority_key_is_issuers": lambda: list_candidate(Holds.USER, AuthorityKey(key_id("service"))),
    "list_number_there": lambda: relisted(Holds.USER, lambda placed: placed.pop(1)),
    "list_number_range": lambda: list_candidate(Holds.USER, ListNumber(0)),
    "list_never_critical": lambda: relisted(
        Holds.USER, lambda placed: placed.__setitem__(1, replace(placed[1], critical=True))
    ),
    "list_point_critical": lambda: relisted(
        Holds.USER, lambda placed: placed.__setitem__(2, replace(placed[2], critical=False))
    ),
    "list_point_there": lambda: relisted(Holds.USER, lambda placed: placed.pop(2)),
    "list_point_of_place": with_point_elsewhere,
    "list_point_holds": lambda: list_candidate(Holds.CA, IssuingPoint(AUTHORITY, Holds.ALL)),
    "list_scope": lambda: list_candidate(Holds.USER, place=replace(place_of(Holds.USER), scope=ARL)),
    "list_delta_critical": lambda: delta_list(lambda placed: uncritical(placed, DeltaBase)),
    "list_delta_base": lambda: delta_list(base=2),
    "list_freshest_not_critical": lambda: fresher_list(lambda placed: critical(placed, FreshestPoint)),
    "list_freshest_of_complete": lambda: delta_list(
        lambda placed: placed.append(PlacedListExtension(FreshestPoint(DELTA_URL, POINT), critical=False))
    ),
    "list_freshest_point": lambda: fresher_list(name=None),
    "list_freshest_url": lambda: fresher_list(url="ldap://repository.example/delta"),
}

FURTHER_LISTS: tuple[tuple[str, Callable[[], ListCandidate]], ...] = (
    ("list_times", lambda: list_candidate(Holds.USER, next_update=(NOW + timedelta(days=1)).astimezone(JST))),
    ("list_times", lambda: list_candidate(Holds.USER, next_update=datetime(2014, 9, 2))),  # noqa: DTZ001 - the breach
    ("list_next_update_after", lambda: list_candidate(Holds.CA, next_update=NOW - timedelta(days=1))),
    ("list_number_range", lambda: list_candidate(Holds.USER, ListNumber(1 << 159))),
    (
        "list_point_there",
        lambda: relisted(
            Holds.ALL,
            lambda placed: placed.append(PlacedListExtension(IssuingPoint(POINT, Holds.ALL), critical=True)),
        ),
    ),
    ("list_point_holds", lambda: list_candidate(Holds.USER, IssuingPoint(POINT, Holds.CA))),
    ("list_delta_base", lambda: delta_list(base=0)),
    ("list_freshest_url", lambda: fresher_list(url=f"{DELTA_URL}\n")),
    ("list_freshest_point", lambda: fresher_list(name=AUTHORITY)),
    ("list_scope", lambda: list_candidate(Holds.CA, place=replace(place_of(Holds.CA), scope=Scope("full")))),
    (
        "list_scope",
        lambda: list_candidate(
            Holds.CA, IssuingPoint(POINT, Holds.CA), place=replace(place_of(Holds.CA), point=POINT)
        ),
    ),
    (
        "list_scope",
        lambda: list_candidate(
            Holds.USER,
            IssuingPoint(AUTHORITY, Holds.USER),
            place=replace(place_of(Holds.USER), point=AUTHORITY),
        ),
    ),
)


ALL_LIST_BREACHES = (*LIST_COUNTEREXAMPLES.items(), *FURTHER_LISTS)

ENTRY_COUNTEREXAMPLES: Mapping[str, Entry] = {
    "entry_serial": entry(serial=forged_serial(0)),
    "entry_order": entry(after=serial_of(1).value),
    "entry_times": entry(revoked_at=NOW - timedelta(microseconds=1)),
    "entry_revoked_by_then": entry(revoked_at=NOW + timedelta(seconds=1)),
    "entry_reason": entry(reason=RevocationReason.AA_COMPROMISE),
    "entry_invalidity": entry(invalid_since=NOW),
}

FURTHER_ENTRIES: tuple[tuple[str, Entry], ...] = (
    ("entry_serial", entry(serial=forged_serial(1 << 159))),
    ("entry_order", entry(after=serial_of(2).value)),
    ("entry_times", entry(revoked_at=NOW.astimezone(JST))),
    ("entry_times", entry(invalid_since=datetime(2014, 1, 1))),  # noqa: DTZ001 - the breach
    ("entry_reason", entry(holds=Holds.CA, reason=RevocationReason.CERTIFICATE_HOLD)),
    ("entry_reason", entry(holds=Holds.ALL, reason=RevocationReason.AA_COMPROMISE)),
    ("entry_reason", entry(reason=RevocationReason.REMOVE_FROM_CRL)),
)
ALL_ENTRY_BREACHES = (*ENTRY_COUNTEREXAMPLES.items(), *FURTHER_ENTRIES)
