"""The pages of the yearly self-check: the office's form with its files, and the centre's review."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import BadInput
from ca.issuing import self_checking
from ca.model import Office, OfficeKind, Role
from ca.profiles.items import readable
from ca.rules.self_check import (
    LARGEST_FILE,
    LONGEST_REMARK,
    MOST_FILES,
    QUESTIONS,
    Answer,
    Evidence,
    Finding,
    Grade,
    Verdict,
    evidence_of,
    fiscal_year,
    require_year,
    unanswered,
)
from ca.store import officers, self_checks
from ca.store.self_checks import SelfCheck
from front.assembly import World
from front.local.access import names_of, of_local, of_sub_office, office_of
from front.pages.downloads import disposition
from front.pages.forms import Fields, whole_number
from front.pages.rendering import page, said
from front.pages.visit import SignedIn

_LARGEST_FORM = MOST_FILES * LARGEST_FILE + 512 * 1024
"""All files, and room for the remarks."""
_SUBMISSION = "submit"
_MOST = 100
"""Offices of a page."""


def add(blueprint: Blueprint, world: World) -> None:
    """Give a blueprint the pages of self-checks over a world."""

    @blueprint.before_request
    def _room_for_files() -> None:
        if request.endpoint == f"{blueprint.name}.{_SUBMISSION}":
            request.max_content_length = _LARGEST_FORM

    blueprint.add_url_rule("/local/self-checks", "check_overview", partial(overview, world))
    blueprint.add_url_rule("/local/self-checks/<int:year>/edit", "check_edit", partial(edit, world))
    blueprint.add_url_rule(
        "/local/self-checks/<int:year>/check", "check_check", partial(check, world), methods=["POST"]
    )
    blueprint.add_url_rule(
        "/local/self-checks/<int:year>/edit", _SUBMISSION, partial(submit, world), methods=["POST"]
    )
    blueprint.add_url_rule("/local/self-checks/<office_id>/<int:year>", "check_show", partial(show, world))
    blueprint.add_url_rule(
        "/local/self-checks/<office_id>/<int:year>", "check_review", partial(review, world), methods=["POST"]
    )
    blueprint.add_url_rule(
        "/local/self-checks/<office_id>/<int:year>/files/<int:number>", "check_file", partial(file, world)
    )


def overview(world: World) -> Response:
    """For an office its years; for the centre every office in one year, a page of them."""
    who, now = of_local(), fiscal_year(world.clock())
    year = request.args.get("year", now, type=whole_number) if who.of_centre else now
    with world.stores.nation.reading() as connection:
        if who.of_centre:
            after, kind = request.args.get("after", ""), OfficeKind.LOCAL_GOVERNMENT
            known = sorted(officers.all_offices(connection), key=lambda each: each.id)
            behind = [each for each in known if each.kind is kind and each.id > after]
            offices, more = behind[:_MOST], len(behind) > _MOST
            found = self_checks.of_year(connection, year, [each.id for each in offices])
            there = {check.office: check for check in found}
            rows = [(each, year, there.get(each.id)) for each in offices]
        else:
            mine = {check.year: check for check in self_checks.of_office(connection, who.office.id)}
            years = sorted({*mine, now, now - 1}, reverse=True)
            rows, more = [(who.office, each, mine.get(each)) for each in years], False
    may = Role.EXAMINER in who.officer.roles and not who.of_centre
    last = rows[-1][0].id if more else None
    return page("local/self_checks.html", rows=rows, year=year, now=now, may_answer=may, next=last)


def edit(world: World, year: int) -> Response:
    """The form of a year, with what was submitted before."""
    who = of_sub_office(Role.EXAMINER)
    require_year(year, world.clock())
    before = _before(world, who, year)
    typed: dict[str, str] = {}
    for word, answer in ({} if before is None else before.answers).items():
        typed |= {f"grade-{word}": answer.grade, f"remark-{word}": answer.remark}
    for file in () if before is None else before.files:
        typed[f"keep-{file.number}"] = "on"
    return _form(year, before, typed, {})


def check(world: World, year: int) -> Response:
    """What is wrong with the form so far."""
    of_sub_office(Role.EXAMINER)
    require_year(year, world.clock())
    fields = Fields(request.form)
    _answers(fields)
    return jsonify(problems=said(fields.problems))


def submit(world: World, year: int) -> AnyResponse:
    """Submit a year, in place of what was submitted before."""
    who = of_sub_office(Role.EXAMINER)
    before = _before(world, who, year)
    fields = Fields(request.form)
    answers, new = _answers(fields), _files(fields)
    there = () if before is None else before.files
    kept = [file.number for file in there if fields.checked(f"keep-{file.number}")]
    if len(kept) + len(new) > MOST_FILES:
        fields.refuse("files", "local.check.many_files", most=MOST_FILES)
    if fields.problems:
        return _form(year, before, request.form, said(fields.problems), 422)
    self_checking.submit(world.stores, year, answers, who.officer.id, kept=kept, new=new, at=world.clock())
    return redirect(f"/local/self-checks/{who.office.id}/{year}", 303)


def show(world: World, office_id: str, year: int) -> Response:
    """What an office answered, and what the centre found."""
    return _show(world, of_local(), office_id, year, {})


def review(world: World, office_id: str, year: int) -> AnyResponse:
    """Say what the centre finds."""
    who = of_local(Role.CENTRE_EXAMINER)
    fields = Fields(request.form)
    verdict = fields.choice("verdict", Verdict)
    words = _lines(fields, "words", required=verdict is Verdict.TO_IMPROVE)
    if fields.problems:
        return _show(world, who, office_id, year, said(fields.problems), 422)
    assert verdict is not None, "what is missing is a problem"
    with world.stores.nation.reading() as connection:
        office = office_of(connection, who, office_id)
    finding = Finding(verdict, words)
    self_checking.review(world.stores, office.id, year, finding, who.officer.id, at=world.clock())
    return redirect(f"/local/self-checks/{office.id}/{year}", 303)


def file(world: World, office_id: str, year: int, number: int) -> Response:
    """A file that shows something: never opened in the page, whatever it holds."""
    who = of_local()
    with world.stores.nation.reading() as connection:
        office = office_of(connection, who, office_id)
        found = self_checks.file(connection, office.id, year, number)
    response = Response(found.content, mimetype=found.media_type)
    response.headers["Content-Disposition"] = disposition(found.name)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _before(world: World, who: SignedIn, year: int) -> SelfCheck | None:
    with world.stores.nation.reading() as connection:
        return self_checks.known(connection, who.office.id, year)


def _answers(fields: Fields) -> dict[str, Answer]:
    """The answers as far as they are given; each that does not count is a problem of its field."""
    answers: dict[str, Answer] = {}
    for word in QUESTIONS:
        grade = fields.choice(f"grade-{word}", Grade)
        remark = _lines(fields, f"remark-{word}", required=False)
        if grade is not None:
            answers[word] = Answer(grade, remark)
    for word, why in unanswered(answers).items():
        name = f"remark-{word}" if why in {"remark", "long"} else f"grade-{word}"
        fields.refuse(name, f"local.check.{why}", most=LONGEST_REMARK)
    return answers


def _lines(fields: Fields, name: str, *, required: bool) -> str:
    """Several lines of characters that can be read (``ca.profiles.items``)."""
    typed = fields.sent.get(name, "").replace("\r\n", "\n").strip()
    if not typed and required:
        fields.refuse(name, "form.required")
    elif len(typed) > LONGEST_REMARK:
        fields.refuse(name, "form.too_long", most=LONGEST_REMARK)
    elif not all(character == "\n" or readable(character) for character in typed):
        fields.refuse(name, "form.not_printable")
    return typed


def _files(fields: Fields) -> list[Evidence]:
    found: list[Evidence] = []
    for sent in request.files.getlist("files"):
        if not sent.filename:
            continue
        try:
            found.append(evidence_of(sent.filename, sent.stream.read(LARGEST_FILE + 1)))
        except BadInput:
            fields.refuse("files", "local.check.bad_file", most=LARGEST_FILE // 1024)
    return found


def _form(
    year: int,
    before: SelfCheck | None,
    typed: Mapping[str, str],
    problems: Mapping[str, str],
    status: int = 200,
) -> Response:
    return page(
        "local/self_check_form.html", status=status, year=year, before=before, typed=typed, problems=problems,
        questions=QUESTIONS, most=MOST_FILES, largest=LARGEST_FILE // 1024,
    )  # fmt: skip


def _show(
    world: World, who: SignedIn, office_id: str, year: int, problems: Mapping[str, str], status: int = 200
) -> Response:
    with world.stores.nation.reading() as connection:
        office: Office = office_of(connection, who, office_id)
        found = self_checks.find(connection, office.id, year)
        names = names_of(connection, {found.officer, *([found.reviewer] if found.reviewer else [])})
    return page(
        "local/self_check.html", status=status, check=found, office=office, names=names, questions=QUESTIONS,
        may_review=who.of_centre and Role.CENTRE_EXAMINER in who.officer.roles and found.finding is None,
        may_answer=not who.of_centre and Role.EXAMINER in who.officer.roles and found.finding is None
        and year >= fiscal_year(world.clock()) - 1,
        verdicts=[(each, f"local.verdict.{each}") for each in Verdict], typed=request.form, problems=problems,
    )  # fmt: skip
