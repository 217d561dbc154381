"""Status answers of one process: responders over databases, and what lets their answers be kept for the next who asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from ca.clock import Clock
from ca.model import AuthorityId, GenerationId
from ca.profiles.practice import StatusPractice
from ca.store.connections import Whereabouts
from front.heart import LOOK_SECONDS, repeating
from ocsp.freshness import Freshness, Pulse
from ocsp.making import Maker
from ocsp.metrics import Observer
from ocsp.national import NATIONAL
from ocsp.ready import CertificateKey, ReadyAnswers
from ocsp.responder import Responder
from ocsp.wsgi import Door, OcspApplication

READY_OCTETS = 64 << 20
"""How much memory a process spends on ready answers: some 15,000 of them, with their keys."""

Opening = Callable[[GenerationId, Freshness], Responder]
"""Opens the responder of a generation whose database is as fresh as this; BadInput or NotFound if there is none."""

OpeningNational = Callable[[Callable[[AuthorityId], Freshness]], Responder]
"""Opens the nation's responder, told how fresh an authority's database is; NotFound if there is none."""


@contextmanager
def answering(
    databases: Whereabouts,
    practice: StatusPractice,
    clock: Clock,
    opening: Opening,
    national: OpeningNational,
    *,
    admission: Door | None = None,
    observer: Observer | None = None,
) -> Iterator[OcspApplication]:
    """Answer from these databases for as long as they are fresh, be they the primary's own or copies.

    Args:
        databases: Each is looked at ten times a second, the first time before anything is asked.
        practice: How the nation's status is answered.
        clock: The world's.
        opening: Opens responders.
        national: Opens the one for all the nation.
        admission: Who may ask; by default anybody.
        observer: Is told what is asked, and how old the oldest of the watermarks is.
    """
    observer = observer or Observer()
    ready = ReadyAnswers(READY_OCTETS)

    def ended(certificates: Sequence[CertificateKey]) -> None:
        ready.drop(certificates)
        maker.wanted(certificates)

    def lost() -> None:
        application.forget()
        ready.clear()

    pulses = {store: Pulse(store, practice.staleness, ended, lost) for store in databases.each()}

    def freshness(authority: AuthorityId) -> Freshness:
        return pulses[databases.of(authority)]

    def responder(text: str) -> Responder:
        if text == NATIONAL:
            return national(freshness)
        generation = GenerationId.parse(text)
        return opening(generation, freshness(generation.authority))

    def look(pulse: Pulse) -> None:
        pulse.look()
        age = max(each.age() for each in pulses.values())
        if math.isfinite(age):
            observer.aged(age)

    application = OcspApplication(
        responder,
        clock,
        ready=ready,
        admission=admission,
        observer=observer,
        answer_cache=practice.answer_cache,
    )
    maker = Maker(application.make)
    with maker, ExitStack() as stack:
        for pulse in pulses.values():  # a thread for each: any database may hang
            stack.enter_context(repeating("pulse", partial(look, pulse), LOOK_SECONDS))
        yield application
