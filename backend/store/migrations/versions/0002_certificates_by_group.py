"""Certificates by group, who gave an answer and what was known of it, escalation, strategies.

Revision: 0002
Revises: 0001
"""

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CERTIFICATES = sa.table(
    "certificates",
    sa.column("id", sa.Integer()),
    sa.column("threshold", sa.Float()),
    sa.column("evidence", sa.Text()),
)


def upgrade() -> None:
    """A certificate becomes a list of one for each group of answers."""
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.add_column(sa.Column("predictor", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("signals", sa.Text(), nullable=True))
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.add_column(sa.Column("escalated_to", sa.String(), nullable=True))
    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.add_column(sa.Column("strategy", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("rank", sa.Integer(), nullable=True))
    _rewrite(lambda evidence: [evidence])
    with op.batch_alter_table("certificates") as batch_op:
        batch_op.drop_column("threshold")


def downgrade() -> None:
    """Only the first group's certificate is kept: the schema before knew one."""
    with op.batch_alter_table("certificates") as batch_op:
        batch_op.add_column(sa.Column("threshold", sa.Float(), nullable=True))
    _rewrite(lambda evidence: _as_before(evidence[0]))
    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.drop_column("rank")
        batch_op.drop_column("strategy")
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.drop_column("escalated_to")
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.drop_column("signals")
        batch_op.drop_column("predictor")


def _as_before(evidence: dict[str, Any]) -> dict[str, Any]:
    later = ("predictor", "label", "since", "until")
    return {name: value for name, value in evidence.items() if name not in later}


def _rewrite(change: Callable[[Any], Any]) -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.select(_CERTIFICATES.c.id, _CERTIFICATES.c.evidence)).all()
    for row in rows:
        changed = change(json.loads(row.evidence))
        values = {"evidence": json.dumps(changed)}
        if isinstance(changed, dict):
            values["threshold"] = changed["threshold"]
        connection.execute(
            sa.update(_CERTIFICATES).where(_CERTIFICATES.c.id == row.id).values(**values)
        )
