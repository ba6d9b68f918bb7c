"""Breakers that tripped, alerts on their way, and mirror projects for secret audits.

Revision: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Nothing is suspended, nothing is to be sent, and no answer came from a mirror."""
    op.create_table(
        "suspensions",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("model_version", sa.String(), nullable=False),
        sa.Column("predictor", sa.String(), nullable=False),
        sa.Column("label", sa.String()),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("statistic", sa.Double(), nullable=False),
        sa.Column("audits", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("good_until", _TIME),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("reset_at", _TIME),
        sa.Column("reset_why", sa.Text()),
        sa.Column("rearmed_at", _TIME),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_suspensions_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspensions")),
    )
    op.create_index(
        op.f("ix_suspensions_project_id_model_version"),
        "suspensions",
        ["project_id", "model_version"],
    )
    op.create_table(
        "alert_messages",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", _BIG_ID, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _TIME, nullable=False),
        sa.Column("sent_at", _TIME),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_alert_messages_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["reports.id"], name=op.f("fk_alert_messages_alert_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_messages")),
        sa.UniqueConstraint("alert_id", "channel", name=op.f("uq_alert_messages_alert_id_channel")),
    )
    op.create_index(
        op.f("ix_alert_messages_state_next_attempt_at"),
        "alert_messages",
        ["state", "next_attempt_at"],
    )
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.add_column(sa.Column("mirror_task_id", _BIG_ID))
    with op.batch_alter_table("annotations") as batch_op:
        batch_op.add_column(
            sa.Column("mirrored", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.create_table(
        "mirrors",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("mirror_id", sa.Integer(), nullable=False),
        sa.Column("synced_until", _TIME),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_mirrors_project_id")
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_mirrors")),
    )


def downgrade() -> None:
    """What was suspended may be accepted again; answers from mirrors look like any other."""
    op.drop_table("mirrors")
    with op.batch_alter_table("annotations") as batch_op:
        batch_op.drop_column("mirrored")
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.drop_column("mirror_task_id")
    op.drop_table("alert_messages")
    op.drop_table("suspensions")
