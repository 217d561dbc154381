"""The yearly self-check: what counts as an answer and as evidence, and its way from an office to the centre."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from ca.errors import BadInput, Conflict, NotFound, NotPermitted
from ca.issuing.self_checking import review, submit
from ca.model import Office, OfficeId, OfficeKind, Officer, OfficerId, Role
from ca.rules.self_check import (
    LARGEST_FILE,
    LONGEST_REMARK,
    QUESTIONS,
    Answer,
    Evidence,
    Finding,
    Grade,
    Verdict,
    evidence_of,
    fiscal_year,
    require_complete,
    require_finding,
    require_year,
    unanswered,
)
from ca.store import officers, self_checks
from tests.local_world import LocalWorld, local_world

YEAR = 2015  # the world begins in January 2016
MET = dict.fromkeys(QUESTIONS, Answer(Grade.MET))
OFFICE = OfficeId("local-2")
PDF = b"%PDF-1.7\n..."
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF"
ACCEPTED = Finding(Verdict.ACCEPTED)


@pytest.fixture
def local(tmp_path) -> Iterator[LocalWorld]:
    with local_world(tmp_path) as made:
        yield made


def submitted(local, answers=MET, officer="shin", year=YEAR, **more):
    return submit(local.stores, year, answers, officer, at=local.at, **more)


def files(local):
    with local.stores.nation.reading() as connection:
        check = self_checks.find(connection, OFFICE, YEAR)
        return {
            file.number: self_checks.file(connection, OFFICE, YEAR, file.number).content
            for file in check.files
        }


# Rules


def test_every_question_is_asked_in_both_languages() -> None:
    for question in QUESTIONS.values():
        assert question.japanese.endswith("か。")
        assert question.english.isascii()
        assert question.english.endswith("?")


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (datetime(2016, 3, 31, 14, 59, 59, tzinfo=UTC), 2015),  # 23:59:59 in Japan
        (datetime(2016, 3, 31, 15, tzinfo=UTC), 2016),
        (datetime(2016, 12, 31, 15, tzinfo=UTC), 2016),
    ],
)
def test_a_fiscal_year_begins_in_april_in_japan(moment, year) -> None:
    assert fiscal_year(moment) == year
    assert {require_year(each, moment) for each in (year - 1, year)} == {year - 1, year}
    for other in (year - 2, year + 1):
        with pytest.raises(BadInput):
            require_year(other, moment)


@pytest.mark.parametrize(
    ("word", "answer", "why"),
    [
        ("media", None, "missing"),
        ("media", Answer(Grade.NOT_APPLICABLE, "we have none"), "always"),
        ("media", Answer(Grade.NOT_MET), "remark"),
        ("media", Answer(Grade.NOT_MET, " \n"), "remark"),
        ("incidents", Answer(Grade.NOT_APPLICABLE), "remark"),
        ("media", Answer(Grade.MET, "x" * (LONGEST_REMARK + 1)), "long"),
    ],
)
def test_an_answer_that_does_not_count(word, answer, why) -> None:
    answers = {**MET, word: answer} if answer else {each: MET[each] for each in MET if each != word}
    assert unanswered(answers) == {word: why}
    with pytest.raises(BadInput, match=word):
        require_complete(answers)


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("media", Answer(Grade.NOT_MET, "two are missing")),
        ("incidents", Answer(Grade.NOT_APPLICABLE, "none happened")),
        ("media", Answer(Grade.MET, "x" * LONGEST_REMARK)),
    ],
)
def test_an_answer_that_counts(word, answer) -> None:
    assert require_complete({**MET, word: answer})[word] == answer


def test_what_is_not_asked_is_not_answered() -> None:
    with pytest.raises(BadInput, match="1 questions that are not asked"):
        require_complete({**MET, "other": Answer(Grade.MET)})


@given(
    st.dictionaries(
        st.sampled_from(sorted(QUESTIONS)), st.builds(Answer, st.sampled_from(Grade), st.text(max_size=5))
    )
)
def test_answers_are_complete_or_told_what_lacks(answers) -> None:
    lacking = unanswered(answers)
    assert lacking.keys() >= QUESTIONS.keys() - answers.keys()
    if lacking:
        with pytest.raises(BadInput):
            require_complete(answers)
    else:
        assert require_complete(answers) == answers


@pytest.mark.parametrize(
    ("name", "content", "kept", "media_type"),
    [
        ("ledger.pdf", PDF, "ledger.pdf", "application/pdf"),
        ("photo.JPEG", JPEG, "photo.jpg", "image/jpeg"),
        ("screen.png", PNG, "screen.png", "image/png"),
        ("研修記録.txt", "受講者 12 名\r\n".encode(), "研修記録.txt", "text/plain"),
        ("bom.csv", "\ufeffa,b\n".encode(), "bom.txt", "text/plain"),
        (
            "page.html",
            b"<script>alert(1)</script>",
            "page.txt",
            "text/plain",
        ),  # text is text, and served as such
        ("ledger.exe", PDF, "ledger.pdf", "application/pdf"),
        ("../../etc/passwd", PDF, "passwd.pdf", "application/pdf"),
        ("C:\\papers\\a.pdf", PDF, "a.pdf", "application/pdf"),
        ('a"b\r\nSet-Cookie: x.pdf', PDF, "abSet-Cookie x.pdf", "application/pdf"),
        ("..", PDF, "evidence.pdf", "application/pdf"),
        ("x" * 300 + ".pdf", PDF, "x" * 100 + ".pdf", "application/pdf"),
    ],
)
def test_evidence_is_what_its_content_says(name, content, kept, media_type) -> None:
    assert evidence_of(name, content) == Evidence(kept, media_type, content)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"MZ\x90\0\x03", b"PK\x03\x04\x14\0", b"GIF89a\x01\0", b"\0", "文字".encode("shift_jis"), b"a\x1bb",
        PDF.ljust(LARGEST_FILE + 1, b" "), b" %PDF-1.7\0",
    ],
)  # fmt: skip
def test_what_is_no_evidence(content) -> None:
    with pytest.raises(BadInput):
        evidence_of("ledger.pdf", content)


@given(st.text(max_size=200), st.sampled_from([PDF, PNG, JPEG, b"text"]))
def test_the_name_of_evidence_is_harmless(name, content) -> None:
    kept = evidence_of(name, content).name
    assert kept.isprintable()
    assert not set(kept) & set('/\\"<>:|?*')
    assert not kept.startswith(".")
    assert len(kept) <= 105


@pytest.mark.parametrize("words", ["", " \n"])
def test_a_finding_says_what_is_to_improve(words) -> None:
    assert require_finding(Finding(Verdict.ACCEPTED, words)).words == words
    with pytest.raises(BadInput):
        require_finding(Finding(Verdict.TO_IMPROVE, words))


# From an office to the centre


def test_a_year_is_answered_reviewed_and_closed(local) -> None:
    answers = {**MET, "media": Answer(Grade.NOT_MET, "二枚を捜索中")}
    made = submitted(local, answers, new=[evidence_of("a.pdf", PDF)])
    assert (made.answers, made.officer, made.finding, [file.name for file in made.files]) == (
        answers, "shin", None, ["a.pdf"],
    )  # fmt: skip
    local.passes(days=3)
    finding = Finding(Verdict.TO_IMPROVE, "紛失の届出を。")
    done = review(local.stores, OFFICE, YEAR, finding, "again", at=local.at)
    assert (done.finding, done.reviewer, done.reviewed_at) == (finding, "again", local.at)
    with pytest.raises(Conflict):
        submitted(local)
    with pytest.raises(Conflict):
        review(local.stores, OFFICE, YEAR, ACCEPTED, "again", at=local.at)
    with local.stores.nation.reading() as connection:
        assert self_checks.find(connection, OFFICE, YEAR) == done


def test_until_the_review_it_is_submitted_anew(local) -> None:
    submitted(local, new=[evidence_of("a.pdf", PDF), evidence_of("b.png", PNG)])
    assert files(local) == {1: PDF, 2: PNG}
    made = submitted(local, officer="shin-2", kept=[2, 99], new=[evidence_of("c.txt", b"text")])
    assert files(local) == {2: PNG, 3: b"text"}, "a number is never another file's"
    assert made.officer == "shin-2"


def test_a_number_is_not_used_again_when_the_last_file_is_gone(local) -> None:
    submitted(local, new=[evidence_of("a.pdf", PDF)])
    submitted(local)
    assert files(local) == {}
    with local.stores.nation.reading() as connection, pytest.raises(NotFound):
        self_checks.file(connection, OFFICE, YEAR, 1)
    submitted(local, kept=[1], new=[evidence_of("b.png", PNG)])
    assert files(local) == {2: PNG}, "what has gone does not come back either"


def test_many_offices_are_read_in_as_many_statements_as_one(local) -> None:
    offices = [OfficeId(f"town-{number}") for number in range(5)]
    with local.stores.nation.writing() as connection:
        town = OfficeKind.LOCAL_GOVERNMENT
        officers.add_offices(connection, [Office(office, town, "a town", ()) for office in offices])
        for office in offices:
            officers.add_officer(
                connection, Officer(OfficerId(f"clerk-{office}"), office, frozenset({Role.EXAMINER}))
            )
    for office in offices:
        new = [evidence_of("a.pdf", PDF), evidence_of("b.png", PNG)]
        submitted(local, officer=f"clerk-{office}", new=new)
    counted = []
    with local.stores.nation.reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *given: counted.append(given[2]))
        self_checks.of_year(connection, YEAR, offices[:1])
        for_one = len(counted)
        found = self_checks.of_year(connection, YEAR, offices)
        assert len(counted) == 2 * for_one
        assert found == [self_checks.find(connection, office, YEAR) for office in offices]
    assert [[file.number for file in check.files] for check in found] == [[1, 2]] * 5


def test_there_are_at_most_ten_files(local) -> None:
    many = [evidence_of(f"{number}.pdf", PDF) for number in range(10)]
    submitted(local, new=many)
    with pytest.raises(BadInput, match="11 files"):
        submitted(local, kept=range(1, 11), new=many[:1])
    assert len(files(local)) == 10


@pytest.mark.parametrize("officer", ["uke", "again", "unyo", "madoguchi", "kansa"])
def test_who_may_not_submit(local, officer) -> None:
    with pytest.raises(NotPermitted):
        submitted(local, officer=officer)


@pytest.mark.parametrize("officer", ["shin", "uke", "unyo", "shonin", "other-2", "kansa"])
def test_who_may_not_review(local, officer) -> None:
    submitted(local)
    with pytest.raises(NotPermitted):
        review(local.stores, OFFICE, YEAR, ACCEPTED, officer, at=local.at)


def test_what_was_not_submitted_is_not_reviewed(local) -> None:
    submitted(local, officer="other-2")
    with pytest.raises(NotFound):
        review(local.stores, OFFICE, YEAR, ACCEPTED, "again", at=local.at)
    with pytest.raises(BadInput):
        submitted(local, year=YEAR - 2)
