"""Intents are looked at again before they are signed: whoever alters the database has nothing signed by it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from ca.errors import KeyRefused, LintRefused
from ca.issuing import cycle, founding
from ca.issuing.cycle import Prepared
from ca.issuing.relint import check_intent
from ca.keys.signer import key_identifier
from ca.keys.vault import KeyId
from ca.model import (
    ARL,
    CertificateId,
    CertificateKind,
    GenerationId,
    Period,
    Serial,
    partition_scope,
)
from ca.names import Attribute, DirectoryName
from ca.profiles.extensions import (
    ANY_POLICY,
    AuthorityAccess,
    AuthorityKey,
    BasicConstraints,
    CertificateExtension,
    CertificatePolicies,
    DistributionPoint,
    IssuerDirectoryName,
    KeyUsage,
    KeyUse,
    SubjectKey,
)
from ca.store import authorities, certificates, lists
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.tables import certificate_bytes as bytes_table
from ca.store.tables import list_places
from ca.suites import SHA384_P384
from ca.wire import der, walk
from ca.wire.extensions import encode_extension
from ca.wire.names import encode_name
from ca.wire.tbs import algorithm_identifier
from tests.engine_world import NOW, POST, TOWN, EngineWorld, csr_for, engine_world, public_key_of
from tests.national_world import BEGINS, issue_local, national_world
from tests.test_cycle import TOTTORI, Broken, Watched, everything, lines, tbs_of

ELSEWHERE = GenerationId.parse("gpki-post.g1")
HOLDER = public_key_of(csr_for(77))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineWorld]:
    """Shared: nothing here writes in it but the fixtures."""
    with engine_world(tmp_path_factory.mktemp("relint") / "world") as made:
        yield made


@pytest.fixture(scope="module")
def intents(world: EngineWorld) -> dict[CertificateKind, CertificateRecord]:
    """The intents of a resident's two certificates, as they lie in the store."""
    case = world.approved().case.id
    signer = world.issuers.of(TOTTORI).signer
    world.interpose(TOTTORI, Broken)
    with pytest.raises(KeyRefused):
        world.registration.issue(case, "operator", at=NOW)
    world.interpose(TOTTORI, lambda _: signer)
    with world.store.reading() as connection:
        return {record.kind: record for record in certificates.intended(connection)}


def again(record: CertificateRecord) -> CertificateRecord:
    """A certificate as if it had not been signed yet."""
    return replace(record, state=CertificateState.INTENDED, encoded=tbs_of(record))


# What is honest passes.


def test_every_certificate_of_a_nation_passes(tmp_path: Path) -> None:
    with national_world(tmp_path / "world") as world:
        issue_local(world)
        world.issued(at=BEGINS)
        for prepared in links(world):
            check_intent(prepared.record, world.issuers)
        records = everything(world).values()
        for record in records:
            check_intent(again(record), world.issuers)
    kinds = {record.kind for record in records}
    assert set(CertificateKind) - kinds == {
        CertificateKind.LINK,
        CertificateKind.OFFICIAL_POST,
        CertificateKind.NATIONAL_RESPONDER,  # no built-in edition has one
    }


def test_a_posts_certificate_passes(world: EngineWorld) -> None:
    (issued,) = world.issued(POST, (CertificateKind.OFFICIAL_POST,)).values()
    check_intent(again(issued.record), world.issuers)


def links(world: EngineWorld) -> list[Prepared]:
    """A second key of an authority, and the two certificates between it and the first."""
    old = world.issuer("jpki-signature")
    generation, key = GenerationId(old.id.authority, 2), KeyId("jpki-signature.g2")
    signer = world.vault.create(key, old.record.suite)
    new, _ = founding.found(old.practice, generation, key=key, signer=signer, chance=world.chance, at=BEGINS)
    with world.store.writing() as connection:
        authorities.add_generation_once(connection, new.record)
    pairs = ((old, new), (new, old))
    return [founding.link(one, other, chance=world.chance, at=BEGINS) for one, other in pairs]


# What was altered is refused, and never signed.

Alter = Callable[[EngineWorld, CertificateRecord], CertificateRecord]


def with_field(number: int, octets: bytes) -> Alter:
    """Another field of the TBSCertificate (RFC 5280 4.1), counted from 0."""

    def alter(_: EngineWorld, record: CertificateRecord) -> CertificateRecord:
        fields = parts(record.encoded)
        fields[number] = octets
        return replace(record, encoded=der.sequence(*fields))

    return alter


def with_extensions(change: Callable[[list[bytes]], list[bytes]]) -> Alter:
    def alter(_: EngineWorld, record: CertificateRecord) -> CertificateRecord:
        *fields, wrapped = parts(record.encoded)
        extensions = der.sequence(*change(parts(parts(wrapped)[0])))
        return replace(record, encoded=der.sequence(*fields, der.context(3, extensions)))

    return alter


def parts(octets: bytes) -> list[bytes]:
    """The elements in an element."""
    outside = walk.element(octets, 0, len(octets))
    return [found.whole(octets) for found in walk.elements(octets, outside.start, outside.end)]


def instead(place: int, value: CertificateExtension, *, critical: bool) -> Alter:
    """Another extension in the place of one."""
    octets = encode_extension(value, critical=critical)
    return with_extensions(lambda found: [*found[:place], octets, *found[place + 1 :]])


def behind(value: CertificateExtension, *, critical: bool) -> Alter:
    octets = encode_extension(value, critical=critical)
    return with_extensions(lambda found: [*found, octets])


def in_front(value: CertificateExtension) -> Alter:
    octets = encode_extension(value, critical=True)
    return with_extensions(lambda found: [octets, *found])


def as_kind(kind: CertificateKind) -> Alter:
    """The row says another kind."""
    return lambda _, record: replace(record, kind=kind)


def of_ca(world: EngineWorld, record: CertificateRecord) -> CertificateRecord:
    """Row and octets agree on a cross-certificate for a key that somebody has at home."""
    whole = everything(world).values()
    kind = CertificateKind.CROSS
    model = next(one for one in whole if one.kind is kind and one.id.generation == record.id.generation)
    fields = parts(tbs_of(model))
    extensions = parts(parts(fields[7])[0])
    extensions[1] = encode_extension(SubjectKey(key_identifier(HOLDER)), critical=False)
    fields[1], fields[6] = der.integer(record.id.serial.value), HOLDER
    fields[7] = der.context(3, der.sequence(*extensions))
    digest = hashlib.sha256(HOLDER).digest()
    return replace(model, id=record.id, state=record.state, subject_key=digest, encoded=der.sequence(*fields))


def of_responder(world: EngineWorld, record: CertificateRecord) -> CertificateRecord:
    """Row and octets agree on a responder whose key somebody has at home."""
    issuer = world.issuers.of(record.id.generation)
    prepared = founding.service(
        issuer, CertificateKind.OCSP_RESPONDER, public_key=HOLDER, days=30, purpose="mine",
        chance=world.chance, at=NOW,
    )  # fmt: skip
    return prepared.record


def of_period(begin: datetime, end: datetime) -> Alter:
    """Row and octets agree on another validity."""

    def alter(world: EngineWorld, record: CertificateRecord) -> CertificateRecord:
        validity = der.sequence(der.time(begin), der.time(end))
        return replace(with_field(4, validity)(world, record), period=Period(begin, end))

    return alter


def in_the_list_of(code: str, kind: CertificateKind = CertificateKind.SIGNATURE) -> Alter:
    """The row says another list."""
    return lambda _, record: replace(record, scope=partition_scope(kind, code))


def pointing_to(code: str, kind: CertificateKind = CertificateKind.SIGNATURE) -> Alter:
    """The octets name another list of this authority."""

    def alter(world: EngineWorld, record: CertificateRecord) -> CertificateRecord:
        with world.store.reading() as connection:
            point = lists.place(connection, TOTTORI, partition_scope(kind, code)).point
        assert point is not None
        return instead(4, DistributionPoint(point), critical=False)(world, record)

    return alter


OTHER_NAME = DirectoryName(((Attribute.C, "JP"), (Attribute.O, "Somebody")))
CA = BasicConstraints(ca=True)
CA_USAGE = KeyUsage(frozenset({KeyUse.KEY_CERT_SIGN, KeyUse.CRL_SIGN}))
BOTH_USAGES = KeyUsage(frozenset(KeyUse))

ALTERED: dict[str, tuple[Alter, str]] = {
    "no TBSCertificate": (lambda _, record: replace(record, encoded=b"octets"), "not a TBSCertificate"),
    "nothing": (lambda _, record: replace(record, encoded=b""), "not a TBSCertificate"),
    "something behind it": (
        lambda _, record: replace(record, encoded=record.encoded + b"\5\0"), "not a TBSCertificate",
    ),
    "a list": (lambda _, record: replace(record, encoded=der.sequence(*parts(record.encoded)[1:6])), "other fields"),
    "version 1": (with_field(0, der.context(0, der.integer(0))), "the version"),
    "version 4": (with_field(0, der.context(0, der.integer(3))), "the version"),
    "another serial": (with_field(1, der.integer(4711)), "the serial"),
    "another suite": (with_field(2, algorithm_identifier(SHA384_P384)), "the suite"),
    "another issuer": (with_field(3, encode_name(OTHER_NAME)), "the issuer"),
    "a longer validity": (
        with_field(4, der.sequence(der.time(NOW), der.time(NOW.replace(year=2044)))), "the validity",
    ),
    "a subject that is no name": (with_field(5, der.sequence(der.NULL)), "not a TBSCertificate"),
    "another key": (with_field(6, HOLDER), "the key"),
    "a unique identifier": (
        lambda _, record: replace(record, encoded=der.sequence(*parts(record.encoded)[:7], b"\x81\1\0", parts(record.encoded)[7])),
        "other fields",
    ),
    "no extensions": (
        lambda _, record: replace(record, encoded=der.sequence(*parts(record.encoded)[:7])), "other fields",
    ),
    "basicConstraints behind all": (behind(CA, critical=True), "no place"),
    "basicConstraints in front": (in_front(CA), "keyUsage"),
    "basicConstraints in another's place": (instead(2, CA, critical=True), "subjectAltName"),
    "a CA's key usage": (instead(0, CA_USAGE, critical=True), "keyUsage has another value"),
    "every key usage": (instead(0, BOTH_USAGES, critical=True), "keyUsage has another value"),
    "a key usage that may be ignored": (
        instead(0, KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION})), critical=False),
        "keyUsage",
    ),
    "every policy": (instead(1, CertificatePolicies((ANY_POLICY,)), critical=True), "certificatePolicies"),
    "another issuer's name": (instead(3, IssuerDirectoryName(OTHER_NAME), critical=False), "issuerAltName"),
    "a critical point": (instead(4, DistributionPoint(OTHER_NAME), critical=True), "cRLDistributionPoints"),
    "another point": (instead(4, DistributionPoint(OTHER_NAME), critical=False), "cRLDistributionPoints has"),
    "another town's point": (pointing_to("312029"), "cRLDistributionPoints has another value"),
    "another kind's point": (
        pointing_to(TOWN, CertificateKind.USER_AUTHENTICATION), "cRLDistributionPoints has another value",
    ),
    "another responder": (
        instead(5, AuthorityAccess("http://evil.example"), critical=False), "authorityInfoAccess",
    ),
    "another authority key": (instead(6, AuthorityKey(b"\1" * 20), critical=False), "authorityKeyIdentifier"),
    "another subject key": (instead(7, SubjectKey(b"\1" * 20), critical=False), "subjectKeyIdentifier"),
    "the first extension dropped": (with_extensions(lambda found: found[1:]), "keyUsage"),
    "the point dropped": (with_extensions(lambda found: [*found[:4], *found[5:]]), "cRLDistributionPoints"),
    "the last extension dropped": (with_extensions(lambda found: found[:-1]), "subjectKeyIdentifier"),
    "two extensions exchanged": (
        with_extensions(lambda found: [found[1], found[0], *found[2:]]), "keyUsage",
    ),
    "an extension twice": (with_extensions(lambda found: [found[0], *found]), "certificatePolicies"),
    "an extension of nobody's": (
        with_extensions(lambda found: [*found, der.sequence(der.oid("2.999.1"), der.octet_string(b""))]), "no place",
    ),
    "extensions that are none": (with_extensions(lambda found: [*found, der.NULL]), "not a TBSCertificate"),
    "the authority's own subject": (
        lambda world, record: with_field(5, parts(record.encoded)[3])(world, record), "the subject is the issuer",
    ),
    "the authority's own key": (
        lambda world, record: replace(
            with_field(6, world.issuers.of(TOTTORI).record.public_key)(world, record),
            subject_key=hashlib.sha256(world.issuers.of(TOTTORI).record.public_key).digest(),
        ),
        "the key is the issuer's own",
    ),
    "another row's key": (lambda _, record: replace(record, subject_key=b"\1" * 32), "the key"),
    "another row's period": (
        lambda _, record: replace(record, period=Period(NOW, NOW.replace(year=2044))), "the validity",
    ),
    "another row's serial": (
        lambda _, record: replace(record, id=CertificateId(TOTTORI, Serial(4711))), "the serial",
    ),
    "another row's list": (in_the_list_of("312029"), "cRLDistributionPoints has another value"),
    "another kind's list in the row": (
        in_the_list_of(TOWN, CertificateKind.USER_AUTHENTICATION), "is no list of this kind's",
    ),
    "a list that is none in the row": (in_the_list_of("000000"), "is no list of this kind's"),
    "the authority's list in the row": (lambda _, record: replace(record, scope=ARL), "is no list of this kind's"),
    "a validity beyond the issuer's in row and octets": (
        of_period(NOW, NOW.replace(year=2044)), "the validity is not within the issuer's own",
    ),
    "a validity before the issuer's in row and octets": (
        of_period(NOW.replace(year=2001), NOW.replace(year=2015)), "the validity is not within the issuer's own",
    ),
    "another row's issuer": (
        lambda _, record: replace(record, id=CertificateId(ELSEWHERE, record.id.serial)), "the issuer",
    ),
    "called a cross-certificate": (as_kind(CertificateKind.CROSS), "authorityKeyIdentifier"),
    "called a self-signed one": (as_kind(CertificateKind.SELF_SIGNED), "the subject is not the issuer"),
    "called a link": (as_kind(CertificateKind.LINK), "the subject is not the issuer"),
    "called another holder's": (as_kind(CertificateKind.USER_AUTHENTICATION), "keyUsage"),
    "called a kind not issued here": (as_kind(CertificateKind.LG_POST), "not issued by this authority"),
    "a CA's in row and octets": (of_ca, "the key is no authority's"),
    "a responder's in row and octets": (of_responder, "the key is no authority's or service's"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_what_was_altered_is_refused_by_name(
    name: str, world: EngineWorld, intents: dict[CertificateKind, CertificateRecord]
) -> None:
    alter, words = ALTERED[name]
    altered = alter(world, intents[CertificateKind.SIGNATURE])
    with pytest.raises(LintRefused) as refused:
        check_intent(altered, world.issuers)
    assert words in refused.value.problem
    assert f"intent of {altered.id}" == refused.value.place


def test_the_intents_as_they_were_pass(
    world: EngineWorld, intents: dict[CertificateKind, CertificateRecord]
) -> None:
    for record in intents.values():
        check_intent(record, world.issuers)


def test_a_list_that_was_moved_elsewhere_together_with_the_intent_is_refused(tmp_path: Path) -> None:
    with engine_world(tmp_path / "world") as world:
        record = again(world.issued()[CertificateKind.SIGNATURE].record)
        with world.store.writing() as connection:
            connection.execute(
                update(list_places)
                .where(list_places.c.generation == str(TOTTORI), list_places.c.scope == record.scope)
                .values(point='[["C","JP"],["O","Somebody"]]')
            )
        altered = instead(4, DistributionPoint(OTHER_NAME), critical=False)(world, record)
        with pytest.raises(LintRefused, match="is no list of this kind's"):
            check_intent(altered, world.issuers)


def test_an_altered_intent_is_never_signed_and_holds_no_other_back(tmp_path: Path) -> None:
    with engine_world(tmp_path / "world") as world:
        case = world.approved().case.id
        right = world.issuers.of(TOTTORI).signer
        world.interpose(TOTTORI, Broken)
        with pytest.raises(KeyRefused):
            world.registration.issue(case, "operator", at=NOW)
        world.interpose(TOTTORI, lambda _: Watched(right, tmp_path / "log"))
        with world.store.writing() as connection:
            good, bad = sorted(certificates.intended(connection), key=lambda one: one.kind, reverse=True)
            assert bad.kind is CertificateKind.SIGNATURE
            altered = behind(CA, critical=True)(world, bad).encoded
            connection.execute(
                update(bytes_table)
                .where(bytes_table.c.serial == bad.id.serial.octets)
                .values(encoded=altered)
            )
        with pytest.raises(LintRefused):
            cycle.recover(world.issuers, NOW)
        with pytest.raises(LintRefused):
            world.registration.issue(case, "operator", at=NOW)
        assert lines(tmp_path / "log") == [good.encoded]
        found = everything(world)
        assert found[good.id.serial.value].state is CertificateState.ISSUED
        assert found[bad.id.serial.value].state is CertificateState.INTENDED
