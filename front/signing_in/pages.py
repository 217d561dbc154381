"""The pages on which officers sign in and out, enrol passkeys, and see what they have; and the JSON that passkeys need."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import KakehashiError, NotPermitted
from ca.store import passkeys, sessions
from ca.store.deeds import Deed, note
from front.asking import PROXIES_VARIABLE
from front.assembly import World
from front.pages.navigation import Door
from front.pages.rendering import Room, page, say
from front.pages.visit import NotSignedIn, inside, signed_in, visitor
from front.problems import status_of_error
from front.signing_in import enrolment, entering
from front.signing_in import visitor as cookies
from front.signing_in.asked import Question
from front.signing_in.entering import Entered
from front.signing_in.patience import Patience
from front.signing_in.refusals import Refusal, SignInRefused
from front.signing_in.terms import terms_of
from front.strict_json import decode
from ocsp.peers import Addresses

T = TypeVar("T")

_LARGEST = 32 * 1024
"""Octets of an answer: a passkey with a long attestation has some 5,000."""

_CODES_A_MINUTE = 5
_QUESTIONS_A_MINUTE = 120
"""From one address, behind which may be an office full of people."""

_Label = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class _Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A browser's answer to a question.

    Attributes:
        next: Where the officer wanted to go.
    """

    ceremony: str
    credential: dict[str, Any]
    code: str = ""
    label: _Label = "passkey"
    next: str = "/"


def room(world: World) -> Room:  # noqa: C901, PLR0915 - a page after the other
    """The pages over a world."""
    folder = Path(__file__).parent
    blueprint = Blueprint("signing_in", __name__, template_folder=str(folder / "templates"))
    store, terms = world.stores.nation, terms_of(world)
    tried_codes = Patience(_CODES_A_MINUTE)
    asked_questions, sent_answers = Patience(_QUESTIONS_A_MINUTE), Patience(_QUESTIONS_A_MINUTE)
    proxies = Addresses.parse(os.environ.get(PROXIES_VARIABLE, "").split(), PROXIES_VARIABLE)

    @blueprint.get("/sign-in")
    def sign_in_page() -> AnyResponse:
        """Where everybody begins."""
        wanted = _inside(request.args.get("next", "/"))
        if visitor() is not None:
            return redirect(wanted, 303)
        elsewhere, out = request.host != terms.host, "out" in request.args
        return page("signing_in/sign_in.html", next=wanted, terms=terms, elsewhere=elsewhere, out=out)

    @blueprint.post("/sign-in/question")
    @_as_json
    def ask_to_sign_in() -> Response:
        """What the browser asks the authenticator."""
        _spend(asked_questions, proxies)
        return _question(entering.ask(store, terms, world.clock()))

    @blueprint.post("/sign-in")
    @_as_json
    def sign_in() -> Response:
        """Begin a session."""
        _spend(sent_answers, proxies)
        answer = _body(_Answer)
        entered = entering.sign_in(
            store, terms, answer.ceremony, answer.credential, old=cookies.token(), at=world.clock()
        )
        return _let_in(entered, answer.next)

    @blueprint.post("/sign-out")
    def sign_out() -> AnyResponse:
        """End the session."""
        who, token = visitor(), cookies.token()
        if who is not None and token is not None:
            entering.sign_out(store, token, who.officer, world.clock())
        response = redirect("/sign-in?out=1", 303)
        cookies.show_no_more(response)
        return response

    @blueprint.get("/enrol")
    def enrol_page() -> Response:
        """Where a code is typed."""
        return page("signing_in/enrol.html", terms=terms, elsewhere=request.host != terms.host)

    @blueprint.post("/enrol/question")
    @_as_json
    def ask_to_enrol() -> Response:
        """What the browser of somebody with a code asks the authenticator."""
        address = _address(proxies)
        tried_codes.require(address, time.monotonic())
        try:
            return _question(enrolment.ask(store, terms, _body(_Code).code, world.clock()))
        except SignInRefused:
            tried_codes.count(address, time.monotonic())
            raise

    @blueprint.post("/enrol")
    @_as_json
    def enrol() -> Response:
        """Enrol the passkey, and begin a session."""
        _spend(sent_answers, proxies)
        answer = _body(_Answer)
        entered = enrolment.enrol(
            store,
            terms,
            answer.ceremony,
            answer.credential,
            typed=answer.code,
            label=answer.label,
            old=cookies.token(),
            at=world.clock(),
        )
        return _let_in(entered, "/")

    @blueprint.get("/account")
    def account() -> Response:
        """What the officer can sign in with, and where that is so now."""
        who, session = signed_in(), cookies.session()
        at = world.clock()
        with store.reading() as connection:
            mine = passkeys.in_use(connection, who.officer.id)
            open_ones = sessions.of_officer(connection, who.officer.id, at=at, idle=terms.idle)
        fresh = at - session.made_at <= terms.fresh
        return page(
            "signing_in/account.html",
            who=who,
            passkeys=mine,
            sessions=open_ones,
            this=session.digest,
            fresh=fresh,
            minutes=int(terms.idle.total_seconds()) // 60,
        )

    @blueprint.post("/account/passkeys/question")
    @_as_json
    def ask_for_another() -> Response:
        """What the browser asks the authenticator, to add a passkey."""
        who, at = signed_in(), world.clock()
        entering.require_fresh(cookies.session(), terms, at)
        return _question(enrolment.ask_for_another(store, terms, who.officer, at))

    @blueprint.post("/account/passkeys")
    @_as_json
    def add() -> Response:
        """Add the passkey."""
        who, at, answer = signed_in(), world.clock(), _body(_Answer)
        entering.require_fresh(cookies.session(), terms, at)
        enrolment.add(
            store,
            terms,
            answer.ceremony,
            answer.credential,
            officer=who.officer,
            label=answer.label,
            at=at,
        )
        return _json({"next": "/account"})

    @blueprint.post("/account/passkeys/<mark>/end")
    def end_passkey(mark: str) -> AnyResponse:
        """End one of the officer's passkeys, but the last."""
        who, at = signed_in(), world.clock()
        entering.require_fresh(cookies.session(), terms, at)
        with store.writing() as connection:
            ended = passkeys.end(connection, who.officer.id, mark, at)
            note(connection, Deed.PASSKEY_ENDED, who=who.officer, about=ended.mark, at=at)
        return redirect("/account", 303)

    @blueprint.post("/account/sessions/end")
    def end_sessions() -> AnyResponse:
        """End every other session of the officer's."""
        who, at = signed_in(), world.clock()
        with store.writing() as connection:
            sessions.end_all(connection, who.officer.id, at, but=cookies.session().digest)
            note(connection, Deed.SESSIONS_ENDED, who=who.officer, about=who.officer.id, at=at)
        return redirect("/account", 303)

    return Room(blueprint, folder, (Door("/account", "signing_in.account.door", key="a"),))


def _address(proxies: Addresses) -> str:
    """Whose request it is: a TLS front says behind which address it was asked, and nobody else is believed."""
    direct = request.remote_addr or ""
    passed_on = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return passed_on if direct in proxies and passed_on else direct


def _spend(patience: Patience, proxies: Addresses) -> None:
    """Count a try of whoever asks; SignInRefused if it is one too many."""
    address, now = _address(proxies), time.monotonic()
    patience.require(address, now)
    patience.count(address, now)


def _as_json(view: Callable[[], Response]) -> Callable[[], Response]:
    """The same view, whose refusals a script can show: their words in the visitor's language."""

    @wraps(view)
    def told() -> Response:
        try:
            return view()
        except KakehashiError as error:
            return _refused(error)

    return told


def _refused(error: KakehashiError) -> Response:
    if isinstance(error, SignInRefused):
        response = _json({"problem": say(f"signing_in.refused.{error.reason.word}")}, error.reason.status)
        if error.reason is Refusal.TOO_OFTEN:
            response.headers["Retry-After"] = "60"
        return response
    # An officer who has left, or an office that is suspended: whoever holds the passkey may know it.
    word = {NotPermitted: "officer", NotSignedIn: "signed_out"}.get(type(error), "other")
    status = 401 if isinstance(error, NotSignedIn) else status_of_error(error)
    return _json({"problem": say(f"signing_in.refused.{word}")}, status)


def _let_in(entered: Entered, wanted: str) -> Response:
    response = _json({"next": _inside(wanted)})
    cookies.show(response, entered.token)
    return response


def _question(question: Question) -> Response:
    return _json({"ceremony": question.ceremony, "options": question.options})


def _body(kind: type[T]) -> T:
    """What a script of ours sent."""
    request.max_content_length = _LARGEST
    return decode(request.get_data(), kind, "answer")


def _json(body: dict[str, Any], status: int = 200) -> Response:
    # The library's values are mappings, not dicts.
    return Response(msgspec.json.encode(body, enc_hook=dict), status, mimetype="application/json")


def _inside(path: str) -> str:
    """Where somebody who signs in goes on: inside these pages, and not to signing in again."""
    return "/" if path.startswith("/sign-in") else inside(path)
