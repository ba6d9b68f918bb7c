"""What deployed models answer in production, and who may hand it in.

Revision: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Four tables, empty at first."""
    _who_and_how()
    op.create_table(
        "inferences",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("inference_id", sa.String(), nullable=False),
        sa.Column("model_version", sa.String(), nullable=False),
        sa.Column("predicted", sa.Text(), nullable=False),
        sa.Column("score", sa.Double()),
        sa.Column("data", sa.Text()),
        sa.Column("data_sha256", sa.String()),
        sa.Column("slices", sa.Text()),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("share", sa.Double()),
        sa.Column("draw", sa.Double()),
        sa.Column("why", sa.Text()),
        sa.Column("task_id", _BIG_ID),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_inferences_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inferences")),
        sa.UniqueConstraint(
            "project_id", "inference_id", name=op.f("uq_inferences_project_id_inference_id")
        ),
    )
    for columns in (("state", "id"), ("task_id",), ("at",)):
        name = op.f(f"ix_inferences_project_id_{'_'.join(columns)}")
        op.create_index(name, "inferences", ["project_id", *columns])
    op.create_table(
        "inference_days",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("model_version", sa.String(), nullable=False),
        sa.Column("predicted", sa.String(), nullable=False),
        sa.Column("slice", sa.String(), nullable=False),
        sa.Column("answers", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_inference_days_project_id")
        ),
        sa.PrimaryKeyConstraint(
            "project_id",
            "day",
            "model_version",
            "predicted",
            "slice",
            name=op.f("pk_inference_days"),
        ),
    )


def _who_and_how() -> None:
    op.create_table(
        "inference_tokens",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_inference_tokens_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inference_tokens")),
        sa.UniqueConstraint("sha256", name=op.f("uq_inference_tokens_sha256")),
    )
    op.create_table(
        "inference_batches",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_inference_batches_project_id")
        ),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_inference_batches")),
    )
    op.create_index(op.f("ix_inference_batches_received_at"), "inference_batches", ["received_at"])


def downgrade() -> None:
    """What was handed in is gone; tasks that were made of it stay."""
    for table in ("inference_days", "inferences", "inference_batches", "inference_tokens"):
        op.drop_table(table)
