"""Jobs have budgets and may use answers again, and workers tell whether they share their limits."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds columns."""
    op.add_column("jobs", sa.Column("cache_answers", sa.Boolean, nullable=False, server_default=sa.false()))
    # In millionths of a US dollar: what the job may cost (NULL: no limit), and what live leases reserve.
    op.add_column("job_progress", sa.Column("budget_micros", sa.BigInteger))
    reserved = sa.Column("reserved_micros", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("job_progress", reserved)
    # Of a live lease: what is left of its allowance. Of a free chunk: what its last holder wanted.
    allowance = sa.Column("allowance_micros", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("chunks", allowance)
    apart = sa.Column("limits_apart", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("workers", apart)


def downgrade() -> None:
    """Refused: a schema only moves on."""
    raise NotImplementedError
