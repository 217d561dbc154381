"""Answers that are ready: given out again until half of their life is over, or until what they say has ended.

Nothing here decides what may be kept (``ocsp.wsgi`` does) or for how long others may keep it (``ocsp.caching`` does).
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from ca.model import GenerationId, Serial
from ca.rules.revocation import CertificateStatus
from ocsp.freshness import Freshness
from ocsp.metrics import Outcome
from ocsp.responder import Answer

CertificateKey = tuple[GenerationId, Serial]
"""What names a certificate here: a ``CertificateId`` in two halves, as the heartbeat's reader has them."""

Header = tuple[str, str]

CONTENT_TYPE: Header = ("Content-Type", "application/ocsp-response")

# What Python needs for an answer beside its octets, for each certificate in it and for each key: measured, rounded up.
_OVERHEAD = 1600
_OVERHEAD_CERTIFICATE = 500
_OVERHEAD_KEY = 300


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer as HTTP gives it out again and again.

    Attributes:
        octets: The OCSPResponse.
        certificates: Whose end makes it wrong: what it is about, and the responder's own.
        fresh: Whether every database that it was made from is fresh now; if one is not, what it says may have ended.
        since: Its thisUpdate. A clock that was set back does not give it out.
        until: When half of its life is over: from then on it is made anew.
        next_update: It is worth nothing from then on.
        etag: What HTTP tells it from others by: its SHA-256, quoted (RFC 9110 8.8.3).
        headers: Content-Type and Content-Length, then ETag and Last-Modified (RFC 5019 6.2).
        says: Its status in a word.
        repeats: That a client with an answer of the same second has this one, may be said (see ``ocsp.caching``).
    """

    octets: bytes = field(repr=False)
    certificates: tuple[CertificateKey, ...]
    fresh: Callable[[], bool] = field(repr=False)
    since: datetime
    until: datetime
    next_update: datetime
    etag: str
    headers: tuple[Header, Header, Header, Header]
    says: str
    repeats: bool

    @classmethod
    def of(cls, answer: Answer, responder: CertificateKey) -> Ready:
        """From an answer and the certificate of its responder."""
        etag = f'"{hashlib.sha256(answer.octets).hexdigest()}"'
        return cls(
            octets=answer.octets,
            certificates=(*answer.certificates, responder),
            fresh=_all_fresh(answer.freshness),
            since=answer.this_update,
            until=answer.this_update + (answer.next_update - answer.this_update) / 2,
            next_update=answer.next_update,
            etag=etag,
            headers=(
                CONTENT_TYPE,
                ("Content-Length", str(len(answer.octets))),
                ("ETag", etag),
                ("Last-Modified", format_datetime(answer.this_update, usegmt=True)),
            ),
            says=said(answer),
            repeats=all(status is CertificateStatus.GOOD for status in answer.statuses),
        )

    @property
    def weight(self) -> int:
        """Octets of memory, its keys apart."""
        return len(self.octets) + _OVERHEAD + _OVERHEAD_CERTIFICATE * len(self.certificates)


def _all_fresh(databases: Iterable[Freshness]) -> Callable[[], bool]:
    first, *others = (database.fresh for database in databases)
    return (lambda: all(fresh() for fresh in (first, *others))) if others else first


def said(answer: Answer) -> str:
    """What an answer says, in one of the words of ``ocsp.metrics.Outcome``."""
    first, *others = set(answer.statuses)
    return Outcome.MIXED if others else str(first)


class _Shelf:
    """Answers by their keys, and the keys by the certificates that the answers are about."""

    __slots__ = ("answers", "keys", "weight")

    def __init__(self) -> None:
        self.answers: dict[Hashable, Ready] = {}
        self.keys: dict[CertificateKey, list[Hashable]] = {}
        self.weight = 0  # of all that was ever put here: what left meanwhile only makes the shelf full sooner

    def put(self, keys: Sequence[Hashable], ready: Ready) -> None:
        self.weight += ready.weight
        for key in keys:
            self.weight += _weight(key)
            if key not in self.answers:
                for certificate in ready.certificates:
                    self.keys.setdefault(certificate, []).append(key)
            self.answers[key] = ready

    def drop(self, certificate: CertificateKey) -> None:
        for key in self.keys.pop(certificate, ()):
            self.answers.pop(key, None)


class ReadyAnswers:
    """The ready answers of a process, by whatever keys they are asked for. Safe to use from several threads.

    The answers lie on two shelves. New ones go to the first; once that is full it becomes the second, and what was
    on the second until then is forgotten unless it was asked for meanwhile. So what is asked for often stays, and
    giving it out takes no lock and writes nothing.

    Attributes:
        turn: Changes whenever answers are dropped. Whoever makes an answer reads it before the store, and says it when
            putting the answer here: between the two, what the answer says may have ended.

    Args:
        limit_octets: How much memory the answers may take.
    """

    def __init__(self, limit_octets: int) -> None:
        self.turn = 0
        self._full = limit_octets // 2
        self._lock = threading.Lock()  # held by whoever changes anything
        self._first, self._second = _Shelf(), _Shelf()

    def __len__(self) -> int:
        """How many keys lead to an answer; one that lies on both shelves counts twice."""
        return len(self._first.answers) + len(self._second.answers)

    def get(self, key: Hashable) -> Ready | None:
        """The answer under this key, or None, also while what it was made from is not fresh.

        Whether it is of the right time is for the asker to see.
        """
        ready = self._first.answers.get(key)
        if ready is None:
            ready = self._second.answers.get(key)
            if ready is None:
                return None
            self._take_over(key, ready)
        return ready if ready.fresh() else None

    def put(self, keys: Sequence[Hashable], ready: Ready, turn: int) -> None:
        """Keep an answer under these keys; not if answers were dropped since ``turn``, for it may say what they did."""
        with self._lock:
            if turn == self.turn:
                self._put(keys, ready)

    def drop(self, ended: Collection[CertificateKey]) -> None:
        """Forget all answers about these certificates, and all that responders with such certificates have signed."""
        with self._lock:
            self.turn += 1
        # Whoever has read the new turn reads of these ends in the store. So others may put in between.
        for certificate in ended:
            with self._lock:
                self._first.drop(certificate)
                self._second.drop(certificate)

    def drop_share(self, parts: int) -> None:
        """Forget one in so many of the answers, and with 1 all of them: a drill for what a bad day does."""
        with self._lock:
            self.turn += 1
            for shelf in (self._first, self._second):
                for key in list(shelf.answers)[::parts]:
                    del shelf.answers[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.turn += 1
            self._first, self._second = _Shelf(), _Shelf()

    def _take_over(self, key: Hashable, ready: Ready) -> None:
        """From the second shelf to the first, unless it was dropped in this very moment."""
        with self._lock:
            if self._second.answers.get(key) is ready:
                self._put((key,), ready)

    def _put(self, keys: Sequence[Hashable], ready: Ready) -> None:
        if ready.weight + sum(map(_weight, keys)) > self._full:
            return
        self._first.put(keys, ready)
        if self._first.weight > self._full:
            self._first, self._second = _Shelf(), self._first


def _weight(key: Hashable) -> int:
    parts = key if isinstance(key, tuple) else (key,)
    return _OVERHEAD_KEY + sum(map(sys.getsizeof, parts))
