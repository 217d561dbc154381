"""Where each key of an authority stands, and what was done with it: the newest issues, those before it sign status.

And an index by which a key's holders are found in the nation's register.
"""

import sqlalchemy as sa
from alembic import op

from ca.store.tables import Moment

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the tables, and fill in where the keys stand that are there."""
    op.create_table(
        "key_lives",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("suite", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("generation"),
        sa.UniqueConstraint("authority", "number"),
    )
    op.execute(
        "INSERT INTO key_lives (generation, authority, number, suite, state)"
        " SELECT generation, authority, number, suite, CASE WHEN number = ("
        "  SELECT MAX(number) FROM generations AS other WHERE other.authority = generations.authority"
        " ) THEN 'active' ELSE 'status only' END FROM generations"
    )
    op.create_table(
        "key_steps",
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("journal_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("suite", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("back", sa.Boolean(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("authority", "journal_index"),
    )
    op.create_index("holdings_generation", "holdings", ["generation", "not_after"], unique=False)
