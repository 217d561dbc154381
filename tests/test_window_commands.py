"""The window's last steps, search, officers and offices on the command line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ca.rules.identity import Document, Purpose, Reception, SeenDocument
from ca.store import applications
from front.assembly import open_world
from tests.commands import Outcome, done, refused, run
from tests.small_edition import HANAKO, TOKYO, holder_key, request, write_json


def filing(home: Path, folder: Path, key: int, *more: str, **changes: str) -> Outcome:
    """What comes of an application for a signature certificate on this key."""
    resident = write_json(folder / "resident.json", HANAKO | changes)
    csr = folder / f"{key}.csr"
    csr.write_bytes(request(holder_key(key)))
    return run(
        "case", "file", "--officer", "sato", "--resident", resident, "--csr", f"signature={csr}", *more,
        "--home", home,
    )  # fmt: skip


def filed(home: Path, folder: Path, *keys: int, **changes: str) -> str:
    """A new case of signature certificates on these keys; its number."""
    number = ""
    for key in keys:
        number = done(filing(home, folder, key, "--json", **changes)).json["case"]
    return number


def issued(home: Path, folder: Path, key: int) -> tuple[str, str]:
    """A case whose certificate is issued, and the certificate."""
    number = filed(home, folder, key)
    for step, officer in (("examine", "suzuki"), ("approve", "tanaka")):
        done(run("case", step, number, "--officer", officer, "--home", home))
    (row,) = done(run("case", "issue", number, "--officer", "ito", "--json", "--home", home)).json
    return number, row["certificate"]


def test_a_renewal_is_handed_over_and_another_discarded(staffed_world: Path, tmp_path: Path) -> None:
    home = staffed_world
    first, old = issued(home, tmp_path, 1)
    told = done(run("case", "hand-over", first, "--officer", "sato", "--json", "--home", home)).json
    assert (told["state"], told["ended"]) == ("delivered", [])
    second, new = issued(home, tmp_path, 2)
    told = done(run("case", "hand-over", second, "--officer", "sato", "--json", "--home", home)).json
    assert told["ended"] == [old]
    said = done(run("explain", old, "--json", "--home", home)).stdout
    assert f"case {second}" in said
    third, nobodys = issued(home, tmp_path, 3)
    told = done(
        run("case", "discard", third, "--officer", "sato", "--note", "x", "--json", "--home", home)
    ).json
    assert (told["state"], told["ended"]) == ("discarded", [nobodys])
    assert new not in told["ended"]
    refused(run("case", "hand-over", third, "--officer", "sato", "--home", home), third, "discarded")


def test_cases_are_found(staffed_world: Path, tmp_path: Path) -> None:
    home = staffed_world
    first, second = filed(home, tmp_path, 1), filed(home, tmp_path, 2, name="別人\u3000太郎")

    def found(*question: str) -> list[str]:
        rows = done(run("case", "search", *question, "--json", "--home", home)).json
        return [row["case"] for row in rows]

    assert found() == [second, first]
    assert found("試験") == [first]
    assert found("2", "--office", TOKYO) == [second]
    assert found("--state", "issued") == []
    assert found("--until", "2000-01-01") == []
    assert found("--since", "2000-01-01", "--after", second) == [first]
    shown = done(run("case", "search", "試験", "--home", home)).stdout
    assert first in shown
    assert "花子" not in shown, "names are not shown"
    refused(run("case", "search", "--office", "nowhere", "--home", home), "office 'nowhere'")
    refused(run("case", "search", "--after", "nothing", "--home", home), "case 'nothing'")


def test_a_rejection_has_a_reason(staffed_world: Path, tmp_path: Path) -> None:
    number = filed(staffed_world, tmp_path, 1)
    told = done(
        run("case", "reject", number, "--officer", "suzuki", "--note", "wrong town", "--json", "--home",
            staffed_world)
    )  # fmt: skip
    assert told.json["state"] == "rejected"


def test_a_window_examines_once(staffed_world: Path, tmp_path: Path) -> None:
    number = filed(staffed_world, tmp_path, 1)
    done(run("case", "examine", number, "--officer", "suzuki", "--home", staffed_world))
    refused(
        run("case", "re-examine", number, "--officer", "tanaka", "--home", staffed_world),
        "re-examine is not possible",
    )


def test_an_officer_is_named_and_leaves(staffed_world: Path, tmp_path: Path) -> None:
    home = staffed_world
    assert (
        done(run("officer", "name", "sato", " 佐藤  愛 ", "--json", "--home", home)).json["name"] == "佐藤 愛"
    )
    added = ("officer", "add", "abe", "--office", TOKYO, "--role", "reception", "--name", "阿部")
    done(run(*added, "--home", home))
    number = filed(home, tmp_path, 1)
    told = done(run("officer", "end", "sato", "--json", "--home", home)).json
    assert told["ended_at"] is not None
    rows = {row["officer"]: row for row in done(run("officer", "list", "--json", "--home", home)).json}
    assert (rows["sato"]["name"], rows["abe"]["name"]) == ("佐藤 愛", "阿部")
    assert rows["abe"]["ended_at"] is None
    refused(run("officer", "end", "sato", "--home", home), "has left already")
    refused(run("officer", "end", "nobody", "--home", home), "officer 'nobody'")
    refused(run(*added, "--home", home), "exists already")
    assert "sato" in done(run("case", "show", number, "--home", home)).stdout, "what was done stays"


LICENCE = "driving-licence=2099-05-01"


def test_an_application_is_received_as_at_a_window(staffed_world: Path, tmp_path: Path) -> None:
    home, new = staffed_world, ("--purpose", "new", "--document", LICENCE, "--card-number", "KA12345")
    number = done(filing(home, tmp_path, 1, *new, "--json")).json["case"]
    with open_world(home, str) as world, world.stores.nation.reading() as connection:
        assert applications.find(connection, number).reception == Reception(
            Purpose.NEW, (SeenDocument(Document.DRIVING_LICENCE, date(2099, 5, 1)),), "KA12345"
        )
    for step, officer in (("examine", "suzuki"), ("approve", "tanaka"), ("issue", "ito")):
        done(run("case", step, number, "--officer", officer, "--home", home))
    refused(filing(home, tmp_path, 2, *new), "holds a certificate of the kind signature already")
    done(
        filing(
            home,
            tmp_path,
            2,
            "--purpose",
            "replacement",
            "--document",
            "pension",
            "--document",
            "student-card",
        )
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--document", "pension"), "documents"),
        (("--card-number", "KA12345"), "documents"),
        (("--document", "library-card"), "is no kind of document"),
        (("--document", "driving-licence"), "which is not told"),
        (("--document", "driving-licence=2001-01-01"), "has ended"),
        (("--document", "driving-licence=soon"), "not of the form"),
        (("--document", LICENCE, "--card-number", "?"), "card number"),
        (("--document", LICENCE, "--purpose", "renewal"), "no certificate to renew"),
        (("--document", LICENCE, "--renews", "none"), "certificate id"),
        (("--document", LICENCE, "--renews", "jpki-13.g1:01"), "is not one of this office's"),
    ],
)
def test_what_a_window_would_refuse_is_refused(
    staffed_world: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    refused(filing(staffed_world, tmp_path, 1, *options), words)


@pytest.mark.parametrize("name", ["x" * 65, "a\x1b[31m"])
def test_a_name_is_one_short_line(staffed_world: Path, name: str) -> None:
    refused(run("officer", "name", "sato", name, "--home", staffed_world), "name", "64 characters")


def test_an_office_is_suspended_and_resumed(staffed_world: Path, tmp_path: Path) -> None:
    home = staffed_world

    def suspended() -> list[str]:
        rows = done(run("office", "list", "--suspended", "--json", "--home", home)).json
        return [row["office"] for row in rows]

    assert suspended() == []
    ministries = done(run("office", "list", "--kind", "ministry", "--json", "--home", home)).json
    assert {row["kind"] for row in ministries} == {"ministry"}
    number = filed(home, tmp_path, 1)
    why = ("--reason", "keys seen outside")
    told = done(run("office", "suspend", TOKYO, *why, "--json", "--home", home)).json
    assert told["suspended_at"] is not None
    (row,) = done(run("office", "list", "--suspended", "--json", "--home", home)).json
    assert (row["reason"], row["by"]) == ("keys seen outside", None)
    again = done(run("office", "suspend", TOKYO, "--reason", "again", "--json", "--home", home)).json
    assert again == told, "it is suspended already"
    refused(run("office", "resume", TOKYO, "--reason", "a\x1b[31m", "--home", home), "--reason")
    assert suspended() == [TOKYO]
    refused(run("case", "examine", number, "--officer", "suzuki", "--home", home), "suspended by the centre")
    done(run("office", "resume", TOKYO, "--home", home))
    assert suspended() == []
    rows = done(run("office", "list", "--json", "--home", home)).json
    assert {row["reason"] for row in rows} == {None}
    done(run("case", "examine", number, "--officer", "suzuki", "--home", home))
    refused(run("office", "suspend", "centre", "--home", home), "cannot be suspended")
    refused(run("office", "suspend", "nowhere", "--home", home), "office 'nowhere'")
