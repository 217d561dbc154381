"""A key retires without a plan: what ends with it, whom it would cut off, and what comes of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ca.model import GenerationId
from ca.store import key_needs
from front.assembly import open_world
from tests import commands
from tests.commands import Outcome, done, refused
from tests.test_crossing_peer import AT, TWO, Scene, met, pristine, scene  # noqa: F401 - fixtures

ANCHOR = "gpki-bca"
OLD, NEW = (GenerationId.parse(f"{ANCHOR}.g{number}") for number in (1, 2))


@dataclass(frozen=True)
class Keys:
    """``kakehashi key`` in a home that has met another CA."""

    scene: Scene

    def run(self, *words: object) -> Outcome:
        return commands.run("key", *words, *TWO, "--home", self.scene.home)

    def renewed(self, to: str = "cut-over") -> None:
        """The anchor's next key goes its way."""
        done(self.run("plan", ANCHOR))
        done(self.run("step", ANCHOR, "--to", to))

    def crosses(self) -> set[str]:
        """The cross-certificates in force by which others of this home certify the old key, or it certifies them."""
        with open_world(self.scene.home, str) as world, world.stores.reading() as reading:
            ours = [
                one
                for record in world.stores.generations()
                for one in key_needs.crosses_for(reading, record.id, AT)
            ]
        return {str(one.id.generation) for one in ours}

    def taken(self, certificate: Path) -> None:
        self.scene.run("examine", "foreign-2014", certificate, "--officer", "ito")
        self.scene.run("accept", "foreign-2014", certificate, "--officer", "endo")

    def leaning(self) -> dict[str, str]:
        told = done(commands.run("inventory", "--home", self.scene.home, "--json")).json
        return {one["generation"]: one["agreements"] for one in told["used_by"] if one["agreements"]}

    def calendar(self) -> set[str]:
        rows = self.scene.run("calendar").json
        return {row["concerns"] for row in rows if row["what"] == "self-signed"}


@pytest.fixture
def keys(scene) -> Keys:  # noqa: F811 - the fixture
    return Keys(scene)


def test_no_other_ca_is_cut_off_when_a_key_retires(keys):
    keys.renewed()
    before = keys.crosses()
    assert {str(OLD), str(NEW)} <= before
    words = ("gpki-bca.g1 certifies foreign by agreement foreign-2014", "cross renew --pair gpki-bca foreign")
    refused(keys.run("retire", ANCHOR), *words)
    assert keys.crosses() == before, "nothing ends by what is refused"

    keys.scene.run("renew", "--plan", "after", "--pair", ANCHOR, "foreign", *TWO)
    refused(keys.run("retire", ANCHOR), "foreign certifies gpki-bca.g1", "cross request foreign-2014 --key")
    keys.scene.run("request", "foreign-2014", "--out", keys.scene.folder / "new.csr")
    keys.taken(keys.scene.peer.certify(keys.scene.folder / "new.csr", "for-new"))
    assert keys.crosses() == before

    told = done(keys.run("retire", ANCHOR, "--json")).json
    assert (told["generation"], told["state"]) == (str(OLD), "retired")
    assert keys.crosses() == before - {str(OLD)}, "what it had certified of this home ended with it"
    shown = done(commands.run("journal", "show", "--limit", 1000, "--json", "--home", keys.scene.home)).stdout
    assert f"retirement of {OLD}" in shown


def test_a_peers_certificate_for_a_key_that_is_over_is_refused_by_its_name(keys):
    """The peer answers late, when its answer leads nowhere any more."""
    asked = keys.scene.folder / "served.csr"
    keys.renewed("serve-status")
    keys.scene.run("request", "foreign-2014", "--key", NEW, "--out", asked)
    late = keys.scene.peer.certify(asked, "for-discarded")
    done(keys.run("discard", ANCHOR, "--reason", "cessationOfOperation"))
    keys.scene.refused(
        "examine", "foreign-2014", late, "--officer", "ito", because="key: is gpki-bca.g2, which is discarded"
    )


def test_what_signs_now_is_the_key_that_issues(keys):
    """Not the one of the highest number: that is on its way, or was given up."""
    assert set(keys.leaning()) == {str(OLD)}
    for number, to in ((2, "old-with-new"), (3, "serve-status")):
        keys.renewed(to)
        coming = f"{ANCHOR}.g{number}"
        assert set(keys.leaning()) == {str(OLD)}
        assert coming in keys.calendar()
        done(keys.run("discard", ANCHOR, "--reason", "keyCompromise"))
        assert set(keys.leaning()) == {str(OLD)}
        assert coming not in keys.calendar()
        assert str(OLD) in keys.calendar()
