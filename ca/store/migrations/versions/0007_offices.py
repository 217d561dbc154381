"""Officers who sign in, what they do beside cases, and what a local government's sub-office keeps and reports."""

import json
import unicodedata

import sqlalchemy as sa
from alembic import op

from ca.store.tables import Moment

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns, have the cases that are there found by name and day, and add the tables."""
    op.add_column("offices", sa.Column("suspended_at", Moment(), nullable=True))
    op.add_column("officers", sa.Column("name", sa.Text(), nullable=False, server_default=""))
    op.add_column("officers", sa.Column("ended_at", Moment(), nullable=True))
    op.add_column("application_steps", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("applications", sa.Column("sought_name", sa.Text(), nullable=False, server_default=""))
    op.add_column("applications", sa.Column("filed_at", Moment(), nullable=False, server_default="0"))
    _fill()
    op.create_index("applications_name", "applications", ["office", "sought_name"])
    op.create_index("applications_state", "applications", ["state", "filed_at"])
    op.create_index("application_steps_step", "application_steps", ["step", "at"])
    _sign_in()
    _local_governments()


def _fill() -> None:
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "UPDATE applications SET filed_at = COALESCE((SELECT at FROM application_steps"
            " WHERE application_steps.application = applications.application AND position = 0), 0)"
        )
    )
    rows = connection.execute(sa.text("SELECT application, particulars FROM applications")).all()
    for application, particulars in rows:
        found = json.loads(particulars)
        person, post = found.get("resident") or found.get("local"), found.get("post")
        name = person["name"] if person else post["post"]
        sought = "".join(unicodedata.normalize("NFKC", name).casefold().split())
        connection.execute(
            sa.text("UPDATE applications SET sought_name = :name WHERE application = :application"),
            {"name": sought, "application": application},
        )


def _sign_in() -> None:
    op.create_table(
        "passkeys",
        sa.Column("credential", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("used_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["officer"], ["officers.officer"]),
        sa.PrimaryKeyConstraint("credential"),
    )
    op.create_index("passkeys_officer", "passkeys", ["officer"])
    op.create_table(
        "enrolment_codes",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=True),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("used_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["officer"], ["officers.officer"]),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("enrolment_codes_officer", "enrolment_codes", ["officer"])
    op.create_table(
        "ceremonies",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("challenge", sa.LargeBinary(length=64), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=True),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ceremonies_end", "ceremonies", ["expires_at"])
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["officer"], ["officers.officer"]),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sessions_officer", "sessions", ["officer"])
    op.create_table(
        "deeds",
        sa.Column("deed", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=True),
        sa.Column("office", sa.String(length=24), nullable=True),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("deed"),
    )
    op.create_index("deeds_at", "deeds", ["at"])
    op.create_index("deeds_what", "deeds", ["what", "deed"])
    op.create_index("deeds_officer", "deeds", ["officer", "at"])


def _local_governments() -> None:
    op.create_table(
        "media",
        sa.Column("medium", sa.String(length=40), nullable=False),
        sa.Column("office", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("application", sa.String(length=24), nullable=True),
        sa.ForeignKeyConstraint(["application"], ["applications.application"]),
        sa.ForeignKeyConstraint(["office"], ["offices.office"]),
        sa.PrimaryKeyConstraint("medium"),
    )
    op.create_index("media_office", "media", ["office"])
    op.create_table(
        "medium_steps",
        sa.Column("medium", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["medium"], ["media.medium"]),
        sa.ForeignKeyConstraint(["officer"], ["officers.officer"]),
        sa.PrimaryKeyConstraint("medium", "position"),
    )
    op.create_table(
        "self_checks",
        sa.Column("office", sa.String(length=24), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("submitted_at", Moment(), nullable=False),
        sa.Column("reviewer", sa.String(length=64), nullable=True),
        sa.Column("reviewed_at", Moment(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["office"], ["offices.office"]),
        sa.ForeignKeyConstraint(["officer"], ["officers.officer"]),
        sa.PrimaryKeyConstraint("office", "year"),
    )
    op.create_table(
        "evidence",
        sa.Column("office", sa.String(length=24), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["office", "year"], ["self_checks.office", "self_checks.year"]),
        sa.PrimaryKeyConstraint("office", "year", "number"),
    )
