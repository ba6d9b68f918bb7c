"""Tasks that verify a deployed model, from draw to answer, beside the project's own work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit_jobs.agreement.job import _setting
from audit_jobs.corrections import job as corrections_job
from audit_jobs.corrections.shown import seen_by_people
from backend.breakers.watch import watch
from backend.certification import Asked
from backend.champion import load_champion, predict_tasks
from backend.queueing import days_queue, pool_of
from backend.routing import route
from backend.slices import labelled_slices
from backend.store.corrections import answered_tasks, corrections
from backend.store.decisions import current_decisions
from backend.store.exports import labels_standing
from backend.store.ledger_check import verify_ledger
from backend.store.prelabels import prelabel_counts
from backend.store.recalls import standing_accepts
from backend.store.reports import CORRECTIONS, newest_report
from backend.store.tables import DecisionRow, TaskRow
from policies.domain import MONITORED, Decision, Outcome, Purpose
from policies.loading import parse_policy
from tests.fakes.deployed_model import hand_in, noted, run
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

DEPLOYED = "deployed: 2026-02"
Make = Callable[..., WorkedProject]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A project with a certified model, of whose deployed brother every answer is verified."""

    def made(*, serving: bool = True, count: int = 60, **monitoring: Any) -> WorkedProject:
        section = {"share": 1.0, "each_class": 0} | monitoring
        worked = worked_project(tmp_path, worked_policy(monitoring=section))
        if serving:
            worked.promote()
        hand_in(worked, ["B"] * count)  # the own model says A
        run(worked)
        worked.settle()
        return worked

    return made


def ledger(worked: WorkedProject) -> dict[int, Decision]:
    with worked.runtime.reads() as session:
        found = current_decisions(session, worked.project_id)
        return {entry.decision.task_id: entry.decision for entry in found}


def monitored(worked: WorkedProject) -> dict[int, Decision]:
    return {key: each for key, each in ledger(worked).items() if each.purpose in MONITORED}


def test_they_stand_blind_in_their_tiers_own_view(make: Make) -> None:
    worked = make(tier="general")
    found = monitored(worked)
    assert 35 < len(found) < 60
    rows = {row.task_id: row for row in noted(worked).values()}
    for task_id, decision in found.items():
        assert (decision.purpose, decision.tier) == (Purpose.MONITORING, "general")
        assert (decision.label, decision.score, decision.predictor) == ("B", 0.75, DEPLOYED)
        assert (decision.draw, decision.inclusion_probability) == (rows[task_id].draw, 1.0)
        assert decision.reason == f"drawn to verify {DEPLOYED} (100.0% of all answers)"
        assert worked.shown(task_id) == [("labelgate: general", False)]
    others = [each for key, each in ledger(worked).items() if key not in found]
    assert {each.purpose for each in others} == {Purpose.CONTROL, Purpose.HOLDOUT}
    assert {each.label for each in others} == {"A"}  # the own model's: they stay what they are
    with worked.runtime.reads() as session:
        assert verify_ledger(session, worked.project_id).why is None


@pytest.mark.parametrize("serving", [False, True], ids=["no own model", "an own model"])
def test_where_the_policy_shows_answers_it_is_the_deployed_models_with_its_version(
    make: Make, *, serving: bool
) -> None:
    worked = make(show=True, serving=serving)
    found = monitored(worked)
    assert {each.purpose for each in found.values()} == {Purpose.MONITORING_SHOWN}
    for task_id in found:
        assert worked.shown(task_id) == [(DEPLOYED, True), ("labelgate: senior", False)]
        (task,) = [each for each in worked.tasks if each.id == task_id]
        assert [p.prelabel.score for p in task.predictions if p.prelabel.result] == [0.75]
    shown = worked.server.projects[worked.project_id].model_version
    assert shown == ("" if serving else DEPLOYED)  # nothing of the own model's is there yet


def test_they_are_decided_once_and_again_when_another_version_serves(make: Make) -> None:
    worked = make()
    before = monitored(worked)
    assert route(worked.runtime, worked.project)["decided"] == 0
    worked.promote("music", "motor")
    worked.settle()
    assert monitored(worked) == before


def test_nothing_of_theirs_is_accepted_certified_on_or_recalled(make: Make) -> None:
    worked = make()
    worked.add(["fruit"] * 60)
    worked.settle()
    theirs = set(monitored(worked))
    assert {each.outcome for each in monitored(worked).values()} == {Outcome.REVIEW}
    with worked.runtime.reads() as session:
        accepts = {each.task_id for each in standing_accepts(session, worked.project_id)}
    assert accepts
    assert not accepts & theirs
    policy = parse_policy(worked.project.policy_text)
    serving = load_champion(worked.runtime, worked.project_id)
    assert serving is not None
    placed = {row.task_id for row in noted(worked).values()}
    asked = Asked(runtime=worked.runtime, project=worked.project, policy=policy, serving=serving)
    reaching = set(asked.reaching(sorted(ledger(worked))).task_ids.tolist())
    assert reaching
    assert not reaching & placed  # those in the control slice neither
    watch(worked.runtime, worked.project)


def test_what_people_say_of_them_is_no_correction_of_the_own_model(make: Make) -> None:
    """Nor of one in control or holdout: more was drawn of some answers than of others."""
    worked = make()
    theirs = ledger(worked)
    for task_id in theirs:
        worked.server.submit(worked.people["sue"], task_id, "B")
    worked.settle()
    with worked.runtime.reads() as session:
        assert corrections(session, worked.project_id) == {}
        seen, left = seen_by_people(answered_tasks(session, worked.project_id))
    assert seen == []
    assert left == {"a deployed model's": len(theirs)}
    corrections_job.run(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        report = newest_report(session, worked.project_id, CORRECTIONS)
    assert report is None or report.body["left_out"] == left


def test_a_shown_answer_that_people_correct_is_none_either(make: Make) -> None:
    worked = make(show=True)
    theirs = monitored(worked)
    for task_id in theirs:
        worked.server.submit(worked.people["sue"], task_id, "A")
    worked.settle()
    with worked.runtime.reads() as session:
        seen, left = seen_by_people(answered_tasks(session, worked.project_id))
        assert corrections(session, worked.project_id) == {}
    assert (seen, left) == ([], {"a deployed model's": len(theirs)})


def test_their_labels_are_trained_on_like_any_other_outside_control_and_holdout(
    make: Make,
) -> None:
    worked = make()
    purposes = {key: each.purpose for key, each in ledger(worked).items()}
    for task_id in purposes:
        worked.server.submit(worked.people["sue"], task_id, "A")
    worked.settle()
    with worked.runtime.reads() as session:
        policy = parse_policy(worked.project.policy_text)
        slices = labelled_slices(session, worked.project, policy)
        exported = {e.task_id: e for e in labels_standing(session, worked.project_id)}
    by_purpose = {
        name: {key for key, each in purposes.items() if each is purpose}
        for name, purpose in (
            ("training", Purpose.MONITORING),
            ("control", Purpose.CONTROL),
            ("holdout", Purpose.HOLDOUT),
        )
    }
    assert set(slices.training) == by_purpose["training"]
    assert set(slices.control) == by_purpose["control"]
    assert set(slices.holdout) == by_purpose["holdout"]
    assert {each.source for each in exported.values()} == {"human"}
    assert {exported[each].predictor for each in by_purpose["training"]} == {DEPLOYED}


def test_they_are_answered_in_random_order_beside_control_and_before_the_rest(
    make: Make,
) -> None:
    worked = make(tier="general", count=200)
    worked.add(["music"] * 100)  # unsure: routed to the same tier
    worked.settle()
    policy = parse_policy(worked.project.policy_text)
    opened = [each for each in worked.decisions().values() if each.tier == "general"]
    queue = days_queue(policy, opened, pool_of(opened, {}), 60)
    theirs = [each.task_id for each, part in queue if each.purpose in MONITORED]
    assert {part for each, part in queue if each.purpose in MONITORED} == {"random"}
    assert len(theirs) == 30  # half of the day, as the policy's quota says
    assert theirs != sorted(theirs)
    spread = sum(task_id > sorted(monitored(worked))[80] for task_id in theirs)
    assert 8 < spread < 27  # not the first that came


def test_what_is_predicted_for_them_says_nothing_of_the_pool_of_the_own_model(
    make: Make,
) -> None:
    worked = make()
    opened = list(worked.decisions().values())
    assert set(pool_of(opened, {}).counts) == {"A"}


def test_agreement_takes_them_for_no_part_of_the_projects_own_tasks(make: Make) -> None:
    worked = make()
    with worked.runtime.reads() as session:
        policy = parse_policy(worked.project.policy_text)
        sizes = _setting(session, worked.project, policy, {}).sizes
    assert sum(sizes.values()) == 60 - len(monitored(worked))


def test_the_table_of_prelabelled_tasks_calls_the_blind_ones_blind(make: Make) -> None:
    worked = make()
    with worked.runtime.sessions.begin() as session:
        session.query(TaskRow).update({"prelabelled": True})
    with worked.runtime.reads() as session:
        counts = prelabel_counts(session, worked.project_id)
    assert (counts.blind, counts.shown) == (60, 0)


def test_the_table_of_prelabelled_tasks_counts_what_is_shown_as_shown(make: Make) -> None:
    worked = make(show=True, serving=False)
    with worked.runtime.sessions.begin() as session:
        session.query(TaskRow).update({"prelabelled": True})
    with worked.runtime.reads() as session:
        counts = prelabel_counts(session, worked.project_id)
    assert counts.shown == len(monitored(worked))


def test_an_answer_that_the_config_no_longer_offers_is_verified_and_decided_once(
    make: Make,
) -> None:
    worked = make(show=True)
    config = worked.server.projects[worked.project_id].label_config
    worked.tool.set_label_config(worked.project_id, config.replace('"B"', '"C"'))
    worked.settle()
    found = monitored(worked)
    assert {(each.purpose, each.label) for each in found.values()} == {(Purpose.MONITORING, None)}
    assert route(worked.runtime, worked.project)["decided"] == 0
    assert all(worked.shown(each) == [("labelgate: senior", False)] for each in found)


def test_people_who_differ_move_one_up_as_any_task(make: Make) -> None:
    worked = make(tier="general")
    (task_id, *_) = sorted(monitored(worked))
    for name, label in (("ann", "A"), ("bob", "B")):
        worked.server.submit(worked.people[name], task_id, label)
    worked.settle()
    decision = ledger(worked)[task_id]
    assert (decision.purpose, decision.tier) == (Purpose.MONITORING, "senior")
    assert worked.shown(task_id) == [("labelgate: senior", False)]


def test_predictions_keep_what_is_monitored_of_each_task(make: Make) -> None:
    worked = make()
    ids = sorted(ledger(worked))
    own = worked.add(["fruit"] * 5)
    worked.settle()
    policy = parse_policy(worked.project.policy_text)
    found = predict_tasks(worked.runtime, worked.project, policy, None, [*ids, *own])
    assert found.monitored is not None
    said = dict(zip(found.task_ids.tolist(), found.monitored.labels.tolist(), strict=True))
    assert {said[each] for each in ids} == {"B"}
    assert {said[each] for each in own} == {None}


def test_the_ledger_names_share_and_draw_of_every_one(tmp_path: Path) -> None:
    monitoring = {"share": 0.3, "each_class": 0}
    worked = worked_project(tmp_path, worked_policy(monitoring=monitoring))
    hand_in(worked, ["A", "B"] * 100)
    run(worked)
    worked.settle()
    with worked.runtime.reads() as session:
        rows = session.query(DecisionRow).filter(DecisionRow.rule == "monitoring").all()
    assert len(rows) > 30
    assert {row.inclusion_probability for row in rows} == {0.3}
    assert all(row.draw < 0.3 for row in rows)
