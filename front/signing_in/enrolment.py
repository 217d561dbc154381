"""Enrolling passkeys: with a code that an operator gave, or as a further one of somebody who is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ca.errors import NotPermitted
from ca.model import Officer, OfficerId
from ca.store import ceremonies, officers, passkeys, sessions
from ca.store.ceremonies import Code, Purpose
from ca.store.deeds import Deed, note
from ca.store.engine import Store
from ca.store.passkeys import Passkey
from front.signing_in import answers, asked, codes
from front.signing_in.asked import Question
from front.signing_in.entering import Entered, begin_session
from front.signing_in.refusals import Refusal, SignInRefused
from front.signing_in.terms import Terms

_LIFETIME = timedelta(hours=1)


def new_code(
    connection: Connection,
    officer_id: str,
    made_by: OfficerId | None,
    at: datetime,
    *,
    lasting: timedelta = _LIFETIME,
) -> str:
    """Give an officer a code to enrol a passkey with, once; a code given before is good no longer.

    Using it ends the passkeys and sessions that the officer has: it is how a lost one is replaced.

    Args:
        connection: A transaction that writes in the nation's database.
        officer_id: For whom.
        made_by: The operator who gives it; None for whoever has the machine itself.
        at: The moment.
        lasting: For how long it is good.

    Returns:
        The code, to be shown once: its hash alone is kept.

    Raises:
        NotFound: There is no such officer.
        NotPermitted: The officer has left or the office is suspended; only operators of
            the centre give codes, and none to themselves; on the machine itself only the first operator gets one.
    """
    officer, _ = officers.officer(connection, officer_id)
    giver = None if made_by is None else officers.operator_of_centre(connection, made_by)
    if giver is None:
        _require_first_operator(connection, officer)
    elif giver.id == officer.id:
        raise NotPermitted(
            f"officer {officer.id}",
            "is given no code by the same officer",
            remedy="Another operator gives it",
        )
    code = codes.make()
    ceremonies.give_code(
        connection,
        Code(codes.digest_of(code), officer.id, None if giver is None else giver.id, at, at + lasting),
    )
    note(connection, Deed.CODE_GIVEN, who=giver, about=officer.id, at=at)
    return code


def ask(store: Store, terms: Terms, typed: str, at: datetime) -> Question:
    """What the browser of somebody with a code is asked.

    Raises:
        SignInRefused: It is no code, or none that is good; that is written down.
        NotPermitted: The officer has left meanwhile, or the office is suspended.
    """
    digest = codes.digest_of(typed)
    with store.reading() as connection:
        code = ceremonies.find_code(connection, digest, at)
    if code is None:
        # Anybody can make this be written: it does not keep the disk busy.
        with store.noting() as connection:
            note(connection, Deed.CODE_REFUSED, who=None, at=at)
        raise SignInRefused(Refusal.CODE_WRONG)
    return _ask_to_make(store, terms, Purpose.ENROL, code.officer, at)


def enrol(
    store: Store,
    terms: Terms,
    ceremony: str,
    answer: Mapping[str, Any],
    *,
    typed: str,
    label: str,
    old: str | None,
    at: datetime,
) -> Entered:
    """Enrol the passkey that was made, end all others of its officer's, and begin a session.

    Args:
        store: The nation's database.
        terms: What is held to.
        ceremony: What the question came with.
        answer: ``PublicKeyCredential.toJSON()`` of the browser.
        typed: The code, once more: it is used up now, and not before.
        label: What the officer calls the passkey.
        old: The session that the browser showed before, which ends.
        at: The moment.

    Raises:
        SignInRefused: The code or the question is no longer good, or the answer does not hold.
        NotPermitted: The officer has left meanwhile, or the office is suspended.
        Conflict: The passkey is enrolled already.
    """
    digest = codes.digest_of(typed)
    asked_for = asked.take_away(store, ceremony, Purpose.ENROL, at)
    assert asked_for.officer is not None, "a question to make a passkey names the officer"
    made = answers.made(terms, asked_for.officer, asked_for.challenge, answer)
    with store.writing() as connection:
        code = ceremonies.find_code(connection, digest, at)
        if code is None or code.officer != asked_for.officer:
            raise SignInRefused(Refusal.CODE_WRONG)
        officer, _ = officers.officer(connection, code.officer)
        ceremonies.use_code(connection, code, at)
        passkeys.end_all(connection, officer.id, at)
        sessions.end_all(connection, officer.id, at)
        _keep(connection, officer, made, label, Deed.ENROLLED, at)
        return begin_session(connection, terms, officer, old=old, at=at)


def ask_for_another(store: Store, terms: Terms, officer: Officer, at: datetime) -> Question:
    """What the browser of somebody who is signed in is asked, to add a passkey."""
    return _ask_to_make(store, terms, Purpose.ADD, officer.id, at)


def add(
    store: Store,
    terms: Terms,
    ceremony: str,
    answer: Mapping[str, Any],
    *,
    officer: Officer,
    label: str,
    at: datetime,
) -> None:
    """Add the passkey that was made to those of the officer who is signed in.

    Raises:
        SignInRefused: The question is gone or was another officer's, or the answer does not hold.
        Conflict: The passkey is enrolled already.
    """
    asked_for = asked.take_away(store, ceremony, Purpose.ADD, at)
    if asked_for.officer != officer.id:
        raise SignInRefused(Refusal.CEREMONY_OVER)
    made = answers.made(terms, officer.id, asked_for.challenge, answer)
    with store.writing() as connection:
        who, _ = officers.officer(connection, officer.id)
        _keep(connection, who, made, label, Deed.PASSKEY_ADDED, at)


def _ask_to_make(
    store: Store, terms: Terms, purpose: Purpose, officer_id: OfficerId, at: datetime
) -> Question:
    with store.reading() as connection:
        officer, _ = officers.officer(connection, officer_id)
        there = passkeys.in_use(connection, officer.id)
    challenge = asked.new_challenge()
    # With a code the old ones end: an authenticator that holds one of them may make the new one too.
    others = there if purpose is Purpose.ADD else []
    options = answers.making(terms, officer, others, challenge)
    token = asked.write_down(store, terms, purpose, challenge, officer=officer.id, at=at)
    return Question(token, options)


def _keep(
    connection: Connection, officer: Officer, made: answers.Made, label: str, deed: Deed, at: datetime
) -> None:
    passkey = Passkey(made.credential, officer.id, label, made.public_key, made.sign_count, at)
    passkeys.add(connection, passkey)
    note(connection, deed, who=officer, about=passkey.mark, at=at)


def _require_first_operator(connection: Connection, officer: Officer) -> None:
    officers.operator_of_centre(connection, officer.id)
    if enrolled := passkeys.operators(connection):
        raise NotPermitted(
            f"officer {officer.id}",
            "gets a code from an operator: there is one with a passkey",
            remedy=f"{enrolled[0]} gives it on the page of officers; if every operator has lost theirs, "
            "`kakehashi officer end` them and add another",
        )
