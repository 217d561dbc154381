"""OCSP's questions over HTTP (RFC 6960 appendix A.1, RFC 5019 5): which responder, and what octets."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from ca.errors import BadInput
from ocsp.messages import REQUEST_LIMIT

PREFIX = "/ocsp/"
"""Where the callable stands; behind it come ``<authority>.<generation>`` and, with GET, the request."""

_REQUEST = "application/ocsp-request"
# Characters of base64 that a GET may carry; each may be escaped once more.
_TEXT_LIMIT = (REQUEST_LIMIT + 2) // 3 * 4
_LENGTH_DIGITS = 10
_SLIPS = str.maketrans("-_ ", "+/+", "\r\n\t")


class HttpRefused(Exception):
    """What HTTP itself refuses: path, method, type, size."""

    def __init__(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Question:
    """An OCSPRequest as it came.

    Attributes:
        responder: The generation's text in the path, such as ``jpki-13.g1``; nobody has looked at it.
        octets: What should be an OCSPRequest, no longer than REQUEST_LIMIT.
        may_be_kept: It came by GET, whose answers caches may keep (RFC 5019 6).
    """

    responder: str
    octets: bytes = field(repr=False)
    may_be_kept: bool


def responder_named(environ: Mapping[str, Any]) -> str:
    """The responder that a request is for."""
    return _path(environ)[0]


def read_question(environ: Mapping[str, Any]) -> Question:
    """The question of an HTTP request.

    Raises:
        HttpRefused: It is none, by method, path, type or size.
        BadInput: A GET holds no base64.
    """
    name, encoded = _path(environ)
    return Question(name, _read(environ, encoded), may_be_kept=environ.get("REQUEST_METHOD") == "GET")


def _path(environ: Mapping[str, Any]) -> tuple[str, str]:
    """The generation's text, and what stands behind it in the path."""
    path = str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))
    _, _, rest = path.partition(PREFIX)
    name, _, encoded = rest.partition("/")
    return name, encoded


def _read(environ: Mapping[str, Any], encoded: str) -> bytes:
    """The OCSPRequest of an HTTP request, no longer than REQUEST_LIMIT; BadInput if a GET holds none."""
    match environ.get("REQUEST_METHOD"):
        case "GET":
            return _decode(encoded)
        case "POST":
            if encoded:
                raise HttpRefused(HTTPStatus.NOT_FOUND)
            return _body(environ)
        case _:
            raise HttpRefused(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, POST"))


def _decode(encoded: str) -> bytes:
    """A request in the path, as base64 (RFC 6960 A.1), with the slips that clients and proxies make.

    The server has undone the URL's escapes once. Besides, we take: escapes of escapes, the alphabet made for URLs,
    "+" that became a space, line breaks, missing padding, and a slash too many before the request or behind it, which
    cannot be the request's own: every OCSPRequest begins with "M", and base64 never has a character over four.
    """
    if len(encoded) > 3 * _TEXT_LIMIT:
        raise HttpRefused(HTTPStatus.REQUEST_URI_TOO_LONG)
    text = unquote(encoded).lstrip("/").strip().translate(_SLIPS)
    if len(text) % 4 == 1:
        text = text.removesuffix("/")
    text = text.rstrip("=")
    if len(text) > _TEXT_LIMIT:
        raise HttpRefused(HTTPStatus.REQUEST_URI_TOO_LONG)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise BadInput("OCSP request", "the path holds no base64", clause="RFC 6960 A.1") from None


def _body(environ: Mapping[str, Any]) -> bytes:
    """A request's body; what is longer than REQUEST_LIMIT is refused, and no more than that is read."""
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind != _REQUEST:
        raise HttpRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    stated = str(environ.get("CONTENT_LENGTH") or "")
    if stated and not (stated.isascii() and stated.isdigit()):
        raise HttpRefused(HTTPStatus.BAD_REQUEST)
    if not stated and not environ.get("wsgi.input_terminated"):
        # Without a length or a mark of its end, reading on would wait for ever.
        raise HttpRefused(HTTPStatus.LENGTH_REQUIRED)
    if len(stated) > _LENGTH_DIGITS or int(stated or 0) > REQUEST_LIMIT:
        raise HttpRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    wanted = int(stated) if stated else REQUEST_LIMIT + 1
    body = bytearray()
    try:
        while len(body) < wanted and (read := environ["wsgi.input"].read(wanted - len(body))):
            body += read
    except OSError:  # the client went away
        raise HttpRefused(HTTPStatus.BAD_REQUEST) from None
    if len(body) > REQUEST_LIMIT:
        raise HttpRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return bytes(body)
