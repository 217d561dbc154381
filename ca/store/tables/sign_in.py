"""How officers sign in, and what they did beside cases."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, String, Table, Text

from ca.store.tables.ground import Moment, Octets, metadata

# What an authenticator told of itself when it was enrolled; the private key never leaves it.
passkeys = Table(
    "passkeys",
    metadata,
    Column("credential", Octets(1023), primary_key=True),
    Column("officer", String(64), nullable=False),
    Column("label", Text, nullable=False),
    Column("public_key", Octets, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=True),
    Column("ended_at", Moment, nullable=True),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)
Index("passkeys_officer", passkeys.c.officer)

# One-time codes for the enrolment of a passkey, as SHA-256 of many random bits; no maker: made on the machine itself.
enrolment_codes = Table(
    "enrolment_codes",
    metadata,
    Column("digest", Octets(32), primary_key=True),
    Column("officer", String(64), nullable=False),
    Column("made_by", String(64), nullable=True),
    Column("made_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=True),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)
Index("enrolment_codes_officer", enrolment_codes.c.officer)

# A question that an authenticator is to sign, once, whatever comes of it.
ceremonies = Table(
    "ceremonies",
    metadata,
    Column("digest", Octets(32), primary_key=True),
    Column("challenge", Octets(64), nullable=False),
    Column("officer", String(64), nullable=True),
    Column("purpose", String(16), nullable=False),
    Column("expires_at", Moment, nullable=False),
)
Index("ceremonies_end", ceremonies.c.expires_at)

# Who is signed in: SHA-256 of the cookie's random bits.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", Octets(32), primary_key=True),
    Column("officer", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=True),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)
Index("sessions_officer", sessions.c.officer)

# What somebody did, or looked at, that is no step of a case. Nothing is ever changed here.
deeds = Table(
    "deeds",
    metadata,
    Column("deed", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("officer", String(64), nullable=True),
    Column("office", String(24), nullable=True),
    Column("what", String(32), nullable=False),
    Column("about", Text, nullable=True),
)
Index("deeds_officer", deeds.c.officer, deeds.c.at)
Index("deeds_at", deeds.c.at)
Index("deeds_what", deeds.c.what, deeds.c.deed)
