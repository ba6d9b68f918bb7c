"""What is gathered is what the planner would be given, and no more than a bounded part is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, event

from backend.candidates import with_class_support
from backend.champion import load_champion, predict_tasks
from backend.histories import project_history
from backend.store.ledger import newest_seq
from backend.store.sampled import Numbers, answered_tasks, decided_tasks, drawable, task_numbers
from backend.what_if.drawing import Bounds
from backend.what_if.gathering import SAMPLE, Gathered, gather
from backend.what_if.replay import baseline, replay
from policies.domain import Purpose, column
from policies.drafting import changed_policy
from policies.loading import parse_policy
from policies.planning import History, Plan, plan
from policies.schema import Policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

ACCEPT = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7, "cost_of_error": 2.0}
ROUTES = [
    {"kind": "task_field", "field": "text", "regex": "7$", "tier": "senior"},
    {"kind": "margin", "below": 0.3, "tier": "general"},
]
CHANGES: list[dict[Any, float]] = [
    {},
    {("auto_accept", "max_error_rate"): 0.1},
    {("auto_accept", "confidence"): 0.95},
    {("auto_accept", "cost_of_error"): 90.0},
    {("audit", "share"): 0.5},
    {("control", "share"): 0.05},
    {("tiers", 0, "daily_capacity"): 7},
]


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> WorkedProject:
    """A model serves; people answered control, holdout and some routed tasks, two of them wrong."""
    policy = worked_policy(auto_accept=ACCEPT, routes=ROUTES, control={"share": 0.25})
    made = worked_project(tmp_path_factory.mktemp("worked"), policy)
    made.add(["fruit", "motor", "music"] * 120)
    made.promote(certified=False)
    made.settle()
    for purpose in (Purpose.CONTROL, Purpose.HOLDOUT, Purpose.ROUTED):
        for number, task_id in enumerate(made.with_purpose(purpose)[:80]):
            text = made.server.tasks[task_id].data["text"]
            label = "A" if text.startswith("apples") else "B"
            wrong = {"A": "B", "B": "A"}[label]
            errs = number == 7 and purpose is not Purpose.CONTROL
            made.server.submit(made.people["sue"], task_id, wrong if errs else label)
    made.settle()
    return made


def in_force(worked: WorkedProject) -> Policy:
    return parse_policy(worked.project.policy_text)


def gathered(worked: WorkedProject, bounds: Bounds = SAMPLE) -> Gathered:
    return gather(worked.runtime, worked.project, in_force(worked), bounds)


def predicted(worked: WorkedProject, policy: Policy, ids: list[int]) -> History:
    """The tasks as ``policy plan`` has them: predicted anew by the model that serves."""
    serving = load_champion(worked.runtime, worked.project_id, policy)
    assert serving is not None
    candidates = predict_tasks(worked.runtime, worked.project, policy, serving.predictor, ids)
    n = len(ids)
    return History(
        candidates=with_class_support(candidates, serving.model),
        labels=column([None] * n),
        tiers=column([None] * n),
        lead_times=np.full(n, np.nan),
    )


def same(found: Plan, expected: Plan) -> None:
    assert found.as_json(None) == expected.as_json(None)
    assert found.certification == expected.certification
    for name in ("task_ids", "outcomes", "tiers", "purposes", "rules", "reasons", "thresholds"):
        mine, theirs = getattr(found.decisions, name), getattr(expected.decisions, name)
        assert mine.astype(str).tolist() == theirs.astype(str).tolist(), name


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_replay_is_the_plan_of_the_same_tasks(
    worked: WorkedProject, changes: dict[Any, float]
) -> None:
    policy = in_force(worked)
    changed = changed_policy(policy, changes)
    base = baseline(gathered(worked), policy)
    ids = sorted(task.id for task in worked.tasks)
    evidence = project_history(worked.runtime, worked.project, changed).evidence
    expected = plan(changed, predicted(worked, changed, ids), evidence)
    found = replay(base, changed)
    same(found.plan, expected)
    assert found.figures.cost == expected.cost
    assert found.figures.accepted.low == found.figures.accepted.high == expected.accepted
    if not changes:
        same(base.now.plan, expected)
        assert found.figures.changed is not None
        assert found.figures.changed.value == 0


def test_something_is_accepted_and_something_is_not(worked: WorkedProject) -> None:
    now = baseline(gathered(worked), in_force(worked)).now
    assert 0 < now.plan.accepted < now.plan.tasks == 360
    assert now.plan.expected_error.n > 0


def test_more_control_proves_with_the_answers_that_are_there(worked: WorkedProject) -> None:
    base = baseline(gathered(worked), in_force(worked))
    more = replay(base, changed_policy(base.policy, {("control", "share"): 0.4}))
    assert more.plan.certification is not None
    assert base.now.plan.certification is not None
    answers = [each.control_answers for each in more.plan.certification.certificates]
    assert answers == [each.control_answers for each in base.now.plan.certification.certificates]
    assert more.plan.review["senior"] > base.now.plan.review["senior"]


def test_what_is_said_of_it(worked: WorkedProject) -> None:
    found = gathered(worked)
    assert found.sample.complete
    assert found.sample.tasks == 360
    standing = found.standing
    assert standing.version == "v1"
    assert standing.serving + standing.earlier + standing.unanswered == 360
    assert (standing.earlier, standing.proof) == (0, len(found.evidence))
    assert standing.proof_by_serving == standing.proof > 40


def test_a_bounded_sample_is_a_part_of_the_history(worked: WorkedProject) -> None:
    found = gathered(worked, Bounds(tasks=50, numbers=100))
    assert not found.sample.complete
    assert found.sample.drawn == 100
    whole = gathered(worked).history.candidates
    scores = dict(zip(whole.task_ids.tolist(), whole.scores.tolist(), strict=True))
    part = found.history.candidates
    assert 0 < len(part) <= 100
    for task_id, score in zip(part.task_ids.tolist(), part.scores.tolist(), strict=True):
        assert score == pytest.approx(scores[task_id], nan_ok=True)


def test_both_kinds_of_number_find_the_same_tasks(worked: WorkedProject) -> None:
    with worked.runtime.reads() as session:
        tasks = task_numbers(session, 1)
        entries = newest_seq(session, 1)
        by_task = decided_tasks(session, 1, Numbers.TASKS, range(tasks.low, tasks.high + 1))
        by_entry = decided_tasks(session, 1, Numbers.ENTRIES, range(1, entries + 1))
        assert entries > len(by_task)  # some were decided more than once: only one holds
        assert drawable(session, 1) == tasks
        assert task_numbers(session, 99).size == 0
    order = np.argsort(by_entry.task_ids)
    assert by_entry.task_ids[order].tolist() == by_task.task_ids.tolist()
    assert by_entry.scores[order].tolist() == by_task.scores.tolist()


def test_no_table_is_read_through(worked: WorkedProject) -> None:
    """Every statement finds its tasks, decisions and answers by key."""
    asked: list[tuple[str, Any]] = []
    engine = worked.runtime.reads.kw["bind"]

    def note(
        _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_rest: Any
    ) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        gathered(worked)
        with worked.runtime.reads() as session:
            decided_tasks(session, 1, Numbers.ENTRIES, [1, 2, 3])
            answered_tasks(session, 1, [1, 2, 3])
    finally:
        event.remove(engine, "before_cursor_execute", note)
    plans = []
    with engine.connect() as connection:
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans += [str(row[3]) for row in rows]
    large = [each for each in plans if "tasks" in each or "decisions" in each or "annot" in each]
    assert len(large) > 8
    for each in large:
        assert "SCAN" not in each, each
        assert "ix_tasks_project_id_human_labels" not in each, each
        assert "project_id=? AND" in each or "(project_id=?)" in each, each
        if "(project_id=?)" in each:  # the newest entry alone, or the two ends of the numbers
            assert "COVERING" in each, each


def test_before_anything_was_decided(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(auto_accept=ACCEPT))
    base = baseline(gathered(worked), in_force(worked))
    assert base.now.figures.tasks.value == 0
    assert base.now.figures.accepted_share.value is None
    worked.add(["fruit"] * 5)
    worked.settle()
    base = baseline(gathered(worked), in_force(worked))
    assert base.now.figures.tasks.value == 5
    assert base.gathered.standing.unanswered == 5
    assert base.now.figures.expected_error.value is None
