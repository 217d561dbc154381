"""The machine interface of yearly self-checks: a local government's sub-office answers, the centre reviews."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from ca.clock import utc_text
from ca.errors import NotFound
from ca.issuing import self_checking
from ca.model import OfficeId, OfficeKind
from ca.rules.self_check import LONGEST_REMARK, MOST_FILES, Answer, Finding, Grade, Verdict, evidence_of
from ca.store import self_checks
from ca.store.self_checks import SelfCheck
from front.registration.answers import Moment
from front.registration.operations import Call, Nothing, Operation

_SUBJECT = "self-checks"
_Remark = Annotated[str, msgspec.Meta(max_length=LONGEST_REMARK)]
_Word = Annotated[str, msgspec.Meta(max_length=40)]


class CheckAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to a question.

    Attributes:
        remark: Why; needed unless it is met.
    """

    grade: Grade
    remark: _Remark = ""


class SentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that shows something: PDF, PNG, JPEG or text.

    Attributes:
        content: In base64.
    """

    name: Annotated[str, msgspec.Meta(max_length=200)]
    content: bytes


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A year's answers, in place of those submitted before.

    Attributes:
        answers: By the word of the question.
        kept: The numbers of the files that stay, of those submitted before.
        files: Those that come to them.
    """

    answers: dict[_Word, CheckAnswer]
    kept: Annotated[tuple[int, ...], msgspec.Meta(max_length=MOST_FILES)] = ()
    files: Annotated[tuple[SentFile, ...], msgspec.Meta(max_length=MOST_FILES)] = ()


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the centre finds.

    Attributes:
        words: What is to improve; needed where something is.
    """

    verdict: Verdict
    words: _Remark = ""


class FileAnswer(msgspec.Struct, frozen=True):
    """A file of a self-check.

    Attributes:
        sha256: Of its content, in hexadecimal digits.
    """

    number: int
    name: str
    media_type: str
    sha256: str


class SelfCheckAnswer(msgspec.Struct, frozen=True):
    """A year's self-check of an office.

    Attributes:
        officer: Who submitted it last.
        reviewer: Who of the centre reviewed it; null if nobody has.
    """

    office: OfficeId
    year: int
    answers: dict[str, CheckAnswer]
    officer: str
    submitted_at: Moment
    files: tuple[FileAnswer, ...]
    reviewer: str | None
    reviewed_at: Moment | None
    finding: Review | None

    @classmethod
    def of(cls, check: SelfCheck) -> SelfCheckAnswer:
        """From the store."""
        found = check.finding
        return cls(
            office=check.office,
            year=check.year,
            answers={word: CheckAnswer(one.grade, one.remark) for word, one in check.answers.items()},
            officer=check.officer,
            submitted_at=utc_text(check.submitted_at),
            files=tuple(
                FileAnswer(file.number, file.name, file.media_type, file.sha256.hex()) for file in check.files
            ),
            reviewer=check.reviewer,
            reviewed_at=None if check.reviewed_at is None else utc_text(check.reviewed_at),
            finding=None if found is None else Review(found.verdict, found.words),
        )


def _show(call: Call[Nothing]) -> SelfCheckAnswer:
    office, year = _place(call)
    with call.world.stores.nation.reading() as connection:
        return SelfCheckAnswer.of(self_checks.find(connection, office, year))


def _submit(call: Call[Submission]) -> SelfCheckAnswer:
    _, year = _place(call, own=True)
    world, sent = call.world, call.sent
    check = self_checking.submit(
        world.stores,
        year,
        {word: Answer(one.grade, one.remark) for word, one in sent.answers.items()},
        call.officer,
        kept=sent.kept,
        new=[evidence_of(file.name, file.content) for file in sent.files],
        at=world.clock(),
    )
    return SelfCheckAnswer.of(check)


def _review(call: Call[Review]) -> SelfCheckAnswer:
    office, year = _place(call)
    world, finding = call.world, Finding(call.sent.verdict, call.sent.words)
    return SelfCheckAnswer.of(
        self_checking.review(world.stores, office, year, finding, call.officer, at=world.clock())
    )


def _place(call: Call[Any], *, own: bool = False) -> tuple[OfficeId, int]:
    """Office and year of the path: the caller's own office; any for the centre, unless ``own``.

    Another office's are answered as if they were not there.
    """
    office, year = call.places["office"], call.places["year"]
    _, mine = call.person()
    everybody = mine.kind is OfficeKind.CENTRE and not own
    if not (everybody or office == mine.id) or not re.fullmatch(r"[0-9]{4}", year, re.ASCII):
        raise NotFound("self-check", "is not one of this home's")
    return OfficeId(office), int(year)


CHECKS: tuple[Operation[Any], ...] = (
    Operation("self_check", "GET", "/self-checks/{office}/{year}", "A year's self-check of the caller's office; the centre's officers see every office's.",
        _show, Nothing, SelfCheckAnswer, _SUBJECT),
    Operation("submit_self_check", "POST", "/self-checks/{office}/{year}", "Submit a year's answers, in place of those before.",
        _submit, Submission, SelfCheckAnswer, _SUBJECT),
    Operation("review_self_check", "POST", "/self-checks/{office}/{year}/review", "Say what the centre finds; the year is closed with it.",
        _review, Review, SelfCheckAnswer, _SUBJECT),
)  # fmt: skip
"""The operations of self-checks."""
