"""The page of a new application: the form, its check while somebody types, and the sending."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import BadInput, CsrRefused
from ca.issuing.intake import MAXIMUM_SIZE
from ca.keys.codes import keyed_code
from ca.model import RESIDENT_KINDS, ApplicationId, OfficeKind, Role, Sex
from ca.rules.identity import DOCUMENTS, Document, Purpose
from ca.rules.registration import State
from ca.store.search import holder_certificates
from front.assembly import World
from front.pages.forms import Fields, FormRefused, Problem
from front.pages.refusals import in_japanese
from front.pages.rendering import page, said
from front.pages.visit import SignedIn, signed_in
from front.registration.filed_before import filed_before
from front.registration.window_filing import (
    Choices,
    Filing,
    explain_csr,
    pasted,
    read_filing,
    require_renewable,
)

_REQUESTS = tuple(f"csr-{kind}" for kind in RESIDENT_KINDS)
_PURPOSES = {Purpose.NEW: "registration.purpose.holds_one"}


def add_new(blueprint: Blueprint, world: World) -> None:
    """``/cases/new`` and its check."""

    @blueprint.get("/cases/new")
    def new() -> Response:
        """The empty form."""
        choices = Choices.of(world, _receiving().office, world.clock())
        return _form(choices, {"address": choices.address})

    @blueprint.post("/cases/new/check")
    def check_new() -> Response:
        """The problems of the form as it stands, in words; nothing is done, and nothing kept."""
        who, at = _receiving(), world.clock()
        choices = Choices.of(world, who.office, at)
        problems: tuple[Problem, ...] = ()
        try:
            read_filing(choices, who.office, Fields(request.form), at)
        except FormRefused as error:
            problems = error.problems
        # A file is not sent with a check: that none is pasted says nothing.
        empty = {name for name in _REQUESTS if not request.form.get(name, "").strip()}
        return jsonify(problems=said(problem for problem in problems if problem.name not in empty))

    @blueprint.post("/cases/new")
    def file() -> AnyResponse:
        """Receive the application, or show the form again with what was typed."""
        who, at = _receiving(), world.clock()
        choices = Choices.of(world, who.office, at)
        try:
            filing = read_filing(choices, who.office, Fields(request.form, request.files), at)
            case = _filed(world, who, choices, filing)
        except FormRefused as error:
            return _form(choices, _typed(), error.problems)
        return redirect(f"/cases/{case}?filed=1", 303)


def _receiving() -> SignedIn:
    """The officer, who has to be one that receives residents at a window."""
    who = signed_in(Role.RECEPTION)
    if who.office.kind is not OfficeKind.WINDOW:
        raise BadInput(f"office {who.office.id}", "is not a window", remedy="Residents apply at a window")
    return who


def _filed(world: World, who: SignedIn, choices: Choices, filing: Filing) -> ApplicationId:
    """The number of the new case, or of the one that the same form has made before; FormRefused."""
    at = world.clock()
    holder = keyed_code(world.issuers.vault.code_key(), filing.code)
    with world.stores.reading() as reading:
        require_renewable(choices, filing, holder_certificates(reading, holder), at)
    try:
        application = world.registration.file(
            who.officer.id,
            filing.resident,
            filing.csrs,
            code=filing.code,
            card_expires=filing.card_expires,
            reception=filing.reception,
            at=at,
        )
    except CsrRefused as error:
        keys = dict(zip(filing.csrs, filing.keys, strict=True))
        with world.stores.nation.reading() as connection:
            before = filed_before(connection, who.officer.id, filing.resident, holder, keys)
        if before is not None and before.case.state is State.FILED:
            return before.case.id
        words, values = explain_csr(error)
        kind = next(
            (kind for kind in filing.csrs if error.place == f"{kind} request"), next(iter(filing.csrs))
        )
        raise FormRefused((Problem(f"csr-{kind}", words, values),)) from None
    except BadInput as error:
        if error.place == "purpose":
            words = _PURPOSES.get(filing.reception.purpose, "registration.purpose.not_so")
            raise FormRefused((Problem("purpose", words),)) from None
        # What only the practice of the authority knows: a life that would be over before it begins.
        values = {"detail": in_japanese(error) or str(error)}
        raise FormRefused((Problem("card_expires", "registration.new.refused", values),)) from None
    return application.case.id


def _form(choices: Choices, typed: dict[str, str], problems: tuple[Problem, ...] = ()) -> Response:
    """The form with what was typed, 422 if there are problems."""
    return page(
        "registration/filing.html",
        status=422 if problems else 200,
        typed=typed,
        problems=said(problems),
        purposes=[(each, f"registration.purpose.{each}") for each in Purpose],
        document_groups=list(choices.documents.items()),
        with_end={document for document in Document if DOCUMENTS[document].ends},
        sexes=[(each.value, f"registration.sex.{each.value}") for each in Sex],
        kinds=[(each, f"registration.kinds.{each}") for each in choices.kinds],
        resident_kinds=[kind for kind in RESIDENT_KINDS if kind in choices.practices],
    )


def _typed() -> dict[str, str]:
    """What was typed, a request that came as a file among it: no browser sends a file a second time by itself."""
    typed = request.form.to_dict()
    for name in _REQUESTS:
        file: FileStorage | None = request.files.get(name)
        if file is not None and file.filename:
            file.stream.seek(0)
            typed[name] = pasted(file.stream.read(MAXIMUM_SIZE + 1))
    return typed
