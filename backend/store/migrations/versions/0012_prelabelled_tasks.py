"""Tasks that show the model's answer outside of the day's queue too.

Revision: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None at first: it is asked for by command."""
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.add_column(
            sa.Column("prelabelled", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    """The next round of jobs takes back what only such tasks show."""
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.drop_column("prelabelled")
