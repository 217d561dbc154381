"""Questions that authenticators are to sign, and one-time codes for enrolment: each is good once, for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from ca.model import OfficerId
from ca.store.tables import ceremonies, enrolment_codes


class Purpose(StrEnum):
    """What an answer will be taken for, and nothing else."""

    SIGN_IN = "sign-in"
    ENROL = "enrol"
    ADD = "add"


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A question.

    Attributes:
        digest: SHA-256 of what the browser shows with the answer.
        challenge: What the authenticator signs.
        officer: Whose passkey is made; None where anybody may sign in.
    """

    digest: bytes = field(repr=False)
    challenge: bytes = field(repr=False)
    officer: OfficerId | None
    purpose: Purpose
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Code:
    """An enrolment code, by its SHA-256.

    Attributes:
        made_by: The operator; None for one made on the machine itself.
    """

    digest: bytes = field(repr=False)
    officer: OfficerId
    made_by: OfficerId | None
    made_at: datetime
    expires_at: datetime


def ask(connection: Connection, ceremony: Ceremony, at: datetime) -> None:
    """Write down a question. Those that nobody answered in time are forgotten."""
    connection.execute(delete(ceremonies).where(ceremonies.c.expires_at <= at))
    connection.execute(
        insert(ceremonies).values(
            digest=ceremony.digest,
            challenge=ceremony.challenge,
            officer=ceremony.officer,
            purpose=ceremony.purpose,
            expires_at=ceremony.expires_at,
        )
    )


def find(connection: Connection, digest: bytes) -> Ceremony | None:
    """The question with this hash, if it was not answered yet, however old it is."""
    row = connection.execute(select(ceremonies).where(ceremonies.c.digest == digest)).one_or_none()
    if row is None:
        return None
    officer = None if row.officer is None else OfficerId(row.officer)
    return Ceremony(digest, bytes(row.challenge), officer, Purpose(row.purpose), row.expires_at)


def take(connection: Connection, digest: bytes, purpose: Purpose, at: datetime) -> Ceremony | None:
    """The question with this hash, of this purpose and in time, if there is one; it is there no longer then."""
    found = find(connection, digest)
    connection.execute(delete(ceremonies).where(ceremonies.c.digest == digest))
    return found if found is not None and found.purpose is purpose and found.expires_at > at else None


def give_code(connection: Connection, code: Code) -> None:
    """Write down a code; what the officer was given before is good no longer."""
    connection.execute(
        update(enrolment_codes)
        .where(enrolment_codes.c.officer == code.officer, enrolment_codes.c.expires_at > code.made_at)
        .values(expires_at=code.made_at)
    )
    connection.execute(
        insert(enrolment_codes).values(
            digest=code.digest,
            officer=code.officer,
            made_by=code.made_by,
            made_at=code.made_at,
            expires_at=code.expires_at,
        )
    )


def find_code(connection: Connection, digest: bytes, at: datetime) -> Code | None:
    """The code with this hash, if it is in time and was not used."""
    query = select(enrolment_codes).where(
        enrolment_codes.c.digest == digest,
        enrolment_codes.c.used_at.is_(None),
        enrolment_codes.c.expires_at > at,
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    made_by = None if row.made_by is None else OfficerId(row.made_by)
    return Code(digest, OfficerId(row.officer), made_by, row.made_at, row.expires_at)


def use_code(connection: Connection, code: Code, at: datetime) -> None:
    """Write down that it was used."""
    connection.execute(
        update(enrolment_codes).where(enrolment_codes.c.digest == code.digest).values(used_at=at)
    )
