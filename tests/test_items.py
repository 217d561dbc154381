"""What may stand in a certificate as a name or an address, said when a case is filed and not when it is issued."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import BadInput
from ca.model import LocalHolder, OfficialPost, Resident
from ca.profiles.items import LONGEST_ITEM, LONGEST_NAME, require_certifiable, require_text
from tests.engine_world import CODE, NOW, POST, RESIDENT, EngineWorld, engine_world


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineWorld]:
    """A world in which nothing is filed."""
    with engine_world(tmp_path_factory.mktemp("still") / "world") as made:
        before = made.dump()
        yield made
        assert made.dump() == before


@pytest.mark.parametrize(
    "name",
    [
        "架橋\u3000見本",
        "Ann Lee",
        "𠮷田",
        "\U000313a0田",  # CJK extension H (Unicode 15)
        "\U0002ebf0田",  # CJK extension I (Unicode 15.1)
        "\U0003fffd",  # a plane that Python knows nothing of
        "\ufa19谷",  # a compatibility ideograph
        "葛\U000e0100城",  # with a variation selector
        "か\u309a",  # a letter with its mark
        "Ż" * LONGEST_ITEM,
    ],
)
def test_a_name_that_can_be_read_is_taken(name: str) -> None:
    require_text(name, "name")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "\u3000 ",
        "架橋\n見本",
        "a\x00b",
        "\x85",
        "a\u202eb",  # shown from right to left
        "a\u200bb",
        "a\ufeffb",
        "a\u2028b",
        "a\xa0b",
        "\ue000田",  # one office's own character
        "\U000f0000田",
        "\ud800",
        "\ufffd田",  # what was lost on the way
        "\u3099",
        "\u3099か",
        " \U000e0100",
        "\uffff",
        "\U0002fffe",
        "\U0003ffff",
        "\u0378",  # no character, and no ideograph either
        "\U000e0fff",
        "あ" * (LONGEST_ITEM + 1),
    ],
    ids=ascii,
)
def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        require_text(name, "name")
    assert caught.value.place == "name"
    assert not name.strip() or name not in str(caught.value)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=LONGEST_ITEM))
def test_letters_and_digits_of_every_script_are_taken(text: str) -> None:
    require_text(text, "name")


@given(st.characters(categories=["Cc", "Cf", "Cs", "Co"]))
def test_no_control_format_or_private_character_is_taken_anywhere(character: str) -> None:
    with pytest.raises(BadInput):
        require_text(f"か{character}き", "name")


def test_only_ideographs_may_be_newer_than_python() -> None:
    taken = set()
    for point in range(sys.maxunicode + 1):
        if unicodedata.category(chr(point)) == "Cn":
            try:
                require_text(chr(point), "name")
            except BadInput:
                continue
            taken.add(point >> 16)
    assert taken == {2, 3}


LOCAL = LocalHolder("City of Kakehashi", None, "市長")
REFUSED: list[tuple[Resident | OfficialPost | LocalHolder, str]] = [
    (replace(RESIDENT, name_substitutes=RESIDENT.name_substitutes[1:]), "name_substitutes"),
    (replace(RESIDENT, name_substitutes="2" * len(RESIDENT.name)), "name_substitutes"),
    (replace(RESIDENT, name="", name_substitutes=""), "name"),
    (replace(RESIDENT, name="a\x00b", name_substitutes="000"), "name"),
    (replace(RESIDENT, name="か" * 201, name_substitutes="0" * 201), "name"),
    (replace(RESIDENT, name="A" * 32_769, name_substitutes="0" * 32_769), "name"),
    (replace(RESIDENT, address_substitutes=""), "address_substitutes"),
    (replace(RESIDENT, address=" ", address_substitutes="0"), "address"),
    (replace(POST, post="長" * (LONGEST_NAME + 1)), "post"),
    (replace(LOCAL, name=""), "name"),
    (replace(LOCAL, unit=""), "unit"),
    (replace(LOCAL, unit="課" * (LONGEST_NAME + 1)), "unit"),
    (replace(LOCAL, government="市" * (LONGEST_NAME + 1)), "government"),
]


@pytest.mark.parametrize(("applicant", "item"), REFUSED)
def test_an_item_that_cannot_be_certified_is_named(
    applicant: Resident | OfficialPost | LocalHolder, item: str
) -> None:
    with pytest.raises(BadInput) as caught:
        require_certifiable(applicant)
    assert caught.value.place == item


@pytest.mark.parametrize("applicant", [RESIDENT, POST, LOCAL, replace(LOCAL, unit="総務課")])
def test_what_is_usual_can_be_certified(applicant: Resident | OfficialPost | LocalHolder) -> None:
    require_certifiable(applicant)


@pytest.mark.parametrize(("applicant", "item"), [each for each in REFUSED if isinstance(each[0], Resident)])
def test_what_cannot_be_certified_is_not_filed(still: EngineWorld, applicant: Resident, item: str) -> None:
    with pytest.raises(BadInput) as caught:
        still.registration.file("window", applicant, {}, code=CODE, at=NOW)
    assert caught.value.place == item


def test_the_longest_name_is_issued(tmp_path: Path) -> None:
    with engine_world(tmp_path / "world") as world:
        longest = replace(RESIDENT, name="\U000313a0" * LONGEST_ITEM, name_substitutes="1" * LONGEST_ITEM)
        application = world.approved(longest)
        assert len(world.registration.issue(application.case.id, "operator", at=NOW)) == 2
