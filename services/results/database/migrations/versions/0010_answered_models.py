"""Adds the models that answered calls for another model."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds columns."""
    for table in ("job_progress", "results", "item_attempts"):
        op.add_column(table, sa.Column("answered_models", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError
