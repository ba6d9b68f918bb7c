"""What versions were made of, when which one began to serve, and versions that answer unseen.

Revision: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Versions of before keep what their row says of them: they cannot be made again."""
    op.create_table(
        "lineages",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("policy_hash", sa.String(), nullable=False),
        sa.Column("label_config", sa.Text(), nullable=False),
        sa.Column("examples", sa.LargeBinary(), nullable=False),
        sa.Column("examples_sha256", sa.String(), nullable=False),
        sa.Column("holdout", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_lineages_project_id")
        ),
        sa.PrimaryKeyConstraint("project_id", "version", name=op.f("pk_lineages")),
    )
    op.create_table(
        "promotions",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("replaced", sa.String()),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_promotions_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    op.create_index(op.f("ix_promotions_project_id_at"), "promotions", ["project_id", "at"])
    op.create_table(
        "shadows",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer()),
        sa.Column("promotes", sa.Boolean(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("outcome", sa.Text()),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_shadows_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadows")),
    )
    op.create_index(op.f("ix_shadows_project_id_ended_at"), "shadows", ["project_id", "ended_at"])
    op.create_table(
        "shadow_answers",
        sa.Column("shadow_id", _BIG_ID, nullable=False),
        sa.Column("task_id", _BIG_ID, nullable=False),
        sa.Column("label", sa.String()),
        sa.Column("score", sa.Double()),
        sa.Column("serving_version", sa.String(), nullable=False),
        sa.Column("serving_label", sa.String()),
        sa.Column("serving_score", sa.Double()),
        sa.Column("answered_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["shadow_id"], ["shadows.id"], name=op.f("fk_shadow_answers_shadow_id")
        ),
        sa.PrimaryKeyConstraint("shadow_id", "task_id", name=op.f("pk_shadow_answers")),
    )


def downgrade() -> None:
    """What versions were made of is forgotten; the versions and the one that serves stay."""
    for table in ("shadow_answers", "shadows", "promotions", "lineages"):
        op.drop_table(table)
