"""Promotion and going back: one step, safe at every moment, with certificates that stay honest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.certification import certify_version
from backend.challenge import stored
from backend.champion import load_champion
from backend.freezing import freeze_accepts
from backend.gate import Verdict
from backend.promotion import PromotionError, promote, put_in_service, recertify, roll_back
from backend.routing import route
from backend.store.certificates import (
    StoredCertification,
    valid_certification,
    valid_certifications,
    void_certifications,
)
from backend.store.lineages import Lineage
from backend.store.model_tables import ModelRow
from backend.store.models import CHAMPION, KEPT, RETIRED, all_versions
from backend.store.promotions import Kind, promotions
from backend.store.recalls import lock_project
from backend.store.reports import DRIFT, Report, store_report
from backend.store.training import request_training
from backend.synchronisation import synchronise
from backend.training import train
from policies.domain import Outcome, Purpose
from policies.loading import parse_policy
from policies.schema import Shadow
from tests.fakes.accepting_project import accepting_project, accepts, answer
from tests.fakes.worked_project import WorkedProject


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """v1 serves, is certified on the control slice and accepts."""
    made = accepting_project(tmp_path)
    assert accepts(made)
    return made


def states(worked: WorkedProject) -> dict[str, str]:
    with worked.runtime.reads() as session:
        return {each.version: each.state for each in all_versions(session, worked.project_id)}


def certified(worked: WorkedProject, version: str) -> StoredCertification | None:
    with worked.runtime.reads() as session:
        return valid_certification(session, worked.project_id, version, worked.project.policy_hash)


def newer(worked: WorkedProject, *, kept: bool = False) -> str:
    """Another version of the same kind, promoted or kept."""
    version = worked.promote(certified=False)
    if kept:
        with worked.runtime.sessions.begin() as session:
            rows = {row.version: row for row in session.query(ModelRow)}
            before = max(rows[name].number for name in rows if name != version)
            rows[version].state, rows[version].promoted_at = KEPT, None
            for row in rows.values():
                if row.number == before:
                    row.state, row.retired_at = CHAMPION, None
    return version


def test_a_kept_version_serves_certified_at_once(worked: WorkedProject) -> None:
    version = newer(worked, kept=True)
    before = certified(worked, "v1")
    made = promote(worked.runtime, worked.project, version, "the gate was too strict")
    assert states(worked) == {"v1": RETIRED, "v2": CHAMPION}
    assert (made.version, made.replaced, made.kind) == ("v2", "v1", Kind.PROMOTE)
    assert before is not None
    assert certified(worked, "v1") is None
    now = certified(worked, "v2")
    assert now is not None
    assert now.certification.thresholds
    with worked.runtime.reads() as session:
        (kept,) = promotions(session, worked.project_id)
    assert kept == made
    assert kept.why == "the gate was too strict"


def test_every_open_task_is_decided_anew_by_the_version_that_serves(
    worked: WorkedProject,
) -> None:
    before = accepts(worked)
    promote(worked.runtime, worked.project, newer(worked, kept=True), "why not")
    assert route(worked.runtime, worked.project)["decided"] >= len(before)
    with worked.runtime.reads() as session:
        serving = {each.version: each for each in all_versions(session, worked.project_id)}["v2"]
    assert serving.promoted_at is not None
    assert accepts(worked) == before  # the same words: the same answers
    assert {each.model_version for each in worked.decisions().values()} == {"v2"}


def test_going_back_brings_the_old_certificate_and_not_a_second_look(
    worked: WorkedProject,
) -> None:
    first = certified(worked, "v1")
    assert first is not None
    newer(worked)
    recertify(worked.runtime, worked.project)
    answer(worked, worked.add(["fruit"] * 40), wrong=True)  # control answers that v1 never saw
    worked.settle()
    made = roll_back(worked.runtime, worked.project, "v2 is worse on Mondays")
    assert (made.version, made.replaced, made.kind) == ("v1", "v2", Kind.ROLLBACK)
    again = certified(worked, "v1")
    assert again is not None
    assert again.id != first.id
    assert again.certification == first.certification
    assert certified(worked, "v2") is None
    worked.settle()
    assert certified(worked, "v1") == again  # and no look afterwards either
    assert {each.model_version for each in worked.decisions().values()} == {"v1"}
    assert accepts(worked)


def test_it_comes_back_under_the_policy_that_it_was_proved_under(worked: WorkedProject) -> None:
    newer(worked)
    policy = parse_policy(worked.project.policy_text)
    assert policy.auto_accept != "never"
    rule = policy.auto_accept.model_copy(update={"max_error_rate": 0.01})
    worked.connect(policy.model_copy(update={"auto_accept": rule}))
    roll_back(worked.runtime, worked.project, "back")
    assert certified(worked, "v1") is None  # too few answers for the stricter promise
    worked.settle()
    assert not accepts(worked)


def test_a_promise_that_was_withdrawn_does_not_come_back(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        void_certifications(session, worked.project_id, "audits said so", worked.clock())
    newer(worked)
    recertify(worked.runtime, worked.project)
    roll_back(worked.runtime, worked.project, "back")
    assert certified(worked, "v1") is None
    worked.settle()
    assert not accepts(worked)


def test_what_was_proved_before_drift_does_not_come_back(worked: WorkedProject) -> None:
    newer(worked)
    now = worked.clock()
    with worked.runtime.sessions.begin() as session:
        body = {"event": {"at": now.isoformat()}, "raised": [], "drifted": True, "features": []}
        report = Report(kind=DRIFT, model_version="v2", made_at=now, body=body)
        store_report(session, worked.project_id, report)
    roll_back(worked.runtime, worked.project, "back")
    assert certified(worked, "v1") is None


def test_going_back_twice_goes_back_two_versions(worked: WorkedProject) -> None:
    for _ in range(2):
        promote(worked.runtime, worked.project, newer(worked, kept=True), "on")
    assert roll_back(worked.runtime, worked.project, "back").version == "v2"
    assert roll_back(worked.runtime, worked.project, "back").version == "v1"
    with pytest.raises(PromotionError, match="nothing served before v1"):
        roll_back(worked.runtime, worked.project, "back")
    assert states(worked) == {"v1": CHAMPION, "v2": RETIRED, "v3": RETIRED}


def test_what_was_recalled_stays_with_people_when_an_old_version_comes_back(
    worked: WorkedProject,
) -> None:
    """``promoted_at`` stays: a recall after it is heeded whichever version serves by turns."""
    with worked.runtime.reads() as session:
        before = {e.version: e.promoted_at for e in all_versions(session, worked.project_id)}
    newer(worked)
    roll_back(worked.runtime, worked.project, "back")
    with worked.runtime.reads() as session:
        after = {e.version: e.promoted_at for e in all_versions(session, worked.project_id)}
    assert after["v1"] == before["v1"]


def test_a_damaged_file_is_not_promoted(worked: WorkedProject) -> None:
    version = newer(worked, kept=True)
    damage(worked, version)
    with pytest.raises(PromotionError, match=r"v2 cannot serve: .* damaged or was exchanged"):
        promote(worked.runtime, worked.project, version, "on")
    newer(worked)
    damage(worked, "v1")
    with pytest.raises(PromotionError, match=r"v1 cannot serve"):
        roll_back(worked.runtime, worked.project, "back")
    assert states(worked)["v3"] == CHAMPION


def damage(worked: WorkedProject, version: str) -> Path:
    with worked.runtime.reads() as session:
        (path,) = (
            each.path
            for each in all_versions(session, worked.project_id)
            if each.version == version
        )
    file = worked.runtime.settings.models_dir / path
    file.write_bytes(file.read_bytes() + b"x")
    return file


def test_what_the_gate_promotes_is_certified_at_once(worked: WorkedProject) -> None:
    """By the trainer, in the same breath: no round of jobs has run since."""
    answer(worked, [each.id for each in worked.tasks if not each.annotations])
    synchronise(worked.runtime, worked.project)
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 1, worked.clock())
    report = train(worked.runtime, worked.project)
    assert (report["state"], report["version"]) == ("promoted", "v2")
    now = certified(worked, "v2")
    assert now is not None
    assert now.certification.thresholds
    assert certified(worked, "v1") is None
    with worked.runtime.reads() as session:
        (made,) = promotions(session, worked.project_id)
    assert (made.kind, made.replaced, made.why) == (Kind.GATE, "v1", report["why"])


def test_a_version_compared_with_one_that_serves_no_more_is_kept(worked: WorkedProject) -> None:
    """Somebody promotes while the trainer compares: its verdict is about another version."""
    newer(worked)
    with worked.runtime.reads() as session:
        serving = all_versions(session, worked.project_id)[-1]
    model = replace(serving, version="v3", number=3, state=KEPT, lineage={"parent": "v1"})
    lineage = Lineage(policy_hash="p", label_config="<View/>", examples=())
    verdict = Verdict(promoted=True, reason="not worse", evidence={})
    policy = parse_policy(worked.project.policy_text)
    with worked.runtime.sessions.begin() as session:
        made = (model, lineage, verdict)
        found = stored(worked.runtime, session, worked.project, policy, made)
    assert found == ("kept", "kept: v2 serves since it was compared with v1 (not worse)")
    assert states(worked) == {"v1": RETIRED, "v2": CHAMPION, "v3": KEPT}
    with worked.runtime.reads() as session:
        assert all_versions(session, worked.project_id)[-1].verdict["reason"] == found[1]


def test_a_champion_that_cannot_be_read_is_replaced_without_a_shadow(
    worked: WorkedProject,
) -> None:
    policy = parse_policy(worked.project.policy_text)
    retrain = policy.retrain.model_copy(update={"shadow": Shadow()})
    worked.connect(policy.model_copy(update={"retrain": retrain}))
    answer(worked, [each.id for each in worked.tasks if not each.annotations])
    synchronise(worked.runtime, worked.project)
    damage(worked, "v1")
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 1, worked.clock())
    report = train(worked.runtime, worked.project)
    assert report["state"] == "promoted"
    assert str(report["why"]).startswith("the first model: the one that served cannot be read (")


def test_a_freeze_says_that_the_model_cannot_be_read(worked: WorkedProject) -> None:
    damage(worked, "v1")
    report = freeze_accepts(worked.runtime, worked.project, why="export", until=worked.clock())
    assert report.tasks == 0
    assert "the model that serves cannot be read" in " ".join(report.said)


@pytest.mark.parametrize(
    ("version", "says"),
    [("v1", "v1 serves already"), ("v9", "has no version 'v9'; it has v1")],
)
def test_what_cannot_be_promoted_is_said(worked: WorkedProject, version: str, says: str) -> None:
    with pytest.raises(PromotionError, match=says):
        promote(worked.runtime, worked.project, version, "on")


def test_of_two_who_promote_the_same_version_at_once_one_is_told_so(
    worked: WorkedProject,
) -> None:
    version = newer(worked, kept=True)
    origin = (Kind.PROMOTE, "on")
    with worked.runtime.sessions.begin() as session:
        put_in_service(worked.runtime, session, worked.project, version, origin)
    with (
        pytest.raises(PromotionError, match="v2 serves already"),
        worked.runtime.sessions.begin() as session,
    ):
        put_in_service(worked.runtime, session, worked.project, version, origin)
    assert states(worked) == {"v1": RETIRED, "v2": CHAMPION}
    with worked.runtime.reads() as session:
        assert len(promotions(session, worked.project_id)) == 1


def test_a_look_that_ends_after_another_version_serves_is_not_kept(worked: WorkedProject) -> None:
    """Routing predicts for minutes: a promotion meanwhile must not lose its certificate to it."""
    policy = parse_policy(worked.project.policy_text)
    slow = load_champion(worked.runtime, worked.project_id, policy)
    assert slow is not None
    with worked.runtime.sessions.begin() as session:
        lock_project(session, worked.project_id)
    promote(worked.runtime, worked.project, newer(worked, kept=True), "on")
    now = certified(worked, "v2")
    assert now is not None
    assert certify_version(worked.runtime, worked.project, policy, slow) is None
    with worked.runtime.reads() as session:
        assert valid_certifications(session, worked.project_id) == [now]


def test_a_model_that_cannot_be_read_sends_new_tasks_to_people_with_the_reason(
    worked: WorkedProject,
) -> None:
    before = worked.decisions()
    file = damage(worked, "v1")
    ids = worked.add(["fruit"] * 20)
    worked.settle()
    decisions = worked.decisions()
    assert {task: decisions[task] for task in before} == before  # what was decided stays
    routed = [decisions[task] for task in ids if decisions[task].purpose is Purpose.ROUTED]
    assert routed
    assert all(each.outcome is Outcome.REVIEW for each in routed)
    reasons = {reason_of(worked, each.task_id) for each in routed}
    assert all("the model that serves cannot be read" in reason for reason in reasons)
    file.write_bytes(file.read_bytes()[:-1])
    worked.settle()
    assert accepts(worked) & set(ids)


def reason_of(worked: WorkedProject, task_id: int) -> str:
    with worked.runtime.reads() as session:
        found = session.execute(
            text("SELECT reason FROM decisions WHERE task_id = :task ORDER BY seq DESC LIMIT 1"),
            {"task": task_id},
        ).scalar_one()
    return str(found)
