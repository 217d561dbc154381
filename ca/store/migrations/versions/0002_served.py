"""The register of events, client keys and leases: what a served world needs."""

import sqlalchemy as sa
from alembic import op

from ca.store.tables import Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of a served world."""
    op.create_table(
        "register_events",
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.LargeBinary(length=32), nullable=False),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.Column("notified_at", Moment(), nullable=False),
        sa.Column("effective_at", Moment(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("journal_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event"),
    )
    op.create_index("register_events_holder", "register_events", ["holder"], unique=False)
    op.create_table(
        "client_keys",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=True),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["officer"], ["officers.officer"]),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "leases",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("job"),
    )
    # The row is there from the start, so that every revocation counts by updating it: its lock makes the order.
    op.execute(
        "INSERT INTO counters (name, value) SELECT 'revocation-sequence', 0"
        " WHERE NOT EXISTS (SELECT 1 FROM counters WHERE name = 'revocation-sequence')"
    )
