"""Answers made before anybody asks: about what has just ended, in the words that clients ask with."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue
from types import TracebackType
from typing import Self

from ca.model import Serial
from ca.wire import der
from ocsp.messages import IssuerHashes
from ocsp.ready import CertificateKey

_AFTER_TROUBLE = 1.0  # seconds: the next would most likely meet it too

_log = logging.getLogger("kakehashi.ocsp")


def usual_requests(hashes: IssuerHashes, serial: Serial) -> Iterator[bytes]:
    """The OCSPRequests that most clients send for a certificate: one for each hash function, without extensions.

    They have NULL behind the hash function's identifier, as OpenSSL, Java and browsers write it (RFC 4055 2.1).
    """
    for oid, (name, key) in hashes.by_algorithm.items():
        identifier = der.sequence(
            der.sequence(der.oid(oid), der.NULL),
            der.octet_string(name),
            der.octet_string(key),
            der.integer(serial.value),
        )
        yield der.sequence(der.sequence(der.sequence(der.sequence(identifier))))


class Maker:
    """A thread that makes answers about what has ended; a context manager, which runs it.

    It works no more than half of the time: whoever asks now comes first. What finds no place in its queue, as after
    the ending of a whole town's certificates at once, is made when it is asked for.

    Args:
        make: Makes what is usually asked about a certificate.
        waiting: The longest queue, in certificates.
    """

    def __init__(self, make: Callable[[CertificateKey], None], waiting: int = 10_000) -> None:
        self._make = make
        self._queue: Queue[CertificateKey | None] = Queue(waiting)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ocsp-maker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        with suppress(Full):  # then it waits for nothing and sees that it is to stop
            self._queue.put_nowait(None)
        self._thread.join()

    def wanted(self, ended: Iterable[CertificateKey]) -> None:
        """Have answers about these made soon; does not wait."""
        with suppress(Full):
            for certificate in ended:
                self._queue.put_nowait(certificate)

    def _run(self) -> None:
        while (certificate := self._queue.get()) is not None and not self._stopping.is_set():
            began, pause = time.monotonic(), 0.0
            try:
                self._make(certificate)
            except Exception:  # noqa: BLE001 - whatever it is, it is made when asked for, and the next is another
                _log.error("ocsp-not-made-ready", exc_info=True)
                pause = _AFTER_TROUBLE
            self._stopping.wait(max(pause, time.monotonic() - began))
