"""Since when each policy was in force for its project, which the ledger alone told before.

Revision: 0018
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """A table, with the policies of which decisions were made, and those in force now at its end.

    Of a policy that came back only the first time is known; of one under which nothing was decided
    when it was stored.
    """
    op.create_table(
        "policies_in_force",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("policy_hash", sa.String(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_policies_in_force_project_id"
        ),
        sa.ForeignKeyConstraint(
            ["policy_hash"], ["policies.hash"], name="fk_policies_in_force_policy_hash"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_policies_in_force"),
    )
    op.create_index(
        "ix_policies_in_force_project_id_since", "policies_in_force", ["project_id", "since"]
    )
    op.execute(
        "INSERT INTO policies_in_force (project_id, policy_hash, since) "
        "SELECT d.project_id, d.policy_hash, MIN(d.decided_at) FROM decisions d "
        "JOIN projects p ON p.id = d.project_id JOIN policies t ON t.hash = d.policy_hash "
        "WHERE d.policy_hash <> p.policy_hash "
        "GROUP BY d.project_id, d.policy_hash ORDER BY MIN(d.seq)"
    )
    op.execute(
        "INSERT INTO policies_in_force (project_id, policy_hash, since) "
        "SELECT p.id, p.policy_hash, COALESCE((SELECT MIN(d.decided_at) FROM decisions d "
        "WHERE d.project_id = p.id AND d.policy_hash = p.policy_hash), t.created_at) "
        "FROM projects p JOIN policies t ON t.hash = p.policy_hash ORDER BY p.id"
    )


def downgrade() -> None:
    """Gone; the ledger still says under which policy each decision was made."""
    op.drop_index("ix_policies_in_force_project_id_since", "policies_in_force")
    op.drop_table("policies_in_force")
