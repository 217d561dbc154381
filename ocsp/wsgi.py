"""OCSP over HTTP: a bare WSGI callable, without a framework.

An OCSP error is a good HTTP answer (200); what HTTP itself refuses (path, method, type, size) is an HTTP error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from ca.clock import Clock
from ca.errors import BadInput, HomeBusy, KakehashiError, NotFound, StorageFailed, TokenFailed
from ocsp.freshness import Stale
from ocsp.http import HttpRefused, Question, read_question, responder_named
from ocsp.messages import ErrorStatus, error_response
from ocsp.responder import Answer, NotAuthoritative, NotInService, Responder

_RESPONSE = "application/ocsp-response"

_STATUSES: Mapping[type[KakehashiError], ErrorStatus] = MappingProxyType(
    {
        BadInput: ErrorStatus.MALFORMED_REQUEST,
        NotAuthoritative: ErrorStatus.UNAUTHORIZED,
        NotInService: ErrorStatus.TRY_LATER,
        Stale: ErrorStatus.TRY_LATER,
        HomeBusy: ErrorStatus.TRY_LATER,
        StorageFailed: ErrorStatus.TRY_LATER,
        TokenFailed: ErrorStatus.TRY_LATER,
    }
)
"""What an error is to the client; any other is an internal one (RFC 6960 2.3)."""

_OUR_FAULT = frozenset({ErrorStatus.INTERNAL_ERROR, ErrorStatus.TRY_LATER})
_NOT_ANSWERED = "ocsp-not-answered"

_log = logging.getLogger("kakehashi.ocsp")


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
        except HttpRefused as refused:
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
        name = responder_named(environ)
        try:
            self._responder(name)
            return self._answer(read_question(environ)).octets
        except HttpRefused:
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

    def _answer(self, question: Question) -> Answer:
        at = self._clock()
        try:
            return self._responder(question.responder).answer(question.octets, at)
        except NotInService:
            # It may have a new certificate since it was opened.
            self._open.pop(question.responder, None)
            return self._responder(question.responder).answer(question.octets, at)

    def _responder(self, name: str) -> Responder:
        responder = self._open.get(name)
        if responder is None:
            try:
                responder = self._lookup(name)
            except (BadInput, NotFound):
                raise HttpRefused(HTTPStatus.NOT_FOUND) from None
            self._open[name] = responder
        return responder
