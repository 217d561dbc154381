"""Valid things to begin a test with; a test changes one of them and says what follows.

Everything is of one moment (``NOW``) and one world (O=JPKI-TEST), built through the profiles as the product builds
it. Keys are the PUBLIC TEST KEYS of the pool: ``KEYS`` says whose key lies where. No person here exists.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.birth import BirthDate
from ca.chance import SeededChance
from ca.keys.pool import public_test_key
from ca.keys.signer import key_identifier
from ca.lint.candidate import PROFILES, IssuerFacts
from ca.model import (
    ARL,
    CA_KINDS,
    FULL,
    HOLDER_KINDS,
    LOCAL_KINDS,
    RESIDENT_KINDS,
    SERVICE_KINDS,
    CertificateKind,
    LocalHolder,
    MunicipalityCode,
    Period,
    Resident,
    Revocation,
    RevocationReason,
    Serial,
    Sex,
    partition_scope,
)
from ca.names import DirectoryName
from ca.profiles import local, residents
from ca.profiles.drafting import CertificateDraft, CertificateProfile, Subject
from ca.profiles.extensions import (
    AuthorityAccess,
    AuthorityKey,
    BasicConstraints,
    CertificateExtension,
    CertificatePolicies,
    DistributionPoint,
    Holds,
    IssuerDirectoryName,
    ListExtension,
    NameConstraints,
    PolicyMappings,
    SubjectAccess,
    SubjectDirectoryName,
    SubjectKey,
)
from ca.profiles.lists import ListDraft, ListPlace, draft_list
from ca.suites import RSA2048_KEYS, SHA256_RSA2048

NOW = datetime(2014, 9, 1, 0, 30, 15, tzinfo=UTC)

KEYS = {"authority": 0, "other authority": 1, "holder": 2, "service": 3, "another generation": 4}
"""Places of the pool. ``public_test_key(KEYS["authority"])`` signs what the drafts say that it signed."""

POLICY = "2.999.392.1"
MAPPED_POLICY = "2.999.392.2"
PRACTICE_STATEMENT = "http://repository.example/cps"
ACCESS = AuthorityAccess(
    "http://repository.example/ocsp/jpki-13.g1", "http://repository.example/g/jpki-13.g1/issued-to.p7c"
)
REPOSITORY = SubjectAccess("http://repository.example/g/jpki-13.g1/issued-by.p7c")


def name_of(*steps: tuple[str, str]) -> DirectoryName:
    """A name from (abbreviation, value) pairs."""
    return DirectoryName.of(steps, "test")


AUTHORITY = name_of(("C", "JP"), ("O", "JPKI-TEST"), ("OU", "Tokyo"), ("CN", "Tokyo CA"))
AUTHORITY_JAPANESE = name_of(("C", "JP"), ("O", "公的個人認証試験"), ("CN", "東京都認証局"))
OTHER_AUTHORITY = name_of(("C", "JP"), ("O", "JPKI-TEST"), ("OU", "BridgeCA"))
OTHER_AUTHORITY_JAPANESE = name_of(("C", "JP"), ("O", "公的個人認証試験"), ("CN", "ブリッジ認証局"))
POINT = name_of(
    ("C", "JP"),
    ("O", "JPKI-TEST"),
    ("OU", "CRL Distribution Points"),
    ("OU", "Tokyo"),
    ("CN", "Chiyoda-ku CRLDP"),
)
POINTS = DirectoryName(POINT.steps[:3])
"""Under which all distribution points stand."""

RESIDENT = Resident(
    name="架橋　見本",
    name_substitutes="01000",
    sex=Sex.FEMALE,
    birth_date=BirthDate(1990, 5, 5),
    address="東京都千代田区見本町九丁目九番九号",
    address_substitutes="0" * 17,
    municipality=MunicipalityCode("131016"),
)
"""A resident who does not exist, in a part of town that does not exist."""

PSEUDONYM = residents.pseudonym(SeededChance(0), "test", RESIDENT.municipality)


@cache
def public_key(whose: str) -> bytes:
    """The SubjectPublicKeyInfo in DER of one of ``KEYS``."""
    key = public_test_key(KEYS[whose]).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@cache
def key_id(whose: str) -> bytes:
    """The key identifier of one of ``KEYS``."""
    return key_identifier(public_key(whose))


def serial_of(number: int) -> Serial:
    """A serial of the shape that the product gives; ascending with ``number``."""
    return Serial(1 << 158 | number)


def subject_of(kind: CertificateKind) -> Subject:
    """Who a valid certificate of this kind is for."""
    government = name_of(("C", "JP"), ("O", "Japanese Government (Test)"))
    if kind in SERVICE_KINDS:
        name = DirectoryName((*AUTHORITY.steps[:3], *name_of(("CN", f"Tokyo {kind}")).steps))
        return Subject(name, public_key("service"))
    match kind:
        case CertificateKind.SELF_SIGNED:
            return Subject(AUTHORITY, public_key("authority"))
        case CertificateKind.LINK:
            return Subject(AUTHORITY, public_key("another generation"))
        case CertificateKind.CROSS:
            return Subject(OTHER_AUTHORITY, public_key("other authority"))
        case CertificateKind.SIGNATURE:
            name = name_of(("C", "JP"), ("L", "Tokyo"), ("L", "Chiyoda-ku"), ("CN", PSEUDONYM))
        case CertificateKind.USER_AUTHENTICATION:
            name = residents.user_authentication_subject(PSEUDONYM)
        case CertificateKind.OFFICIAL_POST:
            name = DirectoryName(
                (*government.steps, *name_of(("OU", "Ministry"), ("CN", "The Minister")).steps)
            )
        case _:
            assert kind in LOCAL_KINDS, "every kind has a subject"
            name = local.local_subject(AUTHORITY, LocalHolder("City of Examples", None, f"The {kind}"))
    return Subject(name, public_key("holder"))


def period_of(kind: CertificateKind) -> Period:
    """How long a valid certificate of this kind lasts: CAs 10 years, services 30 days, holders to a birthday."""
    if kind in CA_KINDS:
        return Period(NOW, datetime(2024, 8, 31, 14, 59, 59, tzinfo=UTC))
    if kind in SERVICE_KINDS:
        return Period(NOW, NOW + timedelta(days=30, seconds=-1))
    return Period(NOW, datetime(2019, 5, 5, 14, 59, 59, tzinfo=UTC))


def values_of(kind: CertificateKind) -> dict[type, CertificateExtension]:
    """What stands in the slots that a profile of this kind leaves open."""
    of_ca = kind in CA_KINDS
    subject_japanese = OTHER_AUTHORITY_JAPANESE if kind is CertificateKind.CROSS else AUTHORITY_JAPANESE
    values: Iterable[CertificateExtension] = (
        AuthorityKey(key_id("authority")),
        SubjectKey(key_identifier(subject_of(kind).public_key)),
        CertificatePolicies((POLICY,), PRACTICE_STATEMENT),
        PolicyMappings(((POLICY, MAPPED_POLICY),)),
        BasicConstraints(ca=True),
        NameConstraints((name_of(("C", "JP")), ("dns", "example")), (("email", "example"),)),
        SubjectDirectoryName(subject_japanese),
        residents.four_items(RESIDENT),
        IssuerDirectoryName(AUTHORITY_JAPANESE),
        DistributionPoint(AUTHORITY if of_ca else POINT),
        ACCESS,
        REPOSITORY,
    )
    return {type(value): value for value in values}


def draft_of(
    kind: CertificateKind,
    *values: CertificateExtension,
    profile: CertificateProfile | None = None,
    **fields: Any,
) -> CertificateDraft:
    """A valid draft of this kind.

    Args:
        kind: What the certificate is for.
        values: Extension values to have instead of the usual ones, of a type that the draft has: also of a slot
            that the profile fixes, which the product could not do.
        profile: Another profile to build it through.
        fields: Fields of CertificateDraft to have instead of the usual ones.
    """
    profile = profile or PROFILES[kind]
    usual = values_of(kind)
    draft = profile.draft(
        serial=serial_of(1),
        suite=SHA256_RSA2048,
        issuer=AUTHORITY,
        period=period_of(kind),
        subject=subject_of(kind),
        contents=[usual[slot.extension] for slot in profile.slots if slot.fixed is None],
    )
    return dataclasses.replace(draft, extensions=_placed(draft.extensions, values), **fields)


def issuer_of(kind: CertificateKind, **fields: Any) -> IssuerFacts:
    """What lint is told of the authority that issues the usual draft of this kind; ``fields`` differ from it."""
    facts = IssuerFacts(
        name=AUTHORITY,
        japanese_name=AUTHORITY_JAPANESE,
        public_key=public_key("authority"),
        key_identifier=key_id("authority"),
        period=None if kind is CertificateKind.SELF_SIGNED else period_of(CertificateKind.SELF_SIGNED),
        serial=serial_of(0),
        kinds=frozenset(CertificateKind),
        all_parts=frozenset(),
        access={one: ACCESS for one in CertificateKind if one is not CertificateKind.SELF_SIGNED},
        repository=REPOSITORY,
        policies=dict.fromkeys(CertificateKind, CertificatePolicies((POLICY,), PRACTICE_STATEMENT)),
        points=dict.fromkeys(HOLDER_KINDS, POINTS),
        keys=dict.fromkeys(HOLDER_KINDS, RSA2048_KEYS),
    )
    return dataclasses.replace(facts, **fields)


def list_of(kind: CertificateKind) -> ListPlace:
    """The list in which the usual certificate of this kind would be revoked."""
    if kind in HOLDER_KINDS:
        code = RESIDENT.municipality if kind in RESIDENT_KINDS else "all"
        return ListPlace(partition_scope(kind, code), POINT, Holds.USER)
    return place_of(Holds.CA if kind in CA_KINDS else Holds.ALL)


def place_of(holds: Holds) -> ListPlace:
    """Where a list for such certificates stands: a partition, the authority list, the full list."""
    match holds:
        case Holds.USER:
            return ListPlace(
                partition_scope(CertificateKind.SIGNATURE, RESIDENT.municipality), POINT, Holds.USER
            )
        case Holds.CA:
            return ListPlace(ARL, AUTHORITY, Holds.CA)
        case Holds.ALL:
            return ListPlace(FULL, None, Holds.ALL)


def list_draft_of(holds: Holds, *values: ListExtension, **fields: Any) -> ListDraft:
    """A valid list's draft: the second of its place, made at ``NOW``, good for a day; changed as ``draft_of``."""
    draft = draft_list(
        place_of(holds),
        suite=SHA256_RSA2048,
        issuer=AUTHORITY,
        key_identifier=key_id("authority"),
        number=2,
        this_update=NOW,
        next_update=NOW + timedelta(days=1),
    )
    return dataclasses.replace(draft, extensions=_placed(draft.extensions, values), **fields)


def revocation_of(number: int = 1, **fields: Any) -> Revocation:
    """An hour before ``NOW`` this serial was revoked, superseded."""
    usual = Revocation(serial_of(number), NOW - timedelta(hours=1), RevocationReason.SUPERSEDED)
    return dataclasses.replace(usual, **fields)


def _placed(placed: tuple[Any, ...], values: Iterable[Any]) -> tuple[Any, ...]:
    """The placed extensions, with these values instead of those of the same types."""
    changed = {type(value): value for value in values}
    assert changed.keys() <= {type(one.value) for one in placed}, "each value takes another's place"
    return tuple(dataclasses.replace(one, value=changed.get(type(one.value), one.value)) for one in placed)
