"""Bringing a store's schema to this version's, by Alembic's migrations."""

from __future__ import annotations

from pathlib import Path

from ca.store.engine import Store


def migrate(store: Store) -> None:
    """Apply, in one transaction, the migrations that the store does not have yet; HomeTooNew if it is ahead."""
    import alembic.command  # noqa: PLC0415 - some ten megabytes that only a migration needs
    import alembic.config  # noqa: PLC0415

    store.require_known_schema()
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with store.writing() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
