"""The frame around every page: words, forms with their token, errors as pages, and what lies beside them.

A room of pages is a blueprint with a folder of templates and one of texts; ``install`` puts the rooms together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
)
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import KakehashiError
from front.logs import LOGGER
from front.pages.forms import BoundedInteger, FormRefused, Problem
from front.pages.guard import FORM_TOKEN, protect, require_own_form
from front.pages.navigation import Door, open_to
from front.pages.offices import called
from front.pages.refusals import EXTENSION as REFUSALS
from front.pages.refusals import Refusals, in_japanese
from front.pages.texts import Texts
from front.pages.visit import LANGUAGE_COOKIE, NotSignedIn, SignedIn, inside, language, visitor, wants_page
from front.problems import http_problem, status_of_error

ROOM = Path(__file__).parent
_TOKYO = ZoneInfo("Asia/Tokyo")
_ASSETS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_KEPT = 365 * 24 * 3600
_EXTENSION = "kakehashi.texts"


@dataclass(frozen=True, slots=True)
class Room:
    """A room of pages.

    Attributes:
        folder: Where it lies, with its ``templates``, ``texts`` and ``assets``.
        doors: Its entries in the frame's navigation.
    """

    blueprint: Blueprint
    folder: Path
    doors: tuple[Door, ...] = ()


def install(app: Flask, rooms: Sequence[Room]) -> None:
    """Give an application these rooms of pages."""
    folders = (ROOM, *(room.folder for room in rooms))
    texts = app.extensions[_EXTENSION] = Texts.read([folder / "texts" for folder in folders])
    app.extensions[REFUSALS] = Refusals.of(texts)
    doors = [door for room in rooms for door in room.doors]
    app.jinja_env.globals |= {
        "t": say,
        "has": texts.has,
        "visitor": visitor,
        "language": language,
        "asset": asset,
        "form_token": _token,
        "navigation": lambda who: open_to(who, doors),
    }
    app.jinja_env.filters |= {"moment": moment, "day": day, "called": called}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    frame = Blueprint("pages", __name__, template_folder=str(ROOM / "templates"))

    @frame.get("/assets/<digest>/<name>")
    def serve_asset(digest: str, name: str) -> Response:
        """A style or a script of ours. Its address changes with it, so that it may be kept for a year."""
        found = _assets().get(name)
        if found is None or found[0] != digest:
            abort(404)
        response = Response(found[1], mimetype=_ASSETS[Path(name).suffix])
        response.headers["Cache-Control"] = f"public, max-age={_KEPT}, immutable"
        return response

    @frame.post("/language/<any(ja, en):chosen>")
    def choose_language(chosen: str) -> AnyResponse:
        """Speak this language from now on."""
        response = redirect(inside(request.form.get("back", "/")), 303)
        response.set_cookie(
            LANGUAGE_COOKIE, chosen, max_age=_KEPT, secure=request.is_secure, samesite="Lax", httponly=True
        )
        return response

    app.url_map.converters["int"] = BoundedInteger
    for blueprint in (frame, *(room.blueprint for room in rooms)):
        blueprint.before_request(require_own_form)
        blueprint.after_request(protect)
        blueprint.register_error_handler(NotSignedIn, _to_sign_in)
        blueprint.register_error_handler(KakehashiError, _refused)
        blueprint.register_error_handler(HTTPException, _http_refused)
        blueprint.register_error_handler(Exception, _unexpected)
        app.register_blueprint(blueprint)
    app.register_error_handler(404, _no_such_address)


def page(template: str, *, status: int = 200, **values: object) -> Response:
    """A page from a template of one of the rooms. ``values`` stand in it; words, visitor and form token always do."""
    response = make_response(render_template(template, **values), status)
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response


def say(key: str, **values: object) -> str:
    """A word in the visitor's language."""
    texts: Texts = current_app.extensions[_EXTENSION]
    return texts.say(language(), key, **values)


def said(problems: Iterable[Problem]) -> dict[str, str]:
    """For each field with a problem, its words."""
    return {problem.name: say(problem.key, **problem.values) for problem in problems}


def moment(value: datetime) -> str:
    """A moment as offices read it: Japan's time, to the minute."""
    return f"{value.astimezone(_TOKYO):%Y-%m-%d %H:%M}"


def day(value: datetime) -> str:
    """Its day in Japan."""
    return f"{value.astimezone(_TOKYO):%Y-%m-%d}"


def asset(name: str) -> str:
    """The address of a style or a script."""
    return f"/assets/{_assets()[name][0]}/{name}"


@cache
def _assets() -> Mapping[str, tuple[str, bytes]]:
    """Every file of any room's assets, by name: the beginning of its hash, and its octets."""
    found = {
        path.name: path.read_bytes() for path in ROOM.parent.glob("*/assets/*") if path.suffix in _ASSETS
    }
    return {name: (hashlib.sha256(octets).hexdigest()[:16], octets) for name, octets in found.items()}


def _token() -> Markup:
    """The hidden field with which a form shows that it is ours."""
    found: SignedIn | None = visitor()
    value = "" if found is None else found.form_token
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_TOKEN, value)


def _to_sign_in(_: NotSignedIn) -> AnyResponse:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else _form_address()
    return protect(_as_response(redirect(f"/sign-in?next={_quoted(wanted)}", 303)))


def _refused(error: KakehashiError) -> Response:
    """A page that says what is wrong and what to do next. A form's own page shows FormRefused itself, field by field."""
    status = status_of_error(error)
    problems = said(error.problems) if isinstance(error, FormRefused) else {}
    return protect(
        page(
            "refused.html",
            status=status,
            error=error,
            told=in_japanese(error),
            problems=problems,
            kind=_kind(error),
        )
    )


def _http_refused(error: HTTPException) -> Response:
    code = error.code or 500
    if code >= 500:
        LOGGER.error("page failed", exc_info=error)
    return protect(page("refused.html", status=code, error=None, problems={}, kind=f"http_{code}"))


def _unexpected(error: Exception) -> Response:
    """A slip of ours, as a page. The log names the place alone: a traceback may quote what somebody sent."""
    LOGGER.error("page failed", exc_info=error)
    return protect(page("refused.html", status=500, error=None, problems={}, kind="http_500"))


def _no_such_address(error: HTTPException) -> Response:
    """For an address that nothing has: a page for a browser, a problem document for a program."""
    return _http_refused(error) if wants_page() else http_problem(error)


def _kind(error: KakehashiError) -> str:
    """The word under which the texts speak of this error: its type's, or the nearest ancestor's that has one."""
    texts: Texts = current_app.extensions[_EXTENSION]
    names = (each.__name__ for each in type(error).__mro__)
    return next(name for name in names if texts.has(f"error.{name}.title"))


def _as_response(response: AnyResponse) -> Response:
    assert isinstance(response, Response), "Flask's redirect makes Flask's response"
    return response


def _form_address() -> str:
    """The address of the page whose form was sent, where it can be filled in anew; the first page if that is not known."""
    try:
        came_from = urlsplit(request.referrer or "")
    except ValueError:
        return "/"
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None, "there is a request"
    if came_from.netloc != request.host or not adapter.test(came_from.path, "GET"):
        return "/"
    return inside(came_from.path + (f"?{came_from.query}" if came_from.query else ""))


def _quoted(path: str) -> str:
    return quote(path, safe="/")
