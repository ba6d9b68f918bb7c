"""A project's round: its jobs in their order."""

from __future__ import annotations

from audit_jobs.job_names import ROUND, STOPS_NOTHING
from audit_jobs.running import JobFailedError, run_job
from backend.job_progress import is_to_end
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject


def run_round(runtime: Runtime, project: ConnectedProject) -> bool:
    """The jobs of a round in their order, up to the first that fails; whether all went well.

    Some stop no others, and alerts go out in any case. A process that is to end leaves the rest.
    """
    well = True
    for name in ROUND[:-1]:
        if is_to_end():
            return well
        if not _went_well(runtime, name, project):
            well = False
            if name not in STOPS_NOTHING:
                break
    return _went_well(runtime, ROUND[-1], project) and well


def _went_well(runtime: Runtime, name: str, project: ConnectedProject) -> bool:
    try:
        run_job(runtime, name, project)
    except JobFailedError:  # logged, and in the job's row; the next round tries again
        return False
    return True
