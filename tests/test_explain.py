"""``kakehashi explain``: from the approval to the list, each step with what it rests on."""

import io
from datetime import timedelta

import pytest

from ca.errors import NotFound
from ca.model import CertificateId, CertificateKind, RevocationReason, Serial
from ca.revoking.assurance.story import Story, story
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk
from ca.revoking.feed.files import read_feed
from ca.revoking.lists.publication import publish_changes
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
    told = story(world.stores, issued.id)
    assert what(told) == ["application approved", "issued"]
    assert facts(told, "issued")["kind"] == "signature"
    assert told.lists == ()


def test_from_the_event_to_the_list(world):
    issued = world.issued()[SIGNATURE]
    tell(world, event("move-1", "moved-out", CODE, "2014-09-03"), at=NOW + 5 * DAY)
    before = story(world.stores, issued.id)
    assert [naming.number for naming in before.lists] == [None, None], "no list says so yet"
    made = {
        (one.generation, one.scope): one
        for one in publish_changes(world.issuers, world.repository, at=NOW + 5 * DAY)
    }
    told = story(world.stores, issued.id)
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
    told = story(world.stores, issued.id)
    assert what(told)[2:] == ["register told", "end ordered", "revoked"]
    (told_at, ordered_at) = (step.at for step in told.steps[2:4])
    assert (told_at, ordered_at) == (NOW + 5 * DAY, NOW + 25 * DAY)


def test_on_an_officers_word(world):
    issued = world.issued()[SIGNATURE]
    revoke(world.stores, issued.id, RevocationReason.CERTIFICATE_HOLD, "operator", at=NOW + DAY)
    told = story(world.stores, issued.id)
    assert what(told)[2:] == ["end ordered", "on hold"]
    assert facts(told, "end ordered")["cause"] == "officer operator"


def test_what_is_not_known_has_no_story(world):
    stranger = CertificateId(world.issuer("jpki-31").id, Serial(12345))
    with pytest.raises(NotFound):
        story(world.stores, stranger)


def test_the_command_tells_people_and_machines(tmp_path):
    home = small_home(tmp_path / "home")
    (holder,) = holders(home, 1)
    certificate = str(holder.certificates["signature"])
    told = done(run("explain", certificate, "--home", home.folder, "--json")).json
    assert told["certificate"] == certificate
    assert [step["what"] for step in told["steps"]] == ["application approved", "issued"]
    assert "application approved" in done(run("explain", certificate, "--home", home.folder)).stdout
    refused(run("explain", f"{certificate[:-4]}0000", "--home", home.folder), "is not one of this home's")
