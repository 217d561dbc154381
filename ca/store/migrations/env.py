"""Alembic's entry: migrations run on the connection that the store hands in."""

from alembic import context

from ca.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False
)
context.run_migrations()
