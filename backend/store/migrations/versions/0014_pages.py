"""Accounts and links of the pages, their trail, sums that they show, and how far a job is.

Revision: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Seven tables, empty at first, and three columns of job runs."""
    _accounts()
    _visits()
    _trail_and_sums()
    with op.batch_alter_table("job_runs") as batch_op:
        batch_op.add_column(sa.Column("stage", sa.String()))
        batch_op.add_column(sa.Column("progress", sa.Double()))
        batch_op.add_column(sa.Column("log", sa.Text()))


def downgrade() -> None:
    """Who may look, the trail and the sums are gone; the sums are made anew."""
    with op.batch_alter_table("job_runs") as batch_op:
        for column in ("log", "progress", "stage"):
            batch_op.drop_column(column)
    for table in (
        "job_requests",
        "rollups",
        "acts",
        "share_links",
        "web_sessions",
        "account_tokens",
        "accounts",
    ):
        op.drop_table(table)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("password", sa.String()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("disabled_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "account_tokens",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("account_id", _BIG_ID, nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_tokens_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_account_tokens"),
        sa.UniqueConstraint("sha256", name="uq_account_tokens_sha256"),
    )


def _visits() -> None:
    op.create_table(
        "web_sessions",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("account_id", _BIG_ID),
        sa.Column("share_id", _BIG_ID),
        sa.Column("csrf", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_web_sessions_account_id"),
        sa.PrimaryKeyConstraint("sha256", name="pk_web_sessions"),
    )
    op.create_index("ix_web_sessions_expires_at", "web_sessions", ["expires_at"])
    op.create_table(
        "share_links",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("project_id", sa.Integer()),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_share_links_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_share_links"),
        sa.UniqueConstraint("sha256", name="uq_share_links_sha256"),
    )


def _trail_and_sums() -> None:
    op.create_table(
        "acts",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer()),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_acts"),
    )
    op.create_index("ix_acts_project_id_at", "acts", ["project_id", "at"])
    op.create_table(
        "rollups",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_rollups_project_id"),
        sa.PrimaryKeyConstraint("project_id", "kind", name="pk_rollups"),
    )
    op.create_table(
        "job_requests",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("taken_at", _TIME),
        sa.Column("run_id", _BIG_ID),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_job_requests_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_job_requests"),
    )
    op.create_index("ix_job_requests_taken_at", "job_requests", ["taken_at"])
