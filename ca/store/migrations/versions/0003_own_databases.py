"""Holdings apart from certificates, so that an authority may have its own database; batches; offices of several CAs."""

import sqlalchemy as sa
from alembic import op

from ca.store.tables import Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the register of holdings from the certificates, and let go of what moved there."""
    op.create_table(
        "holdings",
        sa.Column("subject_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("generation", sa.String(length=48), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.LargeBinary(length=32), nullable=True),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("not_before", Moment(), nullable=False),
        sa.Column("not_after", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("subject_key"),
        sqlite_with_rowid=False,
    )
    moved = "subject_key, generation, serial, kind, scope, holder, decided_at, not_before, not_after"
    op.execute(
        f"INSERT INTO holdings ({moved}) SELECT {moved} FROM certificates WHERE application IS NOT NULL"  # noqa: S608 - names of columns
    )
    op.create_index("holdings_holder", "holdings", ["holder"], unique=False)
    # The bytes first: they refer to the certificates.
    _move("certificate_bytes", _BYTES, "generation, serial, encoded")
    kept = (
        "generation, serial, kind, scope, state, not_before, not_after, intended_at, subject_key, application"
    )
    _move("certificates", _CERTIFICATES, kept, sqlite_with_rowid=False)
    op.create_index(
        "certificates_open",
        "certificates",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state = 'intended'"),
        postgresql_where=sa.text("state = 'intended'"),
    )
    op.create_table(
        "batches",
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("approver", sa.String(length=64), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("approved_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["approver"], ["officers.officer"]),
        sa.ForeignKeyConstraint(["operator"], ["officers.officer"]),
        sa.PrimaryKeyConstraint("batch"),
    )
    op.create_table(
        "batch_answers",
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("generation", sa.String(length=48), nullable=True),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("confirmed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "row", "kind"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("offices", sa.Column("authorities", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE offices SET authorities = authority WHERE authority IS NOT NULL")
    op.drop_column("offices", "authority")
    # SQLite heeds no lengths, PostgreSQL does: "local-government" has more than twelve characters.
    _widen("offices", "kind", 24)
    _widen("service_certificates", "key", 80)


def _move(name: str, columns: tuple[sa.Column[object], ...], kept: str, **options: bool) -> None:
    """Make a table anew with what it keeps of its rows."""
    op.rename_table(name, f"{name}_before")
    op.create_table(name, *columns, **options)
    op.execute(f"INSERT INTO {name} ({kept}) SELECT {kept} FROM {name}_before")  # noqa: S608 - names of columns
    op.drop_table(f"{name}_before")


def _widen(table: str, column: str, length: int) -> None:
    """Let a column of words that is no key hold longer ones."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(table, column, type_=sa.String(length=length))
        return
    wider = sa.Column("wider", sa.String(length=length), nullable=False, server_default="")
    op.add_column(table, wider)
    op.execute(f"UPDATE {table} SET wider = {column}")  # noqa: S608 - names of tables and columns
    op.drop_column(table, column)
    op.alter_column(table, "wider", new_column_name=column)


_BYTES: tuple[sa.Column[object], ...] = (
    sa.Column("generation", sa.String(length=48), primary_key=True),
    sa.Column("serial", sa.LargeBinary(length=20), primary_key=True),
    sa.Column("encoded", sa.LargeBinary(), nullable=False),
)
_CERTIFICATES: tuple[sa.Column[object], ...] = (
    sa.Column("generation", sa.String(length=48), primary_key=True),
    sa.Column("serial", sa.LargeBinary(length=20), primary_key=True),
    sa.Column("kind", sa.String(length=24), nullable=False),
    sa.Column("scope", sa.String(length=40), nullable=False),
    sa.Column("state", sa.String(length=10), nullable=False),
    sa.Column("not_before", Moment(), nullable=False),
    sa.Column("not_after", Moment(), nullable=False),
    sa.Column("intended_at", Moment(), nullable=False),
    sa.Column("subject_key", sa.LargeBinary(length=32), nullable=False),
    sa.Column("application", sa.String(length=24), nullable=True),
)
