"""What a served worker process runs: the OCSP callable beside the Flask application, over one opened world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ca.model import GenerationId
from front.answering import answering
from front.app import create_app
from front.asking import asking, status_practice
from front.assembly import World, open_world
from front.counting import in_database
from front.heart import beating
from front.metrics import PATH as METRICS
from front.metrics import Gauges
from front.passphrase import passphrase
from front.processes import Wsgi, worker_process
from front.responding import responder_ends
from ocsp.freshness import Freshness
from ocsp.http import PREFIX as _OCSP
from ocsp.metrics import Observer
from ocsp.national import open_national
from ocsp.responder import Responder, open_responder
from ocsp.wsgi import Door, OcspApplication


def application() -> Wsgi:
    """The callable of a worker process; see ``front.processes.worker_process``."""
    return worker_process(_serving_home)


@contextmanager
def _serving_home(folder: Path) -> Iterator[Wsgi]:
    with open_world(folder, lambda: passphrase(None)) as world, serving(world) as wsgi:
        yield wsgi


@contextmanager
def serving(world: World) -> Iterator[Wsgi]:
    """Status, the metrics and all else of a world, and the heart by which all who answer know how things stand."""
    nation = world.stores.nation
    gauges = Gauges(world.clock, lambda: responder_ends(world.stores))
    with (
        beating(world),
        asking(
            world.plan.practices.values(),
            nation,
            world.clock,
            in_database(nation),
            gauges,
            world.plan.legacy,
        ) as asked,
        responding(world, asked.status, asked.observer) as ocsp,
    ):
        yield dispatch({_OCSP: ocsp, METRICS: asked.metrics}, create_app(world, asked))


@contextmanager
def responding(
    world: World, admission: Door | None = None, observer: Observer | None = None
) -> Iterator[OcspApplication]:
    """The responders of a world, for as long as somebody's heart beats in it."""
    issuers = world.issuers

    def opening(generation: GenerationId, freshness: Freshness) -> Responder:
        lifetime = issuers.practice(generation.authority).periods.answer
        return open_responder(issuers, generation, lifetime, freshness)

    with answering(
        world.stores,
        status_practice(world.plan.practices.values()),
        world.clock,
        opening,
        partial(open_national, issuers, world.plan.anchor, world.stores.each()),
        admission=admission,
        observer=observer,
    ) as application:
        yield application


def dispatch(places: Mapping[str, Wsgi], others: Wsgi) -> Wsgi:
    """Each path that begins with one of these goes there: a verifier's question does not pay for a web framework."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        for prefix, wsgi in places.items():
            if path.startswith(prefix):
                return wsgi(environ, start_response)
        return others(environ, start_response)

    return serve
