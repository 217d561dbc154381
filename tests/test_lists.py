"""Lists of any length: what they name and when they forget it, delta lists, pauses, and what others read in them."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import pem
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from bridge.manifest import Marking
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from bridge.repository.contents import publish_certificates, publish_lists, publish_manifest
from bridge.repository.layout import delta_path, list_path
from ca.errors import KeyRefused, ListBlocked
from ca.issuing.cycle import IssuedCertificate
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.keys.pool import public_test_key
from ca.keys.signer import SoftwareSigner, hasher, verify_digest
from ca.keys.signer import verify as verify_message
from ca.lint.lists import ENTRY_RULES, Entry, reasons_in
from ca.lint.rules import findings
from ca.model import FULL, GenerationId, Revocation, RevocationReason, Scope, Serial
from ca.profiles.extensions import Holds
from ca.profiles.lists import draft_delta
from ca.profiles.practice import ListPractice
from ca.revoking.lists.drafting import Drafting
from ca.revoking.lists.publication import due, publish_changes
from ca.store import blocked, contents, lists, revocations
from ca.store.changes import touched_since
from ca.store.contents import Contents
from ca.store.lists import ListRecord
from ca.suites import SHA256_P256, SHA256_RSA2048, SHA384_P384, SUITES, Suite
from ca.wire.list_stream import ListStream
from ca.wire.lists import encode_entry, tbs_list, write_signature, write_unsigned
from ca.wire.tbs import signed
from tests.builders import list_draft_of, revocation_of
from tests.components import require
from tests.engine_world import NOW, EngineWorld, engine_world
from tests.suite_keys import OPENSSL_KNOWS, signer_for
from tests.test_publication import (
    BRIDGE,
    PARTITION,
    SIGNATURE,
    TOTTORI,
    USER_AUTHENTICATION,
    end,
    list_file,
    number_of,
    practise,
    publish_now,
    read,
    record_revocation,
    serials_in,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HALF = DAY  # of the 48 hours that a list lasts
HOLD, LIFTED = RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


@pytest.fixture
def with_deltas(world: EngineWorld) -> EngineWorld:
    practise(world, ListPractice(delta=True))
    return world


# A list in a file.


@given(
    suite=st.sampled_from([SHA256_RSA2048, SHA256_P256, SHA384_P384]),
    entries=st.lists(st.binary(min_size=1, max_size=60), max_size=6),
    more=st.sampled_from([0, 0, 65_000, 65_200]),
    signature=st.binary(min_size=60, max_size=260),
)
def test_a_list_written_into_a_file_is_the_list_made_in_memory(
    suite: Suite, entries: list[bytes], more: int, signature: bytes
) -> None:
    entries += [b"e"] * more  # such that the outer header may be longer than was thought, or shorter
    require_same(suite, entries, signature)


def require_same(suite: Suite, entries: list[bytes], signature: bytes) -> None:
    draft, file = replace(list_draft_of(Holds.USER), suite=suite), io.BytesIO()
    unsigned = write_unsigned(file, draft, iter(entries), sum(map(len, entries)), hashlib.sha256())
    write_signature(file, unsigned, suite, signature)
    assert file.getvalue() == signed(tbs_list(draft, entries), suite, signature)


def test_an_ec_signatures_length_may_change_the_header() -> None:
    for length, entry in itertools.product((60, 70, 72, 80), range(64_900, 65_100)):
        require_same(SHA256_P256, [bytes(entry)], bytes(length))


def test_what_is_written_must_be_as_long_as_was_said() -> None:
    with pytest.raises(AssertionError):
        write_unsigned(io.BytesIO(), list_draft_of(Holds.USER), [b"four"], 5, hashlib.sha256())


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_list_in_parts_is_signed_under_every_suite(suite: Suite, tmp_path: Path) -> None:
    signer, entries = (
        signer_for(suite),
        [encode_entry(Revocation(Serial(1 << 158), NOW, RevocationReason.SUPERSEDED))],
    )
    draft, path = replace(list_draft_of(Holds.USER), suite=suite), tmp_path / "it.crl"
    with path.open("w+b") as file:
        unsigned = write_unsigned(file, draft, entries, len(entries[0]), hasher(signer.public_key, suite))
        write_signature(file, unsigned, suite, signer.sign_digest(unsigned.digest, suite))
    with path.open("rb") as file:
        stream = ListStream(file, "it")
        digest = stream.digest(hasher(signer.public_key, suite))
    assert digest == unsigned.digest
    verify_digest(signer.public_key, suite, digest, stream.head.signature)
    verify_message(signer.public_key, suite, tbs_list(draft, entries), stream.head.signature)
    if suite.id in OPENSSL_KNOWS:
        verify_by_openssl(path, signer.public_key, suite, stream.head.signed, stream.head.signature)


def verify_by_openssl(path: Path, key: bytes, suite: Suite, where: tuple[int, int], signature: bytes) -> None:
    folder = path.parent
    (folder / "tbs").write_bytes(path.read_bytes()[slice(*where)])
    (folder / "signature").write_bytes(signature)
    (folder / "key.pem").write_bytes(pem.armor("PUBLIC KEY", key))
    judge = f"openssl dgst -{suite.digest} -verify key.pem -signature signature tbs"
    subprocess.run(judge.split(), cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("size", [200, 500_000])
def test_a_digest_is_signed_as_its_message_is(size: int) -> None:
    """RSASSA-PKCS1-v1_5 gives one signature for one message."""
    draft, file = list_draft_of(Holds.USER), io.BytesIO()
    unsigned = write_unsigned(file, draft, [bytes(size)], size, hashlib.sha256())
    signer = SoftwareSigner("test", public_test_key(0))
    tbs = tbs_list(draft, [bytes(size)])
    signature = signer.sign_digest(unsigned.digest, draft.suite)
    assert signature == signer.sign(tbs, draft.suite)
    verify_message(signer.public_key, draft.suite, tbs, signature)
    verify_digest(signer.public_key, draft.suite, unsigned.digest, signature)
    with pytest.raises(KeyRefused, match="wrong"):
        verify_digest(signer.public_key, draft.suite, bytes(32), signature)


# What the store has for a list.

REVOCATIONS = st.builds(
    Revocation,
    serial=st.integers(1, (1 << 159) - 1).map(Serial),
    revoked_at=st.integers(-3, 3).map(lambda n: NOW + n * timedelta(seconds=1, microseconds=n // 3)),
    reason=st.sampled_from(RevocationReason),
    invalid_since=st.none() | st.integers(-3, 3).map(lambda n: NOW + n * timedelta(microseconds=500_000)),
)


@pytest.mark.parametrize("holds", Holds)
@pytest.mark.parametrize("delta", [False, True])
def test_the_store_looks_at_entries_by_the_rules_of_lint(
    world: EngineWorld,
    holds: Holds,
    delta: bool,  # noqa: FBT001 - a case
) -> None:
    draft = list_draft_of(
        holds, this_update=NOW + HOUR
    )  # no entry is of a later moment, by the list's making
    draft = draft_delta(draft, 1) if delta else draft
    wanted = Contents(TOTTORI, PARTITION, since=0 if delta else None)
    reasons = reasons_in(holds, delta=delta)

    @given(revocation=REVOCATIONS)
    def law(revocation: Revocation) -> None:
        with pytest.raises(Undone), world.store.writing() as connection:  # noqa: PT012 - nothing of it is kept
            record_revocation(connection, revocation)
            found = contents.summed_up(connection, wanted, reasons, said=0)
            if delta or revocation.reason is not LIFTED:
                wrong = list(findings(ENTRY_RULES, Entry(revocation, draft, 0)))
                assert found.unfit == (1 if wrong else 0)
                assert not wrong or contents.first_unfit(connection, wanted, reasons) == revocation
            else:
                assert found.entries == 0
            raise Undone

    law()


class Undone(Exception):
    """So that a transaction keeps nothing."""


def held(number: int, **fields: object) -> Revocation:
    return revocation_of(number, revoked_at=NOW, reason=HOLD, **fields)


def test_what_a_list_names(world: EngineWorld) -> None:
    """A complete list, one that forgets what expired before a moment, and what changed since a sequence."""
    reasons = reasons_in(Holds.USER, delta=True)
    with world.store.writing() as connection:
        for number, life, reason in ((1, 10, HOLD), (2, 20, HOLD), (3, 30, RevocationReason.SUPERSEDED)):
            revocation = replace(held(number), reason=reason)
            record_revocation(connection, revocation, not_after=NOW + life * DAY, cause="order 7")
        record_revocation(connection, replace(held(2), reason=LIFTED), not_after=NOW + 20 * DAY)
    names = {
        Contents(TOTTORI, PARTITION): [1, 3],
        Contents(TOTTORI, FULL): [1, 3],
        Contents(TOTTORI, PARTITION, ended_before=NOW + 10 * DAY): [1, 3],
        Contents(TOTTORI, PARTITION, ended_before=NOW + 10 * DAY + timedelta(seconds=1)): [3],
        Contents(TOTTORI, PARTITION, since=0): [1, 2, 3],
        Contents(TOTTORI, FULL, since=1): [2, 3],
        Contents(TOTTORI, FULL, since=3): [2],
        Contents(TOTTORI, FULL, since=4): [],
        Contents(TOTTORI, Scope("signature-312029")): [],
        Contents(BRIDGE, FULL): [],
    }
    with world.store.reading() as connection:
        for wanted, numbers in names.items():
            entries = [encode_entry(entry_of(number)) for number in numbers]
            assert b"".join(contents.blocks(connection, wanted)) == b"".join(entries)
            found = contents.summed_up(connection, wanted, reasons, said=2)
            assert (found.entries, found.octets, found.unfit) == (len(entries), sum(map(len, entries)), 0)
            assert found.latest == (NOW if numbers else None)
            assert found.ordered == (1 if 3 in numbers else 0)  # what the order did later than 2
            by_order = contents.by_order(connection, wanted, said=2)
            assert by_order == ({7: found.ordered} if found.ordered else {})


def entry_of(number: int) -> Revocation:
    return replace(held(number), reason=(HOLD, HOLD, LIFTED, RevocationReason.SUPERSEDED)[number])


def test_a_long_list_comes_in_blocks_by_serial(world: EngineWorld) -> None:
    with world.store.writing() as connection:
        for number in range(9000):
            record_revocation(connection, held(number * 7919 % 9000))
    for scope in (PARTITION, FULL):
        with world.store.reading() as connection:
            blocks = list(contents.blocks(connection, Contents(TOTTORI, scope)))
        size = len(encode_entry(held(1)))
        assert max(len(block) for block in blocks) <= 4096 * size
        assert b"".join(blocks) == b"".join(encode_entry(held(number)) for number in range(9000))


def test_what_may_be_gone(world: EngineWorld) -> None:
    """Expired long enough, let go of a hold, or recorded anew since the last list, which said all up to 3."""
    items = [world.issued(kinds=(SIGNATURE,))[SIGNATURE] for _ in range(4)]
    issued, ends = [item.id.serial for item in items], items[0].record.period.not_after
    assert {item.record.period.not_after for item in items} == {ends}
    with world.store.writing() as connection:
        for serial, life in zip(issued, (10, 20, 20, 20), strict=True):
            sequence = record_revocation(
                connection, replace(held(0), serial=serial), not_after=NOW + life * DAY
            )
        record_revocation(connection, Revocation(issued[1], NOW, LIFTED))
    assert sequence == 4
    for scope in (PARTITION, FULL):
        names = Contents(TOTTORI, scope, ended_before=NOW + 15 * DAY)
        with world.store.reading() as connection:
            assert contents.let_go(connection, names, issued, said=3) == {issued[1], issued[3]}
            assert contents.let_go(connection, names, issued, said=5) == {issued[1]}
            # What was written down of the revocations says nothing of it: the certificates last for years.
            assert contents.expired(connection, names, issued) == frozenset()
            later = replace(names, ended_before=ends + timedelta(seconds=1))
            assert contents.expired(connection, later, issued) == {*issued}
            assert contents.expired(connection, replace(names, ended_before=ends), issued) == frozenset()
            assert contents.expired(connection, replace(names, ended_before=None), issued) == frozenset()


def test_lists_that_are_behind(world: EngineWorld) -> None:
    other = Scope("signature-312029")
    issued = world.issued()
    publish_now(world, FULL, PARTITION, other)
    with world.store.reading() as connection:
        assert touched_since(connection, 0) == {}
    for kind, item in issued.items():
        end(world, item.id, at=NOW + (HOUR if kind is SIGNATURE else 2 * HOUR))
    with world.store.reading() as connection:
        (behind,) = touched_since(connection, 0).values()
        own = [f"{USER_AUTHENTICATION}-{PARTITION.rpartition('-')[2]}", PARTITION]
        assert sorted((one.scope, one.newest) for one in behind) == sorted(
            [*zip(own, (2, 1), strict=True), (FULL, 2)]
        )
        assert {one.said for one in behind if one.scope != own[0]} == {0}
        assert touched_since(connection, 2) == {}
    publish_now(world, PARTITION)
    with world.store.reading() as connection:
        assert [one.scope for one in touched_since(connection, 0)[TOTTORI]] == sorted([FULL, own[0]])


def test_what_is_asked_every_second_does_not_pass_over_what_was_revoked_before(world: EngineWorld) -> None:
    """However many millions: SQLite says itself how it looks for things, without statistics as it is in a home."""
    plans: list[str] = []

    def explain(_connection, cursor, statement, parameters, *_) -> None:
        if statement.startswith(("SELECT", "WITH")):
            asked = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in asked)

    event.listen(world.store.engine, "before_cursor_execute", explain)
    with world.store.reading() as connection:
        touched_since(connection, 7)
        lists.newest(connection, TOTTORI)
        for wanted in (
            Contents(TOTTORI, PARTITION, ended_before=NOW),
            Contents(TOTTORI, FULL, since=7, ended_before=NOW),
        ):
            contents.summed_up(connection, wanted, reasons_in(Holds.USER, delta=True), said=7)
            list(contents.blocks(connection, wanted))
        contents.let_go(connection, Contents(TOTTORI, FULL, ended_before=NOW), [Serial(1)], said=7)
        contents.by_order(connection, Contents(TOTTORI, FULL, ended_before=NOW), said=7)
    searched = {plan for plan in plans if "revocations" in plan or "lists" in plan}
    assert len(searched) > 5
    for plan in searched:
        assert re.search(r"(sequence>|scope=)\?", plan) or "list_places" in plan, plan


# How long an entry stays.


def test_an_entry_stays_until_a_regular_list_after_its_certificates_end(world: EngineWorld) -> None:
    item = world.issued(kinds=(SIGNATURE,))[SIGNATURE]
    ends = item.record.period.not_after
    end(world, item.id)

    def named(at: datetime) -> bool:
        publish_now(world, PARTITION, FULL, at=at)
        found = [serials_in(list_file(world, scope)) == [item.id.serial.value] for scope in (PARTITION, FULL)]
        assert len(set(found)) == 1
        return found[0]

    assert [named(ends + at) for at in (-HALF, timedelta(0), HOUR, HALF, HALF + HOUR, 3 * HALF)] == [
        True, True, True, True, False, False,
    ]  # fmt: skip
    with world.store.reading() as connection:
        assert blocked.all_blocked(connection) == []


# Delta lists.


def delta_file(world: EngineWorld, scope: Scope = PARTITION) -> Path:
    return world.repository.folder / delta_path(TOTTORI, scope)


def reasons_told(path: Path) -> dict[int, str | None]:
    revoked = read(path)["tbs_cert_list"]["revoked_certificates"] or []
    return {
        entry["user_certificate"].native: entry.crl_reason_value and entry.crl_reason_value.native
        for entry in revoked
    }


def lift(world: EngineWorld, item: IssuedCertificate, at: datetime) -> None:
    """Let go of a hold, as an event does where the edition allows it."""
    order = OrderEntry(str(item.id), LIFTED.word, at, item.record.scope)
    with world.stores.recording() as recording:
        recording.note(RevocationEntry("officer operator", "found", at, (order,)))


def test_the_first_list_has_no_delta_list_and_says_of_none(with_deltas: EngineWorld) -> None:
    assert [record.base for record in publish_now(with_deltas, PARTITION)] == [None]
    assert not delta_file(with_deltas).exists()
    assert read(list_file(with_deltas, PARTITION)).freshest_crl_value is None


def test_a_delta_list_says_what_changed_since_its_base(with_deltas: EngineWorld) -> None:
    world = with_deltas
    kept, ended, was_held, lifted = (world.issued(kinds=(SIGNATURE,))[SIGNATURE] for _ in range(4))
    end(world, kept.id)
    for item in (was_held, lifted):
        end(world, item.id, HOLD)
    (base,) = publish_now(world, PARTITION)
    end(world, ended.id, RevocationReason.KEY_COMPROMISE, at=NOW + HOUR)
    end(world, was_held.id, RevocationReason.SUPERSEDED, at=NOW + HOUR)
    lift(world, lifted, NOW + HOUR)
    complete, delta = publish_now(world, PARTITION, at=NOW + HOUR)
    assert (delta.base, delta.number, delta.sequence) == (base.number, complete.number, complete.sequence)
    assert reasons_told(list_file(world, PARTITION)) == {
        kept.id.serial.value: "affiliation_changed",
        ended.id.serial.value: "key_compromise",
        was_held.id.serial.value: "superseded",
    }
    assert reasons_told(delta_file(world)) == {
        ended.id.serial.value: "key_compromise",
        was_held.id.serial.value: "superseded",
        lifted.id.serial.value: "remove_from_crl",
    }
    with world.store.reading() as connection:
        known = lists.newest_placed(connection, TOTTORI, PARTITION, delta=True)
        assert known == delta
        assert lists.newest_placed(connection, TOTTORI, PARTITION) == complete


def test_a_delta_list_and_its_complete_list_agree_in_all_but_two_extensions(with_deltas: EngineWorld) -> None:
    publish_now(with_deltas, PARTITION, FULL)
    publish_now(with_deltas, PARTITION, FULL, at=NOW + HOUR)
    for scope in (PARTITION, FULL):
        complete, delta = read(list_file(with_deltas, scope)), read(delta_file(with_deltas, scope))
        said = [
            {item["extn_id"].native: item for item in one["tbs_cert_list"]["crl_extensions"]}
            for one in (complete, delta)
        ]
        freshest, indicator = said[0].pop("freshest_crl"), said[1].pop("delta_crl_indicator")
        assert {name: item.dump() for name, item in said[0].items()} == {
            name: item.dump() for name, item in said[1].items()
        }
        assert (freshest["critical"].native, indicator["critical"].native) == (False, True)
        assert indicator["extn_value"].parsed.native < number_of(delta_file(with_deltas, scope))
        (point,) = freshest["extn_value"].parsed
        url, *names = point["distribution_point"].chosen
        assert url.native == f"http://repository.example/{delta_path(TOTTORI, scope)}"
        if scope == FULL:
            assert names == []
        else:  # RFC 5280 6.3.3 (c)(2): found under the name that its own issuingDistributionPoint has
            own = read(delta_file(with_deltas)).issuing_distribution_point_value["distribution_point"].chosen
            assert [name.dump() for name in names] == [name.dump() for name in own]


def test_the_base_is_the_newest_list_that_has_been_out_for_half_its_time(with_deltas: EngineWorld) -> None:
    """So a delta list helps whoever has fetched a complete one within that time, whatever came since."""
    made: list[ListRecord] = []
    for hours in (0, 10, 23, 24, 30, 34, 47, 48, 200):
        found = publish_now(with_deltas, PARTITION, at=NOW + hours * HOUR)
        made.append(found[0])
        bases = [record.number for record in made[:-1]]
        if hours:
            (base,) = (record.base for record in found[1:])
            assert base in bases
            age = {record.number: NOW + hours * HOUR - record.this_update for record in made[:-1]}
            old = [number for number in bases if age[number] >= HALF]
            assert base == (old[-1] if old else bases[0])


def test_a_base_that_is_lost_is_none(with_deltas: EngineWorld) -> None:
    """A folder that was lost begins anew with complete lists."""
    publish_now(with_deltas, PARTITION)
    shutil.rmtree(with_deltas.repository.folder)
    assert [record.base for record in publish_now(with_deltas, PARTITION, at=NOW + HOUR)] == [None]
    assert read(list_file(with_deltas, PARTITION)).freshest_crl_value is None


# What others make of them.


def openssl_verdict(world: EngineWorld, item: IssuedCertificate, at: datetime, *flags: str) -> str:
    """``openssl verify -crl_check_all`` with the list of the partition, and its delta list if there is one."""
    folder = world.folder
    own = world.repository.folder / "g" / str(TOTTORI) / "self.cer"
    paths = [path for path in (list_file(world, PARTITION), delta_file(world)) if path.exists()]
    arl = world.repository.folder / list_path(TOTTORI, Scope("arl"))
    armored = [pem.armor("X509 CRL", path.read_bytes()) for path in (*paths, arl)]
    (folder / "lists.pem").write_bytes(b"".join(armored))
    (folder / "anchor.pem").write_bytes(pem.armor("CERTIFICATE", own.read_bytes()))
    (folder / "holder.pem").write_bytes(pem.armor("CERTIFICATE", item.encoded))
    command = ["openssl", "verify", "-crl_check_all", *flags, "-attime", str(int(at.timestamp()))]
    command += ["-CAfile", "anchor.pem", "-CRLfile", "lists.pem", "holder.pem"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return "OK" if done.returncode == 0 else " ".join(re.findall(r"error \d+", done.stderr))


def test_openssl_adds_a_delta_list_to_a_complete_one(with_deltas: EngineWorld) -> None:
    world = with_deltas
    revoked, lifted = (world.issued(kinds=(SIGNATURE,))[SIGNATURE] for _ in range(2))
    end(world, lifted.id, HOLD)
    publish_certificates(world.stores, world.repository)
    publish_now(world, PARTITION)
    publish_now(world, PARTITION, Scope("arl"), at=NOW + HOUR)
    fetched = list_file(world, PARTITION).read_bytes()
    later = NOW + 2 * HOUR
    end(world, revoked.id, at=later)
    lift(world, lifted, later)
    publish_now(world, PARTITION, at=later)

    def verdicts(*flags: str) -> list[str]:
        return [openssl_verdict(world, item, later, *flags) for item in (revoked, lifted)]

    assert verdicts() == verdicts("-use_deltas") == ["error 23", "OK"]
    # Whoever has the complete list of an hour ago needs the delta list alone.
    list_file(world, PARTITION).unlink()
    list_file(world, PARTITION).write_bytes(fetched)
    assert verdicts() == ["OK", "error 23"]
    assert verdicts("-use_deltas") == ["error 23", "OK"]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["openssl", "crl", "-inform", "DER", "-noout", "-text", "-in"], "d"),
        (["certtool", "--crl-info", "--inder", "--infile"], "x"),
    ],
)
def test_others_read_every_list(with_deltas: EngineWorld, command: list[str], shown: str) -> None:
    require(command[0])
    item = with_deltas.issued(kinds=(SIGNATURE,))[SIGNATURE]
    end(with_deltas, item.id, HOLD)
    publish_now(with_deltas, PARTITION, FULL)
    lift(with_deltas, item, NOW + HOUR)
    publish_now(with_deltas, PARTITION, FULL, at=NOW + HOUR)
    files = [*with_deltas.repository.folder.rglob("*.crl")]
    assert len(files) == 8
    for path in files:
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
        assert f"{number_of(path):{shown}}" in done.stdout


def test_a_relying_party_reads_lists_that_name_a_delta_list(with_deltas: EngineWorld) -> None:
    world = with_deltas
    good, revoked = (world.issued(kinds=(SIGNATURE,))[SIGNATURE] for _ in range(2))
    for at in (NOW, NOW + HOUR):
        end(world, revoked.id, at=at) if at > NOW else None
        for generation in ("gpki-bca.g1", "gpki-post.g1", "jpki-bridge.g1", "jpki-31.g1"):
            with world.store.reading() as connection:
                scopes = [
                    place.scope for place in lists.places_of(connection, GenerationId.parse(generation))
                ]
            publish_now(world, *scopes, generation=GenerationId.parse(generation), at=at)
    publish_certificates(world.stores, world.repository)
    publish_manifest(world.issuers, world.plan, world.repository, at=NOW)
    folder = world.repository.folder
    snapshot = Snapshot.read(folder)
    anchor = (folder / "g/gpki-bca.g1/self.cer").read_bytes()
    trust = Trust((anchor,), frozenset(world.plan.trusted_policies), Marking.TEST)
    used = verify(good.encoded, snapshot, trust, NOW + HOUR)
    assert read(list_file(world, PARTITION)).freshest_crl_value is not None
    assert len(used.lists) == 3
    with pytest.raises(PathRejected) as rejected:
        verify(revoked.encoded, snapshot, trust, NOW + HOUR)
    assert rejected.value.reason is Reason.REVOKED
    # A delta list in the place of a complete one tells nothing.
    list_file(world, PARTITION).unlink()
    shutil.copy(delta_file(world), list_file(world, PARTITION))
    with pytest.raises(PathRejected, match="delta") as rejected:
        verify(good.encoded, Snapshot.read(folder), trust, NOW + HOUR)
    assert rejected.value.reason is Reason.CANNOT_TELL


# Who waits for whom.


def test_drafting_waits_for_no_writer_and_keeps_none_waiting(world: EngineWorld) -> None:
    issuer = world.issuers.of(TOTTORI)
    with world.store.writing() as writing:
        record_revocation(writing, held(1))
        with world.store.reading() as reading, ExitStack() as files:
            (draft,) = Drafting(reading, issuer, world.repository, files, NOW).draft(PARTITION)
        assert draft.record.entries == 0
        assert revocations.sequence(writing) == 1


def test_nothing_but_lists_is_left_in_the_folder(with_deltas: EngineWorld) -> None:
    for hours in range(3):
        publish_now(with_deltas, PARTITION, FULL, at=NOW + hours * HOUR)
    files = [path for path in with_deltas.repository.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".crl"}
    assert len(files) == 2 * (3 + 2)


def changes(world: EngineWorld, at: datetime) -> list[tuple[Scope, bool]]:
    """The lists that a round makes: (scope, whether it is a delta list)."""
    made = publish_changes(world.issuers, world.repository, at=at)
    return [(record.scope, record.base is not None) for record in made]


@pytest.mark.parametrize("delta", [False, True])
def test_a_full_list_pauses_and_nothing_else_does(world: EngineWorld, delta: bool) -> None:  # noqa: FBT001 - a case
    practise(world, ListPractice(delta=delta, full_pause=HOUR))
    issued = [world.issued(kinds=(SIGNATURE,))[SIGNATURE] for _ in range(4)]
    publish_now(world, PARTITION, FULL)
    own = [(PARTITION, False), *([(PARTITION, True)] if delta else [])]
    whole = [(FULL, False), *([(FULL, True)] if delta else [])]
    for item, minutes, made in (
        (issued[0], 1, [*own, *whole[1:]]),
        (issued[1], 59, [*own, *whole[1:]]),
        (None, 59, []),
        (None, 60, whole),
        (None, 61, []),
        (issued[2], 62, [*own, *whole[1:]]),
        (None, 120, whole),
        (issued[3], 500, [*own, *whole]),
    ):
        at = NOW + timedelta(minutes=minutes)
        if item is not None:
            end(world, item.id, at=at)
        assert changes(world, at) == made
    assert serials_in(list_file(world, FULL)) == sorted(item.id.serial.value for item in issued)
    with world.store.reading() as connection:
        assert revocations.published(connection) == revocations.sequence(connection) == 4


def test_the_mark_does_not_pass_what_a_waiting_list_lacks(world: EngineWorld) -> None:
    practise(world, ListPractice(full_pause=HOUR))
    issued = [world.issued(kinds=(SIGNATURE,))[SIGNATURE] for _ in range(3)]
    end(world, issued[0].id)
    assert changes(world, NOW) == [(PARTITION, False), (FULL, False)]
    marks = []
    for number, item in enumerate(issued[1:], 1):
        end(world, item.id, at=NOW + number * timedelta(minutes=1))
        changes(world, NOW + number * timedelta(minutes=1))
        with world.store.reading() as connection:
            marks.append(revocations.published(connection))
    assert marks == [1, 1]
    assert changes(world, NOW + HOUR) == [(FULL, False)]
    with world.store.reading() as connection:
        assert revocations.published(connection) == 3


# What the gate keeps back.


def test_a_list_that_is_kept_back_keeps_no_other_back_and_is_tried_again(world: EngineWorld) -> None:
    issued = world.issued()
    own = {kind: item.record.scope for kind, item in issued.items()}
    publish_now(world, *own.values(), FULL)
    for item in issued.values():
        end(world, item.id, at=NOW + HOUR)
    good = list_file(world, PARTITION).read_bytes()
    # Somebody put another partition's list in the place of this one: nothing can be compared with it.
    list_file(world, PARTITION).write_bytes(list_file(world, own[USER_AUTHENTICATION]).read_bytes())
    wrong = list_file(world, PARTITION).read_bytes()
    with pytest.raises(ListBlocked, match="last list"):
        changes(world, NOW + HOUR)
    assert list_file(world, PARTITION).read_bytes() == wrong
    assert serials_in(list_file(world, own[USER_AUTHENTICATION])) == [
        issued[USER_AUTHENTICATION].id.serial.value
    ]
    assert len(serials_in(list_file(world, FULL))) == 2
    with world.store.reading() as connection:
        (alarm,) = blocked.all_blocked(connection)
        assert (alarm.scope, alarm.raised_at) == (PARTITION, NOW + HOUR)
        assert due(connection, TOTTORI, timedelta(0), NOW + HOUR).count(PARTITION) == 1
        assert revocations.published(connection) < revocations.sequence(connection)
    assert changes(world, NOW + 2 * HOUR) == []  # every minute will do, and once it is released
    list_file(world, PARTITION).write_bytes(good)
    assert PARTITION in {
        record.scope for record in publish_lists(world.issuers, TOTTORI, world.repository, at=NOW + 2 * HOUR)
    }
    assert serials_in(list_file(world, PARTITION)) == [issued[SIGNATURE].id.serial.value]
    with world.store.reading() as connection:
        assert blocked.all_blocked(connection) == []
    assert changes(world, NOW + 3 * HOUR) == []
    with world.store.reading() as connection:
        assert revocations.published(connection) == revocations.sequence(connection)


def test_a_list_that_was_placed_and_never_written_down_is_followed(world: EngineWorld) -> None:
    """Death between placing and writing down: relying parties have a list that the store does not know as placed."""
    item = world.issued(kinds=(SIGNATURE,))[SIGNATURE]
    end(world, item.id)
    (record,) = publish_now(world, PARTITION)
    with world.store.writing() as connection:
        lists.complete(connection, [replace(record, digest=None)])
        assert lists.newest_placed(connection, TOTTORI, PARTITION) is None
        assert [one.scope for one in touched_since(connection, 0)[TOTTORI]] == [FULL, PARTITION]
    made = publish_changes(world.issuers, world.repository, at=NOW - HOUR)
    (again,) = (one for one in made if one.scope == PARTITION)
    assert again.number > record.number
    assert again.this_update >= record.this_update
