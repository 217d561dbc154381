"""``kakehashi explain``: from the approval to the list, each step with what it rests on."""

import io
from datetime import timedelta

import pytest

from bridge.repository.contents import publish_lists
from ca.errors import NotFound
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import CertificateId, CertificateKind, RevocationReason, Serial
from ca.revoking.assurance.story import Story, story
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk
from ca.revoking.deciding.quarantine import CaseDecision, resolve
from ca.revoking.feed.files import read_feed
from ca.revoking.lists.publication import publish_changes
from ca.rules.residents import LapseRules
from ca.store import quarantine
from tests.commands import done, refused, run
from tests.engine_world import CODE, NOW, EngineWorld, engine_world
from tests.feed_files import event, feed_file
from tests.served_world import holders, small_home

SIGNATURE = CertificateKind.SIGNATURE
DAY = timedelta(days=1)


@pytest.fixture
def world(tmp_path):
    with engine_world(tmp_path / "world") as made:
        yield made


def tell(world: EngineWorld, *changes, at):
    feed = read_feed(io.BytesIO(feed_file(*changes)), "feed", world.vault.code_key())
    return EventDesk(world.stores).apply(feed, at=at)


def what(told: Story) -> list[str]:
    return [step.what for step in told.steps]


def facts(told: Story, name: str) -> dict[str, str]:
    (found,) = (step.facts for step in told.steps if step.what == name)
    return found


def test_a_live_certificates_story_ends_with_its_issue(world):
    issued = world.issued()[SIGNATURE]
    told = story(world.stores, world.repository, issued.id)
    assert what(told) == ["application approved", "issued"]
    assert facts(told, "issued")["kind"] == "signature"
    assert told.lists == ()


def test_from_the_event_to_the_list(world):
    issued = world.issued()[SIGNATURE]
    tell(world, event("move-1", "moved-out", CODE, "2014-09-03"), at=NOW + 5 * DAY)
    before = story(world.stores, world.repository, issued.id)
    assert [naming.number for naming in before.lists] == [None, None], "no list says so yet"
    made = {
        (one.generation, one.scope): one
        for one in publish_changes(world.issuers, world.repository, at=NOW + 5 * DAY)
    }
    told = story(world.stores, world.repository, issued.id)
    assert what(told) == ["application approved", "issued", "register told", "end ordered", "revoked"]
    assert facts(told, "register told")["event"] == "move-1"
    ordered = facts(told, "end ordered")
    assert ordered["cause"] == "event move-1"
    assert ordered["rule"].startswith("moved-out")
    assert facts(told, "revoked")["reason"] == "affiliationChanged"
    assert {(one.generation, one.scope, one.number) for one in told.lists} == {
        (*place, record.number) for place, record in made.items() if record.base is None
    }
    moments = [step.at for step in told.steps[:4]]
    assert moments == sorted(moments)


def test_an_event_that_waited_tells_when_it_was_told_and_when_it_took_effect(world):
    issued = world.issued()[SIGNATURE]
    tell(world, event("move-2", "moved-out", CODE, "2014-09-20"), at=NOW + 5 * DAY)
    EventDesk(world.stores).settle(at=NOW + 25 * DAY)
    told = story(world.stores, world.repository, issued.id)
    assert what(told)[2:] == ["register told", "end ordered", "revoked"]
    (told_at, ordered_at) = (step.at for step in told.steps[2:4])
    assert (told_at, ordered_at) == (NOW + 5 * DAY, NOW + 25 * DAY)


def test_on_an_officers_word(world):
    issued = world.issued()[SIGNATURE]
    revoke(world.stores, issued.id, RevocationReason.CERTIFICATE_HOLD, "operator", at=NOW + DAY)
    told = story(world.stores, world.repository, issued.id)
    assert what(told)[2:] == ["end ordered", "on hold"]
    assert facts(told, "end ordered")["cause"] == "officer operator"


def publish(world: EngineWorld, at) -> dict[str, int]:
    """The numbers of the complete lists that are made and would name a signature certificate, by scope."""
    made = publish_changes(world.issuers, world.repository, at=at)
    return {one.scope: one.number for one in made if one.scope in ("signature-312011", "full")}


def ends(told: Story) -> list[dict[str, str]]:
    """Each end's order, in the order in which they are told."""
    return [step.facts for step in told.steps if step.what == "end ordered"]


def first_lists(told: Story) -> dict[str, dict[str, int | None]]:
    """By the journal's record, the first list of each scope."""
    found: dict[str, dict[str, int | None]] = {}
    for one in told.lists:
        found.setdefault(str(one.record), {})[one.scope] = one.number
    return found


def test_a_hold_that_became_an_end_is_told_with_what_made_it(world):
    issued = world.issued()[SIGNATURE]
    tell(world, event("lost-1", "lost", CODE, "2014-09-03"), at=NOW + 5 * DAY)
    held = publish(world, NOW + 5 * DAY)
    publish_lists_anew(world, NOW + 6 * DAY)
    tell(world, event("died-1", "died", CODE, "2014-09-08"), at=NOW + 8 * DAY)
    died = publish(world, NOW + 8 * DAY)
    told = story(world.stores, world.repository, issued.id)
    assert what(told)[2:] == [
        "register told", "end ordered", "on hold", "register told", "end ordered", "revoked",
    ]  # fmt: skip
    hold, end = ends(told)
    assert (hold["cause"], end["cause"]) == ("event lost-1", "event died-1")
    assert hold["rule"].startswith("lost")
    assert end["rule"].startswith("died")
    assert facts(told, "revoked")["revocation date"] == facts_moment(NOW + 5 * DAY)
    assert first_lists(told) == {hold["journal record"]: held, end["journal record"]: died}
    moments = [step.at for step in told.steps]
    assert moments == sorted(moments)


def test_a_hold_that_was_lifted_and_is_there_again_is_told_with_all_of_it(tmp_path):
    with engine_world(tmp_path / "world") as world:
        issued = world.issued()[SIGNATURE]
        hold = RevocationReason.CERTIFICATE_HOLD
        revoke(world.stores, issued.id, hold, "operator", at=NOW + DAY)
        numbers = [publish(world, NOW + DAY)]
        let_go(world, issued.id, NOW + 2 * DAY)
        numbers.append(publish(world, NOW + 2 * DAY))
        revoke(world.stores, issued.id, hold, "operator", at=NOW + 3 * DAY)
        told = story(world.stores, world.repository, issued.id)
        assert [one for one in what(told) if one != "end ordered"][2:] == [
            "on hold",
            "hold lifted",
            "on hold",
        ]
        numbers.append(dict.fromkeys(numbers[0], None))  # no list says the last one yet
        assert list(first_lists(told).values()) == numbers


def test_an_end_that_was_raised_is_told_with_what_raised_it(world):
    issued = world.issued()[SIGNATURE]
    tell(world, event("move-1", "moved-out", CODE, "2014-09-03"), at=NOW + 5 * DAY)
    moved = publish(world, NOW + 5 * DAY)
    revoke(world.stores, issued.id, RevocationReason.KEY_COMPROMISE, "operator", at=NOW + 6 * DAY)
    raised = publish(world, NOW + 6 * DAY)
    told = story(world.stores, world.repository, issued.id)
    first, second = ends(told)
    assert (first["cause"], second["cause"]) == ("event move-1", "officer operator")
    assert [step.facts["reason"] for step in told.steps if step.what == "revoked"] == [
        "affiliationChanged", "keyCompromise",
    ]  # fmt: skip
    assert first_lists(told) == {first["journal record"]: moved, second["journal record"]: raised}


def test_an_end_that_no_list_said_before_the_next_has_none(world):
    issued = world.issued()[SIGNATURE]
    tell(world, event("move-1", "moved-out", CODE, "2014-09-03"), at=NOW + 5 * DAY)
    revoke(world.stores, issued.id, RevocationReason.KEY_COMPROMISE, "operator", at=NOW + 5 * DAY)
    raised = publish(world, NOW + 6 * DAY)
    told = story(world.stores, world.repository, issued.id)
    first, second = ends(told)
    assert first_lists(told) == {
        first["journal record"]: dict.fromkeys(raised, None), second["journal record"]: raised,
    }  # fmt: skip


def test_by_quarantine_the_event_and_its_rule_are_told_and_who_decided(world):
    """An event whose id was taken, and a hold of two minds."""
    issued = world.issued()[SIGNATURE]
    tell(world, event("e-1", "moved-in", CODE, "2014-09-03"), at=NOW + 5 * DAY)
    tell(world, event("e-1", "died", CODE, "2014-09-03"), at=NOW + 6 * DAY)
    resolve(world.stores, LapseRules(), 1, CaseDecision.END, "operator", at=NOW + 7 * DAY)
    lists = publish(world, NOW + 7 * DAY)
    told = story(world.stores, world.repository, issued.id)
    assert set(what(told)[2:]) == {"quarantined", "register told", "end ordered", "revoked"}
    (end,) = ends(told)
    assert end["rule"].startswith("died")
    assert end["decision"] == "end by operator"
    assert facts(told, "quarantined")["case"] == "1"
    assert facts(told, "register told")["event"].startswith("e-1")
    assert facts(told, "register told")["kind"] == "died"
    assert first_lists(told) == {end["journal record"]: lists}


def test_a_case_about_a_known_event_tells_of_that_event(world):
    """The card is found, and this edition lifts no hold: an officer ends it for good."""
    issued = world.issued()[SIGNATURE]
    tell(world, event("lost-1", "lost", CODE, "2014-09-03"), at=NOW + 5 * DAY)
    tell(world, event("back-1", "notice-withdrawn", CODE, "2014-09-02", withdraws="lost-1"), at=NOW + 6 * DAY)
    with world.stores.nation.reading() as connection:
        (case,) = quarantine.cases(connection)
    resolve(world.stores, LapseRules(), case.number, CaseDecision.END, "operator", at=NOW + 7 * DAY)
    told = story(world.stores, world.repository, issued.id)
    _, end = ends(told)
    assert (end["cause"], end["event"]) == (f"quarantine {case.number}", "back-1")
    assert end["rule"].startswith("notice-withdrawn")
    assert {step.facts["event"] for step in told.steps if step.what == "register told"} == {
        "lost-1",
        "back-1",
    }
    assert facts(told, "quarantined")["problem"] == case.problem


def publish_lists_anew(world: EngineWorld, at) -> None:
    """Another list of the same contents: the first one to say something stays the first."""
    for record in world.stores.generations():
        publish_lists(world.issuers, record.id, world.repository, at=at)


def let_go(world: EngineWorld, certificate: CertificateId, at) -> None:
    order = OrderEntry(str(certificate), "removeFromCRL", at.replace(microsecond=0), "signature-312011")
    with world.stores.recording() as recording:
        recording.note(RevocationEntry("officer operator", "found again", at, (order,)))


def facts_moment(at) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def test_what_is_not_known_has_no_story(world):
    stranger = CertificateId(world.issuer("jpki-31").id, Serial(12345))
    with pytest.raises(NotFound):
        story(world.stores, world.repository, stranger)


def test_the_command_tells_people_and_machines(tmp_path):
    home = small_home(tmp_path / "home")
    (holder,) = holders(home, 1)
    certificate = str(holder.certificates["signature"])
    told = done(run("explain", certificate, "--home", home.folder, "--json")).json
    assert told["certificate"] == certificate
    assert [step["what"] for step in told["steps"]] == ["application approved", "issued"]
    assert "application approved" in done(run("explain", certificate, "--home", home.folder)).stdout
    refused(run("explain", f"{certificate[:-4]}0000", "--home", home.folder), "is not one of this home's")
