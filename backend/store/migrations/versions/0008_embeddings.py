"""Vectors of texts, kept by encoder and text.

Revision: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No text has a vector yet; workers encode what they need."""
    op.create_table(
        "embeddings",
        sa.Column("encoder", sa.String(), nullable=False),
        sa.Column("text_hash", sa.LargeBinary(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("encoder", "text_hash", name=op.f("pk_embeddings")),
    )
    op.create_index(op.f("ix_embeddings_used_at"), "embeddings", ["used_at"])


def downgrade() -> None:
    """Every text is encoded again when it is needed."""
    op.drop_table("embeddings")
