"""Job runs are found by job, project and outcome, newest first, and requests by their run.

Revision: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_job_runs_job_id": ("job_runs", ["job", "id"]),
    "ix_job_runs_project_id_id": ("job_runs", ["project_id", "id"]),
    "ix_job_runs_project_id_job_id": ("job_runs", ["project_id", "job", "id"]),
    "ix_job_runs_outcome_id": ("job_runs", ["outcome", "id"]),
    "ix_job_requests_run_id": ("job_requests", ["run_id"]),
}


def upgrade() -> None:
    """One index for each way to ask; nobody asks by the time of a job's begin."""
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)
    op.drop_index("ix_job_runs_job_started_at", "job_runs")


def downgrade() -> None:
    """As it was."""
    op.create_index("ix_job_runs_job_started_at", "job_runs", ["job", "started_at"])
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
