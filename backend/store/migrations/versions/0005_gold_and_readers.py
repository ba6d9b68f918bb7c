"""Gold tasks, who does not count, and tasks that get one more reader.

Revision: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Everybody counts at first, and no task waits for a reader: the next round of jobs decides."""
    op.create_table(
        "gold",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("task_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_gold_project_id")),
        sa.PrimaryKeyConstraint("project_id", "task_id", name=op.f("pk_gold")),
    )
    op.create_table(
        "stopped_annotators",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_stopped_annotators_project_id")
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_stopped_annotators")),
    )
    op.create_table(
        "consensus",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("task_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_consensus_project_id")
        ),
        sa.PrimaryKeyConstraint("project_id", "task_id", name=op.f("pk_consensus")),
    )
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.add_column(
            sa.Column("wants_reader", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    """Everybody counts again, whatever gold said of them."""
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.drop_column("wants_reader")
    op.drop_table("consensus")
    op.drop_table("stopped_annotators")
    op.drop_table("gold")
