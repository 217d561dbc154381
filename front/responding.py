"""What a server of responders alone runs: status, and how the server is. It has no journal, no API, and writes nothing.

::

    /ocsp/...   status
    /health     that the process answers
    /ready      that it knows enough to answer: every database has heard of the primary just now
    /metrics    counts, for Prometheus
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from bridge.crossing.plan import Plan
from ca.clock import Clock, system_clock
from ca.errors import KakehashiError, NotFound
from ca.keys.vault import KeyVault
from ca.model import AuthorityId, GenerationId
from ca.profiles.practice import Practice, StatusPractice
from ca.store import heartbeats, key_lives, responders
from ca.store.certificates import CertificateState
from ca.store.connections import Whereabouts
from ca.store.engine import Store
from front.answering import answering
from front.asking import asking, status_practice
from front.assembly import PassphraseSource, home_plan
from front.counting import FOLDER, in_folder
from front.databases import Copies, open_copies
from front.home import Description, Home, clock_of
from front.metrics import PATH, Gauges
from front.passphrase import passphrase
from front.processes import Wsgi, worker_process
from front.vaults import open_responders_vault
from ocsp.freshness import Freshness
from ocsp.http import PREFIX
from ocsp.national import open_national
from ocsp.responder import Responder, open_responder


@dataclass(frozen=True, slots=True)
class RespondersHome:
    """A home of responders alone, opened. It is what ``ocsp.responder.open_responder`` opens responders from."""

    description: Description
    home: Home
    clock: Clock
    copies: Copies
    plan: Plan
    vault: KeyVault

    def practice(self, authority: AuthorityId) -> Practice:
        """What the authority does, or NotFound."""
        try:
            return self.plan.practices[authority]
        except KeyError:
            raise NotFound(f"authority {authority}", "is not one of this home's") from None

    def store(self, authority: AuthorityId) -> Store:
        """Where the authority's certificates and revocations lie."""
        return self.copies.of(authority)


@contextmanager
def open_responders(folder: Path, passphrase: PassphraseSource) -> Iterator[RespondersHome]:
    """Work in a home of responders alone.

    Raises:
        HomeRefused: No such home, a whole one, one that is being made, or its databases are another home's.
        StorageFailed: A database's server cannot be reached.
        PassphraseRefused, KeyRefused, TokenFailed: The keys cannot be opened.
    """
    home = Home(folder)
    with home.locked(alone=False), ExitStack() as stack:
        description = home.require_responders()
        vault = open_responders_vault(home, description, passphrase)
        stack.callback(vault.close)
        copies = open_copies(home, description)
        stack.callback(copies.close)
        plan = home_plan(home, description)
        yield RespondersHome(description, home, clock_of(description, None), copies, plan, vault)


def application() -> Wsgi:
    """The callable of a worker process; see ``front.processes.worker_process``."""
    return worker_process(_serving_home)


@contextmanager
def _serving_home(folder: Path) -> Iterator[Wsgi]:
    with open_responders(folder, lambda: passphrase(None)) as home, serving(home) as wsgi:
        yield wsgi


@contextmanager
def serving(home: RespondersHome) -> Iterator[Wsgi]:
    """Answer for as long as the databases hear of the primary."""

    def opening(generation: GenerationId, freshness: Freshness) -> Responder:
        return open_responder(home, generation, home.practice(generation.authority).periods.answer, freshness)

    practice = status_practice(home.plan.practices.values())
    gauges = Gauges(home.clock, lambda: responder_ends(home.copies))
    keep = in_folder(home.home.folder / FOLDER)
    with (
        asking(
            home.plan.practices.values(), home.copies.nation, home.clock, keep, gauges, home.plan.legacy
        ) as asked,
        answering(
            home.copies,
            practice,
            home.clock,
            opening,
            partial(open_national, home, home.plan.anchor, home.copies.each()),
            admission=asked.status,
            observer=asked.observer,
        ) as ocsp,
    ):
        yield _Places(home, practice, ocsp, asked.metrics)


def responder_ends(databases: Whereabouts) -> Iterator[tuple[GenerationId, datetime]]:
    """Until when the newest certificate of each responder lasts, for keys whose status is served."""
    for store in databases.each():
        with store.reading() as connection:
            found, serving = responders.newest(connection), key_lives.signing_status(connection)
        for one in found:
            if one.state is CertificateState.ISSUED and one.generation in serving:
                yield one.generation, one.period.not_after


class _Places:
    """Status for whoever asks; how the server is, for whoever looks after it; nothing else is found here."""

    def __init__(self, home: RespondersHome, practice: StatusPractice, ocsp: Wsgi, metrics: Wsgi) -> None:
        self._home = home
        self._practice = practice
        self._ocsp = ocsp
        self._others: dict[str, Wsgi] = {"/health": self._health, "/ready": self._ready, PATH: metrics}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(PREFIX):
            return self._ocsp(environ, start_response)
        return self._others.get(path, _not_found)(environ, start_response)

    def _health(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:  # noqa: ARG002 - WSGI's signature
        there = self._home.description
        said = {"status": "ok", "edition": there.edition, "marking": there.marking, "role": there.role}
        return _said(start_response, HTTPStatus.OK, said)

    def _ready(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:  # noqa: ARG002 - likewise
        """Ready is who knows enough: each database has heard of the primary within the edition's bound."""
        ages: list[float] = []
        for store in self._home.copies.each():
            try:
                with store.reading() as connection:
                    last = heartbeats.last(connection)
            except KakehashiError:
                last = None
            if last is not None:
                ages.append((system_clock() - last.beaten).total_seconds())
        heard = len(ages) == len(self._home.copies.each())
        ready = heard and max(ages) <= self._practice.staleness.total_seconds()
        said = {"status": "ok" if ready else "stale", "watermark_age": round(max(ages), 3) if heard else None}
        return _said(start_response, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, said)


def _not_found(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:  # noqa: ARG001 - WSGI's signature
    return _said(start_response, HTTPStatus.NOT_FOUND, {"status": "only status is answered here"})


def _said(start_response: Callable[..., Any], status: HTTPStatus, words: dict[str, Any]) -> list[bytes]:
    body = msgspec.json.encode(words)
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
