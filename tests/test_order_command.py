"""``kakehashi order``: an order from its making to the lists, by command and by worker; and what is refused."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from ca.clock import system_clock
from ca.store import clients
from front.assembly import open_world
from front.ordering import ORDERS_JOB, TURN
from front.worker import Worker
from tests import commands
from tests.commands import done, refused
from tests.served_world import BOTH, Holder, Home, holders, small_home

SECOND = "ueda"
TOWN = "131016"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = small_home(tmp_path / "home")
    words = ("officer", "add", SECOND, "--office", "centre", "--role", "operator")
    done(commands.run(*words, "--home", made.folder))
    return made


def order(home: Home, *words: object) -> commands.Outcome:
    return commands.run("order", *words, "--home", home.folder)


def told(home: Home, *words: object) -> dict:
    return done(order(home, *words, "--json")).json


def make(home: Home, *words: object) -> dict:
    return told(home, "make", *words, "--officer", "ito")


def on_hold(home: Home) -> set[int]:
    rows = home.rows("SELECT serial FROM revocations WHERE reason = 6")
    return {int.from_bytes(serial) for (serial,) in rows}


def serials(people: list[Holder], kinds=BOTH) -> set[int]:
    return {person.certificates[kind].serial.value for person in people for kind in kinds}


COUNTED = {"found": 6, "to_do": 6, "ended_before": 0, "expired": 0}


def test_an_order_from_its_making_to_the_lists(home: Home) -> None:
    people = holders(home, 3, BOTH)
    looked = make(home, "--municipality", TOWN, "--hold", "--dry-run")
    assert looked.items() >= {"order": None, "state": "dry run", **COUNTED}.items()
    assert told(home, "list") == []
    made = make(home, "--municipality", TOWN, "--hold", "--priority", 2)
    assert made.items() >= {"order": 1, "state": "made", "priority": 2, "made_by": "ito", **COUNTED}.items()
    assert (made["selection"], made["reason"]) == (f"municipality {TOWN}", "certificateHold")
    assert told(home, "run") == []
    refused(order(home, "approve", 1, "--officer", "ito"), "order 1", "another one has to approve it")
    approved = told(home, "approve", 1, "--officer", SECOND)
    assert approved.items() >= {"state": "running", "approved_by": SECOND, **COUNTED}.items()
    (ran,) = told(home, "run")
    assert ran.items() >= {"order": 1, "state": "done", "found": 6, "done": 6, "left": 0}.items()
    assert told(home, "list") == [ran]
    shown = told(home, "show", 1)
    assert shown.items() >= {"state": "done", "done": 6, "made_by": "ito", "approved_by": SECOND}.items()
    assert shown["steps"] == [f"approved by {SECOND} at {shown['approved_at']}"]
    assert on_hold(home) == serials(people)
    done(commands.run("list", "publish", "--home", home.folder))
    assert home.published("jpki-13.g1", "full") == serials(people)
    assert home.lists_agree()
    # Again: a second order of the same finds that there is nothing to do.
    again = make(home, "--municipality", TOWN, "--hold")
    assert again.items() >= {"order": 2, "found": 6, "to_do": 0, "ended_before": 6}.items()


def test_pause_resume_and_cancel(home: Home) -> None:
    people = holders(home, 1, BOTH)
    for number in (1, 2):
        make(home, "--generation", "jpki-13.g1", "--reason", "keyCompromise")
        told(home, "approve", number, "--officer", SECOND)
    assert told(home, "pause", 1, "--officer", SECOND)["state"] == "paused"
    assert told(home, "cancel", 2, "--officer", "ito")["state"] == "cancelled"
    assert told(home, "run") == []
    assert on_hold(home) == set()
    assert told(home, "resume", 1, "--officer", "ito")["state"] == "running"
    assert [one["done"] for one in told(home, "run")] == [2]
    assert home.recorded()["jpki-13.g1", "full"] == serials(people)
    refused(order(home, "cancel", 1, "--officer", "ito"), "order 1", "is done")
    assert [(one["order"], one["state"]) for one in told(home, "list")] == [(1, "done"), (2, "cancelled")]
    said = [step.partition(" at ")[0] for step in told(home, "show", 1)["steps"]]
    assert said == [f"approved by {SECOND}", f"paused by {SECOND}", "resumed by ito"]
    shown = done(commands.run("journal", "show", "--limit", 1000, "--home", home.folder)).stdout
    rows = [[cell.strip() for cell in line.split("│")] for line in shown.splitlines()]
    about = [(row[1], *row[3:]) for row in rows if len(row) > 3 and row[3].startswith("order ")]
    assert about == [
        ("mass-order", "order 1", "", "ito", "0"),
        ("mass-step", "order 1", "approved", SECOND, "0"),
        ("mass-order", "order 2", "", "ito", "0"),
        ("mass-step", "order 2", "approved", SECOND, "0"),
        ("mass-step", "order 1", "paused", SECOND, "0"),
        ("mass-step", "order 2", "cancelled", "ito", "0"),
        ("mass-step", "order 1", "resumed", "ito", "0"),
        ("revocation", "order 1", "", "", "2"),
    ]


def test_a_file_of_certificates(home: Home, tmp_path: Path) -> None:
    people = holders(home, 2, BOTH)
    signature, _ = BOTH
    ids = [str(person.certificates[signature]) for person in people]
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(ids))
    make(home, "--serials", file, "--hold")
    told(home, "approve", 1, "--officer", SECOND)
    assert told(home, "run")[0].items() >= {"selection": "serials 2", "done": 2}.items()
    assert on_hold(home) == serials(people, [signature])
    file.write_text(f"{ids[0]}\njpki-13.g1:5a\n")
    bad = ("make", "--serials", file, "--hold", "--officer", "ito")
    refused(order(home, *bad), "ids.txt line 2: ", "is not one of this home's")
    file.write_text(f"{ids[0]}\n{ids[0]}\n")
    refused(order(home, *bad), "ids.txt line 2: names what line 1 names already")


def test_a_table_for_people(home: Home) -> None:
    holders(home, 1, BOTH)
    make(home, "--office", TOWN, "--hold")
    assert "none" in done(order(home, "run")).stdout
    told(home, "approve", 1, "--officer", SECOND)
    assert f"office {TOWN}" in done(order(home, "run")).stdout
    assert "2014" in done(order(home, "show", 1)).stdout


MAKE = ("make", "--officer", "ito")
REFUSED = {
    "no reason": ((*MAKE, "--office", TOWN), "--reason or --hold"),
    "two reasons": ((*MAKE, "--office", TOWN, "--hold", "--reason", "superseded"), "--reason or --hold"),
    "no selection": ((*MAKE, "--hold"), "--municipality, --office, --batch, --generation"),
    "two selections": ((*MAKE, "--hold", "--office", TOWN, "--batch", "b"), "Give one of"),
    "a wrong code": ((*MAKE, "--hold", "--municipality", "13101"), "131016 with the check digit"),
    "a city of wards": ((*MAKE, "--hold", "--municipality", "331007"), "Name a ward"),
    "another prefecture": ((*MAKE, "--hold", "--municipality", "011011"), "has no lists in this home"),
    "no reason's word": ((*MAKE, "--office", TOWN, "--reason", "because"), "One of: "),
    "a release": ((*MAKE, "--office", TOWN, "--reason", "removeFromCRL"), "removeFromCRL"),
    "no operator": (("make", "--officer", "tanaka", "--office", TOWN, "--hold"), "not an operator"),
    "nobody": (("make", "--officer", "x", "--office", TOWN, "--hold"), "officer 'x'"),
    "no order": (("show", 3), "order 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(home: Home, case: str) -> None:
    words, said = REFUSED[case]
    refused(order(home, *words), said)
    assert home.rows("SELECT * FROM orders") == []


# The worker.


def test_a_worker_carries_it_out_and_publishes(home: Home) -> None:
    people = holders(home, 2, BOTH)
    make(home, "--municipality", TOWN, "--hold")
    told(home, "approve", 1, "--officer", SECOND)
    with open_world(home.folder, lambda: "") as world:
        Worker(world).once()
    assert told(home, "show", 1)["state"] == "done"
    assert on_hold(home) == serials(people)
    assert home.published("jpki-13.g1", "full") == serials(people)
    assert home.lists_agree()


def test_whoever_has_the_lease_works_and_the_others_watch(home: Home) -> None:
    """A worker that finds the lease taken leaves the order; the command waits, and goes on when the lease is free."""
    holders(home, 1, BOTH)
    make(home, "--municipality", TOWN, "--hold")
    told(home, "approve", 1, "--officer", SECOND)
    with open_world(home.folder, lambda: "") as world:
        with world.stores.nation.writing() as connection:
            clients.take_lease(connection, ORDERS_JOB, "another", lasting=TURN, at=system_clock())
        Worker(world).once()
        assert told(home, "show", 1)["state"] == "running"
        assert on_hold(home) == set()
        ran: list[dict] = []
        command = threading.Thread(target=lambda: ran.extend(told(home, "run")))
        command.start()
        time.sleep(0.2)
        assert on_hold(home) == set()
        with world.stores.nation.writing() as connection:
            clients.release_leases(connection, "another")
        command.join(60)
    assert [(one["state"], one["done"]) for one in ran] == [("done", 2)]
    assert home.rows("SELECT * FROM leases WHERE job = 'orders'") == []
