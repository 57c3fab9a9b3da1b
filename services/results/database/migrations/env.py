"""Alembic's environment. ``migrate`` passes the connection, inside a transaction of its own."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
