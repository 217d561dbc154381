"""The yearly self-check of a registration sub-office: the questions, what counts as an answer, and what shows it.

A year is Japan's fiscal one, April to March, and is named by the year in which it begins. It is answered from April on,
until the centre has reviewed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from ca.errors import BadInput, Conflict
from ca.rules.validity import JST

_FIRST_MONTH = 4

MOST_FILES = 10
LARGEST_FILE = 512 * 1024
"""In octets."""
LONGEST_REMARK = 1000
_LONGEST_NAME = 100


class Grade(StrEnum):
    """How an office answers a question."""

    MET = "met"
    NOT_MET = "not-met"
    NOT_APPLICABLE = "not-applicable"


class Verdict(StrEnum):
    """What the centre finds."""

    ACCEPTED = "accepted"
    TO_IMPROVE = "to-improve"


@dataclass(frozen=True, slots=True)
class Question:
    """What an office is asked.

    Attributes:
        japanese: The question to the office, and ``english`` the same.
        always: Whether it concerns every office: then it cannot be not applicable.
    """

    japanese: str
    english: str
    always: bool = True


QUESTIONS: Mapping[str, Question] = MappingProxyType(
    {
        "separation": Question(
            "受付と審査は、別の職員が行っていますか。",
            "Do different officers receive and examine each application?",
        ),
        "officers": Question(
            "異動・退職した職員の権限は、その日のうちに終了していますか。",
            "Are the rights of officers who move or leave ended the same day?",
        ),
        "training": Question(
            "担当職員は、この一年に研修を受けましたか。",
            "Was each officer trained within this year?",
        ),
        "holders": Question(
            "職責の存否と名義人の在職を、人事記録で確認していますか。",
            "Is it checked against staff records that the post exists and the holder is in office?",
        ),
        "media": Question(
            "鍵媒体の現物を台帳と突き合わせ、すべての所在を確認しましたか。",
            "Was every key medium seen and held against the register?",
        ),
        "safe": Question(
            "保管中の鍵媒体は、施錠できる場所に置いていますか。",
            "Are key media in the office's custody under lock and key?",
        ),
        "pins": Question(
            "PIN は名義人だけが知り、媒体と別に管理されていますか。",
            "Is each PIN known to its holder alone, and kept apart from the medium?",
        ),
        "abolition": Question(
            "廃止された職責の証明書は、すみやかに失効を申請しましたか。",
            "Was the end of certificates asked for as soon as their posts were abolished?",
            always=False,
        ),
        "incidents": Question(
            "紛失・漏えいの疑いは、直ちにセンターへ届け出ましたか。",
            "Was every loss or suspected leak reported to the centre at once?",
            always=False,
        ),
        "records": Question(
            "申請書類は、定められた期間、施錠して保存していますか。",
            "Are application papers kept under lock for the prescribed time?",
        ),
    }
)
"""The questions by the word that answers are kept under. A word never changes its meaning."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An office's answer.

    Attributes:
        remark: Why, or what is being done about it; needed unless the question's demand is met.
    """

    grade: Grade
    remark: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file that shows something.

    Attributes:
        media_type: Told by the content, never by the name.
    """

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the centre says of a year's answers.

    Attributes:
        words: What the office is to do, or why all is well; needed where something is to improve.
    """

    verdict: Verdict
    words: str = field(default="", repr=False)


def fiscal_year(at: datetime) -> int:
    """The fiscal year of a moment, in Japan."""
    there = at.astimezone(JST)
    return there.year if there.month >= _FIRST_MONTH else there.year - 1


def require_year(year: int, at: datetime) -> int:
    """A year that can be answered now: this one, or the last; BadInput otherwise."""
    now = fiscal_year(at)
    if year not in {now, now - 1}:
        raise BadInput("year", f"{year} is not answered now", remedy=f"{now - 1} and {now} are")
    return year


def unanswered(answers: Mapping[str, Answer]) -> dict[str, str]:
    """For each question that is not answered yet the reason, as a word; empty if the answers are complete."""
    found: dict[str, str] = {}
    for word, question in QUESTIONS.items():
        answer = answers.get(word)
        if answer is None:
            found[word] = "missing"
        elif question.always and answer.grade is Grade.NOT_APPLICABLE:
            found[word] = "always"
        elif answer.grade is not Grade.MET and not answer.remark.strip():
            found[word] = "remark"
        elif len(answer.remark) > LONGEST_REMARK:
            found[word] = "long"
    return found


def require_complete(answers: Mapping[str, Answer]) -> Mapping[str, Answer]:
    """The answers, if each question has one that counts and nothing else is answered; BadInput otherwise."""
    lacking = unanswered(answers)
    if lacking:
        raise BadInput("self-check", f"is not complete: {', '.join(lacking)}")
    strange = sorted(answers.keys() - QUESTIONS.keys())
    if strange:
        raise BadInput("self-check", f"answers {len(strange)} questions that are not asked")
    return answers


def require_finding(finding: Finding) -> Finding:
    """A finding that says what is to improve, if anything is; BadInput otherwise."""
    if len(finding.words) > LONGEST_REMARK:
        raise BadInput("finding", f"has more than {LONGEST_REMARK} characters")
    if finding.verdict is Verdict.TO_IMPROVE and not finding.words.strip():
        raise BadInput("finding", "does not say what is to improve")
    return finding


def require_open(year: int, reviewed_at: datetime | None) -> None:
    """Raise Conflict if the centre has reviewed the year: its answers stay as they are."""
    if reviewed_at is not None:
        raise Conflict(f"self-check {year}", "has been reviewed; its answers stay as they are")


_KINDS = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)
_TEXT = "text/plain"
_LAYOUT = frozenset("\t\n\r\f\u3000")
_ENDINGS: Mapping[str, str] = MappingProxyType(
    {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", _TEXT: ".txt"}
)


def evidence_of(name: str, content: bytes) -> Evidence:
    """A file as evidence: PDF, PNG, JPEG or text in UTF-8, which its content says.

    The name is kept for people: its last part, without control characters, with the ending of what it is.

    Raises:
        BadInput: It is empty, too large, or of another type.
    """
    if not content:
        raise BadInput("evidence", "is empty")
    if len(content) > LARGEST_FILE:
        raise BadInput("evidence", f"has more than {LARGEST_FILE // 1024} KB")
    media_type = next((kind for magic, kind in _KINDS if content.startswith(magic)), None)
    if media_type is None:
        _require_text(content)
        media_type = _TEXT
    last = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, _ = last.rpartition(".")
    kept = "".join(one for one in (stem if dot else last) if one.isprintable() and one not in '"<>:|?*')
    return Evidence(
        (kept.strip(" .")[:_LONGEST_NAME] or "evidence") + _ENDINGS[media_type], media_type, content
    )


def require_few(files: int) -> None:
    """Raise BadInput if there are more files than a self-check takes."""
    if files > MOST_FILES:
        raise BadInput("evidence", f"has {files} files; at most {MOST_FILES} are kept")


def _require_text(content: bytes) -> None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if any(not one.isprintable() and one not in _LAYOUT for one in text.removeprefix("\ufeff")):
        raise BadInput("evidence", "is not PDF, PNG, JPEG or text in UTF-8")
