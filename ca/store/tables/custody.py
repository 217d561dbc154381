"""What a local government's sub-office keeps, and what it reports every year."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, Integer, String, Table, Text

from ca.store.tables.ground import Moment, Octets, metadata

# The media (cards, tokens) that keys of a local government's posts lie in.
media = Table(
    "media",
    metadata,
    Column("medium", String(40), primary_key=True),
    Column("office", String(24), nullable=False),
    Column("state", String(16), nullable=False),
    Column("application", String(24), nullable=True),
    ForeignKeyConstraint(["office"], ["offices.office"]),
    ForeignKeyConstraint(["application"], ["applications.application"]),
)
Index("media_office", media.c.office)

medium_steps = Table(
    "medium_steps",
    metadata,
    Column("medium", String(40), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("step", String(16), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("note", Text, nullable=True),
    ForeignKeyConstraint(["medium"], ["media.medium"]),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)

# An office's yearly answers to the centre's questions, and the files that show them.
self_checks = Table(
    "self_checks",
    metadata,
    Column("office", String(24), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("answers", Text, nullable=False),
    Column("officer", String(64), nullable=False),
    Column("submitted_at", Moment, nullable=False),
    Column("reviewer", String(64), nullable=True),
    Column("reviewed_at", Moment, nullable=True),
    Column("finding", Text, nullable=True),
    ForeignKeyConstraint(["office"], ["offices.office"]),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)

evidence = Table(
    "evidence",
    metadata,
    Column("office", String(24), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("sha256", Octets(32), nullable=False),
    Column("content", Octets, nullable=False),
    ForeignKeyConstraint(["office", "year"], ["self_checks.office", "self_checks.year"]),
)
