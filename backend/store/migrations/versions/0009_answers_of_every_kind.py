"""Scores of an answer's parts, and what became of a labelling config that changed.

Revision: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """No answer has parts so far, and every config is read."""
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.add_column(sa.Column("part_scores", sa.Text()))
    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.add_column(sa.Column("part_scores", sa.Text()))
    # Other tables refer to it: SQLite would refuse to make it anew.
    with op.batch_alter_table("projects", recreate="never") as batch_op:
        batch_op.add_column(sa.Column("config_seq", _BIG_ID, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("config_problem", sa.Text()))
        # What was stored before was read of one choice alone; the next round reads it anew.
        batch_op.add_column(
            sa.Column("all_controls", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    """Scores of parts are lost; a config that nothing can be answered for fails every round."""
    with op.batch_alter_table("projects", recreate="never") as batch_op:
        batch_op.drop_column("all_controls")
        batch_op.drop_column("config_problem")
        batch_op.drop_column("config_seq")
    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.drop_column("part_scores")
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.drop_column("part_scores")
