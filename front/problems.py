"""Errors as HTTP: one table from error types to status codes, bodies after RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from ca.errors import (
    BadInput,
    Conflict,
    HomeRefused,
    KakehashiError,
    KeyRefused,
    LintRefused,
    NotFound,
    NotPermitted,
    StorageFailed,
)
from front.credentials import NotAuthenticated, WrongPurpose
from front.logs import LOGGER


class TooOften(KakehashiError):
    """What somebody has asked for so often in a while that it is refused for a moment.

    Attributes:
        wait: After so many seconds the next is let pass.
    """

    def __init__(self, place: str, problem: str, *, wait: int = 1) -> None:
        super().__init__(place, problem, remedy=f"Wait {wait} seconds")
        self.wait = wait


STATUS: Mapping[type[KakehashiError], int] = MappingProxyType(
    {
        BadInput: 400,
        NotAuthenticated: 401,
        WrongPurpose: 403,
        NotPermitted: 403,
        NotFound: 404,
        Conflict: 409,
        LintRefused: 422,
        TooOften: 429,
        KeyRefused: 503,
        HomeRefused: 503,
        StorageFailed: 503,
        KakehashiError: 500,
    }
)
"""The nearest ancestor of an error decides."""


MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457 3).

    Attributes:
        title: The kind of error.
        detail: A sentence that says it all.
        place: Where it is wrong.
        problem: What is wrong there.
        clause: The rule that is broken.
        remedy: What to do next.
    """

    type: str
    status: int
    title: str
    detail: str | None
    place: str | None = None
    problem: str | None = None
    clause: str | None = None
    remedy: str | None = None


def status_of_error(error: KakehashiError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(status: int, title: str, detail: str | None, **facts: str | None) -> Response:
    """An answer with a problem document."""
    document = Problem("about:blank", status, title, detail, **facts)
    response = Response(msgspec.json.encode(document), status=status, mimetype=MEDIA_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def http_problem(error: HTTPException) -> Response:
    """An error of HTTP itself as a problem document, with the headers that belong to it."""
    response = answer(error.code or 500, error.name, error.description)
    for name, value in error.get_headers():
        if name != "Content-Type":  # such as Allow, which a 405 must have (RFC 9110 15.5.6)
            response.headers[name] = value
    return response


def register(app: Flask) -> None:
    """Let the application answer every error of ours, and of HTTP itself, with a problem document."""

    @app.errorhandler(KakehashiError)
    def _ours(error: KakehashiError) -> Response:
        response = answer(
            status_of_error(error),
            type(error).__name__,
            str(error),
            place=error.place,
            problem=error.problem,
            clause=error.clause,
            remedy=error.remedy,
        )
        if isinstance(error, TooOften):
            response.headers["Retry-After"] = str(error.wait)  # RFC 6585 4, RFC 9110 10.2.3
        return response

    app.register_error_handler(HTTPException, http_problem)

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        # Flask's own log would print the path and a traceback, which may quote what a client sent.
        LOGGER.error("request failed", exc_info=error)
        return answer(500, "Internal Server Error", "The server's log says where it failed.")
