"""Signing in: a passkey is shown, and a session begins; and a session's end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ca.errors import NotPermitted
from ca.model import Officer, OfficerId
from ca.store import officers, passkeys, sessions
from ca.store.ceremonies import Purpose
from ca.store.deeds import Deed, note
from ca.store.engine import Store
from ca.store.passkeys import Passkey
from ca.store.sessions import Session
from front.signing_in import answers, asked
from front.signing_in.asked import Question
from front.signing_in.refusals import Refusal, SignInRefused
from front.signing_in.terms import Terms


@dataclass(frozen=True, slots=True)
class Entered:
    """That an officer is signed in.

    Attributes:
        token: What the browser shows from now on; the store has its hash alone.
    """

    officer: OfficerId
    token: str = field(repr=False)


def ask(store: Store, terms: Terms, at: datetime) -> Question:
    """What a browser is asked that wants to sign in."""
    challenge = asked.new_challenge()
    token = asked.write_down(store, terms, Purpose.SIGN_IN, challenge, officer=None, at=at)
    return Question(token, answers.asking(terms, challenge))


def sign_in(
    store: Store, terms: Terms, ceremony: str, answer: Mapping[str, Any], *, old: str | None, at: datetime
) -> Entered:
    """Begin a session for whoever holds the passkey that answered.

    Args:
        store: The nation's database.
        terms: What is held to.
        ceremony: What the question came with.
        answer: ``PublicKeyCredential.toJSON()`` of the browser.
        old: The session that the browser showed before, which ends: none goes on under another person.
        at: The moment.

    Raises:
        SignInRefused: The question is gone, the passkey is not known, or the answer does not hold.
        NotPermitted: The officer has left, or the office is suspended.
    """
    challenge = asked.take_away(store, ceremony, Purpose.SIGN_IN, at).challenge
    credential = answers.shown(answer)
    with store.reading() as connection:
        known = passkeys.find(connection, credential)
    if known is None:
        raise SignInRefused(Refusal.PASSKEY_UNKNOWN)
    try:
        # Where nobody writes beside us: of two answers with one count the second is a copy's.
        with store.writing() as connection:
            passkey = passkeys.find(connection, credential)
            if passkey is None:
                raise SignInRefused(Refusal.PASSKEY_UNKNOWN)
            count = answers.held(terms, passkey, challenge, answer)
            officer, _ = officers.officer(connection, passkey.officer)
            passkeys.used(connection, passkey, count, at)
            note(connection, Deed.SIGNED_IN, who=officer, about=passkey.mark, at=at)
            return begin_session(connection, terms, officer, old=old, at=at)
    except NotPermitted as error:
        _note_refusal(store, known, error, at)
        raise


def begin_session(
    connection: Connection, terms: Terms, officer: Officer, *, old: str | None, at: datetime
) -> Entered:
    """Begin a session under a new secret, and end the one that the browser showed before."""
    token = asked.secret_word("session")
    if old is not None:
        sessions.end(connection, asked.digest_of(old), at)
    sessions.begin(connection, Session(asked.digest_of(token), officer.id, at, at, at + terms.whole))
    return Entered(officer.id, token)


def sign_out(store: Store, token: str, officer: Officer, at: datetime) -> None:
    """End the session that a browser shows."""
    with store.writing() as connection:
        sessions.end(connection, asked.digest_of(token), at)
        note(connection, Deed.SIGNED_OUT, who=officer, at=at)


def require_fresh(session: Session, terms: Terms, at: datetime) -> None:
    """Raise SignInRefused unless the officer signed in a moment ago: a screen left alone does not give away more."""
    if at - session.made_at > terms.fresh:
        raise SignInRefused(Refusal.NOT_FRESH)


def _note_refusal(store: Store, passkey: Passkey, error: NotPermitted, at: datetime) -> None:
    reason = error.reason.word if isinstance(error, SignInRefused) else "officer"
    with store.writing() as connection:
        who, _ = officers.known(connection, passkey.officer)
        note(connection, Deed.SIGN_IN_REFUSED, who=who, about=f"{passkey.mark} {reason}", at=at)
