"""Cross-certificates that stand beside those that they renew; other nations' CAs, and what was agreed with them."""

import sqlalchemy as sa
from alembic import op

from ca.store.tables import Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Give cross-certificates their serial for a name, and add the tables of peers."""
    op.rename_table("cross_certificates", "cross_certificates_before")
    op.create_table(
        "cross_certificates",
        sa.Column("issuer", sa.String(length=48), nullable=False),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", "serial"),
    )
    op.execute(
        "INSERT INTO cross_certificates (issuer, subject, serial, number)"
        " SELECT issuer, subject, serial, 1 FROM cross_certificates_before"
    )
    op.drop_table("cross_certificates_before")
    op.create_table(
        "peers",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("self_signed", sa.LargeBinary(), nullable=True),
        sa.Column("known_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("generation"),
        sa.UniqueConstraint("authority", "number"),
    )
    op.create_table(
        "agreements",
        sa.Column("agreement", sa.String(length=40), nullable=False),
        sa.Column("ours", sa.String(length=40), nullable=False),
        sa.Column("peer", sa.String(length=40), nullable=False),
        sa.Column("begins", Moment(), nullable=False),
        sa.Column("ends", Moment(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("journal_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agreement"),
    )
    op.create_table(
        "examinations",
        sa.Column("examination", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agreement", sa.String(length=40), nullable=False),
        sa.Column("what", sa.String(length=12), nullable=False),
        sa.Column("ours", sa.String(length=48), nullable=False),
        sa.Column("peer", sa.String(length=48), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("examined_at", Moment(), nullable=False),
        sa.Column("second_officer", sa.String(length=64), nullable=True),
        sa.Column("accepted_at", Moment(), nullable=True),
        sa.Column("certificate", sa.String(length=96), nullable=True),
        sa.Column("journal_index", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("examination"),
    )
    op.create_index("examinations_digest", "examinations", ["digest"], unique=False)
    op.create_table(
        "received_certificates",
        sa.Column("issuer", sa.String(length=48), nullable=False),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("examination", sa.Integer(), nullable=False),
        sa.Column("not_before", Moment(), nullable=False),
        sa.Column("not_after", Moment(), nullable=False),
        sa.Column("encoded", sa.LargeBinary(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("issuer", "subject", "serial"),
    )
    op.create_table(
        "renewals",
        sa.Column("plan", sa.String(length=40), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("second_officer", sa.String(length=64), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("plan"),
    )
    op.create_table(
        "renewal_halves",
        sa.Column("plan", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("certificate", sa.String(length=96), nullable=False),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("replaces", sa.String(length=96), nullable=False),
        sa.ForeignKeyConstraint(["plan"], ["renewals.plan"]),
        sa.PrimaryKeyConstraint("plan", "position"),
    )
