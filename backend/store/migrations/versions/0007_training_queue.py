"""Training requests keep all their reasons, wait until they have settled, and say how far they are.

Revision: 0007
Revises: 0006
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_REQUESTS = sa.table(
    "training_requests",
    sa.column("id"),
    sa.column("reason"),
    sa.column("reasons"),
    sa.column("state"),
    sa.column("outcome"),
    sa.column("due_at"),
    sa.column("requested_at"),
)


def upgrade() -> None:
    """A request has the one reason it had, is due, and ended as its version did."""
    with op.batch_alter_table("training_requests") as batch_op:
        batch_op.add_column(sa.Column("reasons", sa.Text()))
        batch_op.add_column(sa.Column("due_at", _TIME))
        batch_op.add_column(sa.Column("stage", sa.String()))
        batch_op.add_column(sa.Column("progress", sa.Double()))
    rows = op.get_bind().execute(sa.select(_REQUESTS.c.id, _REQUESTS.c.reason)).all()
    for row in rows:
        _set(row.id, reasons=json.dumps([row.reason]), due_at=_REQUESTS.c.requested_at)
    ended = _REQUESTS.c.state == "ended"
    kept = _REQUESTS.c.outcome.like("kept%")
    op.execute(_REQUESTS.update().where(ended, kept).values(state="kept"))
    op.execute(_REQUESTS.update().where(ended).values(state="promoted"))
    with op.batch_alter_table("training_requests") as batch_op:
        batch_op.alter_column("reasons", existing_type=sa.Text(), nullable=False)
        batch_op.alter_column("due_at", existing_type=_TIME, nullable=False)
        batch_op.drop_column("reason")


def downgrade() -> None:
    """Of several reasons one text is kept; what was cancelled or refused looks failed."""
    with op.batch_alter_table("training_requests") as batch_op:
        batch_op.add_column(sa.Column("reason", sa.String()))
    rows = op.get_bind().execute(sa.select(_REQUESTS.c.id, _REQUESTS.c.reasons)).all()
    for row in rows:
        _set(row.id, reason="; ".join(json.loads(row.reasons)))
    state = _REQUESTS.c.state
    op.execute(_REQUESTS.update().where(state.in_(["promoted", "kept"])).values(state="ended"))
    op.execute(_REQUESTS.update().where(state.in_(["cancelled", "refused"])).values(state="failed"))
    with op.batch_alter_table("training_requests") as batch_op:
        batch_op.alter_column("reason", existing_type=sa.String(), nullable=False)
        for name in ("reasons", "due_at", "stage", "progress"):
            batch_op.drop_column(name)


def _set(request_id: int, **values: object) -> None:
    op.execute(_REQUESTS.update().where(_REQUESTS.c.id == request_id).values(**values))
