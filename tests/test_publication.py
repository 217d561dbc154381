"""Lists: what ended stands in the right ones, numbers rise, and whatever dies leaves only whole lists behind."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl, pem, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy import Connection, event, func, select

from bridge.manifest import MANIFEST, MANIFEST_SIGNATURE
from bridge.repository.contents import publish_certificates, publish_lists, publish_manifest
from bridge.repository.folder import Repository
from bridge.repository.layout import cross_path, list_path, pair_path
from ca.errors import (
    BadInput,
    Conflict,
    KakehashiError,
    KeyRefused,
    LintRefused,
    NotFound,
    NotPermitted,
    RevocationRefused,
    StorageFailed,
)
from ca.issuing import cycle
from ca.issuing.cycle import IssuedCertificate
from ca.keys.signer import Signer
from ca.model import (
    ARL,
    FULL,
    RESIDENT_KINDS,
    CertificateId,
    CertificateKind,
    GenerationId,
    MunicipalityCode,
    OfficeId,
    Officer,
    OfficerId,
    Revocation,
    RevocationReason,
    Role,
    Scope,
    Serial,
    partition_scope,
)
from ca.profiles.practice import ListPractice
from ca.revoking.deciding.by_hand import Ended, revoke
from ca.revoking.lists.publication import due, publish
from ca.rules.validity import JST
from ca.store import authorities, certificates, lists, officers, revocations
from ca.store.contents import Contents, blocks
from ca.store.lists import ListRecord
from ca.store.tables import lists as lists_table
from ca.suites import Suite
from ca.wire.lists import encode_entry
from tests.builders import revocation_of
from tests.ended import record_end
from tests.engine_world import (
    NOW,
    POST,
    RESIDENT,
    TOWN,
    EngineWorld,
    Running,
    append,
    copy_world,
    engine_world,
    lines,
    opened,
)

SIGNATURE, USER_AUTHENTICATION = RESIDENT_KINDS
TOTTORI = GenerationId.parse("jpki-31.g1")
BRIDGE = GenerationId.parse("jpki-bridge.g1")
PARTITION = partition_scope(SIGNATURE, TOWN)
ALL_OF_TOWN = (FULL, PARTITION, partition_scope(USER_AUTHENTICATION, TOWN))
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def publish_now(
    world: EngineWorld, *scopes: Scope, generation: GenerationId = TOTTORI, at: datetime = NOW
) -> list[ListRecord]:
    return publish(world.store, world.issuers.of(generation), scopes, world.repository, at=at)


def practise(world: EngineWorld, how: ListPractice) -> None:
    """Have every authority publish its lists so."""
    world.issuers.practices = {
        authority: replace(practice, lists=how) for authority, practice in world.issuers.practices.items()
    }
    world.issuers._open.clear()


def end(
    world: EngineWorld,
    certificate: CertificateId,
    reason: RevocationReason = RevocationReason.AFFILIATION_CHANGED,
    *,
    at: datetime = NOW,
    since: datetime | None = None,
) -> Ended:
    return revoke(world.stores, certificate, reason, "operator", at=at, invalid_since=since)


def list_file(world: EngineWorld, scope: Scope, generation: GenerationId = TOTTORI) -> Path:
    return world.repository.folder / list_path(generation, scope)


def read(path: Path) -> crl.CertificateList:
    return crl.CertificateList.load(path.read_bytes(), strict=True)


def number_of(path: Path) -> int:
    return read(path).crl_number_value.native


def serials_in(path: Path) -> list[int]:
    revoked = read(path)["tbs_cert_list"]["revoked_certificates"]
    return [entry["user_certificate"].native for entry in revoked] if revoked else []


def require_signed(world: EngineWorld, path: Path, generation: GenerationId = TOTTORI) -> None:
    found = read(path)
    key = load_der_public_key(world.issuers.of(generation).record.public_key)
    key.verify(found["signature"].native, found["tbs_cert_list"].dump(), padding.PKCS1v15(), hashes.SHA256())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(world: EngineWorld) -> int:
    with world.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(lists_table)).scalar_one()


# Numbers.


def test_numbers_rise_while_the_clock_stands_still(world: EngineWorld) -> None:
    for _ in range(4):
        publish_now(world, FULL, PARTITION)
    for scope in (FULL, PARTITION):
        numbers = sorted(int(path.stem) for path in list_file(world, scope).with_suffix("").iterdir())
        assert len(numbers) == 4
        assert numbers == list(range(numbers[0], numbers[0] + 4))
        assert number_of(list_file(world, scope)) == numbers[-1]


def test_numbers_rise_when_the_clock_goes_back(world: EngineWorld) -> None:
    moments = [NOW, NOW + HOUR, NOW - HOUR, NOW + 2 * HOUR, NOW - 48 * HOUR]
    numbers = [publish_now(world, FULL, at=at)[0].number for at in moments]
    assert numbers == sorted(set(numbers))
    assert number_of(list_file(world, FULL)) == numbers[-1]


def test_numbers_are_above_those_of_a_store_that_was_lost(world: EngineWorld) -> None:
    """Last night's backup knows nothing of today's lists; the moment alone puts new numbers above them."""
    today = publish_now(world, FULL, at=NOW + HOUR)[0].number
    with world.store.writing() as connection:
        connection.execute(lists_table.delete())
    assert publish_now(world, FULL, at=NOW + 2 * HOUR)[0].number > today


def test_each_list_is_kept_under_its_number_and_the_newest_is_the_last(world: EngineWorld) -> None:
    kept: dict[str, bytes] = {}
    for times in range(3):
        issued = world.issued(kinds=(SIGNATURE,))[SIGNATURE]
        end(world, issued.id)
        for record in publish_now(world, PARTITION, FULL, at=NOW + times * HOUR):
            newest = list_file(world, record.scope)
            numbered = newest.with_suffix("") / f"{record.number}.crl"
            assert newest.read_bytes() == numbered.read_bytes()
            assert number_of(numbered) == record.number
            assert record.entries == len(serials_in(numbered)) == times + 1
            with world.store.reading() as connection:
                known = lists.newest(connection, TOTTORI)[record.scope]
            octets = newest.read_bytes()
            assert known == replace(record, digest=hashlib.sha256(octets).digest())
            tbs = read(newest)["tbs_cert_list"].dump()
            assert known.tbs_digest == hashlib.sha256(tbs).digest()
            assert known.sequence == times + 1
            kept[str(numbered)] = octets
            require_signed(world, newest)
    assert len(kept) == 6
    assert all(Path(path).read_bytes() == octets for path, octets in kept.items())


def test_everybody_may_read_what_is_public(world: EngineWorld) -> None:
    publish_now(world, FULL)
    for path in world.repository.folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


# What stands in which list.


def listed(world: EngineWorld, generation: GenerationId, serial: Serial) -> set[Scope]:
    """The lists of a generation that name this serial, all of them made anew."""
    with world.store.reading() as connection:
        scopes = [place.scope for place in lists.places_of(connection, generation)]
    publish_now(world, *scopes, generation=generation)
    return {scope for scope in scopes if serial.value in serials_in(list_file(world, scope, generation))}


def test_a_holders_revocation_stands_in_its_partition_and_the_full_list_alone(world: EngineWorld) -> None:
    for kind, item in world.issued().items():
        scope = partition_scope(kind, TOWN)
        assert listed(world, TOTTORI, item.id.serial) == set()
        ended = end(world, item.id)
        assert ended.scopes == (scope, FULL)
        assert listed(world, TOTTORI, item.id.serial) == {scope, FULL}


def cross(world: EngineWorld, issuer: GenerationId, subject: GenerationId) -> CertificateId:
    with world.store.reading() as connection:
        return next(
            certificate
            for about, certificate in authorities.crosses(connection)
            if (certificate.generation, about) == (issuer, subject)
        )


def test_a_cross_certificates_revocation_stands_in_the_authority_list(world: EngineWorld) -> None:
    certificate = cross(world, BRIDGE, TOTTORI)
    asked = Revocation(certificate.serial, NOW, RevocationReason.CA_COMPROMISE)
    with world.store.writing() as connection:
        record_end(connection, certificate, ARL, asked)
    assert listed(world, BRIDGE, certificate.serial) == {ARL, FULL}
    assert listed(world, TOTTORI, certificate.serial) == set()
    found = read(list_file(world, ARL, BRIDGE))
    point = found.issuing_distribution_point_value.native
    assert (point["only_contains_ca_certs"], point["only_contains_user_certs"]) == (True, False)


def test_a_services_revocation_stands_in_the_full_list_alone(world: EngineWorld) -> None:
    with world.store.reading() as connection:
        services = [one for one in authorities.services(connection) if one.certificate.generation == BRIDGE]
    assert {one.kind for one in services} == {CertificateKind.OCSP_RESPONDER, CertificateKind.REPOSITORY}
    for service in services:
        assert end(world, service.certificate, RevocationReason.SUPERSEDED).scopes == (FULL,)
        assert listed(world, BRIDGE, service.certificate.serial) == {FULL}


def test_a_posts_revocation_stands_in_its_kinds_one_partition(world: EngineWorld) -> None:
    item = world.issued(POST, (CertificateKind.OFFICIAL_POST,))[CertificateKind.OFFICIAL_POST]
    end(world, item.id)
    assert listed(world, item.id.generation, item.id.serial) == {Scope("official-post-all"), FULL}


def test_entries_ascend_by_serial_whatever_the_order_of_events(world: EngineWorld) -> None:
    issued = [item for _ in range(6) for item in world.issued().values()]
    random.Random(1).shuffle(issued)
    for hours, item in enumerate(issued):
        end(world, item.id, at=NOW + hours * HOUR)
    publish_now(world, *ALL_OF_TOWN, at=NOW + 24 * HOUR)
    for scope, count in zip(ALL_OF_TOWN, (12, 6, 6), strict=True):
        found = serials_in(list_file(world, scope))
        assert found == sorted(found)
        assert len(found) == count


def test_an_empty_list_is_published_too(world: EngineWorld) -> None:
    publish_now(world, FULL, ARL, PARTITION)
    for scope in (FULL, ARL, PARTITION):
        assert serials_in(list_file(world, scope)) == []
        require_signed(world, list_file(world, scope))


# A partition is its name.


def point_of_certificate(item: IssuedCertificate) -> bytes:
    (point,) = x509.Certificate.load(item.encoded, strict=True).crl_distribution_points_value
    return point["distribution_point"].dump()


def point_of_list(path: Path) -> bytes:
    return read(path).issuing_distribution_point_value["distribution_point"].dump()


def issued_at(world: EngineWorld, code: MunicipalityCode) -> dict[CertificateKind, IssuedCertificate]:
    """Certificates of a resident of this town, whose window's officers come with the case."""
    registration = world.registration
    with world.store.writing() as connection:
        for name, role in (("reception", Role.RECEPTION), ("examiner", Role.EXAMINER)):
            officer = Officer(OfficerId(f"{name}-{code}"), OfficeId(code), frozenset({role}))
            officers.add_officer(connection, officer)
    resident = replace(RESIDENT, municipality=code)
    case = world.filed(resident, officer=f"reception-{code}").case.id
    registration.examine(case, f"examiner-{code}", at=NOW)
    registration.approve(case, "centre-1", at=NOW)
    return {item.record.kind: item for item in registration.issue(case, "operator", at=NOW)}


def test_every_partition_of_a_prefecture_has_the_name_that_its_certificates_have(world: EngineWorld) -> None:
    codes = [row.code for row in world.plan.municipalities if row.prefecture_code == "31" and row.has_window]
    assert len(codes) == 19
    points = set()
    for code in codes:
        for kind, item in issued_at(world, code).items():
            scope = partition_scope(kind, code)
            assert item.record.scope == scope
            publish_now(world, scope)
            assert point_of_list(list_file(world, scope)) == point_of_certificate(item)
            points.add(point_of_certificate(item))
    assert len(points) == 2 * len(codes)
    with world.store.reading() as connection:
        scopes = {place.scope for place in lists.places_of(connection, TOTTORI)}
    assert scopes == {FULL, ARL} | {partition_scope(kind, code) for kind in RESIDENT_KINDS for code in codes}


def test_the_authority_list_has_the_name_that_ca_certificates_have(world: EngineWorld) -> None:
    publish_now(world, ARL, generation=BRIDGE)
    with world.store.reading() as connection:
        certificate = certificates.find(connection, cross(world, BRIDGE, TOTTORI))
        own = authorities.generation(connection, BRIDGE)
        self_signed = certificates.find(connection, CertificateId(BRIDGE, own.serial))
    for record in (certificate, self_signed):
        item = IssuedCertificate(record, record.encoded)
        assert point_of_certificate(item) == point_of_list(list_file(world, ARL, BRIDGE))


def test_two_towns_of_one_name_share_no_list(tmp_path: Path) -> None:
    """Hokkaido has Esashi-cho twice."""
    with engine_world(tmp_path / "hokkaido", ("01",)) as world:
        twins = [row.code for row in world.plan.municipalities if row.romaji == "Esashi-cho"]
        assert len(twins) == 2
        points, generation = set(), GenerationId.parse("jpki-01.g1")
        for code in twins:
            item = issued_at(world, code)[SIGNATURE]
            publish_now(world, item.record.scope, generation=generation)
            newest = list_file(world, item.record.scope, generation)
            assert point_of_list(newest) == point_of_certificate(item)
            points.add(point_of_certificate(item))
            subject = x509.Certificate.load(item.encoded).subject.native
            assert "Esashi-cho" in subject["locality_name"]  # the holder's name does not carry the code
        assert len(points) == 2
        with world.store.reading() as connection:
            places = lists.places_of(connection, generation)
        assert len({place.point for place in places}) == len(places) > 300


# OpenSSL's verdict.


def test_openssl_refuses_what_was_revoked_and_takes_no_other_towns_list(
    world: EngineWorld, tmp_path: Path
) -> None:
    item = world.issued()[SIGNATURE]
    other_town = partition_scope(SIGNATURE, "312029")
    with world.store.reading() as connection:
        own = authorities.generation(connection, TOTTORI)
        self_signed = certificates.find(connection, CertificateId(TOTTORI, own.serial)).encoded
    anchor, holder = tmp_path / "anchor.pem", tmp_path / "holder.pem"
    anchor.write_bytes(pem.armor("CERTIFICATE", self_signed))
    holder.write_bytes(pem.armor("CERTIFICATE", item.encoded))

    def verdict(scope: Scope, at: datetime) -> str:
        file = tmp_path / "list.pem"
        file.write_bytes(pem.armor("X509 CRL", list_file(world, scope).read_bytes()))
        command = ["openssl", "verify", "-crl_check", "-attime", str(int(at.timestamp()))]
        command += ["-CAfile", str(anchor), "-CRLfile", str(file), str(holder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return "OK" if done.returncode == 0 else done.stderr

    publish_now(world, PARTITION, FULL, other_town)
    assert verdict(PARTITION, NOW) == verdict(FULL, NOW) == "OK"
    assert "error 44" in verdict(other_town, NOW)  # different CRL scope
    assert "error 12" in verdict(PARTITION, NOW + 49 * HOUR)  # the list has expired
    end(world, item.id, at=NOW + SECOND)
    publish_now(world, PARTITION, FULL, at=NOW + SECOND)
    assert "error 23" in verdict(PARTITION, NOW + SECOND)  # revoked
    assert "error 23" in verdict(FULL, NOW + SECOND)


# Revoking.


def test_a_revocation_says_what_was_ordered(world: EngineWorld) -> None:
    item = world.issued()[SIGNATURE]
    since = NOW - timedelta(days=3, microseconds=5)
    ended = end(
        world, item.id, RevocationReason.KEY_COMPROMISE, at=NOW.replace(microsecond=900_000), since=since
    )
    assert (ended.certificate, ended.sequence) == (item.id, 1)
    assert (ended.revocation.revoked_at, ended.revocation.reason) == (NOW, RevocationReason.KEY_COMPROMISE)
    publish_now(world, PARTITION)
    (entry,) = read(list_file(world, PARTITION))["tbs_cert_list"]["revoked_certificates"]
    assert entry["user_certificate"].native == item.id.serial.value
    assert entry["revocation_date"].native == NOW
    assert entry.crl_reason_value.native == "key_compromise"
    # Without its fraction, which no list can carry.
    assert entry.invalidity_date_value.native == since.replace(microsecond=0)


@pytest.mark.parametrize(
    ("since", "problem"),
    [
        (NOW + SECOND, "lies after the revocation"),
        (datetime(1899, 12, 31, tzinfo=UTC), "lies before 1900"),
        (datetime(1, 1, 1, tzinfo=JST), "lies before 1900"),  # which UTC cannot write
    ],
)
def test_a_key_is_lost_before_the_revocation_and_within_the_calendar(
    world: EngineWorld, since: datetime, problem: str
) -> None:
    item = world.issued()[SIGNATURE]
    with pytest.raises(BadInput, match=problem):
        end(world, item.id, RevocationReason.KEY_COMPROMISE, since=since)
    with world.store.reading() as connection:
        assert revocations.find(connection, item.id, PARTITION) is None
    publish_now(world, PARTITION)
    assert serials_in(list_file(world, PARTITION)) == []


def test_a_hold_that_becomes_a_compromise_is_still_published(world: EngineWorld) -> None:
    """The hold's moment stays; that the key was lost only later cannot make the list unpublishable."""
    item = world.issued()[SIGNATURE]
    end(world, item.id, RevocationReason.CERTIFICATE_HOLD)
    later = NOW + 3 * HOUR
    ended = end(world, item.id, RevocationReason.KEY_COMPROMISE, at=later, since=NOW + HOUR)
    assert (ended.revocation.revoked_at, ended.sequence) == (NOW, 2)
    publish_now(world, PARTITION, FULL, at=later)
    (entry,) = read(list_file(world, PARTITION))["tbs_cert_list"]["revoked_certificates"]
    assert entry.crl_reason_value.native == "key_compromise"
    assert entry["revocation_date"].native == NOW
    assert entry.invalidity_date_value.native <= NOW


def intended(world: EngineWorld) -> CertificateId:
    """A certificate whose signing broke off."""

    class Broken:
        public_key = b""

        def sign(self, message: bytes, suite: Suite) -> bytes:  # noqa: ARG002 - a signer's form
            raise KeyRefused("token", "was pulled out")

    right = world.issuers.of(TOTTORI)
    case = world.approved().case.id
    world.interpose(TOTTORI, lambda _: Broken())
    with pytest.raises(KeyRefused):
        world.registration.issue(case, "operator", at=NOW)
    world.issuers._open[TOTTORI] = right
    with world.store.reading() as connection:
        return certificates.intended(connection)[0].id


def holder(world: EngineWorld) -> CertificateId:
    return world.issued()[SIGNATURE].id


REFUSED = {
    "by an approver": (holder, {"officer": "centre-1"}, NotPermitted, "is not an operator of the centre"),
    "by an examiner": (holder, {"officer": "window-2"}, NotPermitted, "is not an operator of the centre"),
    "by nobody": (holder, {"officer": "nobody"}, NotFound, "officer 'nobody'"),
    "of no certificate": (
        lambda _: CertificateId(TOTTORI, Serial(77)),
        {},
        NotFound,
        "jpki-31.g1:000000000000000000000000000000000000004d",
    ),
    "of one that is only intended": (intended, {}, Conflict, "is not issued yet"),
    "of an expired one": (holder, {"at": NOW + timedelta(days=6 * 366)}, Conflict, "has expired"),
    "of a root": (
        lambda world: CertificateId(TOTTORI, world.issuers.of(TOTTORI).record.serial),
        {},
        RevocationRefused,
        "self-signed: is not revoked",
    ),
    "for a CA's reason": (
        holder,
        {"reason": RevocationReason.CA_COMPROMISE},
        RevocationRefused,
        "is not revoked for cACompromise",
    ),
    "of half of a pair": (
        lambda world: cross(world, BRIDGE, TOTTORI),
        {},
        NotPermitted,
        "kakehashi cross withdraw",
    ),
    "of a cross-certificate for its key": (
        lambda world: cross(world, BRIDGE, TOTTORI),
        {"reason": RevocationReason.KEY_COMPROMISE},
        RevocationRefused,
        "is not revoked for keyCompromise",
    ),
}


@pytest.mark.parametrize(("whom", "order", "error", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_an_order_that_is_refused_changes_nothing(
    world: EngineWorld, whom, order, error: type[KakehashiError], said: str
) -> None:
    certificate = whom(world)
    words = {"reason": RevocationReason.SUPERSEDED, "officer": "operator", "at": NOW} | order
    with pytest.raises(error) as refused:
        revoke(world.stores, certificate, words["reason"], words["officer"], at=words["at"])
    assert said in str(refused.value)
    with world.store.reading() as connection:
        assert list(blocks(connection, Contents(certificate.generation, FULL))) == []
        assert revocations.sequence(connection) == 0


def test_an_end_is_not_ended_again_but_for_a_compromise(world: EngineWorld) -> None:
    certificate = holder(world)
    end(world, certificate, RevocationReason.SUPERSEDED)
    for reason in (RevocationReason.SUPERSEDED, RevocationReason.CERTIFICATE_HOLD):
        with pytest.raises(RevocationRefused, match="already revoked"):
            end(world, certificate, reason)
    assert (
        end(world, certificate, RevocationReason.KEY_COMPROMISE, at=NOW + HOUR).revocation.revoked_at == NOW
    )


def test_the_last_second_of_a_life_may_still_be_ended(world: EngineWorld) -> None:
    item = world.issued()[SIGNATURE]
    assert (
        end(world, item.id, at=item.record.period.not_after + timedelta(microseconds=999_999)).sequence == 1
    )


# Refused publications.


def record_revocation(connection: Connection, revocation: Revocation, **fields: Any) -> int:
    """Have the store say that a certificate of the town ended, of which it knows nothing else."""
    words = {
        "not_after": NOW + timedelta(days=1000),
        "entry": encode_entry(revocation),
        "cause": "officer operator",
        "journal_index": 0,
        "at": NOW,
    }
    certificate = CertificateId(TOTTORI, revocation.serial)
    return record_end(connection, certificate, PARTITION, revocation, **{**words, **fields})


def test_what_lint_refuses_is_neither_written_down_nor_placed(world: EngineWorld) -> None:
    publish_now(world, FULL, PARTITION)
    before, known = tree(world.repository.folder), rows(world)
    wrong = revocation_of(1, reason=RevocationReason.AA_COMPROMISE, revoked_at=NOW)
    with world.store.writing() as connection:
        record_revocation(connection, wrong)
    with pytest.raises(LintRefused, match=f"serial {wrong.serial}: entry_reason"):
        publish_now(world, PARTITION)
    assert (tree(world.repository.folder), rows(world)) == (before, known)


def test_what_lint_refuses_keeps_no_other_list_back(world: EngineWorld) -> None:
    wrong = revocation_of(1, reason=RevocationReason.AA_COMPROMISE, revoked_at=NOW)
    with world.store.writing() as connection:
        record_revocation(connection, wrong)
    with pytest.raises(LintRefused, match=f"list {PARTITION}"):
        publish_now(world, PARTITION, ARL)
    assert serials_in(list_file(world, ARL)) == []
    assert not list_file(world, PARTITION).exists()


def test_a_scope_that_is_none_is_not_found(world: EngineWorld) -> None:
    with pytest.raises(NotFound, match="signature-131016"):
        publish_now(world, FULL, Scope("signature-131016"))
    assert rows(world) == 0
    assert not list_file(world, FULL).exists()


def test_a_wrong_signature_is_not_placed(world: EngineWorld) -> None:
    publish_now(world, FULL)
    before = tree(world.repository.folder)

    class Wrong:
        def __init__(self, signer: Signer) -> None:
            self._signer = signer
            self.public_key = signer.public_key

        def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
            return self._signer.sign_digest(bytes(len(digest)), suite)

    right = world.issuers.of(TOTTORI)
    world.interpose(TOTTORI, Wrong)
    for scopes in ((FULL,), (FULL, ARL, PARTITION)):
        with pytest.raises(KeyRefused):
            publish_now(world, *scopes)
    assert tree(world.repository.folder) == before
    world.issuers._open[TOTTORI] = right
    record = publish_now(world, FULL)[0]
    assert number_of(list_file(world, FULL)) == record.number


def test_what_was_revoked_while_a_publication_waited_stands_in_its_list(world: EngineWorld) -> None:
    """The moment is taken before the turn comes: then the list is of the later moment."""
    item = world.issued()[SIGNATURE]
    end(world, item.id, at=NOW + 10 * SECOND)
    record = publish_now(world, PARTITION, at=NOW)[0]
    assert serials_in(list_file(world, PARTITION)) == [item.id.serial.value]
    assert record.this_update == NOW + 10 * SECOND


# A repository that cannot be written.


@pytest.mark.parametrize("where", ["", "g", "g/jpki-31.g1/crl", "g/jpki-31.g1/crl/full"])
def test_a_repository_that_cannot_be_written_says_so(world: EngineWorld, where: str) -> None:
    obstacle = world.repository.folder / where
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_bytes(b"in the way")
    with pytest.raises(StorageFailed) as failed:
        publish_now(world, FULL)
    assert str(world.repository.folder) in failed.value.place
    assert "list publish" in (failed.value.remedy or "")
    obstacle.unlink()
    record = publish_now(world, FULL)[0]
    assert number_of(list_file(world, FULL)) == record.number


def test_files_are_placed_once(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    files = [(f"g/x/{number}.cer", b"%d" % number) for number in range(20)]
    assert repository.place(files) == 20
    assert repository.place(files) == 0
    assert repository.place([("g/x/1.cer", b"other"), *files[2:]]) == 1
    assert tree(repository.folder) == dict(files) | {"g/x/1.cer": b"other"}


# What is due.


def test_lists_are_due_when_missing_and_in_the_second_half_of_their_time(world: EngineWorld) -> None:
    with world.store.reading() as connection:
        every = [place.scope for place in lists.places_of(connection, TOTTORI)]
        assert due(connection, TOTTORI, 24 * HOUR, NOW) == every
    assert len(publish_lists(world.issuers, TOTTORI, world.repository, at=NOW)) == len(every)
    for at, count in (
        (NOW, 0),
        (NOW + 24 * HOUR - SECOND, 0),
        (NOW + 24 * HOUR, len(every)),
        (NOW + 24 * HOUR, 0),
        (NOW + 100 * HOUR, len(every)),
    ):
        made = publish_lists(world.issuers, TOTTORI, world.repository, at=at)
        assert len(made) == count
    assert len({number_of(list_file(world, scope)) for scope in every}) == 1


def test_a_list_that_was_intended_and_never_signed_is_due(world: EngineWorld) -> None:
    with world.store.writing() as connection:
        record = ListRecord(
            generation=TOTTORI,
            scope=FULL,
            number=1,
            this_update=NOW,
            next_update=NOW + 48 * HOUR,
            entries=0,
            sequence=0,
            tbs_digest=b"\0" * 32,
        )
        lists.intend(connection, [record])
        assert FULL in due(connection, TOTTORI, 24 * HOUR, NOW)
        assert lists.newest(connection, TOTTORI) == {}


# Many at once.


def publish_often(folder: Path, times: int, told: Path) -> None:
    with opened(folder) as world:
        for turn in range(times):
            for record in publish_now(world, FULL, PARTITION, at=NOW + turn * SECOND):
                append(told, f"{record.scope} {record.number}".encode())


def revoke_often(folder: Path, serials: list[str]) -> None:
    with opened(folder) as world:
        for seconds, serial in enumerate(serials):
            end(world, CertificateId.parse(serial), at=NOW + seconds * SECOND)


def test_publishers_at_once_leave_the_highest_number_newest(world: EngineWorld, tmp_path: Path) -> None:
    issued = [world.issued(kinds=(SIGNATURE,))[SIGNATURE].id for _ in range(10)]
    told = tmp_path / "told"
    running = [Running(publish_often, world.folder, 12, told) for _ in range(3)]
    running.append(Running(revoke_often, world.folder, [str(item) for item in issued]))
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    numbers: dict[str, list[int]] = {FULL: [], PARTITION: []}
    for line in lines(told):
        scope, _, number = line.decode().partition(" ")
        numbers[scope].append(int(number))
    for scope, made in numbers.items():
        assert len(set(made)) == len(made) == 36
        newest = list_file(world, Scope(scope))
        assert number_of(newest) == max(made)
        kept = sorted(newest.with_suffix("").iterdir(), key=lambda path: int(path.stem))
        assert [int(path.stem) for path in kept] == sorted(made)
        # No list forgets what an earlier one said.
        told_of: set[int] = set()
        for path in kept:
            assert told_of <= set(serials_in(path))
            told_of = set(serials_in(path))
            require_signed(world, path)


# Sudden death.

CROSSED = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.chmod")


def publish_and_die(folder: Path, crossing: int, done: Path) -> None:
    """Publish; die when so many statements that write, signatures and touches of the repository have begun."""
    count = itertools.count()

    def cross(*_: object) -> None:
        if next(count) == crossing:
            os.kill(os.getpid(), signal.SIGKILL)

    def cross_with(_: object, __: object, statement: str, *___: object) -> None:
        if not statement.startswith("SELECT"):
            cross()

    def touch(name: str, words: tuple[Any, ...]) -> None:
        changes = name in CROSSED and (name != "open" or words[2] & (os.O_WRONLY | os.O_RDWR))
        if changes and str(words[0]).startswith(repository):
            cross()

    class Mortal:
        def __init__(self, signer: Signer) -> None:
            self._signer = signer
            self.public_key = signer.public_key

        def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
            cross()
            return self._signer.sign_digest(digest, suite)

    repository = str(folder / "repository")
    with opened(folder) as world:
        practise(world, ListPractice(delta=True))
        world.interpose(TOTTORI, Mortal)
        event.listen(world.store.engine, "before_cursor_execute", cross_with)
        event.listen(world.store.engine, "commit", cross)
        sys.addaudithook(touch)
        publish_now(world, FULL, PARTITION, at=NOW + HOUR)
        append(done, str(next(count)).encode())


def test_death_at_any_step_leaves_whole_lists_only(tmp_path: Path) -> None:
    done, template, deaths = tmp_path / "done", tmp_path / "template", 0
    with engine_world(template) as world:
        practise(world, ListPractice(delta=True))
        certificate = world.issued(kinds=(SIGNATURE,))[SIGNATURE].id
        publish_now(world, FULL, PARTITION)
        first = {record.scope: record.number for record in publish_now(world, FULL, PARTITION)}
        end(world, certificate)
    outcomes = set()
    for crossing in itertools.count():
        folder = tmp_path / "world"
        copy_world(template, folder)
        code = Running(publish_and_die, folder, crossing, done).wait()
        with opened(folder) as world:
            practise(world, ListPractice(delta=True))
            seen = []
            for scope in (FULL, PARTITION):
                newest = list_file(world, scope)
                seen.append(number_of(newest) > first[scope])
                # What relying parties get is one whole list, and it is kept under its number.
                assert (
                    newest.with_suffix("") / f"{number_of(newest)}.crl"
                ).read_bytes() == newest.read_bytes()
                assert serials_in(newest) == ([certificate.serial.value] if seen[-1] else [])
                # So is the delta list, which is never ahead of the complete one.
                delta = newest.with_suffix(".delta.crl")
                assert first[scope] <= number_of(delta) <= number_of(newest)
                assert serials_in(delta) == (
                    [certificate.serial.value] if number_of(delta) > first[scope] else []
                )
            outcomes.add(tuple(seen))
            for path in world.repository.folder.rglob("*.crl"):
                if not path.name.startswith("."):
                    require_signed(world, path)
            highest = {
                scope: max(int(path.stem) for path in list_file(world, scope).with_suffix("").glob("*.crl"))
                for scope in (FULL, PARTITION)
            }
            # The next publication goes on as if nothing had been; what came out keeps its number for itself.
            for record in publish_now(world, FULL, PARTITION, at=NOW + HOUR):
                assert record.number > highest[record.scope]
                assert number_of(list_file(world, record.scope)) == record.number
                assert serials_in(list_file(world, record.scope)) == [certificate.serial.value]
        subprocess.run(["rm", "-r", folder], check=True)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
    (crossings,) = lines(done)
    assert deaths == int(crossings)
    assert outcomes == {(False, False), (True, False), (True, True)}


# What else is public.


def test_certificates_pairs_and_the_manifest_are_published_once(world: EngineWorld) -> None:
    for generation in ("gpki-bca.g1", "gpki-post.g1", "jpki-bridge.g1", "jpki-31.g1"):
        publish_lists(world.issuers, GenerationId.parse(generation), world.repository, at=NOW)
    assert publish_certificates(world.stores, world.repository) > 0
    assert publish_certificates(world.stores, world.repository) == 0
    assert publish_manifest(world.issuers, world.plan, world.repository, at=NOW) == 2
    assert publish_manifest(world.issuers, world.plan, world.repository, at=NOW + HOUR) == 0
    with world.store.reading() as connection:
        crosses = authorities.crosses(connection)
    assert len(crosses) == 6
    for subject, certificate in crosses:
        encoded = (world.repository.folder / cross_path(certificate.generation, subject)).read_bytes()
        back = (world.repository.folder / cross_path(subject, certificate.generation)).read_bytes()
        pair = (world.repository.folder / pair_path(subject, certificate.generation)).read_bytes()
        # In the subject's entry: issuedToThisCA first, then issuedByThisCA.
        assert pair.index(encoded) < pair.index(back)
    verdict = manifest_verdict(world)
    assert verdict.returncode == 0, verdict.stderr
    manifest = world.repository.folder / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b"test", b"tesu", 1))
    assert manifest_verdict(world).returncode != 0


def manifest_verdict(world: EngineWorld) -> subprocess.CompletedProcess[bytes]:
    """OpenSSL's, from the anchor over the certificates that the signature brings along."""
    anchor = world.folder / "anchor.pem"
    folder = world.repository.folder
    anchor.write_bytes(pem.armor("CERTIFICATE", (folder / "g/gpki-bca.g1/self.cer").read_bytes()))
    command = [
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(folder / MANIFEST_SIGNATURE),
        "-content", str(folder / MANIFEST), "-CAfile", str(anchor), "-purpose", "any",
        "-attime", str(int(NOW.timestamp())), "-out", "/dev/null",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, check=False)


def test_a_revocation_after_a_restart_finds_the_recovered_certificate(world: EngineWorld) -> None:
    certificate = intended(world)
    cycle.recover(world.issuers, NOW)
    scope = end(world, certificate).scopes[0]
    publish_now(world, scope)
    assert serials_in(list_file(world, scope)) == [certificate.serial.value]
