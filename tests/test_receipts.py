"""Receipts: given for what was acknowledged, confirmed by journal, lists and answers, and refused if altered."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import pem
from hypothesis import given
from hypothesis import strategies as st

from bridge.repository.signing import sign_statement
from ca.errors import BadInput, Conflict
from ca.model import CertificateId, Revocation, RevocationReason, Serial
from ca.revoking.assurance.receipt_checks import Verdict, check_heads, check_list, check_status
from ca.revoking.assurance.receipts import (
    RECEIPT_LIMIT,
    CertificatePart,
    Receipt,
    RecordPart,
    Statement,
    encode_receipt,
    encode_statement,
    read_receipt,
)
from ca.revoking.assurance.sights import HeadSight, StatusSight
from ca.store import orders
from front.assembly import open_world
from front.receipts import receipt_of_order
from tests import commands
from tests.feed_files import feed_file
from tests.served_world import (
    REGISTER,
    Home,
    Served,
    change,
    holders,
    openssl,
    served,
    small_home,
    wait_until,
)

# A served world, and what it gave its word on


@dataclass(frozen=True)
class Given:
    """A served world, and the receipt for the deaths of two of its people."""

    server: Served
    anchor: Path
    feed: bytes
    receipt: dict
    codes: tuple[str, ...]
    certificates: frozenset[CertificateId]


@pytest.fixture(scope="module")
def given_word(tmp_path_factory):
    folder = tmp_path_factory.mktemp("receipts")
    home = small_home(folder / "home")
    people = holders(home, 2, ("signature", "user-authentication"))
    with served(home) as server:
        events = [change(home, "died", one.code, f"death-{number}") for number, one in enumerate(people)]
        feed = feed_file(*events)
        answer = server.post("/api/events", feed, key=REGISTER)
        assert answer.status == 200, answer
        wait_until(home.lists_agree, "the lists say so")
        wait_until(lambda: json.loads(server.get("/journal/head.json").body)["count"] >= 2, "the head grows")
        yield Given(
            server,
            home.folder / "repository" / "g" / "gpki-bca.g1" / "self.cer",
            feed,
            answer.json["receipt"],
            tuple(one.code for one in people),
            frozenset(certificate for one in people for certificate in one.certificates.values()),
        )


def statement(receipt: dict) -> dict:
    return json.loads(receipt["statement"])


def written(folder: Path, receipt: dict, name: str = "receipt.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(receipt))
    return path


def checked(word: Given, path: Path, *options):
    at = f"{word.server.home.now():%Y-%m-%dT%H:%M:%SZ}"
    return commands.run(
        "receipt", "check", path, "--url", word.server.url, "--trust", word.anchor,
        "--journal", word.server.home.folder / "journal", "--at", at, "--json", *options,
    )  # fmt: skip


def verdicts(outcome) -> set[tuple[str, str]]:
    """Each verdict with the first word of where."""
    return {(row["verdict"], row["where"].split()[0]) for row in outcome.json}


def test_a_receipt_names_records_and_certificates_and_nobody(given_word):
    said = statement(given_word.receipt)
    assert {part["certificate"] for part in said["certificates"]} == {
        str(one) for one in given_word.certificates
    }
    assert {part["event"] for part in said["records"]} == {"death-0", "death-1"}
    assert {part["reason"] for part in said["certificates"]} == {"affiliationChanged"}
    assert datetime.fromisoformat(said["status_by"]) - datetime.fromisoformat(said["at"]) == timedelta(
        seconds=5
    )
    assert datetime.fromisoformat(said["lists_by"]) - datetime.fromisoformat(said["at"]) == timedelta(days=1)
    for code in given_word.codes:
        assert code not in given_word.receipt["statement"]


def test_journal_heads_lists_and_answers_keep_the_word(given_word, tmp_path):
    done = checked(given_word, written(tmp_path, given_word.receipt))
    assert done.status == 0, done
    confirmed = [row for row in done.json if row["verdict"] == "confirmed"]
    # The signature, two records, and each of four certificates on its list and by its responder.
    assert len([row for row in confirmed if row["where"] != "published head"]) == 1 + 2 + 4 + 4, done.json
    assert {row["verdict"] for row in done.json} <= {"confirmed", "cannot tell"}
    assert {row["where"] for row in done.json if row["verdict"] == "cannot tell"} <= {"published head"}


def test_the_home_is_enough_to_check(given_word, tmp_path):
    path = written(tmp_path, given_word.receipt)
    done = commands.run("receipt", "check", path, "--home", given_word.server.home.folder)
    assert done.status == 0, done
    assert "nothing is served there" in done.stdout  # no responder in a folder


def test_without_an_anchor_of_ones_own_that_is_said(given_word, tmp_path):
    path = written(tmp_path, given_word.receipt)
    at = f"{given_word.server.home.now():%Y-%m-%dT%H:%M:%SZ}"
    done = commands.run("receipt", "check", path, "--url", given_word.server.url, "--at", at, "--json")
    assert done.status == 0
    (row,) = (row for row in done.json if row["what"] == "signature")
    assert "nobody has vouched" in row["why"]


def test_openssl_verifies_a_receipt(given_word, tmp_path):
    """With jq and base64, nothing of the product is needed."""
    (tmp_path / "said").write_bytes(given_word.receipt["statement"].encode())
    (tmp_path / "said.p7s").write_bytes(base64.b64decode(given_word.receipt["signature"]))
    (tmp_path / "anchor.pem").write_bytes(pem.armor("CERTIFICATE", given_word.anchor.read_bytes()))
    command = (
        "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "said.p7s", "-purpose", "any",
        "-CAfile", tmp_path / "anchor.pem", "-attime", int(given_word.server.home.now().timestamp()),
        "-content", tmp_path / "said", "-out", tmp_path / "out",
    )  # fmt: skip
    done = openssl(*command)
    assert done.returncode == 0, done.stderr
    (tmp_path / "said").write_bytes(given_word.receipt["statement"].encode() + b" ")
    assert openssl(*command).returncode != 0


# Altered receipts


def resigned(word: Given, alter) -> dict:
    """A receipt with other contents that the world itself has signed: its keys are no better than its word."""
    said = statement(word.receipt)
    alter(said)
    content = json.dumps(said).encode()
    with open_world(word.server.home.folder, lambda: "") as world:
        signature = sign_statement(world.issuers, world.plan, content, at=world.clock())
    return {"statement": content.decode(), "signature": base64.b64encode(signature).decode()}


def unsigned(word: Given, alter) -> dict:
    said = statement(word.receipt)
    alter(said)
    return {**word.receipt, "statement": json.dumps(said)}


def other_signature(word: Given, _) -> dict:
    octets = bytearray(base64.b64decode(word.receipt["signature"]))
    octets[-1] ^= 1
    return {**word.receipt, "signature": base64.b64encode(octets).decode()}


def no_signature(word: Given, _) -> dict:
    return {**word.receipt, "signature": ""}


def signature_of_the_manifest(word: Given, _) -> dict:
    octets = word.server.get("/manifest.p7s").body
    return {**word.receipt, "signature": base64.b64encode(octets).decode()}


def first(said: dict, of: str, **fields) -> None:
    said[of][0] |= fields


def earlier(said: dict) -> None:
    first(said, "certificates", revoked_at="2014-08-01T00:00:00Z")


def never_issued(said: dict) -> None:
    generation = said["certificates"][0]["certificate"].partition(":")[0]
    first(said, "certificates", certificate=f"{generation}:{7:040x}")


ALTERED = [
    (unsigned, earlier, ("refuted", "world"), "over other content"),
    (other_signature, None, ("refuted", "world"), "wrong sha256-rsa2048 signature"),
    (no_signature, None, ("refuted", "world"), "0 octets"),
    (signature_of_the_manifest, None, ("refuted", "world"), "over other content"),
    (resigned, lambda said: said.update(world="elsewhere"), ("refuted", "world"), "of the world elsewhere"),
    (resigned, lambda said: first(said, "records", digest="0" * 64), ("refuted", "journal"), "another one"),
    (resigned, lambda said: first(said, "records", index=10_000), ("refuted", "journal"), "not in the journal"),
    (resigned, lambda said: first(said, "records", event="death-9"), ("refuted", "journal"), "something else"),
    (
        resigned,
        lambda said: first(said, "certificates", reason="keyCompromise"),
        ("refuted", "status"),
        "names it for affiliationChanged",
    ),
    (resigned, earlier, ("refuted", "list"), "ended later"),
    (resigned, never_issued, ("refuted", "journal"), "something else"),
    (
        resigned,
        lambda said: (never_issued(said), said.update(status_by=said["at"])),
        ("refuted", "status"),
        "unknown",
    ),
    (
        resigned,
        lambda said: (never_issued(said), said.update(at="2014-08-01T00:00:00Z", lists_by="2014-08-02T00:00:00Z")),
        ("refuted", "list"),
        "does not name it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "alter", "expected", "words"), ALTERED)
def test_an_altered_receipt_is_refuted_for_its_own_reason(given_word, tmp_path, make, alter, expected, words):
    done = checked(given_word, written(tmp_path, make(given_word, alter)))
    assert done.status == 1, done
    reasons = [row["why"] for row in done.json if (row["verdict"], row["where"].split()[0]) == expected]
    assert any(words in reason for reason in reasons), done.json


def test_a_journal_that_lost_its_end_is_found(given_word, tmp_path):
    journal = tmp_path / "journal"
    shutil.copytree(given_word.server.home.folder / "journal", journal)
    (segment,) = journal.glob("*.jsonl")
    last = max(part["index"] for part in statement(given_word.receipt)["records"])
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[: last - 1]))
    done = commands.run(
        "receipt", "check", written(tmp_path, given_word.receipt), "--journal", journal, "--json"
    )
    assert done.status == 1
    assert verdicts(done) == {
        ("cannot tell", str(tmp_path / "receipt.json")), ("confirmed", "journal"), ("refuted", "journal"),
    }  # fmt: skip


# Ways to get one


def test_events_sent_again_give_the_same_receipt(given_word):
    answer = given_word.server.post("/api/events", given_word.feed, key=REGISTER)
    assert {one["outcome"] for one in answer.json["outcomes"]} == {"replayed"}
    before, again = statement(given_word.receipt), statement(answer.json["receipt"])
    assert again["records"] == before["records"]
    assert sorted(map(str, again["certificates"])) == sorted(map(str, before["certificates"]))


def test_an_event_sent_under_a_known_id_gets_no_receipt_of_the_other(given_word, tmp_path):
    another = change(given_word.server.home, "died", given_word.codes[0], "death-0")
    answer = given_word.server.post("/api/events", feed_file(another), key=REGISTER)
    (outcome,) = answer.json["outcomes"]
    assert outcome["outcome"] == "quarantined"
    known = {part["digest"] for part in statement(given_word.receipt)["records"]}
    (record,) = statement(answer.json["receipt"])["records"]
    assert record["digest"] not in known
    by_quarantine = written(tmp_path, answer.json["receipt"])
    assert ("confirmed", "journal") in verdicts(checked(given_word, by_quarantine))
    again = given_word.server.post("/api/events", feed_file(another), key=REGISTER)
    assert again.json["outcomes"][0]["outcome"] == "replayed"
    assert statement(again.json["receipt"])["records"] == [record]


def test_commands_and_officers_get_receipts_too(given_word, tmp_path):
    home = given_word.server.home
    one, two, three = holders(home, 3)
    feed = tmp_path / "feed.jsonl"
    feed.write_bytes(feed_file(change(home, "died", one.code)))
    by_event, by_officer = tmp_path / "event.json", tmp_path / "officer.json"
    commands.done(commands.run("events", "apply", feed, "--receipt", by_event, "--home", home.folder))
    commands.done(
        commands.run(
            "revoke", two.certificates["signature"], "--reason", "keyCompromise", "--officer", "ito",
            "--receipt", by_officer, "--home", home.folder,
        )
    )  # fmt: skip
    answer = given_word.server.post(
        f"/api/certificates/{three.certificates['signature']}/revocation",
        {"reason": "certificateHold"},
        key="ito",
    )
    by_api = written(tmp_path, answer.json["receipt"], "api.json")
    wait_until(home.lists_agree, "the lists say so")
    for path, holder in ((by_event, one), (by_officer, two), (by_api, three)):
        done = checked(given_word, path)
        assert done.status == 0, done
        assert {("confirmed", where) for where in ("world", "journal", "list", "status")} <= verdicts(done)
        (part,) = statement(json.loads(path.read_text()))["certificates"]
        assert part["certificate"] == str(holder.certificates["signature"])
    refused = commands.run("events", "apply", feed, "--receipt", by_event, "--home", home.folder)
    commands.refused(refused, "is there already")


def by_command(home: Home, path: Path, *words, at: datetime) -> dict:
    """What a command's receipt says."""
    clock = ("--clock", f"{at:%Y-%m-%dT%H:%M:%SZ}")
    commands.done(commands.run(*words, "--receipt", path, *clock, "--home", home.folder))
    return statement(json.loads(path.read_text()))


def kept(home: Home, path: Path, at: datetime) -> list[str]:
    """Where a home's journal and lists keep the word of a receipt; none refutes it."""
    clock = ("--clock", f"{at:%Y-%m-%dT%H:%M:%SZ}")
    commands.done(commands.run("list", "publish", *clock, "--home", home.folder))
    done = commands.run("receipt", "check", path, *clock, "--json", "--home", home.folder)
    assert done.status == 0, done
    return sorted({row["where"].split()[0] for row in done.json if row["verdict"] == "confirmed"})


KEPT = ["journal", "list", "published", "world"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return small_home(tmp_path / "home")


def test_status_is_promised_within_the_editions_bound(home, tmp_path):
    edition = home.folder / "edition.toml"
    edition.write_text(edition.read_text() + "\n[status]\nstaleness_seconds = 60\n")
    (one,) = holders(home, 1)
    words = ("revoke", one.certificates["signature"], "--reason", "keyCompromise", "--officer", "ito")
    said = by_command(home, tmp_path / "receipt.json", *words, at=home.now())
    assert datetime.fromisoformat(said["status_by"]) - datetime.fromisoformat(said["at"]) == timedelta(
        minutes=1
    )


def test_a_waiting_event_names_what_it_ended_once_it_has(home, tmp_path):
    one, two = holders(home, 2)
    at = home.now()
    effect = at + timedelta(days=1)
    feed = tmp_path / "feed.jsonl"
    moves = [change(home, "moved-out", who.code, effective=effect.isoformat()) for who in (one, two)]
    feed.write_bytes(feed_file(*moves))
    apply = ("events", "apply", feed)
    early = by_command(home, tmp_path / "early.json", *apply, at=at)
    assert (len(early["records"]), early["certificates"]) == (2, [])
    again = by_command(home, tmp_path / "again.json", *apply, at=at + timedelta(hours=1))
    assert (again["records"], again["certificates"]) == (early["records"], [])
    late = by_command(home, tmp_path / "late.json", *apply, at=effect + timedelta(hours=1))
    assert late["records"][:2] == early["records"]
    effects = late["records"][2:]
    assert {part["event"] for part in effects} == {move["event"] for move in moves}
    assert {(part["certificate"], part["record"]) for part in late["certificates"]} == {
        (str(who.certificates["signature"]), part["index"])
        for who, part in zip((one, two), effects, strict=True)
    }
    assert kept(home, tmp_path / "late.json", effect + timedelta(hours=2)) == KEPT


def test_a_case_that_is_decided_gives_a_receipt(home, tmp_path):
    """An event whose id was taken ends what it is about; dismissed, nothing ends, and that is acknowledged too."""
    one, two = holders(home, 2)
    at = home.now()
    feed, again = tmp_path / "feed.jsonl", tmp_path / "again.jsonl"
    for file, kind in ((feed, "moved-in"), (again, "died")):
        told = (change(home, kind, who.code, f"e-{place}") for place, who in enumerate((one, two)))
        file.write_bytes(feed_file(*told))
        commands.done(commands.run("events", "apply", file, "--home", home.folder))
    resolve = ("quarantine", "resolve", "--officer", "ito", "--decision")
    ended = by_command(home, tmp_path / "ended.json", *resolve, "end", 1, at=at + timedelta(hours=1))
    dismissed = by_command(home, tmp_path / "no.json", *resolve, "dismiss", 2, at=at + timedelta(hours=1))
    (part,) = ended["certificates"]
    assert part["certificate"] == str(one.certificates["signature"])
    assert (len(dismissed["records"]), dismissed["certificates"]) == (1, [])
    assert kept(home, tmp_path / "ended.json", at + timedelta(hours=2)) == KEPT
    # The file sent again has it too.
    path = tmp_path / "file.json"
    whole = by_command(home, path, "events", "apply", again, at=at + timedelta(hours=2))
    assert whole["certificates"] == ended["certificates"]
    # Behind its records stands another decision, so that the newest head is none of its own.
    assert kept(home, path, at + timedelta(hours=3)) == ["journal", "list", "world"]


def test_an_order_gives_a_receipt_for_what_it_has_ended(home, tmp_path, monkeypatch):
    people, at = holders(home, 2), home.now()
    staff = ("--office", "centre", "--role", "operator", "--home", home.folder)
    commands.done(commands.run("officer", "add", "ueda", *staff))
    for words in (
        ("make", "--municipality", "131016", "--hold", "--officer", "ito"),
        ("approve", 1, "--officer", "ueda"),
    ):
        commands.done(commands.run("order", *words, "--home", home.folder))
    path = tmp_path / "order.json"
    show = ("order", "show", 1)
    refused = commands.run(*show, "--receipt", path, "--home", home.folder)
    commands.refused(refused, "has ended nothing yet")
    commands.done(commands.run("order", "run", "--home", home.folder))
    said = by_command(home, path, *show, at=at + timedelta(hours=1))
    assert {(part["certificate"], part["reason"]) for part in said["certificates"]} == {
        (str(one.certificates["signature"]), "certificateHold") for one in people
    }
    assert kept(home, path, at + timedelta(hours=2)) == KEPT
    monkeypatch.setattr("front.receipts.MOST_CERTIFICATES", 1)
    with open_world(home.folder, lambda: "") as world, world.stores.nation.reading() as connection:
        found = orders.find(connection, 1)
        with pytest.raises(Conflict, match="has ended 2 certificates, and a receipt names 1 at most"):
            receipt_of_order(world, found, at)


# Reading

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
IDS = st.integers(1, (1 << 159) - 1).map(lambda value: f"jpki-31.g1:{value:040x}")
STATEMENTS = st.builds(
    Statement,
    format=st.just(1),
    world=st.just("japan-2014"),
    records=st.lists(
        st.builds(RecordPart, st.integers(1, 1 << 40), DIGESTS, st.none() | st.text(max_size=20)), max_size=3
    ).map(tuple),
    certificates=st.lists(
        st.builds(
            CertificatePart,
            IDS,
            st.integers(1, 1 << 40),
            st.sampled_from([one.word for one in RevocationReason]),
            MOMENTS,
            st.just("signature-312011"),
        ),
        max_size=3,
    ).map(tuple),
    at=MOMENTS,
    status_by=MOMENTS,
    lists_by=MOMENTS,
)


@given(STATEMENTS, st.binary(max_size=50))
def test_a_receipt_is_read_as_it_was_written(said, signature):
    receipt = Receipt(said, encode_statement(said), signature)
    assert read_receipt(encode_receipt(receipt), "receipt") == receipt


WHOLE = Statement(
    format=1,
    world="japan-2014",
    records=(RecordPart(4, "a" * 64, "event-1"),),
    certificates=(
        CertificatePart(
            f"jpki-31.g1:{9:040x}",
            4,
            "affiliationChanged",
            datetime(2014, 9, 1, tzinfo=UTC),
            "signature-312011",
        ),
    ),
    at=datetime(2014, 9, 1, tzinfo=UTC),
    status_by=datetime(2014, 9, 1, 0, 0, 5, tzinfo=UTC),
    lists_by=datetime(2014, 9, 2, tzinfo=UTC),
)
FILE = Receipt(WHOLE, encode_statement(WHOLE), b"signature").fields()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        json.dumps({**FILE, "more": 1}).encode(),
        json.dumps({**FILE, "signature": "not base64"}).encode(),
        json.dumps({**FILE, "statement": "{}"}).encode(),
        *(
            json.dumps({**FILE, "statement": FILE["statement"].replace(before, after)}).encode()
            for before, after in (
                ('"format":1', '"format":2'),
                ("jpki-31.g1:", "jpki-31:"),
                ("affiliationChanged", "moved"),
                ("signature-312011", "../../secret"),
                ('"index":4', '"index":0'),
                ("a" * 64, "a" * 63),
                ("2014-09-02T00:00:00Z", "2014-09-02T00:00:00"),
            )
        ),
        b" " * (RECEIPT_LIMIT + 1),
    ],
)
def test_what_is_no_receipt_is_refused(octets):
    with pytest.raises(BadInput):
        read_receipt(octets, "receipt.json")


def test_the_command_refuses_what_is_no_receipt(tmp_path):
    (tmp_path / "file").write_bytes(b"{}")
    commands.refused(
        commands.run("receipt", "check", tmp_path / "file", "--journal", tmp_path), "is not a receipt"
    )
    commands.refused(commands.run("receipt", "check", tmp_path / "none"), "cannot be read")
    path = written(tmp_path, FILE)
    commands.refused(commands.run("receipt", "check", path), "--url")
    commands.refused(commands.run("receipt", "check", path, "--journal", path), "not a journal's folder")


# Verdicts

PART = WHOLE.certificates[0]
SOON, LATER = WHOLE.at + timedelta(seconds=1), WHOLE.at + timedelta(days=2)
OLD, NEW = WHOLE.at - timedelta(hours=1), WHOLE.at + timedelta(hours=1)
MOVED, HOLD, KEY, LIFTED, SUPERSEDED = (
    RevocationReason.AFFILIATION_CHANGED, RevocationReason.CERTIFICATE_HOLD, RevocationReason.KEY_COMPROMISE,
    RevocationReason.REMOVE_FROM_CRL, RevocationReason.SUPERSEDED,
)  # fmt: skip
YES, NO, WAIT, UNTOLD = Verdict.CONFIRMED, Verdict.REFUTED, Verdict.NOT_YET, Verdict.CANNOT_TELL


def ended(reason, at=PART.revoked_at):
    return Revocation(Serial(9), at, reason)


def answered(reason=None, at=PART.revoked_at, *, known=True, expired=False):
    return StatusSight(Serial(9), known, None if reason is None else ended(reason, at), expired)


GOOD = answered()


@pytest.mark.parametrize(
    ("promised", "listed", "this_update", "status", "at", "expected"),
    [
        (MOVED, ended(MOVED), NEW, None, LATER, YES),
        (MOVED, ended(MOVED, OLD), NEW, None, LATER, YES),  # it was on hold before
        (MOVED, ended(MOVED, NEW), NEW, None, LATER, NO),
        (MOVED, ended(KEY), NEW, None, LATER, YES),
        (MOVED, ended(SUPERSEDED), NEW, None, LATER, NO),
        (MOVED, ended(HOLD), NEW, None, LATER, NO),
        (HOLD, ended(KEY), NEW, None, LATER, YES),
        (HOLD, ended(MOVED), NEW, None, LATER, YES),
        (KEY, ended(MOVED), NEW, None, LATER, NO),
        (MOVED, None, OLD, None, SOON, WAIT),
        (MOVED, None, OLD, None, LATER, NO),
        (MOVED, None, NEW, None, SOON, NO),
        (MOVED, None, NEW, GOOD, LATER, NO),
        (MOVED, None, NEW, answered(MOVED, expired=True), LATER, UNTOLD),
        (HOLD, None, NEW, GOOD, LATER, UNTOLD),
        (HOLD, None, NEW, None, LATER, UNTOLD),
        (HOLD, None, NEW, answered(known=False), LATER, NO),
        (HOLD, None, NEW, answered(HOLD), LATER, NO),
        # It was lifted meanwhile, and something came again.
        (HOLD, ended(HOLD, NEW), NEW, None, LATER, UNTOLD),
        (HOLD, None, NEW, answered(HOLD, NEW), LATER, UNTOLD),
        (HOLD, None, NEW, answered(MOVED, NEW), LATER, UNTOLD),
        (HOLD, ended(HOLD, OLD), NEW, None, LATER, YES),
        (LIFTED, None, NEW, GOOD, LATER, YES),
        (LIFTED, ended(MOVED), NEW, None, LATER, YES),
    ],
)
def test_verdicts_by_a_list(promised, listed, this_update, status, at, expected):
    part = replace_reason(promised)
    assert check_list(WHOLE, part, listed, this_update, status, at).verdict is expected


@pytest.mark.parametrize(
    ("promised", "status", "at", "expected"),
    [
        (MOVED, answered(MOVED), SOON, YES),
        (MOVED, answered(KEY), LATER, YES),
        (MOVED, answered(SUPERSEDED), LATER, NO),
        (MOVED, GOOD, SOON, WAIT),
        (MOVED, GOOD, LATER, NO),
        (MOVED, answered(known=False), LATER, NO),
        (HOLD, GOOD, LATER, UNTOLD),
        (HOLD, answered(known=False), LATER, NO),
        (HOLD, answered(HOLD), LATER, YES),
        (HOLD, answered(HOLD, NEW), LATER, UNTOLD),
        (LIFTED, GOOD, SOON, YES),
        (LIFTED, answered(KEY), LATER, YES),
    ],
)
def test_verdicts_by_an_answer(promised, status, at, expected):
    assert check_status(WHOLE, replace_reason(promised), status, at).verdict is expected


def replace_reason(reason: RevocationReason) -> CertificatePart:
    return CertificatePart(PART.certificate, PART.record, reason.word, PART.revoked_at, PART.scope)


RIGHT, WRONG = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("newest", "kept", "at", "expected"),
    [
        (None, None, SOON, [UNTOLD]),
        (HeadSight(4, RIGHT, NEW), None, LATER, [YES]),
        (HeadSight(4, WRONG, NEW), None, LATER, [NO]),
        (HeadSight(9, WRONG, NEW), None, LATER, [UNTOLD]),
        (HeadSight(9, WRONG, NEW), RIGHT, LATER, [YES]),
        (HeadSight(9, WRONG, NEW), WRONG, LATER, [NO]),
        (HeadSight(3, WRONG, OLD), None, SOON, [WAIT]),
        (HeadSight(3, WRONG, NEW), None, SOON, [NO]),
        (HeadSight(3, WRONG, OLD), None, LATER, [NO]),
    ],
)
def test_verdicts_by_published_heads(newest, kept, at, expected):
    heads = {} if kept is None else {4: HeadSight(4, kept, NEW)}
    assert [line.verdict for line in check_heads(WHOLE, newest, heads, at)] == expected
