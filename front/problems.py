"""Errors as HTTP: one table from error types to status codes, bodies after RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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

STATUS: Mapping[type[KakehashiError], int] = MappingProxyType(
    {
        BadInput: 400,
        NotAuthenticated: 401,
        WrongPurpose: 403,
        NotPermitted: 403,
        NotFound: 404,
        Conflict: 409,
        LintRefused: 422,
        KeyRefused: 503,
        HomeRefused: 503,
        StorageFailed: 503,
        KakehashiError: 500,
    }
)
"""The nearest ancestor of an error decides."""


def status_of_error(error: KakehashiError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(status: int, title: str, fields: Mapping[str, Any]) -> Response:
    """A problem document (RFC 9457 3)."""
    body = msgspec.json.encode({"type": "about:blank", "status": status, "title": title, **fields})
    response = Response(body, status=status, mimetype="application/problem+json")
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def register(app: Flask) -> None:
    """Let the application answer every error of ours, and of HTTP itself, with a problem document."""

    @app.errorhandler(KakehashiError)
    def _ours(error: KakehashiError) -> Response:
        fields = {
            name: value
            for name, value in (
                ("detail", str(error)),
                ("place", error.place),
                ("problem", error.problem),
                ("clause", error.clause),
                ("remedy", error.remedy),
            )
            if value is not None
        }
        return problem(status_of_error(error), type(error).__name__, fields)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        response = problem(error.code or 500, error.name, {"detail": error.description})
        for name, value in error.get_headers():
            if name != "Content-Type":  # such as Allow, which a 405 must have (RFC 9110 15.5.6)
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        # Flask's own log would print the path and a traceback, which may quote what a client sent.
        LOGGER.error("request failed", exc_info=error)
        return problem(500, "Internal Server Error", {"detail": "The server's log says where it failed."})
