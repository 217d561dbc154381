"""World-making: repeatable, completed after a kill, real keys encrypted at rest, production, and a clock of its own."""

import base64
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import stat
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from asn1crypto import x509

from ca.errors import Conflict
from ca.keys.vault import SealedVault, key_id
from front.home import Description, Home
from front.making import make_home
from tests import rings
from tests.commands import done, kakehashi, refused, run, started, tree
from tests.small_edition import LISTS, PREFECTURES, SEED, replaced, small_edition

PASSPHRASE = "a passphrase for tests"  # noqa: S105 - it guards nothing
START = datetime(2014, 9, 1, tzinfo=UTC)
SPEED = 1000
AUTHORITIES = ("gpki-bca", "gpki-post", "jpki-bridge", *(f"jpki-{code}" for code in PREFECTURES))


def seeded(edition_file, home, *, seed=SEED):
    return ("init", "--edition", edition_file, "--test-keys", "--seed", seed, "--home", home)


def published(home):
    return tree(home / "repository")


# Repeatable


def test_a_second_run_changes_nothing(world, edition_file):
    before = tree(world)
    outcome = done(run(*seeded(edition_file, world)))
    assert "is complete already; nothing was changed" in outcome.stdout
    assert tree(world) == before


def test_two_makings_of_one_seed_are_byte_identical_with_their_stores(pristine_world, edition_file, tmp_path):
    done(kakehashi(*seeded(edition_file, tmp_path / "elsewhere")))
    there = tree(tmp_path / "elsewhere")
    assert there == tree(pristine_world)
    assert {"store.db", "home.toml", "edition.toml", "repository/manifest.p7s"} <= there.keys()


def test_another_seed_is_another_world(pristine_world, edition_file, tmp_path):
    done(run(*seeded(edition_file, tmp_path / "home", seed=SEED + 1)))
    ours, other = published(pristine_world), published(tmp_path / "home")
    lists = {name for name in ours if name.endswith(".crl")}
    assert {name for name in other if name.endswith(".crl")} == lists
    # Serials differ, and so do some names.
    assert [
        name for name, content in ours.items() if content is not None and other.get(name) == content
    ] == []


def test_the_summary_counts_what_was_made(pristine_world, edition_file):
    rows = done(run(*seeded(edition_file, pristine_world), "--json")).json
    assert [row["authorities"] for row in rows] == [2, len(PREFECTURES), 1]
    assert sum(row["cross_certificates_issued"] for row in rows) == 2 * (len(AUTHORITIES) - 1)
    assert sum(row["service_certificates"] for row in rows) == len(AUTHORITIES) + 1
    assert sum(row["lists"] for row in rows) == LISTS


def test_progress_counts_up_to_what_was_said(edition_file, tmp_path):
    steps = []
    wanted = Description(state="making", marking="test", edition="small", url="http://a", seed=1)
    assert make_home(tmp_path / "home", wanted, str(edition_file), str, lambda *said: steps.append(said))
    assert {total for _, total in steps} == {len(steps)}
    assert len({what for what, _ in steps}) == len(steps), "each step has a name of its own"


# Interrupted

# After how many files of some 700: close together in the beginning, where most kinds of files come.
STEPS = max(7, rings.KILLS // 5)
DEATHS = sorted({round(640 ** (step / STEPS)) for step in range(STEPS + 1)})


@pytest.mark.deeper
@pytest.mark.parametrize("files", DEATHS)
def test_a_killed_making_is_completed_by_the_same_command(files, pristine_world, edition_file, tmp_path):
    """SIGKILL at a random moment after so many files: the published world is that of a making left in peace."""
    home = tmp_path / "home"
    making = started(*seeded(edition_file, home))
    while making.poll() is None and sum(len(names) for _, _, names in os.walk(home)) < files:
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.02))
    making.kill()
    making.wait()
    done(run(*seeded(edition_file, home)))
    assert published(home) == published(pristine_world)
    assert tree(home).keys() == tree(pristine_world).keys()


def test_lists_that_were_intended_when_the_making_ended_keep_their_numbers(
    world, pristine_world, edition_file
):
    with closing(sqlite3.connect(world / "store.db")) as store, store:
        changed = store.execute("UPDATE lists SET digest = NULL WHERE generation = 'jpki-31.g1'")
        assert changed.rowcount == 2 + 2 * 19
    shutil.rmtree(world / "repository" / "g" / "jpki-31.g1" / "crl")
    as_making(world)
    done(run(*seeded(edition_file, world)))
    assert published(world) == published(pristine_world)


def test_lists_that_came_out_when_the_making_ended_are_taken_for_what_they_are(
    world, pristine_world, edition_file
):
    with closing(sqlite3.connect(world / "store.db")) as store, store:
        before = store.execute("SELECT * FROM lists ORDER BY 1, 2, 3").fetchall()
        store.execute("UPDATE lists SET digest = NULL WHERE generation = 'jpki-31.g1'")
    (world / "repository" / "g" / "jpki-31.g1" / "crl" / "arl.crl").unlink()  # not the newest yet
    as_making(world)
    done(run(*seeded(edition_file, world)))
    assert published(world) == published(pristine_world)
    with closing(sqlite3.connect(world / "store.db")) as store:
        assert store.execute("SELECT * FROM lists ORDER BY 1, 2, 3").fetchall() == before


def test_a_list_that_is_not_what_was_intended_is_followed_by_another(world, edition_file):
    with closing(sqlite3.connect(world / "store.db")) as store, store:
        arl = store.execute("SELECT number FROM lists WHERE generation = 'jpki-31.g1' AND scope = 'arl'")
        (number,) = arl.fetchone()
        altered = "UPDATE lists SET digest = NULL, tbs_digest = zeroblob(32) WHERE generation = 'jpki-31.g1' AND scope = 'arl'"
        store.execute(altered)
    as_making(world)
    done(run(*seeded(edition_file, world)))
    with closing(sqlite3.connect(world / "store.db")) as store:
        arls = "SELECT number, digest IS NULL FROM lists WHERE generation = 'jpki-31.g1' AND scope = 'arl' ORDER BY 1"
        assert store.execute(arls).fetchall() == [(number, 1), (number + 1, 0)]


@pytest.mark.parametrize(
    "stray",
    [
        "repository/.x3k1",
        "repository/g/jpki-31.g1/crl/.x3k1",
        "repository/g/jpki-31.g1/crl/arl/1409529600000000.new",
        "keys/.x3k1.tmp",
        ".home.toml.new",
        ".edition.toml.new",
    ],
)
def test_what_a_killed_writing_left_is_cleared_away(stray, world, pristine_world, edition_file):
    (world / stray).write_bytes(b"half")
    as_making(world)
    done(run(*seeded(edition_file, world)))
    assert tree(world) == tree(pristine_world)


@pytest.mark.parametrize("left", [["home.lock"], ["home.lock", ".home.toml.new"]])
def test_a_making_that_ended_before_the_home_was_one_is_made_again(
    left, pristine_world, edition_file, tmp_path
):
    (tmp_path / "home").mkdir()
    for name in left:
        (tmp_path / "home" / name).touch()
    done(run(*seeded(edition_file, tmp_path / "home")))
    assert tree(tmp_path / "home") == tree(pristine_world)


def test_a_home_made_by_another_while_the_passphrase_was_asked_for_is_not_touched(edition_file, tmp_path):
    home = tmp_path / "home"

    def slow_answer():
        done(run(*seeded(edition_file, home)))
        before.update(tree(home))
        return PASSPHRASE

    before = {}
    wanted = Description(state="making", marking="test", edition="small", url="http://127.0.0.1:8080")
    with pytest.raises(Conflict, match="was made with seed 7, not none"):
        make_home(home, wanted, str(edition_file), slow_answer, lambda *_: None)
    assert tree(home) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--seed", "8"), "was made with seed 7, not 8"),
        (("--url", "http://example.org"), "was made with URL http://127.0.0.1:8080, not http://example.org"),
        (("--clock", "2015-01-01T00:00Z"), "was made with clock 2014-09-01T00:00:00Z+0, not 2015-01-01"),
        (("--edition", "japan-2014"), "was made with edition small, not japan-2014"),
    ],
)
def test_a_home_is_not_made_otherwise_than_it_was_begun(change, words, world, edition_file):
    before = tree(world)
    refused(run(*seeded(edition_file, world), *change), str(world), words, "make another home")
    assert tree(world) == before


@pytest.mark.parametrize("name", ["small.toml", "municipalities.csv"])
def test_a_half_made_home_is_not_completed_from_another_text(name, world, edition_file, tmp_path):
    as_making(world)
    before = tree(world)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(edition_file, other / "small.toml")
    shutil.copy(world / "municipalities.csv", other)
    with (other / name).open("a", encoding="utf-8", newline="") as file:
        file.write("\n")
    refused(run(*seeded(other / "small.toml", world)), str(world), "another text")
    assert tree(world) == before


def as_making(home):
    """Make the home look as if its making had ended just before the last step."""
    path = home / "home.toml"
    path.write_text(replaced(path.read_text(encoding="utf-8"), '"complete"', '"making"'), encoding="utf-8")


# Real keys


@pytest.fixture(scope="module")
def passphrase_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("passphrase") / "passphrase"
    path.write_text(f"{PASSPHRASE}\nonly the first line counts\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def smallest_edition(tmp_path_factory):
    """One prefecture: real keys take their time."""
    path = tmp_path_factory.mktemp("edition") / "smallest.toml"
    text = replaced(small_edition(), r"codes = \[.*?\]", 'codes = ["31"]')
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sealed_world(smallest_edition, passphrase_file, tmp_path_factory):
    """A real-key world with a clock of its own; made with an open umask. For reading only."""
    home = tmp_path_factory.mktemp("sealed") / "home"
    before = os.umask(0)
    try:
        clock = ("--clock", f"2014-09-01T00:00Z+{SPEED}")
        command = ("init", "--edition", smallest_edition, "--home", home, *clock)
        done(kakehashi(*command, "--passphrase-file", passphrase_file))
    finally:
        os.umask(before)
    return home


@pytest.fixture(scope="module")
def production_world(smallest_edition, tmp_path_factory):
    """For reading only."""
    home = tmp_path_factory.mktemp("production") / "home"
    command = ("init", "--edition", smallest_edition, "--home", home, "--production")
    done(run(*command, KAKEHASHI_PASSPHRASE=PASSPHRASE))
    return home


def test_no_private_key_lies_in_a_home_unencrypted(sealed_world):
    vault = SealedVault.open(sealed_world / "keys", PASSPHRASE)
    names = [path.name.removesuffix(".key.json") for path in (sealed_world / "keys").glob("*.key.json")]
    assert {"gpki-bca.g1", "gpki-bca.g1.ocsp", "jpki-bridge.g1.repository", "jpki-31.g1"} <= set(names)
    secrets = [b"PRIVATE KEY", PASSPHRASE.encode(), vault.code_key()]
    # RFC 5958: version 0, rsaEncryption, and the OCTET STRING that holds the key.
    secrets.append(bytes.fromhex("020100300d06092a864886f70d010101050004"))
    for name in names:
        numbers = vault.signer(key_id(name))._private.private_numbers()
        secrets += [number.to_bytes(128, "big") for number in (numbers.p, numbers.q)]
    searched = b"\n".join(content for content in tree(sealed_world).values() if content is not None)
    assert [len(secret) for secret in secrets if found(secret, searched)] == []
    assert found(b"a public text", b"in the open: a public text"), "the search finds what is there"
    assert found(b"a public text", base64.b64encode(b"in base64: a public text")), "in base64 too"


def found(secret, octets):
    """Whether the secret stands in the octets: as it is, in hexadecimal digits, or in base64."""
    forms = [secret, secret.hex().encode()]
    for before in range(3):
        inner = base64.b64encode(bytes(before) + secret)
        # The first and last characters depend on what stands beside the secret.
        forms.append(inner[-(-before * 8 // 6) : len(inner) - 4])
    return any(form in octets for form in forms)


def test_a_home_is_its_owners_and_its_repository_everybodys(sealed_world):
    def mode(path):
        return stat.S_IMODE(path.stat().st_mode)

    private = [sealed_world, sealed_world / "keys"]
    assert [mode(path) for path in private] == [0o700, 0o700]
    files = [sealed_world / "store.db", sealed_world / "home.lock", *(sealed_world / "keys").iterdir()]
    assert {mode(path) for path in files} == {0o600}
    public = [path for path in (sealed_world / "repository").rglob("*") if path.is_file()]
    assert {mode(path) for path in public} == {0o644}


@pytest.mark.parametrize("source", ["option", "environment", "file named in the environment"])
def test_the_passphrase_comes_from_a_file_or_the_environment(source, sealed_world, passphrase_file, tmp_path):
    home = shutil.copytree(sealed_world, tmp_path / "home")
    arguments, environment = {
        "option": (("--passphrase-file", passphrase_file), {}),
        "environment": ((), {"KAKEHASHI_PASSPHRASE": PASSPHRASE}),
        "file named in the environment": ((), {"KAKEHASHI_PASSPHRASE_FILE": str(passphrase_file)}),
    }[source]
    done(run("list", "publish", "--home", home, *arguments, **environment))


def test_a_killed_making_with_real_keys_keeps_the_keys_it_had(smallest_edition, tmp_path):
    home = tmp_path / "home"
    command = ("init", "--edition", smallest_edition, "--home", home)
    making = started(*command, KAKEHASHI_PASSPHRASE=PASSPHRASE)
    while making.poll() is None and len(list(home.glob("keys/*.key.json"))) < 3:
        time.sleep(0.001)
    making.kill()
    making.wait()
    before = {path.name: path.read_bytes() for path in home.glob("keys/*.json")}
    assert len(before) >= 4
    refused(run(*command, KAKEHASHI_PASSPHRASE=f"not {PASSPHRASE}"), "wrapping.json", "passphrase")
    done(run(*command, KAKEHASHI_PASSPHRASE=PASSPHRASE))
    after = {path.name: path.read_bytes() for path in home.glob("keys/*.json")}
    assert before.items() <= after.items()
    assert verified(home, "jpki-31.g1/ocsp.cer")["verdict"] == "valid"


# Production


def certificates(home):
    return {path: x509.Certificate.load(path.read_bytes()) for path in home.glob("repository/g/**/*.cer")}


@pytest.mark.parametrize(
    ("fixture", "organisations", "policies"),
    [
        (
            "sealed_world",
            {"JPKI-TEST", "GPKI-TEST"},
            {"1.2.392.200149.8.5.1.0.20", "1.2.392.200149.8.5.1.0.30", "2.999.2014.1.1", "2.999.2014.1.2"},
        ),
        (
            "production_world",
            {"JPKI", "GPKI Stand-in"},
            {"1.2.392.200149.8.5.1.1.20", "1.2.392.200149.8.5.1.3.30", "2.999.2014.2.1", "2.999.2014.2.2"},
        ),
    ],
)
def test_a_marking_decides_on_names_and_policies(fixture, organisations, policies, request):
    home = request.getfixturevalue(fixture)
    found = certificates(home).values()
    names = [name.native["organization_name"] for item in found for name in (item.issuer, item.subject)]
    assert set(names) == organisations
    asserted = {
        information["policy_identifier"].dotted
        for item in found
        if item.certificate_policies_value is not None
        for information in item.certificate_policies_value
    }
    mapped = {
        mapping[side].dotted
        for item in found
        if item.policy_mappings_value is not None
        for mapping in item.policy_mappings_value
        for side in ("issuer_domain_policy", "subject_domain_policy")
    }
    assert asserted | mapped == policies
    assert mapped == policies, "both kinds are mapped, both ways"
    marking = Home(home).describe().marking
    assert json.loads((home / "repository" / "manifest.json").read_bytes())["marking"] == marking


def test_a_production_home_says_so_and_runs_on_the_machines_clock(production_world):
    described = Home(production_world).describe()
    assert described == Description(
        state="complete", marking="production", edition="small", url="http://127.0.0.1:8080", id=described.id
    )
    assert re.fullmatch(r"[0-9a-f]{32}", described.id)
    begins = {item.not_valid_before for item in certificates(production_world).values()}
    assert min(begins) > datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize(
    "option",
    [("--test-keys",), ("--test-keys", "--seed", 1), ("--seed", 1), ("--clock", "2014-09-01T00:00Z+1")],
)
def test_production_has_no_test_keys_no_seed_and_no_clock(option, smallest_edition, tmp_path):
    command = ("init", "--edition", smallest_edition, "--home", tmp_path / "home", "--production", *option)
    refused(run(*command, KAKEHASHI_PASSPHRASE=PASSPHRASE))
    assert not (tmp_path / "home").exists()


def test_no_command_of_a_production_home_takes_another_clock(production_world):
    before = tree(production_world)
    command = ("list", "publish", "--home", production_world, "--clock", "2014-09-01T00:00Z")
    refused(run(*command, KAKEHASHI_PASSPHRASE=PASSPHRASE), "--clock", "production")
    assert tree(production_world) == before


# A clock of its own


def verified(home, name, *options):
    return done(run("verify", home / "repository" / "g" / name, "--home", home, "--json", *options)).json


def test_a_worlds_clock_is_kept_and_moves_on_at_its_speed(sealed_world):
    kept = Home(sealed_world).describe().clock
    assert (kept.start, kept.speed) == (START, SPEED)
    moments, brackets = [], []
    for _ in range(3):
        before = time.time()
        moments.append(datetime.fromisoformat(verified(sealed_world, "jpki-31.g1/ocsp.cer")["at"]))
        brackets.append((before, time.time()))
    for (first, second), (one, two) in zip(pairwise(moments), pairwise(brackets), strict=True):
        passed = (second - first).total_seconds()
        # What is printed has whole seconds.
        assert (two[0] - one[1]) * SPEED - 1 <= passed <= (two[1] - one[0]) * SPEED + 1
    begins = {item.not_valid_before for item in certificates(sealed_world).values()}
    assert START <= min(begins) <= max(begins) <= moments[0]


def test_a_command_may_run_at_another_moment_and_the_home_keeps_its_own(pristine_world):
    before = tree(pristine_world)
    assert verified(pristine_world, "jpki-31.g1/ocsp.cer")["at"] == "2014-09-01T00:00:00Z"
    moment = ("--clock", "2014-09-02T12:30Z+0")
    assert verified(pristine_world, "jpki-31.g1/ocsp.cer", *moment)["at"] == "2014-09-02T12:30:00Z"
    assert tree(pristine_world) == before


def test_a_seeded_world_may_stand_still_at_another_moment(edition_file, tmp_path):
    done(run(*seeded(edition_file, tmp_path / "home"), "--clock", "2016-02-29T03:00:00Z"))
    begins = {item.not_valid_before for item in certificates(tmp_path / "home").values()}
    assert begins == {datetime(2016, 2, 29, 3, tzinfo=UTC)}


# The nation


@pytest.mark.long
def test_the_whole_nation(tmp_path):
    """50 authorities, 49 cross-certificate pairs, a responder each and one repository, and every list."""
    rows = done(kakehashi("init", "--test-keys", "--home", tmp_path / "home", "--json")).json
    totals = {name: sum(row[name] for row in rows) for name in rows[0] if name != "role"}
    assert totals == {
        "authorities": 50,
        "cross_certificates_issued": 98,
        "service_certificates": 51,
        "lists": 3893,
    }
    found = published(tmp_path / "home")
    manifest = json.loads(found["manifest.json"])
    urls = [item["url"] for item in manifest["lists"]]
    points = [(item["generation"], item["point"], item["holds"]) for item in manifest["lists"]]
    assert (len(urls), len(set(urls)), len(set(points))) == (3893, 3893, 3893)
    assert all(found[url] for url in urls)
    crosses = [name for name, content in found.items() if "/cross/" in name and content is not None]
    assert len(crosses) == 98 * 2, "under its serial, and as the newest"
    assert len({hashlib.sha256(found[url]).digest() for url in urls}) == 3893
    assert (tmp_path / "home" / "municipalities.csv").read_bytes() == fixture_table()


def fixture_table():
    return (Path(__file__).parent.parent / "fixtures" / "municipalities.csv").read_bytes()
