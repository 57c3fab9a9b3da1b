"""Adds budgets, the cache of answers, and whether a worker shares its limits."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds columns."""
    op.add_column("jobs", sa.Column("cache_answers", sa.Boolean, nullable=False, server_default=sa.false()))
    # In millionths of a US dollar: the budget (NULL if no limit) and the amount reserved by live leases.
    op.add_column("job_progress", sa.Column("budget_micros", sa.BigInteger))
    reserved = sa.Column("reserved_micros", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("job_progress", reserved)
    # Of a leased chunk, the rest of its allowance. Of a free chunk, the amount that its last worker wanted.
    allowance = sa.Column("allowance_micros", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("chunks", allowance)
    apart = sa.Column("limits_apart", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("workers", apart)


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError
