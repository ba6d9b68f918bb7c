"""What models that are paid by the token took, and what they answered.

Revision: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nothing was asked yet."""
    op.create_table(
        "model_usage",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("questions", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_model_usage_project_id")
        ),
        sa.PrimaryKeyConstraint("project_id", "model", name=op.f("pk_model_usage")),
    )
    op.create_table(
        "model_answers",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("task_id", _BIG_ID, nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_model_answers_project_id")
        ),
        sa.PrimaryKeyConstraint(
            "project_id", "task_id", "fingerprint", name=op.f("pk_model_answers")
        ),
    )


def downgrade() -> None:
    """What was counted and answered is forgotten."""
    op.drop_table("model_answers")
    op.drop_table("model_usage")
