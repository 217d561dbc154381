"""Client keys: shown once, kept as a hash, ended at once; and what each opens, asked of a running server."""

import re
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256

import pytest

from front.demo.people import invented_code
from tests import commands
from tests.feed_files import csv_file, event, feed_file
from tests.served_world import (
    BOTH,
    ENDED,
    REGISTER,
    TOTTORI,
    digest,
    filing,
    issued,
    served,
    small_home,
)
from tests.small_edition import TOKYO

KEY = r"kk_[A-Za-z0-9_-]{43}"


@pytest.fixture
def home(tmp_path):
    return small_home(tmp_path / "home")


def told(home, *arguments):
    return commands.done(commands.run(*arguments, "--home", home.folder, "--json")).json


def refused(home, *arguments, words):
    before = home.written()
    commands.refused(commands.run(*arguments, "--home", home.folder), *words)
    assert home.written() == before


def test_a_key_is_shown_once_and_kept_as_a_hash(home):
    outcome = commands.run("client", "add", "chiyoda", "--home", home.folder)
    (key,) = re.findall(KEY, commands.done(outcome).stdout)
    office = ("--office", TOKYO, "--role", "reception")
    officer = told(home, "officer", "add", "yamada", *office)["key"]
    assert re.fullmatch(KEY, officer)
    assert officer != key
    kept = dict(home.rows("SELECT name, digest FROM client_keys"))
    assert (kept["chiyoda"], kept["yamada"]) == (digest(key), digest(officer))
    for path in home.folder.rglob("*"):
        octets = path.read_bytes() if path.is_file() else b""
        assert key.encode() not in octets, path
        assert officer.encode() not in octets, path
    for arguments in (("client", "list"), ("officer", "list")):
        for options in ((), ("--json",)):
            shown = commands.done(commands.run(*arguments, "--home", home.folder, *options)).stdout
            assert not re.search(KEY, shown)
            assert digest(key).hex() not in shown


def test_keys_are_from_the_machines_chance_even_in_a_repeatable_world(tmp_path):
    homes = [small_home(tmp_path / name) for name in ("one", "two")]
    first, second = (told(home, "client", "add", "chiyoda")["key"] for home in homes)
    assert first != second


def test_the_list_says_whose_they_are_and_since_when(home):
    rows = {row["client"]: row for row in told(home, "client", "list")}
    assert rows.keys() == home.keys.keys()
    assert rows[REGISTER]["purpose"] == "feed"
    assert {row["purpose"] for name, row in rows.items() if name != REGISTER} == {"officer"}
    assert [name for name, row in rows.items() if row["revoked_at"]] == [ENDED]
    assert all(re.fullmatch(r"2014-09-01T\d\d:\d\d:\d\dZ", row["made_at"]) for row in rows.values())


def test_a_name_has_one_key_at_a_time(home):
    refused(home, "client", "add", REGISTER, words=(f"client {REGISTER}", "has a key already", "Revoke it"))
    refused(home, "client", "add", "sato", words=("client sato", "is an officer"))
    first = home.keys[REGISTER]
    told(home, "client", "revoke", REGISTER)
    second = told(home, "client", "add", REGISTER)["key"]
    assert second != first
    rows = [row for row in told(home, "client", "list") if row["client"] == REGISTER]
    assert [row["revoked_at"] is None for row in rows] == [False, True]


def test_a_key_that_has_ended_stays_so_in_a_restored_copy(home):
    """And the one that was made since, in the copy, at the same moment or not, is another."""
    kept, at = home.folder / "store.db", ("--clock", "2014-09-02T00:00Z")
    first = told(home, "client", "add", "setagaya", *at)["key"]
    shutil.copy(kept, home.folder / "older.db")
    told(home, "client", "revoke", "setagaya", *at)
    for path in home.folder.glob("journal/*.jsonl"):
        octets = path.read_text()
        assert '"entry":"client-key-end","client":"setagaya"' in octets
        assert digest(first).hex() in octets
        assert first not in octets
    (home.folder / "older.db").replace(kept)
    assert told(home, "journal", "replay", *at)["records_carried_out"] == 1
    second = told(home, "client", "add", "setagaya", *at)["key"]
    with (
        closing(sqlite3.connect(kept)) as connection,
        connection,
    ):  # follows the journal once more from the start
        connection.execute("UPDATE counters SET value = 0 WHERE name = 'journal-applied'")
    assert told(home, "journal", "replay", *at)["records_carried_out"] > 1
    rows = home.rows("SELECT digest, revoked_at IS NULL FROM client_keys WHERE name = 'setagaya'")
    assert dict(rows) == {digest(first): 0, digest(second): 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("client", "revoke", "nobody"), ("client 'nobody'", "has no key in use")),
        (("client", "revoke", ENDED), (f"client '{ENDED}'", "has no key in use")),
        (("client", "add", ""), ("client name",)),
        (("client", "add", "Register"), ("client name", "lower-case")),
        (("client", "add", "x" * 65), ("client name",)),
        (("client", "add", "a b"), ("client name",)),
        (("client", "add", "登録"), ("client name",)),
        (("officer", "add", "sato", "--office", TOKYO, "--role", "reception"), ("sato", "exists already")),
        (("officer", "add", "new", "--office", "999999", "--role", "reception"), ("999999",)),
        (("officer", "add", "new", "--office", TOKYO, "--role", "approver"), ("approver", "at the centre")),
        (("officer", "add", "new", "--office", "centre", "--role", "examiner"), ("examiner", "a sub-office")),
        (("officer", "add", REGISTER, "--office", TOKYO, "--role", "reception"), ("has a key already",)),
    ],
)
def test_a_bad_name_changes_nothing(home, arguments, words):
    refused(home, *arguments, words=words)


def test_an_officer_gets_a_new_key_once_the_old_one_has_ended(home):
    refused(home, "officer", "key", "sato", words=("client sato", "has a key already", "Revoke it"))
    refused(home, "officer", "key", "nobody", words=("officer 'nobody'",))
    refused(home, "officer", "key", REGISTER, words=(f"officer '{REGISTER}'",))
    made = told(home, "officer", "key", ENDED)
    assert made["officer"] == ENDED
    assert re.fullmatch(KEY, made["key"])
    assert made["key"] != home.keys[ENDED]
    rows = home.rows("SELECT digest, officer FROM client_keys WHERE name = ? AND revoked_at IS NULL", ENDED)
    assert rows == [(digest(made["key"]), ENDED)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(small_home(tmp_path_factory.mktemp("keys") / "home"), "--no-work", wait="/health") as running:
        running.made = issued(running)["signature"]["certificate"]
        running.case = running.post("/api/cases", filing(), key="sato").json["case"]
        yield running


DOORS = {  # method, path, body, and the client that it opens for
    "file": ("POST", "/api/cases", None, "sato"),
    "show": ("GET", "/api/cases/{case}", None, "sato"),
    "examine": ("POST", "/api/cases/{case}/examination", None, "suzuki"),
    "approve": ("POST", "/api/cases/{case}/approval", None, "tanaka"),
    "reject": ("POST", "/api/cases/{case}/rejection", None, "suzuki"),
    "issue": ("POST", "/api/cases/{case}/issuance", None, "ito"),
    "revoke": ("POST", "/api/certificates/{made}/revocation", b'{"reason": "superseded"}', "ito"),
    "events": ("POST", "/api/events", feed_file(), REGISTER),
}
UNKNOWN = "kk_" + "A" * 43


def knock(server, door, **options):
    method, path, body, _ = DOORS[door]
    return server.send(method, path.format(case=server.case, made=server.made), body, **options)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "no client key"),
        ("", "no client key"),
        ("Bearer", "no client key"),
        ("Bearer ", "no client key"),
        ("Basic c2F0bzpzYXRv", "no client key"),
        ("{good}", "no client key"),
        ("Token {good}", "no client key"),
        ("Bearer x", "is unknown or was revoked"),
        (f"Bearer {UNKNOWN}", "is unknown or was revoked"),
        ("Bearer {good}x", "is unknown or was revoked"),
        ("Bearer {cut}", "is unknown or was revoked"),
        ("Bearer {lower}", "is unknown or was revoked"),
        ("Bearer {good} {good}", "is unknown or was revoked"),
        ("Bearer {hash}", "is unknown or was revoked"),
        ("Bearer {ended}", "is unknown or was revoked"),
        ("Bearer \xe9\xff", "client key"),
        ("Bearer " + "A" * 10_000, "is unknown or was revoked"),
    ],
)
def test_no_door_opens_without_a_key_in_use(server, header, words):
    before = server.home.written()
    for door, (*_, client) in DOORS.items():
        good = server.home.keys[client]
        parts = {
            "good": good,
            "cut": good[:-1],
            "lower": good.swapcase(),
            "hash": digest(good).hex(),
            "ended": server.home.keys[ENDED],
        }
        sent = {} if header is None else {"Authorization": header.format(**parts).encode("latin-1")}
        answer = knock(server, door, headers=sent)
        answer.problem(401, "Authorization", words)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert good.encode() not in answer.body
    assert server.home.written() == before


def test_a_key_opens_its_own_doors(server):
    before = server.home.written()
    for door, (*_, client) in DOORS.items():
        feed = client == REGISTER
        knock(server, door, key="ito" if feed else REGISTER).problem(
            403, "Authorization", f"is not one for {'feed' if feed else 'officer'}"
        )
    assert server.home.written() == before


@pytest.mark.parametrize(
    ("door", "strangers"),
    [
        ("show", ("kato", "hashi", "mori", "kimura")),
        ("examine", ("hashi", "kimura", "ito", "tanaka", "sato")),
        ("reject", ("hashi", "kimura", "ito", "sato")),
        ("revoke", ("sato", "suzuki", "tanaka", "hashi", "mori")),
    ],
)
def test_an_officer_acts_at_his_own_office_and_in_his_own_role(server, door, strangers):
    before = server.home.written()
    for stranger in strangers:
        knock(server, door, key=stranger).problem(403)
    assert server.home.written() == before


def test_a_window_takes_applications_of_its_own_residents(server):
    before = server.home.written()
    server.post("/api/cases", filing(), key="kato").problem(400, f"which office {TOTTORI} does not serve")
    server.post("/api/cases", filing(), key="suzuki").problem(403, "has not the role reception")
    server.post("/api/cases", filing(), key="ito").problem(400, "office centre", "receives no applications")
    assert server.home.written() == before


def test_the_word_bearer_in_any_case_and_nothing_else_about_the_key(server):
    key = server.home.keys["sato"]
    path = f"/api/cases/{server.case}"
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert server.get(path, headers={"Authorization": f"{scheme} {key}"}).status == 200
        assert server.get(path, headers={"Authorization": f"{scheme}  {key} "}).status == 200
    assert server.get(path, headers={"X-Authorization": f"Bearer {key}"}).status == 401
    assert server.get(f"{path}?access_token={key}").status == 401
    assert server.get(path, headers={"Cookie": f"Authorization=Bearer {key}"}).status == 401


def test_a_key_ends_at_once_and_a_new_one_opens_at_once(server):
    """While the server runs; nothing of a key is remembered between two requests."""
    made = told(server.home, "officer", "add", "abe", "--office", TOKYO, "--role", "reception")["key"]
    body = filing(kinds=BOTH[1:])
    assert server.post("/api/cases", body, key=made).status == 201
    told(server.home, "client", "revoke", "abe")
    server.post("/api/cases", filing(), key=made).problem(401, "unknown or was revoked")
    feed = told(server.home, "client", "add", "setagaya")["key"]
    assert server.post("/api/events", feed_file(), key=feed).status == 200
    told(server.home, "client", "revoke", "setagaya")
    server.post("/api/events", feed_file(), key=feed).problem(401, "unknown or was revoked")


STRANGER = event("chiyoda-1", "died", invented_code(9), "2014-08-20")


@pytest.fixture(scope="module")
def bound(server):
    """The key of a feed that may send its own files alone."""
    made = told(server.home, "client", "add", "chiyoda-register", "--feed", "chiyoda")
    assert made["feed"] == "chiyoda"
    return made["key"]


def test_a_key_of_a_feed_sends_its_own_files_and_no_others(server, bound):
    before = server.home.written()
    answer = server.post("/api/events", feed_file(STRANGER, feed="setagaya"), key=bound)
    answer.problem(403, "body, feed", "the client key is one for the feed chiyoda alone")
    assert b"setagaya" not in answer.body
    assert server.home.written() == before
    assert server.post("/api/events", feed_file(STRANGER, feed="chiyoda"), key=bound).status == 200
    rows = {row["client"]: row["feed"] for row in told(server.home, "client", "list")}
    assert (rows["chiyoda-register"], rows[REGISTER]) == ("chiyoda", None)


@pytest.mark.parametrize("name", ["Chiyoda", "", "a" * 41, "千代田", "a b"])
def test_a_feed_that_no_file_can_name_gets_no_key(home, name):
    refused(home, "client", "add", "chiyoda", "--feed", name, words=("--feed", "is not the name of a feed"))


def send_csv(server, octets, query, key, media="text/csv"):
    return server.post(f"/api/events?{query}", octets, key=key, headers={"Content-Type": media})


@pytest.mark.parametrize(
    ("encoding", "media"),
    [
        ("utf-8", "text/csv"),
        ("utf-8-sig", "text/csv; charset=UTF-8"),
        ("cp932", "text/csv"),
        ("cp932", "Text/CSV;charset=Windows-31J"),
        ("cp932", 'text/csv; header=present; charset="shift_jis"'),
    ],
)
def test_a_file_of_csv_is_told_by_its_media_type(server, bound, encoding, media):
    octets = csv_file(
        {**STRANGER, "event": f"chiyoda-{digest(media + encoding).hex()[:9]}"}, encoding=encoding
    )
    query = f"sequence=2&count=1&sha256={sha256(octets).hexdigest()}"
    for said in ("unknown resident", "replayed"):
        answer = send_csv(server, octets, query, bound, media)
        assert answer.status == 200, answer.body
        assert (answer.json["feed"], answer.json["sequence"]) == ("chiyoda", 2)
        assert [outcome["outcome"] for outcome in answer.json["outcomes"]] == [said]
    assert send_csv(server, octets, f"feed=setagaya&{query}", server.home.keys[REGISTER], media).status == 200


@pytest.mark.parametrize(
    ("query", "media", "status", "words"),
    [
        ("", "text/csv", 400, ("query, sequence", "is needed")),
        ("sequence=x", "text/csv", 400, ("query, sequence", "is not a number")),
        ("sequence=1&count=2", "text/csv", 400, ("body", "has 1 events, and 2 were announced")),
        (f"sequence=1&sha256={'0' * 64}", "text/csv", 400, ("body", "has not the SHA-256")),
        ("sequence=1&file=x", "text/csv", 400, ("query", "has another parameter")),
        ("sequence=1", "text/csv; charset=euc-jp", 400, ("Content-Type, charset", "is not a character set")),
        ("sequence=1", "text/csv; charset=utf-8", 400, ("body line 1", "is not UTF-8")),
        ("sequence=1", "application/json", 400, ("body", "has no header and trailer")),
        ("sequence=1&feed=setagaya", "text/csv", 403, ("body, feed", "for the feed chiyoda alone")),
    ],
)
def test_a_file_of_csv_that_is_not_as_it_is_told(server, bound, query, media, status, words):
    before = server.home.written()
    octets = csv_file({**STRANGER, "event": "chiyoda-new"}, encoding="cp932")
    octets = octets.splitlines()[0] if media == "application/json" else octets
    send_csv(server, octets, query, bound, media).problem(status, *words)
    assert server.home.written() == before


def test_an_officer_whose_rows_are_gone_is_nobody(server):
    """A key whose officer was removed by hand: the database refuses that first."""
    with closing(sqlite3.connect(server.home.folder / "store.db")) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("DELETE FROM officers WHERE officer = 'sato'")
