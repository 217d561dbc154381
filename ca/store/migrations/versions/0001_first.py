"""The first schema."""

import sqlalchemy as sa
from alembic import op

from ca.store.tables import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table of the first schema."""
    op.create_table(
        "certificates",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("not_before", Moment(), nullable=False),
        sa.Column("not_after", Moment(), nullable=False),
        sa.Column("intended_at", Moment(), nullable=False),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("subject_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("application", sa.String(length=24), nullable=True),
        sa.Column("holder", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("generation", "serial"),
    )
    op.create_index("certificates_holder", "certificates", ["holder"], unique=False)
    op.create_index(
        "certificates_state",
        "certificates",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state = 'intended'"),
    )
    op.create_index("certificates_subject_key", "certificates", ["subject_key"], unique=False)
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "cross_certificates",
        sa.Column("issuer", sa.String(length=48), nullable=False),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject"),
    )
    op.create_table(
        "generations",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("suite", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("not_before", Moment(), nullable=False),
        sa.Column("not_after", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("generation"),
        sa.UniqueConstraint("authority", "number"),
    )
    op.create_table(
        "list_places",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("point", sa.Text(), nullable=True),
        sa.Column("holds", sa.String(length=4), nullable=False),
        sa.PrimaryKeyConstraint("generation", "scope"),
        sa.UniqueConstraint("generation", "point", "holds"),
    )
    op.create_table(
        "offices",
        sa.Column("office", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("authority", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("office"),
    )
    op.create_table(
        "revocations",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("invalid_since", Moment(), nullable=True),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "scope", "serial"),
        sqlite_with_rowid=False,
    )
    op.create_index("revocations_sequence", "revocations", ["sequence"], unique=False)
    op.create_table(
        "service_certificates",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("generation", "kind", "serial"),
    )
    op.create_table(
        "applications",
        sa.Column("application", sa.String(length=24), nullable=False),
        sa.Column("office", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("holder", sa.LargeBinary(length=32), nullable=True),
        sa.Column("particulars", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["office"],
            ["offices.office"],
        ),
        sa.PrimaryKeyConstraint("application"),
    )
    op.create_index("applications_office", "applications", ["office", "state"], unique=False)
    op.create_table(
        "certificate_bytes",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("encoded", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation", "serial"],
            ["certificates.generation", "certificates.serial"],
        ),
        sa.PrimaryKeyConstraint("generation", "serial"),
    )
    op.create_table(
        "lists",
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("this_update", Moment(), nullable=False),
        sa.Column("next_update", Moment(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("tbs_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["generation", "scope"],
            ["list_places.generation", "list_places.scope"],
        ),
        sa.PrimaryKeyConstraint("generation", "scope", "number"),
    )
    op.create_table(
        "officers",
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("office", sa.String(length=24), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["office"],
            ["offices.office"],
        ),
        sa.PrimaryKeyConstraint("officer"),
    )
    op.create_table(
        "application_steps",
        sa.Column("application", sa.String(length=24), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"],
            ["applications.application"],
        ),
        sa.ForeignKeyConstraint(
            ["officer"],
            ["officers.officer"],
        ),
        sa.PrimaryKeyConstraint("application", "position"),
    )
    op.create_table(
        "requests",
        sa.Column("application", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.String(length=48), nullable=True),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["application"],
            ["applications.application"],
        ),
        sa.PrimaryKeyConstraint("application", "kind"),
    )
    op.create_index("requests_public_key", "requests", ["public_key"], unique=False)
