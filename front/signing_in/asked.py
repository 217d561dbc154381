"""Questions to authenticators: each is written down before it is asked, and is taken away by the first answer."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ca.chance import SystemChance
from ca.model import OfficerId
from ca.store import ceremonies
from ca.store.ceremonies import Ceremony, Purpose
from ca.store.engine import Store
from front.signing_in.refusals import Refusal, SignInRefused
from front.signing_in.terms import Terms

_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Question:
    """A question as a browser gets it.

    Attributes:
        ceremony: What the answer is sent back with.
        options: For ``navigator.credentials``, in the form of Web Authentication, 5.1.8 and 5.1.9.
    """

    ceremony: str = field(repr=False)
    options: dict[str, Any] = field(repr=False)


def new_challenge() -> bytes:
    """What an authenticator is to sign; nobody can know it before (Web Authentication, 13.4.3)."""
    return SystemChance().octets("passkey challenge", _OCTETS)


def write_down(
    store: Store, terms: Terms, purpose: Purpose, challenge: bytes, *, officer: OfficerId | None, at: datetime
) -> str:
    """Write a question down; gives what its answer has to come with."""
    token = secret_word("passkey ceremony")
    asked = Ceremony(digest_of(token), challenge, officer, purpose, at + terms.ceremony)
    # Losing it in a crash of the machine costs its officer another press.
    with store.noting() as connection:
        ceremonies.ask(connection, asked, at)
    return token


def take_away(store: Store, token: str, purpose: Purpose, at: datetime) -> Ceremony:
    """The question that an answer came with. It is asked no more, whatever comes of the answer.

    Raises:
        SignInRefused: There is none: it was answered before, is too old, or was asked for something else.
    """
    digest = digest_of(token)
    # Whoever has invented one does not stand in line with those who write.
    with store.reading() as connection:
        found = ceremonies.find(connection, digest)
    if found is not None:
        with store.noting() as connection:
            found = ceremonies.take(connection, digest, purpose, at)
    if found is None:
        raise SignInRefused(Refusal.CEREMONY_OVER)
    return found


def secret_word(purpose: str) -> str:
    """256 random bits as text, for a browser to keep. From the machine's generator even in a seeded world."""
    octets = SystemChance().octets(purpose, _OCTETS)
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def digest_of(token: str) -> bytes:
    """What the store keeps in its place."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
