"""Tasks that come, and the decisions on all that is open: as routing does, in larger portions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy import insert

from backend.candidates import with_class_support
from backend.champion import Champion, predict_tasks
from backend.safeguards import gather_safeguards, undecided
from backend.store.certificates import valid_certification
from backend.store.ledger import Grounds, append_decisions
from backend.store.projects import store_sync_state
from backend.store.tables import TaskRow
from benchmarks.large_store.stages import Stage
from benchmarks.large_store.texts import ticket_data
from benchmarks.large_store.worlds import World
from connectors.label_studio.labeling import parse_labeling
from policies.engine import decide

_PORTION = 10_000


@dataclass(slots=True, kw_only=True)
class Play:
    """One project in its story: its world, who serves, how many tasks have come.

    ``decisions`` is how many the ledger may have in all; ``left`` of them are still to be made.
    """

    stage: Stage
    project_id: int
    world: World
    left: int
    serving: Champion | None = None
    arrived: int = 0
    annotations: int = 0


def arrive(play: Play, count: int) -> None:
    """So many more tasks come, spread over the hours before now."""
    stage, world = play.stage, play.world
    places = np.arange(play.arrived, min(len(world), play.arrived + count))
    now = stage.clock()
    data = ticket_data(stage.rng, world.topics[places], world.later[places])
    step = timedelta(hours=60) / max(1, len(places))
    rows = [
        {
            "project_id": play.project_id,
            "task_id": world.first + place,
            "data": each,
            "created_at": now - step * (len(places) - number),
        }
        for number, (place, each) in enumerate(zip(places.tolist(), data, strict=True))
    ]
    with stage.runtime.sessions.begin() as session:
        for start in range(0, len(rows), _PORTION):
            session.execute(insert(TaskRow), rows[start : start + _PORTION])
        store_sync_state(session, play.project_id, world.first + play.arrived + len(rows), now)
    play.arrived += len(places)


def decide_due(play: Play) -> int:
    """Decide every task whose decision does not rest on what holds now; how many were decided.

    No more than the ledger may still take, the newest tasks: the oldest wait for the next round.
    """
    stage = play.stage
    project, policy = stage.project(play.project_id), stage.policy(play.project_id)
    runtime, serving = stage.runtime, play.serving
    certified = None
    with runtime.reads() as session:
        if serving is not None:
            version = serving.model.version
            certified = valid_certification(session, project.id, version, project.policy_hash)
        grounds = Grounds(
            model_version=None if serving is None else serving.model.version,
            policy_hash=project.policy_hash,
            certificate_id=None if certified is None else certified.id,
        )
        labeling = parse_labeling(project.label_config)
        ids = undecided(session, project, policy, grounds, labeling)
    ids = ids[max(0, len(ids) - play.left) :]
    if not ids:
        return 0
    predicted = predict_tasks(
        runtime, project, policy, None if serving is None else serving.predictor, ids
    )
    candidates = with_class_support(predicted, None if serving is None else serving.model)
    with runtime.reads() as session:
        safeguards = gather_safeguards(
            session, project, policy, (grounds.model_version, candidates), runtime.now()
        )
    decisions = decide(
        policy,
        candidates,
        None if certified is None else certified.certification,
        model_version=grounds.model_version,
        safeguards=safeguards,
    )
    for start in range(0, len(decisions), _PORTION):
        rows = list(decisions.rows(slice(start, start + _PORTION)))
        with runtime.sessions.begin() as session:
            append_decisions(session, project.id, rows, grounds, runtime.now())
    play.left -= len(decisions)
    return len(decisions)
