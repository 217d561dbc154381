"""OCSP over HTTP (RFC 6960 appendix A.1, RFC 5019 5): a bare WSGI callable, without a framework.

An OCSP error is a good HTTP answer (200); what HTTP itself refuses (path, method, type, size) is an HTTP error.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from ca.clock import Clock
from ca.errors import BadInput, HomeBusy, KakehashiError, NotFound, StorageFailed, TokenFailed
from ocsp.messages import REQUEST_LIMIT, ErrorStatus, error_response
from ocsp.responder import NotAuthoritative, NotInService, Responder

PREFIX = "/ocsp/"
"""Where the callable stands; behind it come ``<authority>.<generation>`` and, with GET, the request."""

_REQUEST = "application/ocsp-request"
_RESPONSE = "application/ocsp-response"
# Characters of base64 that a GET may carry; each may be escaped once more.
_TEXT_LIMIT = (REQUEST_LIMIT + 2) // 3 * 4
_LENGTH_DIGITS = 10
_SLIPS = str.maketrans("-_ ", "+/+", "\r\n\t")

_STATUSES: Mapping[type[KakehashiError], ErrorStatus] = MappingProxyType(
    {
        BadInput: ErrorStatus.MALFORMED_REQUEST,
        NotAuthoritative: ErrorStatus.UNAUTHORIZED,
        NotInService: ErrorStatus.TRY_LATER,
        HomeBusy: ErrorStatus.TRY_LATER,
        StorageFailed: ErrorStatus.TRY_LATER,
        TokenFailed: ErrorStatus.TRY_LATER,
    }
)
"""What an error is to the client; any other is an internal one (RFC 6960 2.3)."""

_OUR_FAULT = frozenset({ErrorStatus.INTERNAL_ERROR, ErrorStatus.TRY_LATER})
_NOT_ANSWERED = "ocsp-not-answered"

_log = logging.getLogger("kakehashi.ocsp")


class _HttpRefused(Exception):
    def __init__(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


class OcspApplication:
    """The WSGI callable (PEP 3333) for all responders of a home. Safe to use from several threads.

    Args:
        lookup: Opens the responder of a generation's text, such as ``jpki-13.g1``; raises BadInput or NotFound if
            there is none. Called when a responder is first asked, and again once it is out of service.
        clock: What tells the moment of asking.
    """

    def __init__(self, lookup: Callable[[str], Responder], clock: Clock) -> None:
        self._lookup = lookup
        self._clock = clock
        self._open: dict[str, Responder] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one HTTP request; nothing is raised."""
        status, kind = HTTPStatus.OK, _RESPONSE
        more: tuple[tuple[str, str], ...] = ()
        try:
            body = self._respond(environ)
        except _HttpRefused as refused:
            status, kind, more = refused.status, "text/plain; charset=utf-8", refused.headers
            body = f"{status.phrase}\n".encode()
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            # What an operator lets caches keep is set apart from nextUpdate, and is nothing so far.
            ("Cache-Control", "no-store"),
            *more,
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _respond(self, environ: Mapping[str, Any]) -> bytes:
        name, encoded = _path(environ)
        try:
            self._responder(name)
            return self._answer(name, _read(environ, encoded))
        except _HttpRefused:
            raise
        except KakehashiError as error:
            statuses = (status for kind, status in _STATUSES.items() if isinstance(error, kind))
            status = next(statuses, ErrorStatus.INTERNAL_ERROR)
            if status in _OUR_FAULT:
                _log.error(_NOT_ANSWERED, extra={"facts": {"responder": name, "error": str(error)}})
            return error_response(status)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer and the server goes on
            _log.error(_NOT_ANSWERED, exc_info=True, extra={"facts": {"responder": name}})
            return error_response(ErrorStatus.INTERNAL_ERROR)

    def _answer(self, name: str, request: bytes) -> bytes:
        at = self._clock()
        try:
            return self._responder(name).answer(request, at)
        except NotInService:
            # It may have a new certificate since it was opened.
            self._open.pop(name, None)
            return self._responder(name).answer(request, at)

    def _responder(self, name: str) -> Responder:
        responder = self._open.get(name)
        if responder is None:
            try:
                responder = self._lookup(name)
            except (BadInput, NotFound):
                raise _HttpRefused(HTTPStatus.NOT_FOUND) from None
            self._open[name] = responder
        return responder


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
                raise _HttpRefused(HTTPStatus.NOT_FOUND)
            return _body(environ)
        case _:
            raise _HttpRefused(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, POST"))


def _decode(encoded: str) -> bytes:
    """A request in the path, as base64 (RFC 6960 A.1), with the slips that clients and proxies make.

    The server has undone the URL's escapes once. Besides, we take: escapes of escapes, the alphabet made for URLs,
    "+" that became a space, line breaks, missing padding, and a slash too many before the request, which cannot be
    the request's own: every OCSPRequest begins with "M".
    """
    if len(encoded) > 3 * _TEXT_LIMIT:
        raise _HttpRefused(HTTPStatus.REQUEST_URI_TOO_LONG)
    text = unquote(encoded).lstrip("/").strip().translate(_SLIPS).rstrip("=")
    if len(text) > _TEXT_LIMIT:
        raise _HttpRefused(HTTPStatus.REQUEST_URI_TOO_LONG)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise BadInput("OCSP request", "the path holds no base64", clause="RFC 6960 A.1") from None


def _body(environ: Mapping[str, Any]) -> bytes:
    """A request's body; what is longer than REQUEST_LIMIT is refused, and no more than that is read."""
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind != _REQUEST:
        raise _HttpRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    stated = str(environ.get("CONTENT_LENGTH") or "")
    if stated and not (stated.isascii() and stated.isdigit()):
        raise _HttpRefused(HTTPStatus.BAD_REQUEST)
    if not stated and not environ.get("wsgi.input_terminated"):
        # Without a length or a mark of its end, reading on would wait for ever.
        raise _HttpRefused(HTTPStatus.LENGTH_REQUIRED)
    if len(stated) > _LENGTH_DIGITS or int(stated or 0) > REQUEST_LIMIT:
        raise _HttpRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    wanted = int(stated) if stated else REQUEST_LIMIT + 1
    body = bytearray()
    try:
        while len(body) < wanted and (read := environ["wsgi.input"].read(wanted - len(body))):
            body += read
    except OSError:  # the client went away
        raise _HttpRefused(HTTPStatus.BAD_REQUEST) from None
    if len(body) > REQUEST_LIMIT:
        raise _HttpRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return bytes(body)
