import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import BadInput, NotFound
from ca.names import Attribute, DirectoryName, Municipalities, check_digit, fold

TABLE = Path(__file__).parent.parent / "fixtures" / "municipalities.csv"
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}  # ASCII to its full-width forms


@pytest.fixture(scope="module")
def municipalities():
    return Municipalities.read(TABLE)


def test_a_name_reads_its_steps_in_order():
    name = DirectoryName.of([("C", "JP"), ("O", "JPKI-TEST")], "edition")
    assert str(name.child((Attribute.CN, "x"))) == "C=JP, O=JPKI-TEST, CN=x"
    assert str(name) == "C=JP, O=JPKI-TEST"


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [("X", "JP")],
        [("c", "JP")],
        [("C", "JPN")],
        [("C", "J")],
        [("O", "")],
        [("O", "x" * 65)],
    ],
)
def test_what_is_no_name_is_refused_with_its_place(steps):
    with pytest.raises(BadInput) as refusal:
        DirectoryName.of(steps, "edition line 5")
    assert refusal.value.place == "edition line 5"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("JPKI", "jpki"),
        ("Bridge  CA", " bridge ca "),
        ("Bridge\u3000CA", "Bridge CA"),
        ("JPKI".translate(WIDE), "JPKI"),
        ("ガ", "カ\u3099"),
        ("Straße", "STRASSE"),
    ],
)
def test_names_are_equal_in_their_folded_form(one, other):
    assert fold(one) == fold(other)
    assert DirectoryName(((Attribute.O, one),)).folded() == DirectoryName(((Attribute.O, other),)).folded()


@pytest.mark.parametrize(("one", "other"), [("JPKI", "JPKI-TEST"), ("Bridge CA", "BridgeCA"), ("か", "が")])
def test_different_names_stay_different(one, other):
    assert fold(one) != fold(other)


def test_the_attribute_and_the_order_count():
    one, other = (Attribute.O, "a"), (Attribute.OU, "a")
    assert DirectoryName((one,)).folded() != DirectoryName((other,)).folded()
    assert DirectoryName((one, other)).folded() != DirectoryName((other, one)).folded()


@given(st.text(max_size=40), st.text(st.characters(max_codepoint=0x7F)))
def test_outer_spaces_never_matter_nor_does_ascii_case(text, plain):
    assert fold(f"  {text}\t") == fold(text)
    assert fold(plain.upper()) == fold(plain.lower()) == fold(fold(plain))


@pytest.mark.parametrize(
    ("five", "digit"),
    [("13101", "6"), ("01100", "2"), ("27100", "4"), ("47382", "1"), ("01233", "5"), ("36302", "2")],
)
def test_check_digits_of_known_codes(five, digit):
    assert check_digit(five) == digit


def weighted_sum(code):
    """JIS X 0402: the sum of the five digits, weighted from 6 down to 2, and the sixth is a multiple of eleven."""
    return sum(int(digit) * weight for digit, weight in zip(code, (6, 5, 4, 3, 2, 1), strict=True)) % 11


@given(st.integers(0, 99999).map("{:05}".format))
def test_check_digits_make_the_weighted_sum_a_multiple_of_eleven(five):
    # Where 11 less the remainder is 10 or 11 its last digit stands alone, and the sum is one more than a multiple.
    digit = check_digit(five)
    assert weighted_sum(five + digit) in ({0, 1} if digit in {"0", "1"} else {0})


def test_the_real_table_is_read_whole(municipalities):
    with TABLE.open(encoding="utf-8", newline="") as file:
        codes = [row["code"] for row in csv.DictReader(file)]
    assert [municipality.code for municipality in municipalities] == codes
    assert len(codes) == 1922
    assert {row.prefecture_code for row in municipalities} == {f"{number:02}" for number in range(1, 48)}


def test_every_window_has_a_distribution_point_of_its_own(municipalities):
    windows = [row for row in municipalities if row.has_window]
    points = {(row.prefecture_code, municipalities.point_name(row.code)) for row in windows}
    assert len(points) == len(windows) > 1800
    assert all(len(f"{point} CRLDP") <= 64 and point.isascii() for _, point in points)  # ub-common-name


def test_only_towns_that_share_their_name_carry_their_code(municipalities):
    numbered = [row for row in municipalities if municipalities.point_name(row.code) != row.romaji]
    assert {row.romaji for row in numbered} >= {"Esashi-cho"}
    for row in numbered:
        twins = [
            other
            for other in municipalities
            if (other.prefecture_code, other.romaji) == (row.prefecture_code, row.romaji)
        ]
        assert len(twins) > 1
        assert municipalities.point_name(row.code) == f"{row.romaji}-{row.code}"


def test_wards_belong_to_designated_cities_that_are_there(municipalities):
    for row in municipalities:
        city = row.designated_city and municipalities.rows[row.designated_city]
        assert (row.kind == "ward") == (city is not None)
        assert city is None or (
            city.kind == "designated city" and city.prefecture_code == row.prefecture_code
        )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("131015", "is not in the table"),
        ("13101", "131016 with the check digit"),
        ("", "such as 131016"),
        ("13101".translate(WIDE), "such as 131016"),
        ("011002", "Name a ward: 011011, .*, 011100"),
        ("016951", "has no window"),
    ],
)
def test_a_municipality_without_a_window_says_what_to_name(municipalities, code, words):
    with pytest.raises(NotFound, match=words):
        municipalities.window(code)


def test_a_window_is_found_by_its_code(municipalities):
    assert municipalities.window("131016").name == "千代田区"
    assert municipalities.window("011011").designated_city == "011002"


HEADER = "code,prefecture_code,prefecture,prefecture_romaji,name,kana,romaji,kind,designated_city_code\n"
ROW = "131016,13,東京都,Tokyo,千代田区,ちよだく,Chiyoda-ku,municipality,\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param(HEADER + ROW + ROW, 3, "stands there twice", id="twice"),
        pytest.param(HEADER + ROW.replace("131016", "131017"), 2, "right check digit", id="check digit"),
        pytest.param(HEADER + ROW.replace("131016", "13101"), 2, "right check digit", id="five digits"),
        pytest.param(
            HEADER + ROW.replace("131016", "131016".translate(WIDE)), 2, "right check digit", id="wide digits"
        ),
        pytest.param(HEADER + ROW.replace("131016", ""), 2, "right check digit", id="no code"),
        pytest.param(HEADER + ROW.replace("municipality", "hamlet"), 2, "hamlet", id="unknown kind"),
        pytest.param(HEADER + ROW + "131024,13\n", 3, "missing or wrong", id="short row"),
        pytest.param(HEADER.replace("romaji,kind", "roma,kind") + ROW, 2, "romaji", id="missing column"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path, text, line, problem):
    path = tmp_path / "towns.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(BadInput, match=problem) as refusal:
        Municipalities.read(path)
    assert refusal.value.place == f"towns.csv line {line}"
