"""Certification: on control answers alone, as soon as they can prove anything, and once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.certification import sample, slice_is_open, version_promises
from backend.routing import route
from backend.slices import labelled_slices
from backend.store.certificates import (
    StoredCertification,
    store_certification,
    valid_certification,
    void_certifications,
)
from backend.synchronisation import synchronise
from policies.certifying import certify_promises, ready
from policies.domain import Certificate, Outcome, Purpose
from policies.loading import parse_policy
from policies.promises import AutoAccept, least_answers
from policies.sampling import SLICE, draws
from policies.thresholds import certify
from tests.fakes.accepting_project import accepting_project, accepts
from tests.fakes.policy_documents import make_candidates
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

ACCEPT = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7}
RULE = AutoAccept.model_validate(ACCEPT)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """A model without a certificate, and many tasks whose truth it knows."""
    made = worked_project(tmp_path, worked_policy(auto_accept=ACCEPT, control={"share": 0.3}))
    made.promote(certified=False)
    made.add(["fruit", "motor"] * 60)
    made.settle()
    return made


def truth(worked: WorkedProject, task_id: int) -> str:
    return "A" if "apples" in worked.server.tasks[task_id].data["text"] else "B"


def label(worked: WorkedProject, task_ids: list[int], *, wrong: bool = False) -> None:
    for task_id in task_ids:
        right = truth(worked, task_id)
        said = {"A": "B", "B": "A"}[right] if wrong else right
        worked.server.submit(worked.people["sue"], task_id, said)


def certificate(worked: WorkedProject) -> StoredCertification | None:
    with worked.runtime.reads() as session:
        return valid_certification(session, worked.project_id, "v1", worked.project.policy_hash)


def only(stored: StoredCertification) -> Certificate:
    (found,) = stored.certification.certificates
    return found


def test_what_is_withdrawn_while_it_is_proved_anew_stays_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = accepting_project(tmp_path)

    def withdrawn_meanwhile(*given: Any, **named: Any) -> Any:
        found = certify_promises(*given, **named)
        with worked.runtime.sessions.begin() as session:
            void_certifications(session, worked.project_id, "drift", worked.clock())
        return found

    worked.connect(worked_policy(auto_accept=ACCEPT | {"floor": 0.71}, control={"share": 0.3}))
    monkeypatch.setattr("backend.certification.certify_promises", withdrawn_meanwhile)
    route(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        digest = worked.project.policy_hash
        assert valid_certification(session, worked.project_id, "v1", digest) is None
    assert not accepts(worked)


@pytest.mark.parametrize(("rate", "heeded"), [(0.2, "raised"), (0.1, "raised"), (0.3, "proved")])
def test_what_audits_raised_stays_raised_under_another_policy(
    tmp_path: Path, rate: float, heeded: str
) -> None:
    worked = accepting_project(tmp_path)
    with worked.runtime.sessions.begin() as session:
        found = valid_certification(session, worked.project_id, "v1", worked.project.policy_hash)
        assert found is not None
        (proved,) = found.certification.certificates
        assert proved.threshold is not None
        moved = replace(found.certification, certificates=(replace(proved, raised_to=0.995),))
        digest = worked.project.policy_hash
        store_certification(session, worked.project_id, moved, digest, worked.clock())
    accept = ACCEPT | {"max_error_rate": rate, "floor": 0.71}
    worked.connect(worked_policy(auto_accept=accept, control={"share": 0.3}))
    worked.settle()
    with worked.runtime.reads() as session:
        found = valid_certification(session, worked.project_id, "v1", worked.project.policy_hash)
    assert found is not None
    (made,) = found.certification.certificates
    assert made.threshold is not None
    assert (made.in_force == 0.995) is (heeded == "raised")


def test_the_one_look_waits_for_twice_the_least_answers(worked: WorkedProject) -> None:
    wait = 2 * least_answers(RULE)
    control = worked.with_purpose(Purpose.CONTROL)
    assert len(control) > wait
    label(worked, control[: wait - 1])
    worked.settle()
    assert certificate(worked) is None
    label(worked, control[wait - 1 : wait])
    worked.settle()
    stored = certificate(worked)
    assert stored is not None
    assert (only(stored).control_answers, only(stored).errors) == (wait, 0)


def test_a_small_project_gets_its_look_when_the_slice_is_answered() -> None:
    least = least_answers(RULE)
    policy = worked_policy(auto_accept=ACCEPT, control={"share": 0.3})
    ids = np.arange(1, 200)
    in_slice = draws(policy.salt, SLICE, ids) < 0.3
    promises = version_promises(RULE, policy, ["A", "B"])

    def due(answers: int, pool: list[int]) -> bool:
        answered = make_candidates([(n, "A", 0.9, None, None) for n in range(answers)])
        return bool(ready(RULE, promises, answered, slice_is_open=slice_is_open(policy, pool)))

    for pool, wait in ((ids[~in_slice].tolist(), least), (ids.tolist(), 2 * least), ([], least)):
        assert due(wait, pool)
        assert not due(wait - 1, pool)


def test_a_certified_threshold_decides_the_open_tasks_anew(worked: WorkedProject) -> None:
    assert {each.outcome for each in worked.decisions().values()} == {Outcome.REVIEW}
    label(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    stored = certificate(worked)
    assert stored is not None
    assert only(stored).threshold is not None
    outcomes = {each.outcome for each in worked.decisions().values()}
    assert Outcome.ACCEPT in outcomes


def test_routed_labels_have_no_say(worked: WorkedProject) -> None:
    routed = worked.with_purpose(Purpose.ROUTED)
    label(worked, routed[:60], wrong=True)
    worked.settle()
    assert certificate(worked) is None  # however many they are
    control = worked.with_purpose(Purpose.CONTROL)
    label(worked, control)
    worked.settle()
    stored = certificate(worked)
    assert stored is not None
    assert (only(stored).control_answers, only(stored).errors) == (len(control), 0)


def test_holdout_labels_have_no_say(worked: WorkedProject) -> None:
    label(worked, worked.with_purpose(Purpose.HOLDOUT), wrong=True)
    control = worked.with_purpose(Purpose.CONTROL)
    label(worked, control)
    worked.settle()
    stored = certificate(worked)
    assert stored is not None
    assert only(stored).errors == 0


def test_a_version_is_looked_at_once_even_where_nothing_was_certified(
    worked: WorkedProject,
) -> None:
    control = worked.with_purpose(Purpose.CONTROL)
    wait = 2 * least_answers(RULE)
    label(worked, control[:wait], wrong=True)
    worked.settle()
    first = certificate(worked)
    assert first is not None
    assert only(first).threshold is None
    label(worked, control[wait:])
    worked.settle()
    assert certificate(worked) == first
    assert {each.outcome for each in worked.decisions().values()} == {Outcome.REVIEW}


def test_another_version_and_another_policy_are_certified_anew(worked: WorkedProject) -> None:
    label(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    first = certificate(worked)
    assert first is not None
    worked.promote("motor", "fruit", certified=False)  # says A for motor: all wrong
    worked.settle()
    with worked.runtime.reads() as session:
        assert certificate(worked) is None  # void: replaced
        policy_hash = worked.project.policy_hash
        second = valid_certification(session, worked.project_id, "v2", policy_hash)
    assert second is not None
    assert only(second).threshold is None
    worked.connect(worked_policy(9_999, auto_accept=ACCEPT, control={"share": 0.3}))
    worked.settle()
    with worked.runtime.reads() as session:
        third = valid_certification(session, worked.project_id, "v2", worked.project.policy_hash)
    assert third is not None
    assert third.id != second.id


def test_a_policy_that_never_accepts_certifies_nothing(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(auto_accept="never", control={"share": 0.5}))
    worked.promote(certified=False)
    worked.add(["fruit"] * 100)
    worked.settle()
    label(worked, worked.with_purpose(Purpose.CONTROL))
    synchronise(worked.runtime, worked.project)
    route(worked.runtime, worked.project)
    assert certificate(worked) is None


@pytest.mark.parametrize(("rate", "confidence"), [(0.01, 0.95), (0.05, 0.9), (0.2, 0.8)])
def test_the_least_answers_are_the_fewest_that_can_prove_it(rate: float, confidence: float) -> None:
    rule = AutoAccept.model_validate({"max_error_rate": rate, "confidence": confidence})
    for answers, provable in ((least_answers(rule), True), (least_answers(rule) - 1, False)):
        found = certify(
            scores=np.full(answers, 0.9),
            wrong=np.zeros(answers, dtype=np.bool_),
            grid=(0.8, 0.7, 0.6, 0.5),
            max_error_rate=rate,
            confidence=confidence,
            model_version="v1",
        )
        assert (found.threshold is not None) is provable


def test_slices_part_all_answers_and_overlap_nowhere(worked: WorkedProject) -> None:
    everything = [task.id for task in worked.tasks]
    label(worked, everything)
    synchronise(worked.runtime, worked.project)
    policy = parse_policy(worked.project.policy_text)
    with worked.runtime.reads() as session:
        slices = labelled_slices(session, worked.project, policy)
    parts = [slices.training, slices.control, slices.holdout]
    assert sorted(task_id for part in parts for task_id in part) == everything
    assert all(parts)
    for part in parts:
        assert part == {task_id: truth(worked, task_id) for task_id in part}


@pytest.mark.parametrize(("count", "left"), [(0, 0), (1, 1), (5_000, 5_000), (5_001, 2_501)])
def test_a_sample_of_the_pool_places_the_grid(count: int, left: int) -> None:
    assert len(sample(range(count))) == left


def test_answers_to_what_a_route_takes_to_people_have_no_say(tmp_path: Path) -> None:
    routes = [{"kind": "predicted_label", "in": ["A"], "tier": "senior"}]
    policy = worked_policy(auto_accept=ACCEPT, control={"share": 0.3}, routes=routes)
    worked = worked_project(tmp_path, policy)
    worked.promote(certified=False)
    worked.add(["fruit", "motor"] * 120)
    worked.settle()
    control = worked.with_purpose(Purpose.CONTROL)
    routed = [task_id for task_id in control if truth(worked, task_id) == "A"]
    others = [task_id for task_id in control if task_id not in routed]
    label(worked, routed, wrong=True)
    label(worked, others)
    worked.settle()
    stored = certificate(worked)
    assert stored is not None
    assert (only(stored).control_answers, only(stored).errors) == (len(others), 0)
    accepted = [each for each in worked.decisions().values() if each.outcome is Outcome.ACCEPT]
    assert {each.label for each in accepted} == {"B"}
