"""What models that are paid by the token took.

Revision: 0010
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None


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


def downgrade() -> None:
    """What was counted is forgotten."""
    op.drop_table("model_usage")
