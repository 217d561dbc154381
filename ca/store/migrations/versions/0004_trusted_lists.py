"""Ends and causes beside revocations; waiting events, linked codes, quarantine, orders, delta lists, kept-back lists."""

import sqlalchemy as sa
from alembic import op

from ca.store.tables import FOR_EVER, Moment, microseconds

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make revocations anew with what they lacked, and add the rest."""
    _revocations()
    with_default = sa.Column("state", sa.String(length=12), nullable=False, server_default="settled")
    op.add_column("register_events", with_default)
    op.add_column("register_events", sa.Column("withdraws", sa.String(length=80), nullable=True))
    op.add_column("register_events", sa.Column("new_holder", sa.LargeBinary(length=32), nullable=True))
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "register_events_waiting",
        "register_events",
        ["effective_at"],
        unique=False,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.add_column("client_keys", sa.Column("feed", sa.String(length=40), nullable=True))
    op.create_table(
        "resident_codes",
        sa.Column("old", sa.LargeBinary(length=32), nullable=False),
        sa.Column("new", sa.LargeBinary(length=32), nullable=False),
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("old", "new"),
        sqlite_with_rowid=False,
    )
    op.create_index("resident_codes_new", "resident_codes", ["new"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("case", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("journal_index", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=True),
        sa.Column("officer", sa.String(length=64), nullable=True),
        sa.Column("resolved_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("case"),
    )
    op.create_index("quarantine_event", "quarantine", ["event"], unique=False)
    _orders()
    _lists()
    # The journal tells since what a crash between two databases would have left open.
    op.drop_column("batch_answers", "confirmed")
    _untold()


def _revocations() -> None:
    op.rename_table("revocations", "revocations_before")
    op.drop_index("revocations_sequence", "revocations_before")
    op.create_table(
        "revocations",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("invalid_since", Moment(), nullable=True),
        sa.Column("not_after", Moment(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=80), nullable=False),
        sa.Column("journal_index", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "scope", "serial"),
        sqlite_with_rowid=False,
    )
    # Of a certificate that the store has forgotten, the end is not known: its entry stays for ever.
    for_ever = microseconds(FOR_EVER)
    op.execute(
        f"""
        INSERT INTO revocations (generation, scope, serial, revoked_at, reason, invalid_since, not_after, entry,
                                 sequence, cause, journal_index, recorded_at)
        SELECT r.generation, r.scope, r.serial, r.revoked_at, r.reason, r.invalid_since,
               coalesce(c.not_after, {for_ever}), r.entry, r.sequence,
               CASE WHEN r.officer LIKE 'event %' OR r.officer = 'signing cycle' THEN r.officer
                    ELSE 'officer ' || r.officer END,
               0, r.recorded_at
        FROM revocations_before r LEFT JOIN certificates c
             ON c.generation = r.generation AND c.serial = r.serial
        """  # noqa: S608 - a number
    )
    op.drop_table("revocations_before")
    op.create_index("revocations_sequence", "revocations", ["sequence"], unique=False)


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("second_officer", sa.String(length=64), nullable=True),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("approved_at", Moment(), nullable=True),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("journal_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order"),
    )
    op.create_table(
        "order_steps",
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("journal_index", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["order"], ["orders.order"]),
        sa.PrimaryKeyConstraint("order", "journal_index"),
    )
    op.create_table(
        "order_certificates",
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.PrimaryKeyConstraint("order", "generation", "serial"),
        sqlite_with_rowid=False,
    )


def _lists() -> None:
    op.create_table(
        "delta_lists",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("this_update", Moment(), nullable=False),
        sa.Column("next_update", Moment(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("tbs_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.ForeignKeyConstraint(["generation", "scope"], ["list_places.generation", "list_places.scope"]),
        sa.PrimaryKeyConstraint("generation", "scope", "number"),
    )
    op.create_table(
        "blocked_lists",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("raised_at", Moment(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("first_officer", sa.String(length=64), nullable=True),
        sa.Column("second_officer", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("generation", "scope"),
    )


def _untold() -> None:
    """Leave a mark for ``ca.store.untold``: the journal tells of what is issued from now on."""
    op.execute(
        "INSERT INTO marks (name, value) SELECT 'serials-untold', '0003' WHERE EXISTS (SELECT 1 FROM certificates)"
    )
