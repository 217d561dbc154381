"""Suites of the past: believed where they are named, in their time; begun and served only where that may be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.crossing.edition import municipalities_path, read_edition
from bridge.crossing.plan import Plan, make_plan
from bridge.manifest import Marking
from bridge.relying.finding.fetch import FolderSource
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.errors import CsrRefused, EditionRefused, SuiteRetired
from ca.issuing.intake import read_csr
from ca.keys.probe import require_possible
from ca.names import Municipalities
from ca.suites import (
    LEGACY,
    RSA1024_KEYS,
    RSA2048_KEYS,
    SHA1_RSA1024,
    SHA1_RSA2048,
    SHA256_RSA2048,
    SHA384_P384,
    SuiteId,
    Use,
    require,
)
from front.demo.served import free_port
from front.starting import require_in_force
from tests.commands import done, kakehashi, refused, run
from tests.engine_world import EngineWorld, engine_world
from tests.old_world import short_request
from tests.relying_world import AT, DAY, GPKI_POLICY, Cert, World
from tests.served_world import Home, served
from tests.small_edition import replaced, small_edition
from tests.suite_world import one_prefecture

SECOND = timedelta(seconds=1)
LAST = SHA1_RSA2048.verify_until
NAMED = frozenset({SHA1_RSA2048.id})
ROOT = Path(__file__).parent.parent
SECRET = {"KAKEHASHI_PASSPHRASE": "keys of tests keep no secrets"}


# Who relies on it


def of_the_past(at=AT) -> World:
    """The right world with nothing but SHA-1 in it, its lists made for this moment."""
    world = World()

    def old(cert: Cert) -> Cert:
        return replace(cert, digest="sha1", not_after=LAST + 100 * DAY)

    world.anchor, world.holder = old(world.anchor), old(world.holder)
    world.crosses = {pair: old(cross) for pair, cross in world.crosses.items()}
    world.lists = {
        place: [
            replace(one, digest="sha1", this_update=at - DAY / 2, next_update=at + DAY / 2) for one in found
        ]
        for place, found in world.lists.items()
    }
    return world


def verdict(world: World, folder: Path, at=AT, legacy: frozenset[SuiteId] = frozenset()):
    snapshot = Snapshot.read(FolderSource(world.publish(folder)))
    trust = Trust((world.anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST, legacy=legacy)
    return verify(world.holder.der(), snapshot, trust, at)


@pytest.mark.parametrize("legacy", [frozenset(), {SHA1_RSA1024.id}, {SHA256_RSA2048.id}], ids=str)
def test_sha_1_is_refused_unless_it_is_named(legacy, tmp_path):
    with pytest.raises(PathRejected, match="is believed only where it is named") as refused:
        verdict(of_the_past(), tmp_path, legacy=frozenset(legacy))
    assert (refused.value.reason, refused.value.step) == (Reason.ALGORITHM, 1)


@pytest.mark.parametrize("at", [AT, LAST], ids=["2014", "its last second"])
def test_sha_1_is_believed_where_it_is_named(at, tmp_path):
    world = of_the_past(at)
    found = verdict(world, tmp_path, at, NAMED)
    assert len(found.lists) == 3
    assert world.openssl_accepts(tmp_path, GPKI_POLICY, at, level=0)
    assert not world.openssl_accepts(tmp_path, GPKI_POLICY, at, level=1), "OpenSSL, unless it is named"


def test_sha_1_is_refused_after_its_time(tmp_path):
    at = LAST + SECOND
    with pytest.raises(PathRejected, match="may not verify after 2020-03-31") as refused:
        verdict(of_the_past(at), tmp_path, at, frozenset(LEGACY))
    assert refused.value.reason is Reason.ALGORITHM


def test_one_list_with_sha_1_in_a_world_of_today(tmp_path):
    world = World()
    lists = world.lists["jpki-13.g1", "signature-131016"]
    lists[:] = [replace(one, digest="sha1") for one in lists]
    with pytest.raises(PathRejected, match="is believed only where it is named") as refused:
        verdict(world, tmp_path)
    assert refused.value.reason is Reason.CANNOT_TELL
    assert verdict(world, tmp_path, legacy=NAMED)


def test_the_command_believes_what_it_is_told_to(tmp_path):
    world = of_the_past()
    folder = world.publish(tmp_path / "published")
    for name, octets in (("anchor.cer", world.anchor.der()), ("holder.cer", world.holder.der())):
        (tmp_path / name).write_bytes(octets)
    words = ("verify", tmp_path / "holder.cer", "--from", folder, "--anchor", tmp_path / "anchor.cer")
    more = ("--policy", GPKI_POLICY, "--at", "2014-10-01T03:00:00Z")
    refused = run(*words, *more)
    assert (refused.status, "is believed only where it is named" in refused.stdout) == (1, True)
    assert run(*words, *more, "--legacy", "sha1-rsa2048").status == 0
    assert "'sha256-p256' is not one of" in run(*words, *more, "--legacy", "sha256-p256").stderr


# What an edition names


def plan(change: Callable[[str], str]) -> Plan:
    edition = read_edition(change(small_edition()).encode(), "edition.toml")
    towns = Municipalities.read(municipalities_path(edition, "edition"))
    return make_plan(edition, Marking.TEST, "http://repository.example", towns, "edition.toml")


def under(name: str) -> Callable[[str], str]:
    return lambda text: replaced(text, 'suite = "sha256-rsa2048"', f'suite = "{name}"')


def naming(*names: str) -> Callable[[str], str]:
    listed = ", ".join(f'"{name}"' for name in names)
    return lambda text: replaced(text, 'suite = "sha256', f'legacy_suites = [{listed}]\nsuite = "sha256')


@pytest.mark.parametrize(
    ("change", "legacy"),
    [
        (str, set()),
        (under("sha384-p384"), set()),
        (under("sha1-rsa2048"), {"sha1-rsa2048"}),
        (naming("sha1-rsa1024"), {"sha1-rsa1024"}),
        (lambda text: under("sha1-rsa2048")(naming("sha1-rsa1024")(text)), {"sha1-rsa1024", "sha1-rsa2048"}),
    ],
    ids=["none", "of today", "its own", "named", "both"],
)
def test_the_legacy_suites_of_a_plan(change, legacy):
    found = plan(change)
    assert found.legacy == legacy
    keys = [holder.keys for practice in found.practices.values() for holder in practice.holders.values()]
    assert {rule.sha1 for rule in keys} == {bool(legacy)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (naming("sha256-rsa2048"), "legacy_suites: sha256-rsa2048 is no legacy suite"),
        (naming("md5"), r"legacy_suites\[0\]: 'md5' is not a suite"),
        (
            lambda text: text.replace('cps = "', 'keys = "rsa-1024"\ncps = "', 1),
            "only in an edition with a legacy",
        ),
    ],
    ids=["of today", "unknown", "short keys"],
)
def test_what_no_edition_may_name(change, words):
    with pytest.raises(EditionRefused, match=words):
        plan(change)


# Where it may run


def test_a_host_that_allows_the_suites():
    require_possible(LEGACY)


def test_a_host_that_does_not_says_so(tmp_path):
    """A policy of OpenSSL's by which no algorithm is left stands for one by which SHA-1 is not."""
    policy = tmp_path / "openssl.cnf"
    policy.write_text(
        "openssl_conf = a\n[a]\nalg_section = b\n[b]\ndefault_properties = provider=none\n", encoding="ascii"
    )
    script = "from ca.keys.probe import require_possible as it\nit([])\nprint('none')\nit(['sha1-rsa2048'])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env={**os.environ, "OPENSSL_CONF": str(policy)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "none\n")
    assert "KeyRefused: suite sha1-rsa2048: cannot be used on this host: its crypto policy" in done.stderr


@pytest.fixture
def world(tmp_path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def test_a_production_world_is_not_served_when_its_keys_may_sign_nothing_more(world):
    stores, until = world.stores.each(), SHA256_RSA2048.status_until
    assert SHA256_RSA2048.sign_until < until, "lists are made a while longer"
    require_in_force(Marking.PRODUCTION, stores, until)
    require_in_force(Marking.TEST, stores, until + SECOND)
    with pytest.raises(
        SuiteRetired, match="its suite sha256-rsa2048 may not sign lists or answers after"
    ) as found:
        require_in_force(Marking.PRODUCTION, stores, until + SECOND)
    assert "key step" in found.value.remedy


def test_what_the_past_allowed_of_holders_keys_ends_with_its_suites():
    until = SHA1_RSA1024.sign_until
    assert RSA1024_KEYS.on(until) == RSA1024_KEYS
    in_it = until.replace(microsecond=999_999)  # all of the last second counts
    require(SHA1_RSA1024, Use.SIGN, in_it)
    assert RSA1024_KEYS.on(in_it) == RSA1024_KEYS
    after = RSA1024_KEYS.on(until + SECOND)
    assert (after.rsa.minimum_bits, after.sha1) == (2048, False)
    with pytest.raises(CsrRefused, match="has 1024 bits; 2048 are the least"):
        read_csr(short_request(1), after, "request")
    assert read_csr(short_request(1), RSA1024_KEYS.on(until), "request")
    assert RSA2048_KEYS.on(until + SECOND) is RSA2048_KEYS


def production_home(folder: Path, edition: str, *options: str) -> Path:
    """A home with keys of its own."""
    (folder / "edition.toml").write_text(edition, encoding="utf-8")
    done(run("init", "--edition", folder / "edition.toml", "--home", folder / "home", *options, **SECRET))
    return folder / "home"


def test_a_server_of_a_production_world_of_the_past_does_not_start(tmp_path):
    """It was made in its time; today its home has no clock of its own, as no production home has."""
    home = production_home(tmp_path, one_prefecture(suite=SHA1_RSA2048), "--clock", "2010-04-01T00:00Z")
    before, _, clock = (home / "home.toml").read_text(encoding="utf-8").partition("[clock]")
    _, databases, after = clock.partition("[databases]")
    text = replaced(before, 'marking = "test"', 'marking = "production"') + databases + after
    (home / "home.toml").write_text(text, encoding="utf-8")
    for command in (("serve", "--port", free_port()), ("work",)):
        outcome = kakehashi(*command, "--home", home, **SECRET)
        refused(
            outcome, "error: authority ",
            "its suite sha1-rsa2048 may not sign lists or answers after 2020-03-31T14:59:59Z",
            "(NIST SP 800-131A 3). Make it a key of another suite first (`kakehashi key step`)",
        )  # fmt: skip


def test_a_server_of_a_production_world_that_only_remembers_the_past_starts(tmp_path):
    """It believes SHA-1 where that was signed in its time, and its keys are of today."""
    text = replaced(
        one_prefecture(suite=SHA384_P384), r"suite = ", 'legacy_suites = ["sha1-rsa2048"]\nsuite = '
    )
    home = production_home(tmp_path, text, "--production")
    described = (home / "home.toml").read_text(encoding="utf-8")
    assert 'marking = "production"' in described
    with served(Home(home, {}, AT), "--no-work", wait="/health", **SECRET) as server:
        assert server.get("/health").status == 200
        assert server.stop() == 0
