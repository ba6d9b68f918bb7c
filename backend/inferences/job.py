"""Use case: look at what deployed models answered, and put what people verify before them."""

from __future__ import annotations

from backend.inferences.placing import place_drawn
from backend.inferences.sampling import sample_waiting
from backend.leasing import holding
from backend.runtime import Runtime
from backend.store.inference_samples import count_in_states
from backend.store.inferences import DRAWN, WAITING
from backend.store.projects import ConnectedProject
from policies.loading import parse_policy

_NOTHING = {"looked_at": 0, "drawn": 0, "placed": 0, "lost": 0, "wanted": 0}


def lease_name(project_id: int) -> str:
    """What whoever looks at a project's inferences, or places them, holds meanwhile."""
    return f"inferences {project_id}"


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Draw from the inferences that came since the last time, and make tasks of those drawn.

    How many were looked at, drawn, placed and lost, and how many wait for their data. Nothing where
    another process is at it. Raises the tool's error, and ``DataSourceError``; drawing needs
    neither, and what is placed is placed once.
    """
    with runtime.reads() as session:
        if not count_in_states(session, project.id, (WAITING, DRAWN)):
            return _NOTHING
    policy = parse_policy(project.policy_text)
    with holding(runtime, lease_name(project.id)) as lease:
        if lease is None:
            return _NOTHING
        looked = sample_waiting(runtime, project, policy, lease)
        return {**looked, **place_drawn(runtime, project, policy, lease)}
