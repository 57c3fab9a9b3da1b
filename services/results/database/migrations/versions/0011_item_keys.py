"""Adds keys of items."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_UUID = sa.Text().with_variant(sa.Uuid(), "postgresql")


def upgrade() -> None:
    """Adds columns, and the table that makes keys unique in their job."""
    op.add_column("jobs", sa.Column("has_keys", sa.Boolean, nullable=False, server_default=sa.false()))
    # JSON list of the keys of the items, with an empty text for an item without one. NULL if none has a key.
    op.add_column("item_blocks", sa.Column("item_keys", sa.Text))
    op.create_table(
        "item_keys",
        sa.Column("job_id", _UUID, primary_key=True),
        # 16 bytes of the SHA-256 of the key in UTF-8. As a uuid, they take the least time of PostgreSQL.
        sa.Column("key_hash", _UUID, primary_key=True),
        sa.Column("item_index", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Refuses: schemas only move forward."""
    raise NotImplementedError
