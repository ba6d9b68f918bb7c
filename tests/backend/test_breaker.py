"""The breaker on live audits: it trips once, takes back, and is armed again by proof alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import sessionmaker

from backend.breakers import watch as breaker
from backend.breakers.rearming import reset_breakers
from backend.breakers.states import BreakerState, breaker_states
from backend.breakers.watch import watch
from backend.exporting import export_labels
from backend.freezing import freeze_accepts
from backend.routing import route
from backend.store.alerts import Alert, newest_alerts, open_alerts
from backend.store.certificates import valid_certification
from backend.store.freezes import EXPORT
from backend.store.ledger_check import verify_ledger
from backend.store.reports import BREAKER, RECALL, Report, reports
from backend.store.tables import TaskRow
from backend.store.training import open_requests
from backend.synchronisation import synchronise
from policies.domain import Purpose
from policies.loading import parse_policy
from policies.trips import scope_named
from tests.fakes.accepting_project import accepts, answer
from tests.fakes.breaker_project import (
    RUN,
    answer_audits,
    audited_policy,
    audits,
    begun,
    breaker_project,
    trip,
    trips,
)
from tests.fakes.interrupted_sessions import interrupted
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, looks_as_wished, worked_policy, worked_project

HELD: dict[str, object] = {"breaker": {"average_run": RUN, "recall": False}}


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return breaker_project(tmp_path)


@pytest.fixture
def holding(tmp_path: Path) -> WorkedProject:
    """The policy leaves the recall to a person."""
    return breaker_project(tmp_path, **HELD)


def state(worked: WorkedProject) -> BreakerState:
    with worked.runtime.reads() as session:
        policy = parse_policy(worked.project.policy_text)
        (found,) = breaker_states(session, worked.project_id, policy)
    return found


def kept(worked: WorkedProject, kind: str) -> list[Report]:
    with worked.runtime.reads() as session:
        return reports(session, worked.project_id, kind)


def alerts(worked: WorkedProject) -> list[Alert]:
    with worked.runtime.reads() as session:
        return list(newest_alerts(session, worked.project_id).values())


def recalled(worked: WorkedProject) -> set[int]:
    return set(worked.with_purpose(Purpose.RECALL))


def test_right_audits_trip_nothing(worked: WorkedProject) -> None:
    before = accepts(worked)
    answer_audits(worked, audits(worked))
    watch(worked.runtime, worked.project)
    assert not trips(worked)
    assert accepts(worked) == before
    found = state(worked)
    assert (found.state, found.errors, found.limit) == ("armed", 0, RUN)
    assert found.audits > 10
    assert 0 < found.statistic < RUN


def test_wrong_audits_trip_it_once(worked: WorkedProject) -> None:
    before = accepts(worked)
    found = trip(worked)
    assert (found.model_version, found.group) == ("v1", ("model", None))
    assert found.statistic >= RUN
    assert found.errors == found.audits <= 12
    assert f"of {found.audits} audits wrong since 2026-03-01" in found.why
    assert "10.0% are promised" in found.why
    for _ in range(2):
        assert watch(worked.runtime, worked.project) == {
            "tripped": 0,
            "recalled": 0,
            "handed_over": 0,
            "groups": 1,
        }
    assert len(trips(worked)) == 1
    assert recalled(worked) == before


def test_a_trip_is_told_with_the_labels_that_failed_and_asks_for_training(
    worked: WorkedProject,
) -> None:
    found = trip(worked)
    (alert,) = alerts(worked)
    assert (alert.name, alert.about, alert.opened) == ("breaker", "v1", True)
    assert sum(alert.detail["failing"].values()) == found.errors
    assert any(f"{label!r}" in alert.says for label in alert.detail["failing"])
    with worked.runtime.reads() as session:
        (request,) = open_requests(session, worked.project_id)
    # The first training was asked for by the labels; a later trip finds it queued already.
    assert request.reason


def test_what_was_accepted_at_once_with_a_wrong_one_is_all_in_doubt(worked: WorkedProject) -> None:
    found = trip(worked)
    assert found.good_until is None
    (_, done) = kept(worked, RECALL)
    assert done.body["state"] == "done"
    assert done.body["tasks"] == len(recalled(worked)) > 0
    assert done.body["suspension"] == found.id


def test_what_was_accepted_before_the_last_good_audit_stays(worked: WorkedProject) -> None:
    good = accepts(worked)
    answer_audits(worked, audits(worked))
    watch(worked.runtime, worked.project)
    worked.clock.forward(3600)
    worked.add(["fruit", "motor"] * 60)
    worked.settle()
    new = accepts(worked) - good
    assert new
    found = trip(worked)
    assert found.good_until is not None
    assert recalled(worked) == new
    worked.settle()
    assert accepts(worked) == good  # held: they are neither decided again nor taken back
    assert not looks_as_wished(worked)


def test_nothing_is_accepted_any_more(worked: WorkedProject) -> None:
    trip(worked)
    worked.add(["fruit", "motor"] * 20)
    worked.settle()
    assert not accepts(worked)
    with worked.runtime.reads() as session:
        assert verify_ledger(session, worked.project_id).broken_seq is None


def test_the_robots_annotations_go_and_a_persons_stay(worked: WorkedProject) -> None:
    standing = sorted(accepts(worked))
    corrected, edited = standing[:2]
    worked.server.submit(worked.people["ann"], corrected, "B")
    robots = worked.server.tasks[edited].annotations[0].id
    worked.server.edit(worked.people["ann"], robots, "B")
    trip(worked)
    worked.settle()
    assert worked.said(corrected, worked.people["ann"]) == ["B"]
    assert worked.said(edited, ROBOT_ID) == ["B"]  # a person's word by now
    assert recalled(worked) == set(standing) - {corrected, edited}
    for task_id in recalled(worked):
        assert worked.said(task_id, ROBOT_ID) == []
        assert worked.shown(task_id) == [("labelgate: general", False)]  # blind
    assert not looks_as_wished(worked)


def test_without_recall_accepts_are_held_neither_frozen_nor_exported(
    holding: WorkedProject, tmp_path: Path
) -> None:
    before = accepts(holding)
    trip(holding)
    holding.settle()
    assert accepts(holding) == before
    assert not recalled(holding)
    for task_id in before:
        assert len(holding.said(task_id, ROBOT_ID)) == 1
    report = freeze_accepts(holding.runtime, holding.project, why=EXPORT, until=holding.clock())
    assert report.tasks == 0
    counts = export_labels(holding.runtime, holding.project, tmp_path / "labels.jsonl")
    assert (counts["accepted"], counts["provisional"]) == (0, len(before))


def test_what_was_frozen_before_a_trip_is_in_doubt_too(
    holding: WorkedProject, tmp_path: Path
) -> None:
    before = accepts(holding)
    freeze_accepts(holding.runtime, holding.project, why=EXPORT, until=holding.clock())
    file = tmp_path / "labels.jsonl"
    assert export_labels(holding.runtime, holding.project, file)["accepted"] == len(before)
    trip(holding)
    counts = export_labels(holding.runtime, holding.project, file)
    assert (counts["accepted"], counts["provisional"]) == (0, len(before))


def test_a_recall_takes_frozen_accepts_back(worked: WorkedProject) -> None:
    before = accepts(worked)
    freeze_accepts(worked.runtime, worked.project, why=EXPORT, until=worked.clock())
    trip(worked)
    worked.settle()
    assert recalled(worked) == before
    (_, done) = kept(worked, RECALL)
    assert (done.body["frozen"], done.body["freezes"]) == (len(before), {"1": len(before)})
    with worked.runtime.reads() as session:
        assert session.query(TaskRow).filter(TaskRow.freeze_id.is_not(None)).count() == 0
    assert not looks_as_wished(worked)


def test_without_a_reset_nothing_arms_it_again(worked: WorkedProject) -> None:
    trip(worked)
    worked.add(["fruit", "motor"] * 60)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    watch(worked.runtime, worked.project)
    assert state(worked).state == "suspended"
    assert not accepts(worked)


def test_a_reset_and_control_answers_given_since_arm_it_again(worked: WorkedProject) -> None:
    found = trip(worked)
    taken = recalled(worked)
    assert reset_breakers(worked.runtime, worked.project, None, "the mails were mislabelled")
    worked.settle()
    watch(worked.runtime, worked.project)
    waiting = state(worked)
    assert (waiting.state, waiting.reset_why) == ("reset", "the mails were mislabelled")
    assert waiting.waiting_for is not None
    assert waiting.waiting_for > 0  # the answers given before the trip count no more
    assert not accepts(worked)

    worked.clock.forward(60)
    worked.add(["fruit", "motor"] * 100)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    watch(worked.runtime, worked.project)
    assert state(worked).state == "armed"
    assert state(worked).audits == 0  # the audits before it do not count any more
    with worked.runtime.reads() as session:
        stored = valid_certification(session, worked.project_id, "v1", worked.project.policy_hash)
        assert not open_alerts(session, worked.project_id)
    assert stored is not None
    (certificate,) = stored.certification.certificates  # one for each group
    assert certificate.since is not None
    assert certificate.since > found.since
    assert accepts(worked)
    assert recalled(worked) == taken  # these stay with people
    assert "accepted again" in alerts(worked)[0].says


def test_a_look_that_proves_nothing_uses_the_reset_up(worked: WorkedProject) -> None:
    trip(worked)
    reset_breakers(worked.runtime, worked.project, None, "perhaps it was chance")
    worked.clock.forward(60)
    worked.add(["fruit", "motor"] * 100)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL), wrong=True)
    worked.settle()
    watch(worked.runtime, worked.project)
    assert state(worked).state == "suspended"
    assert not accepts(worked)
    # The same answers are not looked at twice, whoever resets it again.
    assert reset_breakers(worked.runtime, worked.project, None, "once more")
    worked.settle()
    watch(worked.runtime, worked.project)
    assert state(worked).state == "reset"
    worked.clock.forward(60)
    worked.add(["fruit", "motor"] * 100)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    assert accepts(worked)


def test_a_second_trip_after_it_was_armed_again(worked: WorkedProject) -> None:
    trip(worked)
    reset_breakers(worked.runtime, worked.project, None, "a look")
    worked.clock.forward(60)
    worked.add(["fruit", "motor"] * 100)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    watch(worked.runtime, worked.project)
    trip(worked)
    assert len(trips(worked)) == 2
    assert state(worked).state == "suspended"
    assert len([each for each in alerts(worked) if each.opened]) == 1


def test_a_label_with_a_promise_of_its_own_is_suspended_alone(tmp_path: Path) -> None:
    accept = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7, "each_label": True}
    worked = breaker_project(tmp_path, auto_accept=accept)
    decisions = worked.decisions()
    before = {task_id: decisions[task_id].label for task_id in accepts(worked)}
    assert set(before.values()) == {"A", "B"}
    of_a = [each for each in audits(worked) if decisions[each].label == "A"]
    answer_audits(worked, of_a, wrong=True)
    assert watch(worked.runtime, worked.project)["tripped"] == 1
    (found,) = trips(worked)
    assert found.group == ("model", "A")
    assert recalled(worked) == {each for each, label in before.items() if label == "A"}
    worked.add(["fruit", "motor"] * 30)
    worked.settle()
    assert {worked.decisions()[each].label for each in accepts(worked)} == {"B"}
    with worked.runtime.reads() as session:
        policy = parse_policy(worked.project.policy_text)
        states = breaker_states(session, worked.project_id, policy)
    assert {each.about: each.state for each in states} == {
        "v1: 'A'": "suspended",
        "v1: 'B'": "armed",
    }


def test_another_version_starts_afresh(worked: WorkedProject) -> None:
    trip(worked)
    worked.promote(certified=True)
    worked.settle()
    watch(worked.runtime, worked.project)
    assert state(worked).state == "armed"
    (alert,) = alerts(worked)
    assert not alert.opened
    assert "v2" in alert.says
    assert accepts(worked)


def test_a_policy_that_moves_grounds_does_not_take_recalled_tasks_from_people(
    worked: WorkedProject,
) -> None:
    trip(worked)
    taken = recalled(worked)
    tiers = [each.model_dump(exclude_none=True) for each in worked_policy().tiers]
    tiers[0]["name"] = "crowd"
    worked.connect(audited_policy(tiers=tiers))
    worked.settle()
    assert watch(worked.runtime, worked.project)["handed_over"] == len(taken)
    worked.settle()
    assert recalled(worked) == taken
    assert {worked.decisions()[task_id].tier for task_id in taken} == {"crowd"}
    assert watch(worked.runtime, worked.project)["handed_over"] == 0


def test_audits_of_people_below_the_tier_trip_nothing(worked: WorkedProject) -> None:
    for task_id in audits(worked)[:15]:
        right = "A" if "apples" in worked.server.tasks[task_id].data["text"] else "B"
        wrong = {"A": "B", "B": "A"}[right]
        worked.server.submit(worked.people["ann"], task_id, wrong)
    worked.settle()
    assert watch(worked.runtime, worked.project)["tripped"] == 0


def test_a_policy_that_never_accepts_has_no_breakers(worked: WorkedProject) -> None:
    worked.connect(worked_policy(auto_accept="never"))
    assert watch(worked.runtime, worked.project)["groups"] == 0
    with worked.runtime.reads() as session:
        policy = parse_policy(worked.project.policy_text)
        assert breaker_states(session, worked.project_id, policy) == []


def test_a_report_is_kept_only_where_something_changed(worked: WorkedProject) -> None:
    watch(worked.runtime, worked.project)
    watch(worked.runtime, worked.project)
    assert len(kept(worked, BREAKER)) == 1
    answer_audits(worked, audits(worked)[:3])
    watch(worked.runtime, worked.project)
    assert len(kept(worked, BREAKER)) == 2


def test_two_processes_that_look_at_once_trip_it_once(worked: WorkedProject) -> None:
    answer_audits(worked, audits(worked)[:12], wrong=True)
    before = accepts(worked)

    def another_trips() -> None:
        assert watch(worked.runtime, worked.project)["tripped"] == 1

    late = interrupted(worked.runtime, {1: another_trips})  # it has judged and not yet stored
    assert watch(late, worked.project)["tripped"] == 0
    assert len(trips(worked)) == len(alerts(worked)) == 1
    assert len(kept(worked, RECALL)) == 2  # begun and done, once
    assert recalled(worked) == before


class KilledError(Exception):
    """The process was ended."""


def test_a_crash_anywhere_is_made_good_by_the_next_round(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.breakers.recall.CHUNK", 10)
    answer_audits(worked, audits(worked)[:12], wrong=True)
    before = accepts(worked)

    def killed() -> None:
        raise KilledError

    # Before the recall is told, before its first chunk, and then after each chunk.
    crashes = [2, 2, *[3] * (len(before) // 10)]
    for transaction in crashes:
        with pytest.raises(KilledError):
            watch(interrupted(worked.runtime, {transaction: killed}), worked.project)
        assert len(trips(worked)) == 1
        assert recalled(worked) | accepts(worked) == before
    watch(worked.runtime, worked.project)
    assert len(crashes) > 3
    assert recalled(worked) == before
    begun, done = kept(worked, RECALL)
    assert (begun.body["state"], done.body["state"]) == ("begun", "done")
    assert begun.body["tasks"] == done.body["tasks"] == len(before)
    assert len(alerts(worked)) == 1
    assert len(kept(worked, BREAKER)) == 1


def test_a_clock_of_label_studio_that_is_ahead_makes_no_old_answer_a_new_one(
    tmp_path: Path,
) -> None:
    worked = worked_project(tmp_path, audited_policy())
    worked.server.clock = lambda: worked.clock() + timedelta(days=1)
    begun(worked)
    trip(worked)
    reset_breakers(worked.runtime, worked.project, None, "a look")
    worked.settle()
    assert trips(worked)[0].rearmed_at is None  # what was answered before proves nothing
    worked.clock.forward(60)
    worked.add(["fruit", "motor"] * 100)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    assert trips(worked)[0].rearmed_at is not None
    assert watch(worked.runtime, worked.project)["tripped"] == 0  # nor trips it once more


APART = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7}


def test_a_label_that_gets_a_promise_of_its_own_stays_suspended(worked: WorkedProject) -> None:
    trip(worked)
    assert trips(worked)[0].group == ("model", None)
    worked.connect(audited_policy(auto_accept=APART | {"labels": {"A": {"max_error_rate": 0.2}}}))
    worked.add(["fruit", "motor"] * 100)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    assert not accepts(worked)
    assert {each.group for each in trips(worked)} == {("model", None), ("model", "A")}
    watch(worked.runtime, worked.project)
    assert not accepts(worked)
    assert {each.about for each in alerts(worked) if each.opened} == {"v1", "v1: 'A'"}


def test_a_group_that_is_none_any_more_is_armed_again_by_its_labels(
    worked: WorkedProject,
) -> None:
    trip(worked)
    worked.connect(audited_policy(auto_accept=APART | {"each_label": True}))
    worked.settle()
    assert {each.group for each in trips(worked)} == {("model", "A"), ("model", "B")}
    assert {each.about for each in alerts(worked) if each.opened} == {"v1: 'A'", "v1: 'B'"}
    reset_breakers(worked.runtime, worked.project, "A", "a look")
    worked.clock.forward(60)
    worked.add(["fruit", "motor"] * 100)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    watch(worked.runtime, worked.project)
    armed = {each.group[1]: each.rearmed_at is not None for each in trips(worked)}
    assert armed == {"A": True, "B": False}
    assert {worked.decisions()[each].label for each in accepts(worked)} == {"A"}


def test_a_label_that_loses_its_own_promise_is_armed_again_with_the_others(
    tmp_path: Path,
) -> None:
    worked = breaker_project(tmp_path, auto_accept=APART | {"each_label": True})
    decisions = worked.decisions()
    of_a = [each for each in audits(worked) if decisions[each].label == "A"]
    answer_audits(worked, of_a, wrong=True)
    assert watch(worked.runtime, worked.project)["tripped"] == 1
    worked.connect(audited_policy(auto_accept=APART))
    reset_breakers(worked.runtime, worked.project, "A", "a look")
    worked.clock.forward(60)
    worked.add(["fruit", "motor"] * 100)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL))
    worked.settle()
    assert watch(worked.runtime, worked.project)["tripped"] == 0  # nor on audits of before
    assert [each.rearmed_at is not None for each in trips(worked)] == [True]
    assert {worked.decisions()[each].label for each in accepts(worked)} == {"A", "B"}


def test_what_slips_through_after_a_trip_is_taken_back(worked: WorkedProject) -> None:
    """Somebody was deciding when it tripped, on what was known before."""
    answer_audits(worked, audits(worked)[:12], wrong=True)
    new = worked.add(["fruit"] * 30)
    synchronise(worked.runtime, worked.project)

    def it_trips() -> None:
        assert watch(worked.runtime, worked.project)["tripped"] == 1

    route(interrupted(worked.runtime, {1: it_trips}), worked.project)
    late = accepts(worked)
    assert late
    assert late <= set(new)
    assert watch(worked.runtime, worked.project)["recalled"] == len(late)
    assert late <= recalled(worked)
    assert watch(worked.runtime, worked.project)["recalled"] == 0


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (("model", None), "v3"),
        (("model", "A"), "v3: 'A'"),
        (("twins", None), "v3: by twins"),
        (("twins", "A"), "v3: 'A' by twins"),
    ],
)
def test_groups_are_named(group: tuple[str, str | None], said: str) -> None:
    assert scope_named("v3", group) == said


def test_a_look_is_given_again_until_something_changes(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def counted(*given: Any) -> Any:
        looks.append(given)
        return gather(*given)

    gather = breaker._gather
    monkeypatch.setattr(breaker, "_gather", counted)

    def looked() -> bool:
        looks.clear()
        watch(worked.runtime, worked.project)
        return bool(looks)

    assert looked()
    assert not looked()
    answer_audits(worked, audits(worked)[:1])
    assert looked()
    assert not looked()
    worked.clock.forward(3_601)  # whatever counts and moments cannot tell
    assert looked()
    worked.add(["fruit"])
    synchronise(worked.runtime, worked.project)
    assert looked()
    worked.connect(audited_policy(breaker={"average_run": 200}))
    assert looked()
    worked.certify("v1", threshold=0.71)
    assert looked()
    other = worked.runtime.reads  # another process knows nothing of this one's looks
    assert watch(replace(worked.runtime, reads=sessionmaker(**other.kw)), worked.project)
    assert len(looks) == 2
    trip(worked)  # what changed something is looked at again
    assert looked()
    assert not looked()
