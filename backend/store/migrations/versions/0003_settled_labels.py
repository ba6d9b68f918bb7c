"""What several people's answers to a task came to.

Revision: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty at first: the next round of jobs weighs the answers that are there."""
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.add_column(sa.Column("settled_label", sa.String(), nullable=True))


def downgrade() -> None:
    """The answers stay; only what they came to is forgotten."""
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.drop_column("settled_label")
