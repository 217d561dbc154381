"""Who may ask a served process, and how it counts what is asked: the parts that its responders, lists and metrics share."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ca.clock import Clock
from ca.errors import NotPermitted
from ca.profiles.practice import Access, Practice, StatusPractice
from ca.store import verifiers
from ca.store.engine import Store
from ca.suites import SuiteId
from front.counting import Keep, flushing
from front.metrics import Gauges, MetricsPage, cells
from ocsp.admission import Admission, Register
from ocsp.metrics import Observer
from ocsp.peers import Addresses
from ocsp.tally import Tally, server_name

PROXIES_VARIABLE = "KAKEHASHI_SERVED_PROXIES"
"""How a server tells its worker processes from where a client certificate may be passed on."""

READERS_VARIABLE = "KAKEHASHI_SERVED_METRICS_READERS"
"""How it tells them who may read the metrics, besides this machine."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a process has for those who ask.

    Attributes:
        status: The door before the responders.
        lists: The door before the lists of holders' certificates.
        tally: What known verifiers asked, responders and lists together.
        observer: What came of it, and how long it took.
        metrics: The same over HTTP, of all processes together.
    """

    status: Admission
    lists: Admission
    tally: Tally
    observer: Observer
    metrics: MetricsPage


@contextmanager
def asking(
    practices: Collection[Practice],
    nation: Store,
    clock: Clock,
    keep: Keep,
    gauges: Gauges,
    legacy: Collection[SuiteId] = (),
) -> Iterator[Asking]:
    """The parts, for as long as the process serves.

    Args:
        practices: What the edition says of each authority.
        nation: The database with the register of verifiers; a copy will do.
        clock: The world's.
        keep: Where the counts go (``front.counting.in_database``, or ``in_folder`` where it may not be written).
        gauges: What the metrics say besides what was counted.
        legacy: The legacy suites under which verifiers may sign requests in their time.
    """
    status, lists = doors(practices, nation, legacy)
    tally = Tally(clock, server_name())
    with cells() as (folder, block), flushing(tally, keep):
        observer = Observer(block, tally)
        yield Asking(
            status,
            lists,
            tally,
            observer,
            MetricsPage(
                folder,
                observer,
                gauges,
                proxies=_addresses(PROXIES_VARIABLE),
                readers=_addresses(READERS_VARIABLE),
            ),
        )


def status_practice(practices: Collection[Practice]) -> StatusPractice:
    """How status is given: the same in all the nation, so that the first authority will do."""
    return next(iter(practices)).status


def require_open(practices: Collection[Practice], *, guarded: bool) -> None:
    """Raise NotPermitted if lists are for known verifiers and nobody has said that what is handed on stays so."""
    if status_practice(practices).list_access is Access.KNOWN and not guarded:
        raise NotPermitted(
            "repository",
            "has lists for known verifiers alone, and what is handed on here is everybody's",
            remedy="Give --guarded if whoever gets it keeps it from others",
        )


def answers_are_open(practices: Collection[Practice]) -> bool:
    """Whether status is everybody's, of every authority."""
    own = {practice.access for practice in practices}
    return status_practice(practices).access is Access.OPEN and Access.KNOWN not in own


def doors(
    practices: Collection[Practice], nation: Store, legacy: Collection[SuiteId] = ()
) -> tuple[Admission, Admission]:
    """The doors before responders and lists, over one register."""
    practice, proxies = status_practice(practices), _addresses(PROXIES_VARIABLE)
    own = {str(one.authority): one.access for one in practices if one.access is not None}

    def load() -> dict[bytes, verifiers.Term]:
        with nation.reading() as connection:
            return dict(verifiers.terms(connection))

    register = Register(load, practice.staleness)
    return (
        Admission(practice.access, register, proxies, own, legacy),
        Admission(practice.list_access, register, proxies),
    )


def tell_processes(proxies: Sequence[str], readers: Sequence[str]) -> None:
    """Let the worker processes that are started from now on know both; BadInput if one is no address."""
    for variable, option, words in (
        (PROXIES_VARIABLE, "--proxy", proxies),
        (READERS_VARIABLE, "--metrics-reader", readers),
    ):
        Addresses.parse(words, option)
        os.environ[variable] = " ".join(words)


def _addresses(variable: str) -> Addresses:
    return Addresses.parse(os.environ.get(variable, "").split(), variable)
