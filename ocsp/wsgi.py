"""OCSP over HTTP: a bare WSGI callable, without a framework.

An OCSP error is a good HTTP answer (200); what HTTP itself refuses (path, method, type, size) is an HTTP error.

A request goes as far as it has to: a GET whose path was answered before gets that answer and nothing is read of it; what
asks the same in another way gets it too, once it is read; all else goes to the responder.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from ca.clock import Clock
from ca.errors import BadInput, HomeBusy, KakehashiError, NotFound, StorageFailed, TokenFailed
from ca.keys.signer import Signer
from ca.model import Serial
from ca.rules.revocation import CertificateStatus
from ca.suites import Suite
from ocsp.admission import NotAdmitted
from ocsp.caching import NO_STORE, Second, has_it
from ocsp.freshness import Stale
from ocsp.http import HttpRefused, Question, read_question, responder_named
from ocsp.making import usual_requests
from ocsp.messages import ErrorStatus, error_response
from ocsp.metrics import Observer, Outcome
from ocsp.ready import CONTENT_TYPE, CertificateKey, Header, Ready, ReadyAnswers, said
from ocsp.responder import Answer, NotAuthoritative, NotInService, Responder

LOOK_AGAIN = timedelta(minutes=5)
"""How long a responder is used before it is opened anew, in case that its certificate was renewed."""

_STATUSES: Mapping[type[KakehashiError], ErrorStatus] = MappingProxyType(
    {
        BadInput: ErrorStatus.MALFORMED_REQUEST,
        NotAdmitted: ErrorStatus.UNAUTHORIZED,
        NotAuthoritative: ErrorStatus.UNAUTHORIZED,
        NotInService: ErrorStatus.TRY_LATER,
        Stale: ErrorStatus.TRY_LATER,
        HomeBusy: ErrorStatus.TRY_LATER,
        StorageFailed: ErrorStatus.TRY_LATER,
        TokenFailed: ErrorStatus.TRY_LATER,
    }
)
"""What an error is to the client; any other is an internal one (RFC 6960 2.3)."""

_OUTCOMES: Mapping[ErrorStatus, Outcome] = MappingProxyType(
    {
        ErrorStatus.MALFORMED_REQUEST: Outcome.MALFORMED_REQUEST,
        ErrorStatus.INTERNAL_ERROR: Outcome.INTERNAL_ERROR,
        ErrorStatus.TRY_LATER: Outcome.TRY_LATER,
        ErrorStatus.UNAUTHORIZED: Outcome.UNAUTHORIZED,
    }
)
assert _OUTCOMES.keys() == set(ErrorStatus), "each error needs a row"

_OK, _NOT_MODIFIED = "200 OK", "304 Not Modified"
_OUR_FAULT = frozenset({ErrorStatus.INTERNAL_ERROR, ErrorStatus.TRY_LATER})
_NOT_ANSWERED = "ocsp-not-answered"
_TOLD_AGAIN = 1.0  # seconds

_log = logging.getLogger("kakehashi.ocsp")


class Door(Protocol):
    """Who may ask (``ocsp.admission.Admission``)."""

    def open_for(self, responder: str) -> bool:
        """Anybody may ask this one, and nobody is looked at."""

    def admit(self, environ: Mapping[str, Any], question: Question, at: datetime) -> str | None:
        """The verifier that asks, None if anybody may; raises NotAdmitted."""


class _OpenDoor:
    def open_for(self, responder: str) -> bool:  # noqa: ARG002
        return True

    def admit(self, environ: Mapping[str, Any], question: Question, at: datetime) -> str | None:  # noqa: ARG002
        return None


class _Reply(NamedTuple):
    """What goes back over HTTP, and what is counted of it."""

    line: str
    headers: list[Header]
    body: bytes
    outcome: str
    ready: bool = False
    verifier: str | None = None


class _Opened(NamedTuple):
    responder: Responder
    at: datetime


class OcspApplication:
    """The WSGI callable (PEP 3333) for all responders of a home. Safe to use from several threads.

    Args:
        lookup: Opens the responder of a generation's text, such as ``jpki-13.g1``, with its newest certificate; raises
            BadInput or NotFound if there is none.
        clock: What tells the moment of asking.
        ready: Where answers are kept; whoever gives one has to drop from it what ends. By default none are kept.
        admission: Who may ask; by default anybody.
        observer: Is told of every request, and of the signer's time.
        answer_cache: How long others may keep an answer that came by GET (HTTP's max-age).
    """

    def __init__(
        self,
        lookup: Callable[[str], Responder],
        clock: Clock,
        *,
        ready: ReadyAnswers | None = None,
        admission: Door | None = None,
        observer: Observer | None = None,
        answer_cache: timedelta = timedelta(0),
    ) -> None:
        self._lookup = lookup
        self._clock = clock
        self._ready = ReadyAnswers(0) if ready is None else ready
        self._admission = admission or _OpenDoor()
        self._observer = observer or Observer()
        self._answer_cache = answer_cache
        self._second = Second.of(clock(), answer_cache)
        self._open: dict[str, _Opened] = {}
        self._told: dict[type[BaseException], float] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one HTTP request; nothing is raised."""
        began = time.perf_counter()
        try:
            reply = self._reply(environ)
        except HttpRefused as refused:
            reply = _http_refusal(refused)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the server goes on
            reply = self._refusal(responder_named(environ), error)
        start_response(reply.line, reply.headers)
        self._observer.observed(reply.outcome, time.perf_counter() - began, reply.ready, reply.verifier)
        return [reply.body]

    def make(self, certificate: CertificateKey) -> None:
        """Make ready what is usually asked about a certificate; where nobody can answer now, it is made when asked."""
        generation, serial = certificate
        name, at = str(generation), self._clock()
        try:
            for request in usual_requests(self._responder(name, at).home.hashes, serial):
                turn = self._ready.turn
                answer, signer = self._answer(name, request, at)
                if _lasts(answer):
                    self._ready.put([(name, request)], Ready.of(answer, signer), turn)
        except (NotInService, Stale, HttpRefused):
            return

    def forget(self) -> None:
        """Open every responder anew before it is used again; what the ready answers say is for their keeper to drop."""
        self._open = {}

    def _reply(self, environ: Mapping[str, Any]) -> _Reply:
        at = self._clock()
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        # Under its path lies only what anybody may ask.
        if environ.get("REQUEST_METHOD") == "GET":
            ready = self._ready.get(path)
            if ready is not None and ready.since <= at < ready.until:
                return self._cacheable(environ, ready, at, hit=True)
        name = responder_named(environ)
        self._responder(name, at)
        question = read_question(environ)
        verifier = self._admission.admit(environ, question, at)
        return self._asked(environ, question, path, at, verifier)

    def _asked(
        self, environ: Mapping[str, Any], question: Question, path: str, at: datetime, verifier: str | None
    ) -> _Reply:
        """The reply to whom may ask: with an answer that is ready or made now."""
        key = (question.responder, question.octets)
        # Others may keep an answer, and give it to anybody, only where anybody may ask.
        shared = question.may_be_kept and self._admission.open_for(question.responder)
        keys: list[Hashable] = [path, key] if shared else [key]
        turn = self._ready.turn
        ready = self._ready.get(key)
        hit = ready is not None and ready.since <= at < ready.until
        if ready is None or not hit:
            answer, signer = self._answer(question.responder, question.octets, at)
            if not _lasts(answer):
                return _alone(answer.octets, said(answer), hit=False, verifier=verifier)
            ready = Ready.of(answer, signer)
            self._ready.put(keys, ready, turn)
        elif shared:
            self._ready.put([path], ready, turn)
        if shared:
            return self._cacheable(environ, ready, at, hit=hit)
        return _alone(ready.octets, ready.says, hit=hit, verifier=verifier)

    def _cacheable(self, environ: Mapping[str, Any], ready: Ready, at: datetime, *, hit: bool) -> _Reply:
        second = self._second
        if not second.begin <= at < second.end:
            second = self._second = Second.of(at, self._answer_cache)
        if has_it(environ, ready):
            headers = [*ready.headers[2:], *second.tail(ready)]
            return _Reply(_NOT_MODIFIED, headers, b"", Outcome.NOT_MODIFIED, hit)
        return _Reply(_OK, [*ready.headers, *second.tail(ready)], ready.octets, ready.says, hit)

    def _answer(self, name: str, request: bytes, at: datetime) -> tuple[Answer, CertificateKey]:
        """A new answer, and whose signature it bears."""
        responder = self._responder(name, at)
        try:
            answer = responder.answer(request, at)
        except NotInService:
            # It may have a new certificate since it was opened.
            responder = self._reopened(name, at)
            answer = responder.answer(request, at)
        return answer, (responder.generation, Serial(responder.facts.certificate.serial))

    def _responder(self, name: str, at: datetime) -> Responder:
        opened = self._open.get(name)
        if opened is not None and opened.at <= at < opened.at + LOOK_AGAIN:
            return opened.responder
        return self._reopened(name, at)

    def _reopened(self, name: str, at: datetime) -> Responder:
        shelf = self._open  # if all are forgotten while this one is opened, it is forgotten too
        try:
            responder = self._lookup(name)
        except (BadInput, NotFound):
            raise HttpRefused(HTTPStatus.NOT_FOUND) from None
        responder = replace(responder, signer=_Timed(responder.signer, self._observer))
        shelf[name] = _Opened(responder, at)
        return responder

    def _refusal(self, name: str, error: Exception) -> _Reply:
        status = next(
            (status for kind, status in _STATUSES.items() if isinstance(error, kind)),
            ErrorStatus.INTERNAL_ERROR,
        )
        if status in _OUR_FAULT and self._to_be_told(type(error)):
            if isinstance(error, KakehashiError):
                _log.error(_NOT_ANSWERED, extra={"facts": {"responder": name, "error": str(error)}})
            else:
                _log.error(_NOT_ANSWERED, exc_info=error, extra={"facts": {"responder": name}})
        return _alone(error_response(status), _OUTCOMES[status], hit=False, verifier=None)

    def _to_be_told(self, kind: type[BaseException]) -> bool:
        """Whether an error of this kind goes to the log: thousands may come in a second, and the first says it all."""
        moment = time.monotonic()
        if moment < self._told.get(kind, float("-inf")) + _TOLD_AGAIN:
            return False
        self._told[kind] = moment
        return True


class _Timed:
    """A signer whose time is observed."""

    def __init__(self, signer: Signer, observer: Observer) -> None:
        self._signer, self._observer = signer, observer
        self.public_key, self.checks = signer.public_key, signer.checks

    def sign(self, message: bytes, suite: Suite) -> bytes:
        began = time.perf_counter()
        signature = self._signer.sign(message, suite)
        self._observer.signed(time.perf_counter() - began)
        return signature

    def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
        return self._signer.sign_digest(digest, suite)


def _lasts(answer: Answer) -> bool:
    """Whether it may be given to the next who asks: what is unknown today may be issued in a moment."""
    return not answer.for_one and all(status is not CertificateStatus.UNKNOWN for status in answer.statuses)


def _alone(body: bytes, outcome: str, *, hit: bool, verifier: str | None) -> _Reply:
    """A reply that nobody keeps."""
    headers = [CONTENT_TYPE, ("Content-Length", str(len(body))), NO_STORE]
    return _Reply(_OK, headers, body, outcome, hit, verifier)


def _http_refusal(refused: HttpRefused) -> _Reply:
    status = refused.status
    body = f"{status.phrase}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        NO_STORE,
        *refused.headers,
    ]
    return _Reply(f"{status.value} {status.phrase}", headers, body, Outcome.REFUSED)
