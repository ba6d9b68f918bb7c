"""Work that several workers share, and a name by which an installation's orders are told apart.

Revision: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Two tables; the name is drawn when it is first asked for."""
    op.create_table(
        "installations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_installations"),
    )
    op.create_table(
        "work_chunks",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("sharing", sa.String(), nullable=False),
        sa.Column("grounds", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("task_ids", sa.Text(), nullable=False),
        sa.Column("shared_at", _TIME, nullable=False),
        sa.Column("done_at", _TIME, nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_work_chunks_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_work_chunks"),
    )
    op.create_index(
        "ix_work_chunks_project_id_sharing_number",
        "work_chunks",
        ["project_id", "sharing", "number"],
    )


def downgrade() -> None:
    """Gone: whoever shares work begins anew, and a new name is drawn."""
    op.drop_index("ix_work_chunks_project_id_sharing_number", "work_chunks")
    op.drop_table("work_chunks")
    op.drop_table("installations")
