"""What Alembic runs for each of its commands: the migrations, on a given connection."""

from alembic import context

_GIVEN = context.config.attributes

context.configure(
    connection=_GIVEN["connection"], target_metadata=_GIVEN.get("metadata")
)
with context.begin_transaction():
    context.run_migrations()
