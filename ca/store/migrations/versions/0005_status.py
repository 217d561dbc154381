"""The primary's heartbeat; the register of signature verifiers and what they asked."""

import sqlalchemy as sa
from alembic import op

from ca.store.tables import Moment

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the three tables."""
    op.create_table(
        "heartbeats",
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("moment", Moment(), nullable=False),
        sa.Column("beaten", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_table(
        "verifiers",
        sa.Column("verifier", sa.String(length=40), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("valid_from", Moment(), nullable=False),
        sa.Column("valid_until", Moment(), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["officer"], ["officers.officer"]),
        sa.PrimaryKeyConstraint("verifier"),
        sa.UniqueConstraint("fingerprint"),
    )
    op.create_table(
        "verifier_counts",
        sa.Column("verifier", sa.String(length=40), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("verifier", "day", "outcome", "server"),
        sqlite_with_rowid=False,
    )
