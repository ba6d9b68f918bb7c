"""A version in shadow answers what comes in, seen by nobody, and serves if it did no worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit_jobs.job_names import ROUND, STOPS_NOTHING
from backend import training
from backend.shadowing import compared, shadow
from backend.slices import labelled_slices
from backend.store.models import all_versions
from backend.store.promotions import Kind, promotions
from backend.store.reports import SHADOW, newest_report
from backend.store.shadows import (
    Shadow,
    ShadowAnswer,
    newest_shadow,
    open_shadow,
    shadow_answers,
    start_shadow,
)
from backend.store.training import request_training
from backend.synchronisation import synchronise
from policies.domain import Purpose
from policies.loading import parse_policy
from policies.sampling import SLICE, draws
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


def truth(worked: WorkedProject, task_id: int) -> str:
    return "A" if "apples" in worked.server.tasks[task_id].data["text"] else "B"


def answer(worked: WorkedProject, ids: list[int], *, wrong: bool = False) -> None:
    for task_id in ids:
        said = truth(worked, task_id)
        worked.server.submit(
            worked.people["ann"], task_id, {"A": "B", "B": "A"}[said] if wrong else said
        )
    synchronise(worked.runtime, worked.project)


def train(worked: WorkedProject) -> dict[str, object]:
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 1, worked.clock())
    return training.train(worked.runtime, worked.project)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """v1 serves; the policy wants newer versions to answer ten tasks, or for two days, unseen."""
    policy = worked_policy(
        control={"share": 0.2},
        holdout={"share": 0.2},
        retrain={"minimum_labels": 10, "shadow": {"tasks": 10, "days": 2}},
    )
    made = worked_project(tmp_path, policy)
    answer(made, made.add(["fruit", "motor"] * 30))
    assert train(made)["state"] == "promoted"
    return made


def running(worked: WorkedProject) -> Shadow | None:
    with worked.runtime.reads() as session:
        return open_shadow(session, worked.project_id)


def champion(worked: WorkedProject) -> str:
    with worked.runtime.reads() as session:
        return next(
            each.version
            for each in all_versions(session, worked.project_id)
            if each.state == "champion"
        )


def test_a_new_version_answers_unseen_before_it_serves(worked: WorkedProject) -> None:
    report = train(worked)
    assert (report["state"], report["version"]) == ("in shadow", "v2")
    assert champion(worked) == "v1"
    ids = worked.add(["fruit", "motor"] * 4)
    worked.round()
    assert shadow(worked.runtime, worked.project) == {"version": "v2", "answered": 8, "of": 10}
    assert {each.model_version for each in worked.decisions().values()} == {"v1"}
    assert all("v2" not in str(worked.shown(task_id)) for task_id in ids)
    assert shadow(worked.runtime, worked.project)["answered"] == 0  # nothing twice
    worked.add(["fruit"] * 4)
    synchronise(worked.runtime, worked.project)
    done = shadow(worked.runtime, worked.project)
    assert (done["state"], done["version"]) == ("promoted", "v2")
    assert champion(worked) == "v2"
    assert running(worked) is None
    with worked.runtime.reads() as session:
        made = promotions(session, worked.project_id)[-1]
        ended = newest_shadow(session, worked.project_id, "v2")
        assert ended is not None
        answers = shadow_answers(session, ended.id)
    assert (made.kind, made.replaced) == (Kind.SHADOW, "v1")
    assert made.why.startswith("no worse in shadow: 10 tasks in shadow, another answer to 0.0%")
    assert len(answers) == 10
    assert {each.serving_version for each in answers} == {"v1"}
    assert ended.outcome == f"promoted: {made.why}"


def test_a_version_that_people_contradict_is_kept(worked: WorkedProject) -> None:
    """The challenger has learned the contrary; the holdout, answered likewise, let it pass."""
    for task in worked.tasks:
        (given,) = task.annotations
        flipped = {"A": "B", "B": "A"}[truth(worked, task.id)]
        worked.server.edit(worked.people["ann"], given.id, flipped)
    synchronise(worked.runtime, worked.project)
    assert train(worked)["state"] == "in shadow"
    answer(worked, worked.add(["fruit", "motor"] * 8))  # and people are back to their senses
    ended = shadow(worked.runtime, worked.project)
    assert ended["state"] == "ended"
    assert str(ended["why"]).startswith("kept: worse in shadow: 10 tasks in shadow")
    assert champion(worked) == "v1"


def test_control_answers_have_no_say_in_it(worked: WorkedProject) -> None:
    """Certificates rest on them: who picks versions by them would look at them twice."""
    train(worked)
    ids = worked.add(["fruit", "motor"] * 50)
    policy = parse_policy(worked.project.policy_text)
    drawn = draws(policy.salt, SLICE, np.array(ids))
    control = [i for i, draw in zip(ids, drawn.tolist(), strict=True) if draw < 0.2]
    assert control
    answer(worked, control)
    shadow(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        report = newest_report(session, worked.project_id, SHADOW)
        slices = labelled_slices(session, worked.project, policy)
    assert set(control) <= set(slices.control)
    assert report is not None
    assert report.body["answered"] == 0


def test_it_ends_after_the_days_that_the_policy_gives_it(worked: WorkedProject) -> None:
    train(worked)
    worked.clock.forward(47 * 3600)
    assert shadow(worked.runtime, worked.project) == {"version": "v2", "answered": 0, "of": 10}
    worked.clock.forward(2 * 3600)
    assert shadow(worked.runtime, worked.project)["state"] == "promoted"


def test_a_newer_version_takes_its_place(worked: WorkedProject) -> None:
    train(worked)
    train(worked)
    found = running(worked)
    assert found is not None
    assert found.version == "v3"
    with worked.runtime.reads() as session:
        before = newest_shadow(session, worked.project_id, "v2")
    assert before is not None
    assert before.outcome == "v3 took its place"


def test_by_hand_it_only_tells(worked: WorkedProject) -> None:
    train(worked)
    with worked.runtime.sessions.begin() as session:
        start_shadow(
            session,
            worked.project_id,
            "v2",
            worked.clock(),
            tasks=3,
            days=None,
            promotes=False,
        )
    worked.add(["fruit"] * 4)
    synchronise(worked.runtime, worked.project)
    ended = shadow(worked.runtime, worked.project)
    assert (ended["state"], champion(worked)) == ("ended", "v1")
    assert str(ended["why"]).startswith("done: 3 tasks in shadow")


def test_a_damaged_file_ends_it(worked: WorkedProject) -> None:
    train(worked)
    with worked.runtime.reads() as session:
        path = all_versions(session, worked.project_id)[-1].path
    (worked.runtime.settings.models_dir / path).unlink()
    worked.add(["fruit"])
    synchronise(worked.runtime, worked.project)
    ended = shadow(worked.runtime, worked.project)
    assert str(ended["why"]).startswith("its file cannot be read: ")
    assert running(worked) is None
    assert shadow(worked.runtime, worked.project) == {"state": "nothing in shadow"}


def test_it_is_part_of_every_round_and_stops_nothing() -> None:
    assert ROUND.index("route") < ROUND.index("shadow")
    assert "shadow" in STOPS_NOTHING


def said(task_id: int, new: str | None, old: str | None, score: float = 0.9) -> ShadowAnswer:
    return ShadowAnswer(
        task_id=task_id,
        label=new,
        score=None if new is None else score,
        serving_version="v1",
        serving_label=old,
        serving_score=None if old is None else 0.8,
    )


def test_the_comparison_counts_what_differs_and_what_people_said() -> None:
    answers = [said(1, "A", "A"), said(2, "A", "B"), said(3, "B", "A"), said(4, None, "A")]
    found = compared(answers, {1: "A", 2: "A", 3: "B", 4: "A"})
    assert (found.tasks, found.answered, found.wins, found.losses) == (4, 4, 2, 1)
    assert found.disagreement.value == pytest.approx(2 / 3)
    assert found.disagreement.n == 3
    assert found.score_shift.value == pytest.approx(0.1)
    assert found.gain.value == pytest.approx(0.25)
    assert found.as_json()["p_value"] == 1
    nothing = compared([], {})
    assert nothing.gain.value is None
    assert nothing.says == (
        "0 tasks in shadow, another answer to -; of 0 that people answered 0 better, 0 worse"
    )


def test_purposes_are_untouched(worked: WorkedProject) -> None:
    """Blind tasks stay blind: the shadow's answers are rows of their own."""
    train(worked)
    worked.add(["fruit", "motor"] * 10)
    worked.round()
    before = worked.with_purpose(Purpose.CONTROL)
    shadow(worked.runtime, worked.project)
    assert worked.with_purpose(Purpose.CONTROL) == before
