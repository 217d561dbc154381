"""The centre's pages, asked as a browser asks them, over a real seeded world."""

import csv
import html
import re
import shutil
import typing
import xml.etree.ElementTree as ET
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.manifest import JOURNAL_HEAD
from bridge.repository.heads import publish_head
from ca.journal.entries import Entry
from ca.model import Role
from ca.rules.registration import RULES, State, Step
from ca.store import counts, deeds, officers, tables
from ca.store.counts import Days
from ca.store.deeds import Deed
from front.console import journal_search, plots
from front.console.figures import Counting
from front.console.journal_search import KINDS, SHOWN, WITHHELD, Wanted, search
from front.console.plots import Look, Width
from front.console.sheets import guarded
from front.pages.texts import Texts
from front.signing_in import codes
from tests.console_world import AT, CODE, PERSON, console_world
from tests.small_edition import TOKYO

ANOTHER = "of another session"
SVG = "{http://www.w3.org/2000/svg}"
OPEN = (
    "/centre",
    "/centre/offices",
    f"/centre/offices/{TOKYO}",
    "/centre/officers",
    "/centre/officers/sato",
    "/centre/counts.csv",
)
PLOTS = tuple(
    f"/centre/plots/{each}.svg"
    for each in ("issued", "revoked", "waiting", "offices/issued", "offices/waiting")
)
AUDITORS = (
    "/centre/audit",
    "/centre/audit/journal",
    "/centre/audit/journal/1",
    "/centre/audit/journal.csv",
    "/centre/audit/deeds",
    "/centre/audit/deeds.csv",
)
CHANGES = (
    f"/centre/offices/{TOKYO}/suspend",
    f"/centre/offices/{TOKYO}/resume",
    f"/centre/offices/{TOKYO}/officers",
    "/centre/officers/sato/code",
    "/centre/officers/sato/end",
)


@pytest.fixture(scope="module")
def told(pristine_staffed_world, tmp_path_factory):
    """A world that is only looked at: two cases issued, one rejected, one that waits; and their numbers."""
    with console_world(
        shutil.copytree(pristine_staffed_world, tmp_path_factory.mktemp("told") / "home")
    ) as world:
        world.cases = [
            world.issued(AT - timedelta(days=2)),
            world.issued(),
            world.rejected(AT - timedelta(days=1)),
            world.filed(AT - timedelta(days=9)),
        ]
        # When the lists by which its signer is checked are new.
        begin = AT - timedelta(days=4)
        publish_head(world.world.issuers, world.world.plan, world.world.repository, at=begin)
        yield world


@pytest.fixture
def changed(pristine_staffed_world, tmp_path):
    """A world for one test."""
    with console_world(shutil.copytree(pristine_staffed_world, tmp_path / "home")) as world:
        yield world


def done(world):
    with world.nation.reading() as connection:
        return [(one.what, one.officer, one.about) for one in reversed(deeds.latest(connection, limit=100))]


def officer(world, name):
    with world.nation.reading() as connection:
        return officers.known(connection, name)


def words(answer):
    """What is to be read on a page, in a line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


# Who sees what


@pytest.mark.parametrize("path", [*OPEN, *PLOTS])
def test_the_centre_sees_what_is_counted_and_no_office_does(told, path):
    assert {told.browser(who).get(path).status_code for who in ("tanaka", "ito", "kansa")} == {200}
    assert {told.browser(who).get(path).status_code for who in ("sato", "mori")} == {403}
    nobody = told.browser().get(path)
    assert (nobody.status_code, nobody.headers["Location"].partition("?")[0]) == (303, "/sign-in")


@pytest.mark.parametrize("path", AUDITORS)
def test_auditors_alone_see_journal_and_deeds(told, path):
    assert told.browser("kansa").get(path).status_code == 200
    assert {told.browser(who).get(path).status_code for who in ("tanaka", "ito", "sato")} == {403}


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("who", ["kansa", "tanaka", "sato", "mori"])
def test_operators_alone_change_anything(told, who, path):
    before = tables_of(told)
    assert (
        told.browser(who)
        .post(path, {"reason": "none", "id": "x", "name": "x", "roles": "examiner"})
        .status_code
        == 403
    )
    assert tables_of(told) == before


@pytest.mark.parametrize("path", [*CHANGES, "/centre/audit/verify"])
def test_a_form_of_another_session_changes_nothing(told, path):
    who = "kansa" if "audit" in path else "ito"
    before = tables_of(told)
    assert told.browser(who).post(path, {"reason": "none"}, token=ANOTHER).status_code == 403
    assert tables_of(told) == before


def tables_of(world):
    with world.nation.reading() as connection:
        return [
            sorted(map(repr, connection.execute(table.select())))
            for table in (tables.officers, tables.offices, tables.enrolment_codes, tables.deeds)
        ]


# What is counted


def test_the_dashboard_says_what_was_done(told):
    page = told.browser("tanaka").get("/centre?days=7")
    said = words(page)
    assert "Issued today 1 2 in 7 days" in said
    assert "Waiting now 1" in said
    assert "Oldest waiting 9 d" in said
    assert "style=" not in page.text
    assert told.browser("tanaka", "ja").get("/centre").text.count("処理待ち") > 1


def test_every_picture_is_a_table_too(told):
    page = told.browser("tanaka").get("/centre?days=28").text
    pictures = re.findall(
        r'<img class="plot" src="(/centre/plots/(?:issued|revoked|waiting)[^"]*)"[^>]*alt="([^"]+)"', page
    )
    assert len(pictures) == 3
    assert page.count("<details><summary>") == 3
    for address, alternative in pictures:
        assert str(AT.date()) in alternative
        assert told.browser("tanaka").get(html.unescape(address)).status_code == 200


def test_what_is_kept_of_days_that_are_over_is_what_is_counted_anew(told):
    kept = Counting(told.world)
    for length in (7, 28, 7, 56):
        days = Days.until(AT, length)
        assert kept.figures(days) == Counting(told.world).figures(days)
        assert kept.by_office(days) == Counting(told.world).by_office(days)
    later = Days.until(AT + timedelta(days=3), 28)
    assert kept.figures(later) == Counting(told.world).figures(later)


def test_an_offices_figures_are_its_own(told):
    assert "2 in 28 days" in words(told.browser("ito").get(f"/centre/offices/{TOKYO}"))
    assert told.browser("ito").get("/centre/plots/issued.svg?office=nowhere").status_code == 404


def test_a_case_that_waits_too_long_is_found(told):
    old = told.world.stores.nation
    with old.writing() as connection:
        for number in range(30):
            name = f"{TOKYO}-{900_000 + number}"
            filed = AT - timedelta(days=3, hours=1)
            connection.execute(
                tables.applications.insert().values(
                    application=name,
                    office=TOKYO,
                    state=State.DELIVERED,
                    particulars="{}",
                    sought_name="",
                    filed_at=filed,
                )
            )
            for position, step in enumerate((Step.FILE, Step.ISSUE)):
                connection.execute(
                    tables.application_steps.insert().values(
                        application=name,
                        position=position,
                        step=step,
                        officer="sato",
                        at=filed + timedelta(hours=position),
                    )
                )
    try:
        found = Counting(told.world).unusual(AT)
        assert [(one.case.id, one.waited) for one in found.waits] == [(told.cases[3], timedelta(days=9))]
    finally:
        with old.writing() as connection:
            for table in (tables.application_steps, tables.applications):
                connection.execute(table.delete().where(table.c.application.like(f"{TOKYO}-9000%")))


# Pictures


def parsed(picture):
    return ET.fromstring(picture)  # noqa: S314 - our own picture


@pytest.mark.parametrize("path", PLOTS)
@pytest.mark.parametrize("narrow", ["", "&narrow=1"])
def test_a_picture_needs_no_style_and_no_script(told, path, narrow):
    answer = told.browser("tanaka").get(f"{path}?days=28{narrow}")
    assert answer.mimetype == "image/svg+xml"
    root = parsed(answer.data)
    assert root.tag == f"{SVG}svg"
    assert float(root.get("width")) == (330 if narrow else 540)
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in {
            "svg",
            "title",
            "text",
            "rect",
            "line",
            "polyline",
            "polygon",
            "circle",
        }
        assert not {"style", "class", "onload", "href"} & element.attrib.keys()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=91),
    st.sampled_from(Width),
    st.sampled_from([plots.bars, plots.line]),
)
def test_a_picture_stays_within_its_frame(counted, width, draw):
    numbers = {date(2026, 1, 1) + timedelta(days=n): count for n, count in enumerate(counted)}
    root = parsed(draw(numbers, Look("a <title>", "units & more", "#000000", "en", width=width)).encode())
    high = float(root.get("height"))
    for bar in root.iter(f"{SVG}rect"):
        x, y, wide, tall = (float(bar.get(name)) for name in ("x", "y", "width", "height"))
        assert x >= -0.2
        assert x + wide <= width.pixels + 0.2
        assert y >= 0
        assert y + tall <= high
    named = [one for one in root.iter(f"{SVG}text") if one.get("y") == "222"]
    assert 1 <= len(named) <= width.names


@given(st.integers(0, 10**9))
def test_an_axis_has_few_round_marks_that_reach_the_largest_number(most):
    marks = plots.ticks(most)
    assert marks[0] == 0
    assert marks[-1] >= most
    assert 2 <= len(marks) <= 5
    step = marks[1]
    assert marks == list(range(0, marks[-1] + 1, step))
    assert str(step).rstrip("0") in {"1", "2", "5"}


# Offices


def test_an_office_is_suspended_and_resumed_with_a_reason(changed):
    ito = changed.browser("ito")
    assert ito.post(f"/centre/offices/{TOKYO}/suspend", {"reason": ""}).status_code == 422
    assert officer(changed, "sato")[1].suspended_at is None
    for _ in range(2):  # a second press changes nothing
        answer = ito.post(f"/centre/offices/{TOKYO}/suspend", {"reason": "stolen key media"})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/centre/offices/{TOKYO}")
    assert officer(changed, "sato")[1].suspended_at == AT
    assert "stolen key media (By ito)" in words(ito.get(f"/centre/offices/{TOKYO}"))
    assert TOKYO in words(ito.get("/centre/offices?suspended=on"))
    changed.at += timedelta(hours=1)
    assert ito.post(f"/centre/offices/{TOKYO}/resume", {"reason": "all found"}).status_code == 303
    assert officer(changed, "sato")[1].suspended_at is None
    assert done(changed) == [
        (Deed.OFFICE_SUSPENDED, "ito", f"{TOKYO}: stolen key media"),
        (Deed.OFFICE_RESUMED, "ito", f"{TOKYO}: all found"),
    ]


def test_the_centre_is_never_suspended(changed):
    assert (
        changed.browser("ito").post("/centre/offices/centre/suspend", {"reason": "none"}).status_code == 403
    )
    assert officer(changed, "ito")[1].suspended_at is None


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("words=131016", True),
        ("words=%EF%BC%91%EF%BC%93%EF%BC%91%EF%BC%90%EF%BC%91%EF%BC%96", True),
        ("words=nowhere", False),
        ("kind=centre", False),
        ("kind=window&words=131", True),
        ("suspended=on", False),
    ],
)
def test_offices_are_looked_for(told, asked, there):
    assert (
        f'href="/centre/offices/{TOKYO}"' in told.browser("kansa").get(f"/centre/offices?{asked}").text
    ) is there


@pytest.mark.parametrize(
    "path",
    [
        "/centre/offices/nowhere",
        "/centre/officers/nobody",
        "/centre/audit/cases/131016-999999",
        "/centre/audit/journal/999999",
        "/centre/audit/case?number=%2e%2e",
    ],
)
def test_what_is_not_there_is_not_found(told, path):
    assert told.browser("kansa").get(path).status_code == 404


# Officers


def test_an_officer_is_added_given_a_code_and_ended(changed):
    ito = changed.browser("ito")
    answer = ito.post(
        f"/centre/offices/{TOKYO}/officers",
        {"id": "Kato", "name": "加藤　花", "roles": ["reception", "examiner"]},
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/centre/officers/kato")
    added, office = officer(changed, "kato")
    assert (added.name, office.id, added.roles) == ("加藤　花", TOKYO, {Role.RECEPTION, Role.EXAMINER})
    given_code = ito.post("/centre/officers/kato/code")
    code = re.search(r'class="code-shown">([^<]+)<', given_code.text)[1]
    assert given_code.headers["Cache-Control"] == "no-store"
    with changed.nation.reading() as connection:
        (kept,) = connection.execute(tables.enrolment_codes.select()).all()
    assert (bytes(kept.digest), kept.officer, kept.made_by) == (codes.digest_of(code), "kato", "ito")
    assert code not in ito.get("/centre/officers/kato").text
    assert ito.post("/centre/officers/kato/end").status_code == 303
    assert officer(changed, "kato")[0].ended_at == AT
    assert ito.post("/centre/officers/kato/code").status_code == 403
    assert done(changed) == [
        (Deed.OFFICER_ADDED, "ito", "kato"),
        (Deed.CODE_GIVEN, "ito", "kato"),
        (Deed.OFFICER_ENDED, "ito", "kato"),
    ]


def test_no_operator_ends_or_enrols_herself(changed):
    for what in ("end", "code"):
        assert changed.browser("ito").post(f"/centre/officers/ito/{what}").status_code == 403
        assert f"/centre/officers/ito/{what}" not in changed.browser("ito").get("/centre/officers/ito").text
    assert officer(changed, "ito")[0].ended_at is None
    assert done(changed) == []


@pytest.mark.parametrize(
    ("office", "typed", "wrong"),
    [
        (TOKYO, {"id": "", "name": "x", "roles": ["reception"]}, {"id"}),
        (TOKYO, {"id": "-a", "name": "x", "roles": ["reception"]}, {"id"}),
        (TOKYO, {"id": "あ", "name": "x", "roles": ["reception"]}, {"id"}),
        (TOKYO, {"id": "sato", "name": "x", "roles": ["reception"]}, {"id"}),
        (TOKYO, {"id": "kato", "name": "", "roles": ["reception"]}, {"name"}),
        (TOKYO, {"id": "kato", "name": "x" * 61, "roles": ["reception"]}, {"name"}),
        (TOKYO, {"id": "kato", "name": "x", "roles": []}, {"roles"}),
        (TOKYO, {"id": "kato", "name": "x", "roles": ["approver"]}, {"roles"}),
        (TOKYO, {"id": "kato", "name": "x", "roles": ["king"]}, {"roles"}),
        ("centre", {"id": "kato", "name": "x", "roles": ["auditor", "operator"]}, {"roles"}),
        ("centre", {"id": "kato", "name": "x", "roles": ["reception"]}, {"roles"}),
        (TOKYO, {"id": "", "name": "", "roles": []}, {"id", "name", "roles"}),
        ("centre", {"id": "kato", "name": "x", "roles": ["auditor"]}, set()),
    ],
)
def test_a_form_is_judged_alike_while_it_is_typed_and_when_it_is_sent(changed, office, typed, wrong):
    ito = changed.browser("ito")
    assert set(ito.post(f"/centre/offices/{office}/officers/check", typed).json["problems"]) == wrong
    answer = ito.post(f"/centre/offices/{office}/officers", typed)
    assert answer.status_code == (422 if wrong else 303)
    if wrong:
        assert len(re.findall(r'class="field[^"]* wrong"', answer.text)) == len(wrong)
        assert done(changed) == []


def test_the_form_offers_only_what_may_be_done_there(told):
    offered = {
        office: set(
            re.findall(
                r'name="roles" value="([^"]+)"',
                told.browser("ito").get(f"/centre/offices/{office}/officers/new").text,
            )
        )
        for office in (TOKYO, "centre")
    }
    assert offered == {
        TOKYO: {"reception", "examiner"},
        "centre": {"centre-examiner", "approver", "operator", "auditor"},
    }


# Auditors


def test_a_whole_journal_is_held_against_its_signed_head(told):
    answer = told.browser("kansa").post("/centre/audit/verify")
    assert answer.status_code == 200
    assert "The journal is whole." in answer.text
    assert "whose signature is right" in answer.text


def test_a_changed_journal_does_not_verify(changed):
    (path,) = changed.world.home.journal.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    answer = changed.browser("kansa").post("/centre/audit/verify")
    assert "The journal does not hold together." in answer.text
    assert "record 3 was removed" in words(answer)


def test_a_head_that_nobody_signed_is_refused(changed):
    publish_head(changed.world.issuers, changed.world.plan, changed.world.repository, at=AT)
    head = changed.world.home.repository / JOURNAL_HEAD
    head.write_bytes(head.read_bytes().replace(b'"count":', b'"count":1'))
    answer = changed.browser("kansa").post("/centre/audit/verify")
    assert answer.status_code == 409
    assert "It could not be verified." in answer.text


def test_every_part_of_a_record_is_either_shown_or_withheld():
    found = set()

    def look(kind):
        for part in msgspec.structs.fields(kind):
            found.add(part.name)
            for each in (part.type, *typing.get_args(part.type)):
                if isinstance(each, type) and issubclass(each, msgspec.Struct):
                    look(each)

    for kind in typing.get_args(Entry):
        look(kind)
    assert not SHOWN & WITHHELD
    assert found == SHOWN | WITHHELD


def test_no_page_of_the_journal_tells_who_a_resident_is(told):
    kansa = told.browser("kansa")
    with told.nation.reading() as connection:
        (holder,) = {row.holder for row in connection.execute(tables.applications.select())}
    count = told.world.stores.journal.head().count
    pages = [kansa.get(f"/centre/audit/journal/{index}").text for index in range(1, count + 1)]
    pages += [kansa.get(path).text for path in (*AUDITORS, f"/centre/audit/cases/{told.cases[0]}")]
    for secret in (bytes(holder).hex(), PERSON.name, PERSON.address, str(CODE)):
        assert not [page for page in pages if secret in page]
    assert any('<td class="code breaks">…</td>' in page for page in pages), "that it is withheld is said"


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        (Wanted(kind="intent", case="{case}"), ["intent"]),
        (Wanted(case="{case}", since=AT - timedelta(days=3)), ["intent"]),
        (Wanted(certificate="{certificate}"), ["intent", "issued"]),
        (Wanted(kind="issued", since=AT - timedelta(minutes=1), until=AT + timedelta(minutes=1)), ["issued"]),
        (Wanted(since=AT + timedelta(days=1)), []),
        (Wanted(until=AT - timedelta(days=5000)), []),
        (Wanted(first=10**9), []),
    ],
)
def test_records_are_found(told, wanted, kinds):
    certificate = str(certificates(told, told.cases[0])[0])
    wanted = Wanted(
        wanted.first,
        wanted.last,
        wanted.kind,
        wanted.since,
        wanted.until,
        wanted.certificate.format(certificate=certificate),
        wanted.case.format(case=told.cases[0]),
    )
    assert [line.kind for line in search(told.world.home.journal, wanted, 50).lines] == kinds


def certificates(world, case):
    with world.nation.reading() as connection:
        from ca.store import applications  # noqa: PLC0415 - this name is used here alone

        return applications.find(connection, case).certificates


@given(scanned=st.integers(1, 7), limit=st.integers(1, 5), kind=st.sampled_from(["", "generation", "issued"]))
def test_a_search_in_pieces_finds_what_one_at_a_stroke_finds(told, scanned, limit, kind):
    folder = told.world.home.journal
    whole = search(folder, Wanted(kind=kind), 10**6).lines
    found, behind, pieces = [], 0, 0
    while behind is not None:
        piece = search(folder, Wanted(first=behind + 1, kind=kind), limit, scanned)
        found += piece.lines
        assert len(piece.lines) <= limit
        assert piece.behind is None or piece.behind > behind
        behind, pieces = piece.behind, pieces + 1
    assert tuple(found) == whole
    assert pieces >= told.world.stores.journal.head().count // scanned


def test_a_day_is_found_in_the_file_in_which_it_lies(told, tmp_path):
    lines = b"".join(
        path.read_bytes() for path in sorted(told.world.home.journal.glob("*.jsonl"))
    ).splitlines(keepends=True)
    for first in range(0, len(lines), 4):
        (tmp_path / f"{first + 1:012}.jsonl").write_bytes(b"".join(lines[first : first + 4]))
    for moment in (AT - timedelta(days=5000), AT - timedelta(days=2, hours=2), AT, AT + timedelta(days=1)):
        wanted = Wanted(since=moment)
        assert search(tmp_path, wanted, 10**6) == search(told.world.home.journal, wanted, 10**6)


@pytest.mark.parametrize(
    "asked",
    [
        "first=x",
        "first=0",
        "last=-1",
        "kind=nonsense",
        "since=2014-13-01",
        "since=2014-09-02&until=2014-09-01",
        "until=9999-12-31",
        f"certificate={'x' * 200}",
    ],
)
def test_a_search_that_makes_no_sense_says_so(told, asked):
    for path in ("/centre/audit/journal", "/centre/audit/journal.csv"):
        answer = told.browser("kansa").get(f"{path}?{asked}")
        assert answer.status_code == 422
        assert answer.text.count('aria-invalid="true"') + ("kind=" in asked) == 1


def test_reading_a_case_is_a_deed(changed):
    case = changed.issued()
    kansa = changed.browser("kansa")
    found = kansa.get(f"/centre/audit/case?number={case.upper()}")
    assert found.headers["Location"] == f"/centre/audit/cases/{case}"
    said = words(kansa.get(found.headers["Location"]))
    order = ["Received it", "Examined it", "Approved it", "Issued it"]
    assert sorted(order, key=said.index) == order
    assert done(changed) == [(Deed.LOOKED_UP, "kansa", case)]
    assert kansa.get("/centre/audit/cases/312011-999999").status_code == 404
    assert done(changed)[1:] == [(Deed.LOOK_REFUSED, "kansa", "case")]
    assert f"Looked up kansa centre {case}" in said
    assert "Looked up kansa" in words(kansa.get(f"/centre/audit/deeds?about={case}"))
    assert "Looked up kansa" not in words(kansa.get("/centre/audit/deeds?about=another"))


def test_files_for_spreadsheets_hold_every_row_and_no_formula(changed):
    with changed.nation.writing() as connection:
        for _ in range(1203):
            deeds.note(
                connection, Deed.LOOKED_UP, who=officer(changed, "ito")[0], about="=HYPERLINK(1)", at=AT
            )
    answer = changed.browser("kansa").get("/centre/audit/deeds.csv?what=looked-up")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="deeds.csv"'
    heading, *rows = csv.reader(answer.text.removeprefix("\ufeff").splitlines())
    assert heading[0] == "number"
    assert [int(row[0]) for row in rows] == list(range(1203, 0, -1))
    assert {row[-1] for row in rows} == {"'=HYPERLINK(1)"}
    assert done(changed)[-1] == (Deed.EXPORTED, "kansa", "deeds")
    journal = list(csv.reader(changed.browser("kansa").get("/centre/audit/journal.csv").text.splitlines()))
    assert len(journal) == changed.world.stores.journal.head().count + 1


@given(st.text(max_size=8))
def test_a_cell_is_never_a_formula(text):
    cell = guarded(text)
    assert cell.removeprefix("'") == text.removeprefix("'")
    assert not cell.lstrip().startswith(tuple("=+-@\t\r＝＋－＠"))  # noqa: RUF001 - these too are reckoned


# Words


def test_every_word_that_a_page_makes_up_is_there():
    folder = Path(journal_search.__file__).parent
    texts = Texts.read([folder / "texts"])
    made = {
        "state": State, "step": RULES, "role": Role, "deed": Deed, "record": KINDS,
    }  # fmt: skip
    assert [
        f"{room}.{each}"
        for room, every in made.items()
        for each in every
        if not texts.has(f"console.{room}.{each}")
    ] == []
    said = {
        word
        for path in (folder / "templates").rglob("*.html")
        for word in re.findall(r'"(console\.[a-z_.-]+[a-z])"', path.read_text("utf-8"))
    }
    assert sorted(word for word in said if not texts.has(word)) == []


# What offices are called


@pytest.mark.parametrize(
    ("language", "centre", "ministry", "window"),
    [("ja", "センター", "見本省", "千代田区"), ("en", "Centre", "Ministry of Examples", "Chiyoda-ku")],
)
def test_offices_are_called_in_the_readers_language(told, language, centre, ministry, window):
    browser = told.browser("endo", language)
    for path in ("/centre", f"/centre/offices/{TOKYO}", "/centre/offices", "/centre/officers"):
        shown = words(browser.get(path))
        assert (f"遠藤 次郎 {centre}" in shown, window in shown) == (True, True), path
    assert ministry in words(browser.get("/centre/offices?kind=ministry"))
    assert window in words(told.browser("kansa", language).get(f"/centre/audit/cases/{told.cases[0]}"))
    assert window in browser.get("/centre/plots/offices/issued.svg").text


@pytest.mark.parametrize("sought", ["Chiyoda", "千代田", "chiyoda-ku", TOKYO])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_an_office_is_found_by_either_name(told, sought, language):
    found = told.browser("endo", language).get(f"/centre/offices?words={sought}")
    assert f"/centre/offices/{TOKYO}" in found.text
    assert "/centre/offices/131024" not in found.text


# What is counted once


def test_days_that_are_over_are_counted_once(told, monkeypatch):
    """What a first view has counted no other question counts again, and none counts a day twice."""
    asked: dict[str, list[Days]] = {}
    for name in ("steps_by_day", "steps_by_office", "decisions_by_day", "revoked"):
        real = getattr(counts, name)

        def listening(*arguments, name=name, real=real):
            asked.setdefault(name, []).append(arguments[-1])
            return real(*arguments)

        monkeypatch.setattr(counts, name, listening)
    counting, days = Counting(told.world), Days.until(AT, 28)
    counting.figures(days)
    lines, unusual = counting.by_office(days), counting.unusual(AT)
    final = days.last - timedelta(days=1)
    for name, periods in asked.items():
        counted = [day for period in periods for day in period if day < final]
        assert len(counted) == len(set(counted)), name
    asked.clear()
    assert counting.by_office(days) == lines
    assert {period.first for periods in asked.values() for period in periods} == {final}
    fresh = Counting(told.world)
    assert (fresh.unusual(AT), fresh.by_office(days)) == (unusual, lines)
