"""The inventory against an independent reading: every certificate as it is parsed by OpenSSL, and judged one by one."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from ca.issuing.succession import Succession
from ca.model import (
    HOLDER_KINDS,
    AuthorityId,
    CertificateKind,
    GenerationId,
    RevocationReason,
    Serial,
)
from ca.profiles.practice import Access
from ca.rules.revocation import CertificateStatus, status_of
from ca.rules.validity import JST
from ca.store import authorities, inventory, status, tables, uses, verifiers
from ca.store.certificates import CertificateState
from ca.store.engine import Store
from ca.store.inventory import Keys, Stand
from ca.store.schema import migrate
from ca.store.stores import Stores
from ca.store.verifiers import Count, VerifierId
from ca.suites import SHA256_RSA2048, SHA384_P384, SuiteId
from ca.wire import der, key_names
from front import inventory_picture
from front.assembly import open_world
from tests import engine_world
from tests.client_certificates import make_client
from tests.commands import done, refused, run
from tests.engine_world import NOW, EngineWorld, holder_key
from tests.test_crossing_peer import met, pristine  # noqa: F401 - fixtures
from tests.test_verifiers import adding

TOTTORI = GenerationId(AuthorityId("jpki-31"), 1)
SECOND_KEY = GenerationId(AuthorityId("jpki-31"), 2)
MOMENTS = (
    NOW,
    NOW + timedelta(days=40),
    datetime(2019, 12, 31, 15, 30, tzinfo=UTC),
    datetime(2031, 1, 1, tzinfo=UTC),
)
SUITES = {
    ("1.2.840.113549.1.1.11", 2048): "sha256-rsa2048",
    ("1.2.840.10045.4.3.2", 256): "sha256-p256",
}
"""By the signature algorithm and the size of the issuer's key."""


@pytest.fixture(
    scope="module",
    params=[engine_world.OWN, pytest.param(engine_world.OWN_ON_SERVER, marks=pytest.mark.long)],
    ids=["sqlite", "postgresql"],
)
def world(request, tmp_path_factory, database):  # noqa: ARG001 - which lays databases where this fixture then does not
    """A nation with residents and a post, ended and held certificates, an intent, and a second key of Tottori."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_world, "layout", request.param)
        opened = engine_world.engine_world(tmp_path_factory.mktemp("inventory") / "world")
        made = opened.__enter__()
    for days in range(4):
        made.issued(at=NOW + timedelta(days=days))
    made.issued(engine_world.POST, (CertificateKind.OFFICIAL_POST,), at=NOW)
    succession = Succession(made.issuers, made.plan.municipalities, made.chance)
    succession.succeed(SECOND_KEY, at=NOW + timedelta(days=10))
    made.issued(at=NOW + timedelta(days=11))
    put_ends(made)
    yield made
    opened.__exit__(None, None, None)


ENDS = (
    (RevocationReason.KEY_COMPROMISE, timedelta(days=20)),
    (RevocationReason.CERTIFICATE_HOLD, timedelta(days=20)),
    (RevocationReason.REMOVE_FROM_CRL, timedelta(days=20)),
    (RevocationReason.SUPERSEDED, timedelta(days=2000)),  # by a clock that runs ahead
)


def put_ends(world: EngineWorld) -> None:
    """Write down how some of Tottori's certificates ended, and that one of them is intended and one was abandoned."""
    with world.stores.of(TOTTORI.authority).writing() as connection:
        columns = tables.certificates.c
        mine = (columns.generation == str(TOTTORI)) & columns.kind.in_(HOLDER_KINDS)
        rows = connection.execute(tables.certificates.select().where(mine).order_by(columns.serial)).all()
        assert len(rows) >= len(ENDS) + 2
        for sequence, (row, (reason, later)) in enumerate(zip(rows, ENDS, strict=False), 1):
            connection.execute(
                tables.revocations.insert().values(
                    generation=row.generation, scope=row.scope, serial=row.serial, revoked_at=NOW.replace(microsecond=0) + later,
                    reason=int(reason), not_after=row.not_after, entry=b"0", sequence=sequence, cause="order 1",
                    journal_index=0, recorded_at=NOW,
                )
            )  # fmt: skip
        for row, state in zip(
            rows[-2:], (CertificateState.INTENDED, CertificateState.ABANDONED), strict=True
        ):
            same = (columns.generation == row.generation) & (columns.serial == row.serial)
            connection.execute(update(tables.certificates).where(same).values(state=state))


def read_by_another(world: EngineWorld, at: datetime, before: datetime | None = None) -> Counter[tuple]:
    """The same as the inventory counts, from every certificate's own bytes and the one reading of its status."""
    found: Counter[tuple] = Counter()
    for store in world.stores.each():
        with store.reading() as connection:
            encoded = {
                (row.generation, row.serial): row.encoded
                for row in connection.execute(tables.certificate_bytes.select())
            }
            for row in connection.execute(tables.certificates.select()):
                certificate = x509.load_der_x509_certificate(encoded[row.generation, row.serial])
                assert certificate.serial_number == int.from_bytes(row.serial, "big")
                ends = certificate.not_valid_after_utc
                if before is not None and not ends < before:
                    continue
                generation = GenerationId.parse(row.generation)
                signer = authorities.generation(connection, generation)
                bits = x509_key(signer.public_key).key_size
                suite = SUITES[certificate.signature_algorithm_oid.dotted_string, bits]
                known = status.records(connection, generation, [Serial.of(row.serial)])[Serial.of(row.serial)]
                stand = judged(row.state, known, ends, at)
                year = ends.astimezone(JST).year
                found[str(generation), suite, row.kind, named(certificate.public_key()), year, stand] += 1
    return found


def x509_key(info: bytes):
    return load_der_public_key(info)


def named(key) -> str:
    """A key's name by what OpenSSL has read of it."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}[key.curve.name]


def judged(state: str, known, ends: datetime, at: datetime) -> str:
    """How a certificate stands, by ``status_of``."""
    if state == CertificateState.INTENDED:
        return "intended"
    if state == CertificateState.ABANDONED:
        return "revoked"
    said = status_of(known.issued_at, known.revocation, known.judged_at(max(at, known.issued_at)))
    held = said.revocation is not None and said.revocation.reason is RevocationReason.CERTIFICATE_HOLD
    if said.status is CertificateStatus.REVOKED and not held:
        return "revoked"
    if ends < at.replace(microsecond=0):
        return "expired"
    return "on hold" if held else "live"


def counted(world: EngineWorld, at: datetime, **options) -> Counter[tuple]:
    with world.stores.reading() as reading:
        groups = inventory.groups(reading, world.plan.practices, at, **options)
    found = Counter()
    for one in groups:
        place = (str(one.generation), one.suite, one.kind.value, one.key, one.ends, one.stand.value)
        assert place not in found, "a group stands once"
        found[place] = one.count
    return found


@pytest.mark.parametrize("at", MOMENTS, ids=lambda at: f"{at:%Y-%m-%d}")
def test_every_certificate_is_counted_as_another_reads_it(world, at):
    assert counted(world, at) == read_by_another(world, at)


def test_all_that_is_told_of_occurs(world):
    """Nothing above holds for want of an example."""
    stands = {stand for at in MOMENTS for *_, stand in counted(world, at)}
    assert stands == {one.value for one in Stand}
    kinds = {kind for _, _, kind, *_ in counted(world, NOW)}
    assert kinds >= {
        "self-signed",
        "link",
        "cross",
        "ocsp-responder",
        "repository",
        "signature",
        "official-post",
    }
    assert {GenerationId.parse(name) for name, *_ in counted(world, NOW)} >= {TOTTORI, SECOND_KEY}
    assert len(world.stores.each()) == 2, "Tottori has a database of its own"


@pytest.mark.parametrize("keys", list(Keys))
@pytest.mark.parametrize(
    "before",
    [NOW, datetime(2019, 6, 1, tzinfo=UTC), datetime(2024, 8, 31, 14, 59, 59, tzinfo=UTC), datetime(2024, 8, 31, 15, tzinfo=UTC)],
    ids=lambda at: f"{at:%Y-%m-%dT%H%M%S}",
)  # fmt: skip
def test_what_ends_before_a_moment_is_told_exactly(world, before, keys):
    expected = read_by_another(world, NOW, before)
    assert without_keys(counted(world, NOW, before=before, keys=keys)) == without_keys(expected)


def without_keys(found: Counter[tuple]) -> Counter[tuple]:
    told: Counter[tuple] = Counter()
    for (generation, suite, kind, _, ends, stand), count in found.items():
        told[generation, suite, kind, ends, stand] += count
    return told


@pytest.mark.parametrize("at", MOMENTS, ids=lambda at: f"{at:%Y-%m-%d}")
def test_by_rule_only_the_keys_of_holders_are_told_otherwise(world, at):
    by_rule, read = counted(world, at, keys=Keys.RULE), counted(world, at)
    assert without_keys(by_rule) == without_keys(read)
    others = [
        {place: count for place, count in found.items() if place[2] not in HOLDER_KINDS}
        for found in (by_rule, read)
    ]
    assert others[0] == others[1]
    assert {key for _, _, kind, key, *_ in by_rule if kind in HOLDER_KINDS} == {
        "RSA of 2048 to 4096 bits (rule)"
    }


@pytest.fixture
def stores(tmp_path):
    """A database with nothing in it."""
    store = Store.open(engine_world.new_database(tmp_path))
    migrate(store)
    made = Stores(store, engine_world.journal_of(tmp_path))
    yield made
    made.close()


def test_a_store_without_certificates_has_no_inventory(stores):
    with stores.reading() as reading:
        assert inventory.groups(reading, {}, NOW) == inventory.groups(reading, {}, NOW, keys=Keys.RULE) == []
        assert uses.users(reading, {}, [], NOW) == []


LAST_SECOND = datetime(2019, 12, 31, 14, 59, 59, tzinfo=UTC)  # of a year in Japan


@pytest.mark.parametrize(
    ("ends", "years"),
    [
        ([LAST_SECOND], [2019]),
        ([LAST_SECOND + timedelta(seconds=1)], [2020]),
        (
            [LAST_SECOND, LAST_SECOND + timedelta(seconds=1), datetime(2031, 6, 1, tzinfo=UTC)],
            [2019, 2020, 2031],
        ),
        ([LAST_SECOND, tables.FOR_EVER], [2019, 9999]),
        ([datetime(9998, 12, 31, 15, tzinfo=UTC), tables.FOR_EVER], [9999, 9999]),
    ],
)
def test_a_year_begins_when_it_does_in_japan(stores, ends, years):
    put_certificates(stores, ends)
    with stores.reading() as reading:
        found = inventory.groups(reading, {}, LAST_SECOND, keys=Keys.RULE)
    assert sorted(year for one in found for year in [one.ends] * one.count) == years
    assert {one.key for one in found} == {"no rule"}


@pytest.mark.parametrize(
    ("later", "stand"),
    [
        (timedelta(0), Stand.LIVE),
        (timedelta(milliseconds=999), Stand.LIVE),
        (timedelta(seconds=1), Stand.EXPIRED),
    ],
)
def test_a_certificates_last_second_counts(stores, later, stand):
    put_certificates(stores, [LAST_SECOND])
    with stores.reading() as reading:
        (found,) = inventory.groups(reading, {}, LAST_SECOND + later, keys=Keys.RULE)
    assert found.stand is stand


def put_certificates(stores: Stores, ends: list[datetime]) -> None:
    """Residents' certificates with these ends, and nothing else of them."""
    with stores.nation.writing() as connection:
        period = {"not_before": NOW, "not_after": tables.FOR_EVER}
        key = {"suite": "sha256-rsa2048", "key": "k", "public_key": b"", "serial": bytes(20)}
        place = {"authority": TOTTORI.authority, "number": 1}
        connection.execute(
            tables.generations.insert().values(generation=str(TOTTORI), **place, **key, **period)
        )
        for number, end in enumerate(ends):
            connection.execute(
                tables.certificates.insert().values(
                    generation=str(TOTTORI), serial=number.to_bytes(20, "big"), kind=CertificateKind.SIGNATURE,
                    scope="signature-312011", state=CertificateState.ISSUED, not_before=NOW, not_after=end,
                    intended_at=NOW, subject_key=bytes(32),
                )
            )  # fmt: skip


# Keys


KEYS = {
    "RSA-1024": rsa.generate_private_key(65537, 1024).public_key(),  # noqa: S505 - it is named, not used
    "RSA-2048": holder_key(1).public_key(),
    "P-256": ec.generate_private_key(ec.SECP256R1()).public_key(),
    "P-384": ec.generate_private_key(ec.SECP384R1()).public_key(),
    "P-521": ec.generate_private_key(ec.SECP521R1()).public_key(),
    "EC 1.3.132.0.10": ec.generate_private_key(ec.SECP256K1()).public_key(),
    "Ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
}


@pytest.mark.parametrize(("name", "key"), KEYS.items(), ids=KEYS)
def test_a_key_has_its_name(name, key):
    assert key_names.name_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) == name


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
        ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
        ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
        ("2.999.1", "2.999.1"),
    ],
)
def test_a_key_that_no_library_here_reads_has_its_name_too(number, name):
    algorithm = der.sequence(der.oid(number))
    assert key_names.name_of(der.sequence(algorithm, b"\x03\x03\0ab")) == name


@given(st.binary(max_size=60))
def test_no_octets_break_the_reader(octets):
    assert isinstance(key_names.certified(octets), str)
    assert isinstance(key_names.name_of(octets), str)


def test_a_certificate_that_ends_anywhere_before_its_key_is_unreadable(world):
    with world.stores.nation.reading() as connection:
        encoded = connection.execute(tables.certificate_bytes.select()).first().encoded
    key = encoded.index(x509.load_der_x509_certificate(encoded).public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ))  # fmt: skip
    assert {key_names.certified(encoded[:end]) for end in range(key + 1)} == {key_names.UNREADABLE}
    tbs = x509.load_der_x509_certificate(encoded).tbs_certificate_bytes
    assert key_names.certified(tbs) == key_names.certified(encoded) == "RSA-2048"


@pytest.mark.parametrize(
    ("algorithm", "key", "said"),
    [
        (SHA256_RSA2048.algorithm, "RSA-2048", "sha256-rsa2048"),
        (SHA256_RSA2048.algorithm, "RSA-8192", "1.2.840.113549.1.1.11 with RSA-8192"),
        (SHA256_RSA2048.algorithm, "RSA-3072", "sha256-rsa3072"),
        (SHA384_P384.algorithm, "P-384", "sha384-p384"),
        (SHA384_P384.algorithm, "a key that is not known", "sha384-p384"),
        ("1.2.840.113549.1.1.5", "RSA-1024", "sha1-rsa1024"),
        ("1.2.840.113549.1.1.5", "RSA-2048", "sha1-rsa2048"),
        (
            "1.2.840.113549.1.1.5",
            "a key that is not known",
            "1.2.840.113549.1.1.5 with a key that is not known",
        ),
        ("2.16.840.1.101.3.4.3.18", "ML-DSA-65", "ml-dsa-65"),
        ("1.2.840.113549.1.1.4", "RSA-2048", "1.2.840.113549.1.1.4 with RSA-2048"),
    ],
)
def test_what_others_sign_with_is_a_suite_of_ours_or_said_in_words(algorithm, key, said):
    assert uses.signed_with(algorithm, key) == said


# Lists, and who uses what


def test_lists_are_those_of_each_generation(world):
    with world.stores.reading() as reading:
        found = {one.generation: one for one in inventory.all_lists(reading)}
        for connection in reading.each():
            for generation in inventory.suites_of(connection):
                rows = connection.execute(
                    tables.lists.select().where(tables.lists.c.generation == str(generation), tables.lists.c.digest.is_not(None))
                ).all()  # fmt: skip
                places = connection.execute(
                    tables.list_places.select().where(tables.list_places.c.generation == str(generation))
                ).all()
                newest = {row.scope: row for row in sorted(rows, key=lambda row: row.number)}
                one = found.pop(generation)
                assert (one.places, one.made) == (len(places), len(newest))
                assert one.entries == sum(row.entries for row in newest.values())
                assert one.next_update == min((row.next_update for row in newest.values()), default=None)
    assert found == {}


def test_crosses_are_told_with_what_they_are_signed_with_and_for(world):
    with world.stores.reading() as reading:
        found = inventory.crosses(reading, NOW)
        made = {item for connection in reading.each() for item in authorities.crosses(connection)}
    assert {(one.subject, one.certificate) for one in found} == made
    assert {one.suite for one in found} == {SHA256_RSA2048.id}
    assert {
        one.subject for one in found if one.subject.authority == one.certificate.generation.authority
    } == {TOTTORI, SECOND_KEY}
    records = {record.id: record for record in world.stores.certificates([one.certificate for one in found])}
    assert all(one.not_after == records[one.certificate].period.not_after for one in found)


def test_holders_in_use_are_counted_by_their_issuing_key(world):
    at = NOW + timedelta(days=40)
    with world.stores.reading() as reading:
        groups = inventory.groups(reading, world.plan.practices, at)
        found = {one.generation: one for one in uses.users(reading, world.plan.practices, groups, at)}
    expected: Counter[tuple] = Counter()
    for (generation, _, kind, _, _, stand), count in read_by_another(world, at).items():
        if kind in HOLDER_KINDS and stand in {"live", "on hold"}:
            expected[generation, kind] += count
    told = {
        (str(one), kind.value): count for one, users in found.items() for kind, count in users.holders.items()
    }
    assert told == expected
    assert found[TOTTORI].certifies == (GenerationId(AuthorityId("jpki-bridge"), 1),)
    assert found[SECOND_KEY].certifies == (), "no pair was renewed for the second key"


def test_a_responder_is_asked_while_its_certificate_stands(world):
    with world.stores.reading() as reading:
        now, later = (
            {one.generation: one.status for one in uses.users(reading, world.plan.practices, [], at)}
            for at in (NOW + timedelta(days=12), datetime(2031, 1, 1, tzinfo=UTC))
        )
    assert set(now.values()) == {Access.OPEN}
    assert set(later.values()) == {None}


def test_verifiers_are_those_of_the_register_who_may_ask_now(staffed_world, tmp_path):
    client = make_client(tmp_path, "client", dates=("20100101000000Z", "20491231235959Z"))
    other = make_client(tmp_path, "other", dates=("20100101000000Z", "20491231235959Z"))
    done(adding(staffed_world, client))
    done(adding(staffed_world, other, "ended"))
    done(run("verifier", "end", "ended", "--home", staffed_world))
    with open_world(staffed_world, str) as opened, opened.stores.nation.writing() as connection:
        today = opened.clock().astimezone(JST).date()
        days = [today, today - timedelta(days=300), date(2011, 1, 1)]
        counts = [
            Count(VerifierId("e-tax"), day, "good", f"server {number}", 5)
            for day in days
            for number in (1, 2)
        ]
        verifiers.tell(connection, counts)
    told = done(run("inventory", "--home", staffed_world, "--json")).json
    (asker,) = told["verifiers"]
    read = x509.load_pem_x509_certificate(Path(client.certificate).read_bytes())
    assert (asker["verifier"], asker["asked"], asker["key"]) == ("e-tax", 20, named(read.public_key()))
    assert {one["verifiers"] for one in told["used_by"]} == {"e-tax"}


def test_agreements_and_what_peers_have_signed_are_told(met):  # noqa: F811 - the fixture
    told = done(run("inventory", "--home", met.home, "--json")).json
    leaning = {one["generation"]: one["agreements"] for one in told["used_by"]}
    assert leaning.pop("gpki-bca.g1") == "foreign-2014 with foreign"
    assert set(leaning.values()) == {""}
    ours = x509.load_pem_x509_certificate((met.peer.folder / "for-us.pem").read_bytes())
    root = x509.load_pem_x509_certificate(met.peer.root.read_bytes())
    told_of = {(one["issuer"], one["subject"]): one for one in told["received"]}
    for place, read in ((("foreign.g1", "gpki-bca.g1"), ours), (("foreign.g1", "foreign.g1"), root)):
        one = told_of.pop(place)
        assert one["key"] == named(read.public_key())
        assert one["ends"] == f"{read.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        signed = SUITES[read.signature_algorithm_oid.dotted_string, root.public_key().key_size]
        assert (one["signed"], one["stand"]) == (signed, "shown")
    assert told_of == {}
    assert "foreign.g1" in next(
        one["certifies"] for one in told["used_by"] if one["generation"] == "gpki-bca.g1"
    )


# The command


def test_the_command_counts_by_the_columns_asked_for(pristine_world):
    told = done(run("inventory", "--home", pristine_world, "--json")).json
    rows = told["certificates"]
    assert {row["ends"] for row in rows} == {2014, 2024}
    by = done(run("inventory", "--by", "ends,suite", "--home", pristine_world, "--json")).json["certificates"]
    assert [list(row)[:2] for row in by] == [["suite", "ends"]] * 2
    for row in by:
        assert row["live"] == sum(one["live"] for one in rows if one["ends"] == row["ends"])
    early = run(
        "inventory", "--ending-before", "2015-01-01T00:00:00+09:00", "--home", pristine_world, "--json"
    )
    assert done(early).json["certificates"] == [row for row in rows if row["ends"] == 2014]
    assert {one["stand"] for one in done(early).json["crosses"]} == set()
    other = done(run("inventory", "--suite", "sha384-p384", "--home", pristine_world, "--json")).json
    assert [name for name, part in other.items() if isinstance(part, list) and part] == []
    table = done(run("inventory", "--home", pristine_world, COLUMNS="200")).stdout
    assert "Certificates of this home" in table
    assert "Used by" in table


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--by", "suite,colour"],
            ("--by", "'colour' is no column", "authority,generation,suite,kind,key,ends"),
        ),
        (["--suite", "md5-rsa512"], ("--suite", "'md5-rsa512' is not a suite")),
        (["--ending-before", "tomorrow"], ("--ending-before",)),
        (["--svg", "/nowhere/at/all.svg"], ("--svg /nowhere/at/all.svg", "cannot be written")),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_place(pristine_world, options, words):
    refused(run("inventory", *options, "--home", pristine_world), *words)


# The picture


def group(suite: str, ends: int, count: int, stand: Stand = Stand.LIVE) -> inventory.Group:
    return inventory.Group(TOTTORI, SuiteId(suite), CertificateKind.SIGNATURE, "RSA-2048", ends, stand, count)


groups = st.lists(
    st.builds(group, st.sampled_from(["one", "other"]), st.integers(2010, 2060), st.integers(1, 10**6), st.sampled_from(Stand))
)  # fmt: skip


@given(groups)
def test_a_year_has_all_that_end_in_it_or_later(found):
    years = inventory_picture.live_in(found, NOW)
    assert list(years) == list(range(2014, 2014 + len(years)))
    assert len(years) <= inventory_picture.MOST_YEARS
    for year, counts in years.items():
        for suite in ("one", "other"):
            mine = [
                one
                for one in found
                if one.suite == suite and one.stand in inventory.IN_USE and one.ends >= year
            ]
            assert counts.get(SuiteId(suite), 0) == sum(one.count for one in mine)


@given(groups)
def test_the_bars_of_the_picture_are_as_high_as_their_counts(found):
    text = inventory_picture.draw(found, "a <world> & \x1b[1m more", NOW)
    root = ET.fromstring(text)  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    bars = {
        told.text: float(bar.get("height"))
        for bar in root.iter(f"{space}rect")
        if (told := bar.find(f"{space}title")) is not None
    }
    years = inventory_picture.live_in(found, NOW)
    expected = {
        f"{year}: {count:,} {suite}": count
        for year, counts in years.items()
        for suite, count in counts.items()
    }
    assert bars.keys() == expected.keys()
    if bars:
        most = max(sum(counts.values()) for counts in years.values())
        assert all(abs(bars[told] - 280 * count / most) <= 0.06 for told, count in expected.items())


def test_the_documented_command_does_what_its_page_says(pristine_world, tmp_path, monkeypatch):
    page = (Path(__file__).parent.parent / "docs" / "migrating.md").read_text(encoding="utf-8")
    lines = re.findall(r"^kakehashi inventory .*$", page, re.MULTILINE)
    assert len(lines) >= 3
    monkeypatch.chdir(tmp_path)
    for line in lines:
        command = line.partition(" #")[0].split()[1:]
        command[command.index("--home") + 1] = str(pristine_world)
        done(run(*command))
    assert (tmp_path / "live.svg").read_text(encoding="utf-8").startswith("<?xml")
