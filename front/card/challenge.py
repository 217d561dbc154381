"""Logging in with a card: a service's challenge, the card's answer, and the service's check of it.

A challenge names its service (the audience), ends soon, and is answered once. The card states audience and nonce
itself, after its holder has named the service: a challenge that a false service has passed on is refused.
"""

from __future__ import annotations

import re
import threading
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from bridge.relying.finding.material import Material
from bridge.relying.trust import Trust
from bridge.relying.verify import VerifiedPath
from ca.chance import Chance
from ca.errors import BadInput, Conflict, KeyRefused
from ca.model import CertificateKind
from ca.wire.facts import CertificateFacts
from front.card.key import CardKey
from front.card.kinds import kind_of
from front.card.statements import CLOCKS, NONCE, Moment, Nonce, Statement, read_stated, state
from front.strict_json import decode

CHALLENGE_LIMIT = 2048
"""Octets."""

LIFETIME = timedelta(minutes=5)
"""For how long a challenge may be answered: long enough to find the card."""

WAITING = 10_000
"""Challenges that wait for answers at once."""

_AUDIENCE = re.compile(r"[!-~]{1,200}")
_PLACE = "login"
_MADE_BY_CHECK: Final = object()

Audience = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Challenge(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="challenge",
    tag="kakehashi/login/1",
):
    """What a service asks. ``audience``: the service, as its users know it, such as ``https://portal.example``."""

    audience: Audience
    nonce: Nonce
    until: Moment


class LoginStatement(Statement, frozen=True, kw_only=True, tag="kakehashi/login/1"):
    """What a card says to it. The nonce is the challenge's."""

    audience: Audience


@dataclass(frozen=True, slots=True)
class Login:
    """The proof that the holder of a certificate has answered. Only ``Challenges.check`` makes one.

    Attributes:
        certificate: The user-authentication certificate: its holder is who logs in. It bears no name.
        path: That it is valid.
    """

    certificate: CertificateFacts
    path: VerifiedPath
    made_by: InitVar[object] = field(kw_only=True)

    def __post_init__(self, made_by: object) -> None:
        if made_by is not _MADE_BY_CHECK:
            raise TypeError("only Challenges.check() makes a Login")


class Challenges:
    """The challenges of a service that wait for their answers, in this process. Safe to use from several threads."""

    def __init__(self, audience: str, chance: Chance, lifetime: timedelta = LIFETIME) -> None:
        """Begin with none, or raise BadInput.

        Args:
            audience: The service: 1 to 200 characters of ASCII without blanks.
            chance: Gives nonces; never a seeded one in earnest.
            lifetime: For how long each may be answered.
        """
        _require_audience(audience, "audience")
        self._audience, self._chance, self._lifetime = audience, chance, lifetime
        self._waiting: dict[bytes, datetime] = {}
        self._lock = threading.Lock()

    def make(self, at: datetime) -> bytes:
        """A new challenge; Conflict while too many wait."""
        nonce, until = self._chance.octets("login nonce", NONCE), at + self._lifetime
        with self._lock:
            self._waiting = {one: end for one, end in self._waiting.items() if end >= at}
            if len(self._waiting) >= WAITING:
                raise Conflict(_PLACE, "too many challenges wait for answers", remedy="Try again later")
            self._waiting[nonce] = until
        return msgspec.json.encode(Challenge(audience=self._audience, nonce=nonce, until=until))

    def check(self, answer: bytes, material: Material, trust: Trust, at: datetime) -> Login:
        """Who has answered one of the challenges. Whatever comes of it, that challenge is answered no more.

        Args:
            answer: What the card gave.
            material: Where certificates and lists are had from.
            trust: Which anchors and policies the service believes.
            at: The moment, aware.

        Raises:
            BadInput: It is no answer of a card, is meant for another service, or comes from no resident's
                user-authentication key.
            Conflict: No such challenge waits: it was answered, has ended, or never was.
            KeyRefused: The signature is wrong.
            PathRejected: The certificate is not valid: revoked, on hold, expired, of another world.
        """
        stated = read_stated(answer, LoginStatement, _PLACE)
        with self._lock:
            until = self._waiting.pop(stated.statement.nonce, None)
        if until is None or until < at:
            raise Conflict(
                _PLACE,
                "answers no challenge that waits",
                remedy="Ask for a new challenge, and answer it once",
            )
        if stated.statement.audience != self._audience:
            raise BadInput(_PLACE, "is meant for another service")
        stated.require_fresh(at, self._lifetime + CLOCKS)
        path = stated.check(material, trust, at)
        if kind_of(stated.signer) is not CertificateKind.USER_AUTHENTICATION:
            raise BadInput(_PLACE, "is not signed by a user-authentication key")
        return Login(stated.signer, path, made_by=_MADE_BY_CHECK)


def answer_challenge(challenge: bytes, audience: str, key: CardKey, at: datetime) -> bytes:
    """The card's answer.

    Args:
        challenge: As the service gave it.
        audience: The service that the holder means to log in to.
        key: The unlocked user-authentication key.
        at: The moment, aware.

    Raises:
        BadInput: It is no challenge, is another service's, or has ended.
        KeyRefused: The key is not for this.
        NotFound, SuiteRetired, TokenFailed: See ``front.card.statements.state``.
    """
    place = "challenge"
    if key.kind is not CertificateKind.USER_AUTHENTICATION:
        raise KeyRefused(f"card {key.number}", f"its {key.kind} key logs nobody in")
    if len(challenge) > CHALLENGE_LIMIT:
        raise BadInput(place, f"is longer than {CHALLENGE_LIMIT} octets")
    asked = decode(challenge, Challenge, place)
    _require_audience(asked.audience, f"{place}, audience")
    if asked.audience != audience:
        raise BadInput(
            place,
            f"is of {asked.audience}, and not of {audience}",
            remedy="Who passed it on may want to log in there in your name: answer nothing",
        )
    if asked.until < at:
        raise BadInput(place, "has ended", remedy="Ask the service for a new one")
    return state(LoginStatement(made=at, nonce=asked.nonce, audience=audience), key, at)


def _require_audience(audience: str, place: str) -> None:
    if not _AUDIENCE.fullmatch(audience):
        raise BadInput(place, "is not 1 to 200 characters of ASCII without blanks")
