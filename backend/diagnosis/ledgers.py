"""Whether the end of every ledger holds."""

from __future__ import annotations

from collections.abc import Sequence

from backend.diagnosis.findings import Finding, Topic
from backend.runtime import Runtime
from backend.store.ledger_check import LedgerCheck, verify_end
from backend.store.projects import ConnectedProject

TOPIC = Topic("ledger")
ENTRIES = 2_000  # a second at most; `labelgate ledger verify` reads all


def look(runtime: Runtime, projects: Sequence[ConnectedProject]) -> list[LedgerCheck]:
    """Recompute the hashes at the end of each project's ledger."""
    with runtime.reads() as session:
        return [verify_end(session, project.id, ENTRIES) for project in projects]


def judge(check: LedgerCheck) -> Finding:
    """Whether its end holds."""
    name = f"project {check.project_id}"
    if check.broken_seq is None:
        last = min(check.entries, ENTRIES)
        return TOPIC.ok(
            name,
            f"the last {last:,} of {check.entries:,} entries hold, head {check.head[:16]}"
            if check.entries
            else "no decision yet",
        )
    return TOPIC.failed(
        name,
        f"entry {check.broken_seq:,} is broken: {check.why}",
        f"labelgate ledger verify --project {check.project_id}, and restore the database from a "
        "backup made before it broke",
    )
