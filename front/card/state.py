"""How a card's certificates stand: by the responder that they name, or by the lists that are published."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.relying.finding.fetch import SECONDS, HttpSource
from bridge.relying.finding.material import Material
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.errors import BadInput, KakehashiError
from ca.model import Revocation, Serial
from ca.rules.residents import Standing, standing_of
from ca.suites import SuiteId
from ca.wire.facts import CertificateFacts, read_certificate
from front.card.files import About
from ocsp.client import RESPONSE_LIMIT, ask_about, read_answer

_KIND = "application/ocsp-request"


class Word(StrEnum):
    """How a certificate stands, in a word or two."""

    VALID = "valid"
    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"
    ON_HOLD = "on hold"
    REVOKED = "revoked"
    NOT_VALID = "not valid"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class State:
    """How a certificate stands at a moment.

    Attributes:
        revocation: If it is on hold or revoked: since when, and why.
        problem: If it is not valid otherwise, or one cannot tell: what is the matter.
    """

    word: Word
    revocation: Revocation | None = None
    problem: str | None = None


def by_responder(
    about: About,
    at: datetime,
    seconds: float = SECONDS,
    url: str | None = None,
    legacy: Collection[SuiteId] = (),
) -> State:
    """What the responder says that the certificate names, or another.

    Args:
        about: The certificate.
        at: The moment, aware.
        seconds: How long to wait in all.
        url: Another responder than the certificate's, ``http://host[:port]/path``.
        legacy: The legacy suites whose signatures are believed in their time.
    """
    outside = _by_time(about, at)
    if outside is not None:
        return outside
    found = url or about.responder
    if found is None:
        return State(Word.CANNOT_TELL, problem="the certificate names no responder")
    base, _, path = found.rpartition("/")
    try:
        asked = ask_about(about.issuer, (Serial(about.serial),), found)
        with HttpSource(base, seconds) as source:
            answer = source.visit(path, RESPONSE_LIMIT, asked.request, _KIND)
        (sight,) = read_answer(answer, asked, at, legacy)
    except KakehashiError as error:
        return _cannot_tell(error)
    if not sight.known:
        return State(Word.CANNOT_TELL, problem="the responder does not know it")
    return _ended(sight.revocation)


def by_lists(certificate: bytes, material: Material, trust: Trust, at: datetime) -> State:
    """What a verifier finds who verifies the certificate (DER) with the published lists."""
    try:
        facts = read_certificate(certificate, "certificate")
        outside = _by_time(facts, at)
        if outside is not None:
            return outside
        verify(certificate, material, trust, at)
    except BadInput as error:
        return _cannot_tell(error)
    except PathRejected as rejected:
        # Another step's end is no end of this certificate, which is not valid all the same.
        revocation = rejected.revocation
        if revocation is not None and revocation.serial.value == facts.serial:
            return _ended(revocation)
        unknown = rejected.reason in {Reason.CANNOT_TELL, Reason.UNREADABLE}
        word = Word.CANNOT_TELL if unknown else Word.NOT_VALID
        return State(word, problem=f"{rejected.place}: {rejected.problem}")
    return State(Word.VALID)


def _by_time(about: About | CertificateFacts, at: datetime) -> State | None:
    """How it stands by its own validity alone, if that says enough (RFC 5280 4.1.2.5)."""
    if at > about.not_after:
        return State(Word.EXPIRED)
    return State(Word.NOT_YET_VALID) if at < about.not_before else None


def _ended(revocation: Revocation | None) -> State:
    match standing_of(revocation):
        case Standing.LIVE:
            return State(Word.VALID)
        case Standing.HELD:
            return State(Word.ON_HOLD, revocation)
        case _:
            return State(Word.REVOKED, revocation)


def _cannot_tell(error: KakehashiError) -> State:
    return State(Word.CANNOT_TELL, problem=f"{error.place}: {error.problem}")
