"""``kakehashi key``: what it shows, what it takes, whom it obeys, and what it says when it refuses."""

import json

import pytest

from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import ARL, AuthorityId, GenerationId, RevocationReason
from ca.store import key_lives, key_needs
from front.assembly import open_world
from tests import commands
from tests.commands import done
from tests.many_hands import approved

TOKYO = "jpki-13"
TWO = ("--officer", "ito", "--second-officer", "endo")
UP_TO_SERVED = ["make-key", "new-with-new", "new-with-old", "old-with-new", "serve-status"]


@pytest.fixture
def key(staffed_world):
    """``kakehashi key`` in a home with two operators."""
    for officer, role in (("endo", "operator"), ("abe", "auditor")):
        done(
            commands.run(
                "officer", "add", officer, "--office", "centre", "--role", role, "--home", staffed_world
            )
        )

    def run(*arguments):
        return commands.run("key", *arguments, "--home", staffed_world)

    run.home = staffed_world
    return run


def lives(key):
    return {one["generation"]: one for one in done(key("list", TOKYO, "--json")).json}


def evidence(key):
    with open_world(key.home, lambda: "") as world, world.stores.nation.reading() as connection:
        return key_lives.evidence_of(connection, AuthorityId(TOKYO))


def test_a_key_goes_its_way_by_the_word_of_two_operators(key):
    assert done(key("plan", TOKYO, *TWO, "--evidence", "decision 17", "--json")).json == {
        "generation": "jpki-13.g2",
        "steps": ["plan"],
        "state": "planned",
        "issues": "jpki-13.g1",
        "next_step": "make-key",
    }
    assert done(key("step", TOKYO, "--to", "serve-status", *TWO, "--json")).json["steps"] == UP_TO_SERVED
    again = done(key("step", TOKYO, "--to", "serve-status", *TWO, "--json")).json
    assert (again["steps"], again["state"]) == ([], "served"), "given again, it changes nothing"
    back = done(key("back", TOKYO, *TWO, "--evidence", "too early", "--json")).json
    assert (back["steps"], back["state"]) == (["serve-status"], "linked")
    one = done(key("step", TOKYO, *TWO, "--json")).json
    assert (one["steps"], one["next_step"]) == (["serve-status"], "renew-crosses")
    last = done(key("step", TOKYO, "--to", "cut-over", *TWO, "--json")).json
    assert (last["steps"], last["issues"]) == (["renew-crosses", "cut-over"], "jpki-13.g2")
    said = evidence(key)
    assert (said[0], said[6]) == ("decision 17, by ito and endo", "too early, by ito and endo")
    assert set(said[1:6] + said[7:]) == {"by ito and endo"}
    shown = done(commands.run("journal", "show", "--json", "--home", key.home)).stdout
    assert shown.count("by ito and endo") == len(said) == 10


def test_the_list_says_where_every_key_stands(key):
    done(key("plan", TOKYO, *TWO, "--suite", "sha384-p384"))
    assert lives(key)["jpki-13.g2"]["suite"] == "sha384-p384"
    commands.refused(key("step", TOKYO, *TWO), "public test keys", "sha384-p384")
    done(key("back", TOKYO, *TWO))
    done(key("plan", TOKYO, *TWO))
    done(key("step", TOKYO, "--to", "old-with-new", *TWO))
    known = lives(key)
    assert {name: one["state"] for name, one in known.items()} == {
        "jpki-13.g1": "active",
        "jpki-13.g2": "linked",
    }
    old, new = known.values()
    assert (old["issues"], old["signs_lists"], old["since"], old["next_step"]) == (True, True, None, None)
    assert (new["issues"], new["signs_lists"], new["next_step"]) == (False, False, "serve-status")
    assert old["suite"] == new["suite"] == "sha256-rsa2048"
    assert new["since"]
    table = done(key("list")).stdout
    assert "linked" in table
    assert "jpki-bridge.g1" in table
    everything = done(key("list", "--json")).json
    assert len(everything) > len(known)
    assert [one for one in everything if one["generation"] in known] == list(known.values())


def test_an_old_key_retires_when_holders_have_nothing_of_it(key):
    commands.refused(key("retire", TOKYO, *TWO), "has no key that signs lists alone")
    with open_world(key.home, lambda: "") as world:
        case = approved(world, 0, 20_000)
        issued = world.registration.issue(case, "ito", at=world.clock())
    done(key("plan", TOKYO, *TWO))
    done(key("step", TOKYO, "--to", "cut-over", *TWO))
    commands.refused(
        key("retire", TOKYO, *TWO),
        "jpki-13.g1",
        "still valid, and need its lists: 1 signature, 1 user-authentication",
    )
    with open_world(key.home, lambda: "") as world, world.stores.reading() as reading:
        for_bridge = key_needs.crosses_for(reading, GenerationId.parse("jpki-bridge.g1"))
        assert GenerationId.parse("jpki-13.g1") in {one.id.generation for one in for_bridge}, "none has ended"
    for one in issued:
        words = ("--reason", "superseded", "--officer", "ito", "--home", key.home)
        done(commands.run("revoke", one.id, *words))
    told = done(key("retire", TOKYO, *TWO, "--json")).json
    assert (told["generation"], told["state"]) == ("jpki-13.g1", "retired")
    assert lives(key)["jpki-13.g1"]["signs_lists"] is False


def test_the_list_says_what_was_taken_back_and_waits(key):
    done(key("plan", TOKYO, *TWO))
    done(key("step", TOKYO, "--to", "new-with-old", *TWO))
    assert lives(key)["jpki-13.g2"]["taken_back"] is None
    done(key("back", TOKYO, *TWO))
    new = lives(key)["jpki-13.g2"]
    assert (new["state"], new["taken_back"], new["next_step"]) == (
        "self-signed", "new-with-old", "new-with-old"
    )  # fmt: skip
    for _ in range(3):
        done(key("back", TOKYO, *TWO))
    new = lives(key)["jpki-13.g2"]
    assert (new["state"], new["taken_back"], new["next_step"]) == ("taken back", "plan", "plan")
    assert new["suite"] == "sha256-rsa2048"
    assert not new["issues"]
    assert not new["signs_lists"]
    commands.refused(key("plan", TOKYO, *TWO, "--suite", "sha384-p384"), "`kakehashi key discard`")
    assert "plan again" in done(key("list", TOKYO)).stdout
    done(key("discard", TOKYO, "--reason", "cessationOfOperation", *TWO))
    assert done(key("plan", TOKYO, *TWO, "--json")).json["generation"] == "jpki-13.g3"


def test_a_key_is_given_up_and_the_next_one_takes_over(key):
    done(key("plan", TOKYO, *TWO))
    done(key("step", TOKYO, "--to", "renew-crosses", *TWO))
    published = key.home / "repository/g/jpki-13.g2"
    assert (published / "self.cer").exists()
    reason = ("--reason", "keyCompromise")
    told = done(key("discard", TOKYO, *reason, *TWO, "--evidence", "case 7", "--json")).json
    assert told == {
        "generation": "jpki-13.g2",
        "steps": ["discard"],
        "state": "discarded",
        "issues": "jpki-13.g1",
        "next_step": None,
    }
    assert evidence(key)[-1] == "case 7, by ito and endo"
    assert not (published / "self.cer").exists()
    commands.refused(key("discard", TOKYO, *reason, *TWO), "jpki-13.g3", "was never certified")
    commands.refused(key("step", TOKYO, *TWO), "has no key on its way")
    assert done(key("plan", TOKYO, *TWO, "--json")).json["generation"] == "jpki-13.g3"
    last = done(key("step", TOKYO, "--to", "cut-over", *TWO, "--json")).json
    assert (last["generation"], last["issues"]) == ("jpki-13.g3", "jpki-13.g3")
    assert {name: one["state"] for name, one in lives(key).items()} == {
        "jpki-13.g1": "status only",
        "jpki-13.g2": "discarded",
        "jpki-13.g3": "active",
    }
    assert {one["next_step"] for one in lives(key).values()} == {"retire", None}


@pytest.mark.parametrize("to", ["renew-crosses", "cut-over"])
def test_a_cross_certificate_that_came_to_lack_is_made_by_the_next_step(key, to):
    new = GenerationId(AuthorityId(TOKYO), 2)
    done(key("plan", TOKYO, *TWO))
    done(key("step", TOKYO, "--to", "renew-crosses", *TWO))
    with open_world(key.home, lambda: "") as world:
        at = world.clock().replace(microsecond=0)
        with world.stores.recording() as recording:
            ended = key_needs.crosses_for(recording.writing, new, at)
            word = RevocationReason.SUPERSEDED.word
            orders = tuple(OrderEntry(str(one.id), word, at, ARL) for one in ended)
            recording.note(RevocationEntry("officer ito", "a trial", at, orders))
            assert ended
            assert key_needs.crosses_for(recording.writing, new, at) == []
    done(key("step", TOKYO, "--to", to, *TWO))
    with open_world(key.home, lambda: "") as world, world.stores.reading() as reading:
        there = key_needs.crosses_for(reading, new, at)
    assert {one.id.generation for one in there} == {one.id.generation for one in ended}
    assert not {one.id for one in there} & {one.id for one in ended}


REFUSED = {
    "nobody": (("plan", TOKYO, "--officer", "nobody", "--second-officer", "endo"), "officer 'nobody'"),
    "one for two": (("plan", TOKYO, "--officer", "ito", "--second-officer", "ito"), "second officer too"),
    "an approver": (("plan", TOKYO, "--officer", "tanaka", "--second-officer", "ito"), "officer tanaka"),
    "an auditor": (("plan", TOKYO, "--officer", "ito", "--second-officer", "abe"), "officer abe"),
    "not the centre's": (("plan", TOKYO, "--officer", "sato", "--second-officer", "ito"), "officer sato"),
    "no authority": (("plan", "jpki-99", *TWO), "is not one of this home's"),
    "no suite": (("plan", TOKYO, *TWO, "--suite", "sha3"), "--suite"),
    "a broken suite": (("plan", TOKYO, *TWO, "--suite", "sha1-rsa1024"), "is broken"),
    "evidence of two lines": (("plan", TOKYO, *TWO, "--evidence", "a\nb"), "one line"),
    "empty evidence": (("plan", TOKYO, *TWO, "--evidence", " "), "one line"),
    "long evidence": (("plan", TOKYO, *TWO, "--evidence", "x" * 201), "at most 200 characters"),
    "nothing planned": (("step", TOKYO, *TWO), "has no key on its way"),
    "nothing to take back": (("back", TOKYO, *TWO), "jpki-13.g1"),
    "nobody's list": (("list", "jpki-99"), "is not one of this home's"),
    "steps by nobody": (("step", TOKYO, "--officer", "x", "--second-officer", "ito"), "officer 'x'"),
    "back by one": (("back", TOKYO, "--officer", "ito", "--second-officer", "ito"), "second officer too"),
    "nothing to give up": (("discard", TOKYO, "--reason", "keyCompromise", *TWO), "was never certified"),
    "given up by one": (
        ("discard", TOKYO, "--reason", "keyCompromise", "--officer", "ito", "--second-officer", "ito"),
        "second officer",
    ),
    "retired by one": (("retire", TOKYO, "--officer", "ito", "--second-officer", "ito"), "second officer"),
}


def test_what_is_refused_changes_nothing(key):
    before = lives(key)
    for name, (arguments, words) in REFUSED.items():
        outcome = key(*arguments)
        said = commands.refused(outcome, words)
        assert said, name
        told = key(*arguments, "--json")
        assert (told.status, told.stdout) == (1, "")
        assert {"error", "place", "problem"} <= json.loads(told.stderr).keys()
    assert lives(key) == before
    assert evidence(key) == []


@pytest.mark.parametrize(
    "command",
    [["plan"], ["step"], ["back"], ["retire"], ["discard", "--reason", "keyCompromise"]],
    ids=" ".join,
)
@pytest.mark.parametrize("officers", [(), TWO[:2], TWO[2:]], ids=["none", "the first", "the second"])
def test_two_officers_are_asked_for(world, command, officers):
    outcome = commands.run("key", *command, TOKYO, *officers, "--home", world)
    assert outcome.status == 2
    assert "officer" in outcome.stderr


def test_a_key_is_given_up_for_one_of_two_reasons(world):
    for reason in ([], ["--reason", "superseded"]):
        outcome = commands.run("key", "discard", TOKYO, *reason, *TWO, "--home", world)
        assert outcome.status == 2
        assert "--reason" in outcome.stderr


def test_the_name_of_a_coming_key_is_the_next_number(key):
    done(key("plan", TOKYO, *TWO))
    commands.refused(key("plan", TOKYO, *TWO), "jpki-13.g3")
    done(key("back", TOKYO, *TWO))
    assert done(key("plan", TOKYO, *TWO, "--json")).json["generation"] == str(
        GenerationId(AuthorityId(TOKYO), 2)
    )
