"""What was erased of a task, and the seal of what its entries in the ledger keep.

Revision: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two columns, empty: nothing is erased yet."""
    op.add_column("tasks", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("decisions", sa.Column("erasure_hash", sa.String(), nullable=True))


def downgrade() -> None:
    """Gone; entries whose answer was erased cannot be recomputed any more."""
    op.drop_column("decisions", "erasure_hash")
    op.drop_column("tasks", "erased_at")
