"""A target for atheris: octets as an OCSP request, by POST and by GET, at a responder over a real store.

To be run by hand, where atheris is installed (``pip install atheris``)::

    python -m tests.fuzz.ocsp_request -max_total_time=600

What it hunts for: an answer that is neither an error of OCSP nor of HTTP nor right about what was asked, and anything
that is logged. ``tests/test_ocsp_fuzz.py`` runs the same on a few octets, so that it cannot rot.
"""

from __future__ import annotations

import base64
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.x509 import ocsp as judge

from front.logs import LOGGER
from tests.ocsp_world import MALFORMED, PREFECTURE, UNAUTHORIZED, OcspWorld, call, ocsp_world, post

Attack = Callable[[bytes], str]
"""Sends octets; gives what came of it, or raises AssertionError."""

_REFUSALS = {MALFORMED: "malformed", UNAUTHORIZED: "unauthorized"}


class _Loud(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(f"logged: {record.getMessage()} {record.__dict__.get('facts')}")


def attack(world: OcspWorld, statuses: dict[int, str]) -> Attack:
    """What sends octets to a world where these serials have these statuses, and every other one none."""
    application = world.application()
    post(application, b"")  # the responder is open
    log = logging.getLogger(f"{LOGGER.name}.ocsp")
    if not any(isinstance(handler, _Loud) for handler in log.handlers):
        log.addHandler(_Loud())

    def send(octets: bytes) -> str:
        reply = post(application, octets)
        text = base64.b64encode(octets).decode()
        got = call(application, "GET", f"/ocsp/{PREFECTURE}/{text}")
        if reply.status != 200:
            assert reply.status == 413
            assert got.status == 414
            return "too long"
        assert got.status == 200
        said, said_by_get = (_said(one.body, statuses) for one in (reply, got))
        # Slashes before a GET's request are forgiven, since no request begins with one: these octets do.
        assert said == said_by_get or text.startswith("/"), "the same octets get the same answer"
        return said

    return send


def _said(body: bytes, statuses: dict[int, str]) -> str:
    if body in _REFUSALS:
        return _REFUSALS[body]
    response = judge.load_der_ocsp_response(body)
    assert response.response_status is judge.OCSPResponseStatus.SUCCESSFUL
    for one in response.responses:
        assert one.certificate_status.name.lower() == statuses.get(one.serial_number, "unknown")
    return "answered"


def seeded(world: OcspWorld) -> tuple[dict[int, str], list[bytes]]:
    """A good and a revoked certificate by their serials, and requests to begin from."""
    good, revoked = world.issue(), world.issue()
    world.revoke(revoked)
    serials = [good.serial, revoked.serial]
    requests = [
        world.request(*serials, algorithm=algorithm, nonce=nonce)
        for algorithm in ("sha1", "sha256")
        for nonce in (None, b"n" * 32)
    ]
    return {good.serial.value: "good", revoked.serial.value: "revoked"}, requests


def main() -> None:
    """Hunt until told to stop."""
    import atheris  # noqa: PLC0415 - nobody else needs it

    with tempfile.TemporaryDirectory() as folder, ocsp_world(Path(folder) / "world") as world:
        statuses, requests = seeded(world)
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, request in enumerate(requests):
            (corpus / str(number)).write_bytes(request)
        atheris.instrument_all()
        atheris.Setup([*sys.argv, str(corpus)], attack(world, statuses))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
