"""Adds the throughput and waits that workers report."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds columns, 0 until a worker's first heartbeat that reports them."""
    for name in ("items_per_second", "tokens_per_second", "cooldown_seconds"):
        op.add_column("workers", sa.Column(name, sa.Double, nullable=False, server_default="0"))
    limited = sa.Column("limited_count", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("workers", limited)


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError
