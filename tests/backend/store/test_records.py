"""What the store keeps comes back as it was: certificates, models, events, answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backend.store.certificates import store_certification, valid_certification
from backend.store.events import add_event, close_events, count_open, open_events, open_projects
from backend.store.models import (
    CHAMPION,
    KEPT,
    RETIRED,
    ModelVersion,
    all_versions,
    champion,
    next_number,
    store_version,
)
from backend.store.projects import active_project, all_projects, mark_disconnected, store_sync_state
from backend.store.tasks import (
    mark_annotations_deleted,
    store_annotations,
    stored_tasks,
    unlabelled_task_ids,
)
from backend.store.votes import Vote, answers, human_votes
from tests.fakes.databases import NOW, PROJECT_ID, Database, after
from tests.fakes.policy_documents import make_certification


def model(number: int, state: str) -> ModelVersion:
    return ModelVersion(
        version=f"v{number}",
        number=number,
        path=f"1/v{number}.skops",
        sha256="0" * 64,
        labels=("A", "é"),
        state=state,
        verdict={"reason": "why"},
        lineage={"examples": 3},
        trained_at=NOW,
        promoted_at=None,
    )


def answer(
    number: int, task_id: int, user_id: int, label: str | None, **more: Any
) -> dict[str, Any]:
    return {
        "annotation_id": number,
        "task_id": task_id,
        "user_id": user_id,
        "by_robot": False,
        "label": label,
        "result": [],
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time_s": 1.5,
        "parent_prediction_id": None,
        "created_at": NOW + timedelta(seconds=number),
        "updated_at": NOW,
        **more,
    }


def test_a_certificate_comes_back_as_it_was_and_voids_the_ones_before(database: Database) -> None:
    first, second = make_certification(0.8, model_version="v1"), make_certification(None)
    with database.sessions.begin() as session:
        stored = store_certification(session, PROJECT_ID, first, "policy-1", NOW)
    with database.reads() as session:
        assert valid_certification(session, PROJECT_ID, "v1", "policy-1") == stored
        assert valid_certification(session, PROJECT_ID, "v1", "policy-2") is None
        assert valid_certification(session, PROJECT_ID, "v2", "policy-1") is None
    with database.sessions.begin() as session:
        later = store_certification(session, PROJECT_ID, second, "policy-1", NOW)
    with database.reads() as session:
        assert valid_certification(session, PROJECT_ID, "v1", "policy-1") is None
        assert valid_certification(session, PROJECT_ID, "m1", "policy-1") == later


def test_one_champion_serves_and_a_kept_one_does_not(database: Database) -> None:
    with database.sessions.begin() as session:
        assert champion(session, PROJECT_ID) is None
        for number, state in ((1, CHAMPION), (2, KEPT), (3, CHAMPION), (4, KEPT)):
            assert next_number(session, PROJECT_ID) == number
            store_version(session, PROJECT_ID, model(number, state), NOW)
    with database.reads() as session:
        assert champion(session, PROJECT_ID) == model(3, CHAMPION)
        states = [each.state for each in all_versions(session, PROJECT_ID)]
    assert states == [RETIRED, KEPT, CHAMPION, KEPT]


def test_events_wait_until_a_job_has_looked_and_later_ones_stay(database: Database) -> None:
    with database.sessions.begin() as session:
        add_event(session, PROJECT_ID, "ONE", {"task_ids": [1]}, NOW)
        add_event(session, PROJECT_ID, "TWO", {}, NOW)
        add_event(session, None, "OF_NOBODY", {}, NOW)
        add_event(session, 2, "ANOTHER", {}, NOW)
    with database.reads() as session:
        newest, events = open_events(session, PROJECT_ID)
        assert events == [("ONE", {"task_ids": [1]}), ("TWO", {})]
        assert open_projects(session) == {PROJECT_ID, 2}
        assert open_events(session, 3) == (0, [])
    with database.sessions.begin() as session:
        add_event(session, PROJECT_ID, "LATER", {}, NOW)
        close_events(session, PROJECT_ID, newest, NOW)
    with database.reads() as session:
        assert open_events(session, PROJECT_ID)[1] == [("LATER", {})]
        assert count_open(session) == 3


def test_a_project_is_gone_once_disconnected_and_keeps_how_far_it_was_read(
    database: Database,
) -> None:
    with database.sessions.begin() as session:
        store_sync_state(session, PROJECT_ID, 50, after(1))
        store_sync_state(session, PROJECT_ID, 0, after(2))
    database.add_project()  # connected again
    with database.reads() as session:
        found = active_project(session, PROJECT_ID)
        assert found is not None
        assert (found.last_task_id, found.synced_until) == (50, after(2))
    with database.sessions.begin() as session:
        mark_disconnected(session, PROJECT_ID, NOW)
    with database.reads() as session:
        assert active_project(session, PROJECT_ID) is None
        assert all_projects(session) == []


def test_each_persons_newest_label_counts_and_the_most_frequent_is_the_answer(
    database: Database,
) -> None:
    database.add_tasks(1, 2, 3, 4)
    rows = [
        answer(1, 1, 5, "B"),
        answer(2, 1, 6, "A"),
        answer(3, 1, 5, "A"),  # changed his mind
        answer(4, 2, 5, "B"),
        answer(5, 2, 6, "A"),  # a tie: the first stands
        answer(6, 3, 5, None),  # an empty form
        answer(7, 4, 5, "A", was_cancelled=True),
        answer(8, 4, 9, "A", by_robot=True),
    ]
    with database.sessions.begin() as session:
        assert store_annotations(session, PROJECT_ID, [1, 2, 3, 4], rows, NOW) == 6
        assert store_annotations(session, PROJECT_ID, [1, 2, 3, 4], rows, NOW) == 0
    with database.reads() as session:
        assert answers(human_votes(session, PROJECT_ID)) == {1: "A", 2: "B"}
        assert unlabelled_task_ids(session, PROJECT_ID) == [4]
    with database.sessions.begin() as session:
        assert mark_annotations_deleted(session, PROJECT_ID, [4, 5, 77], NOW) == [2]
        assert mark_annotations_deleted(session, PROJECT_ID, [4, 5], NOW) == []
    with database.reads() as session:
        assert unlabelled_task_ids(session, PROJECT_ID) == [2, 4]


def test_more_tasks_than_one_statement_takes_and_fresh_data_for_known_ones(
    database: Database,
) -> None:
    ids = list(range(1, 6_002))
    database.add_tasks(*ids)
    database.add_tasks(*ids)
    with database.reads() as session:
        found = stored_tasks(session, PROJECT_ID, [*ids, 999_999])
    assert [each.id for each in found] == ids
    assert found[-1].data == {"text": "text 6001"}


def test_the_most_frequent_label_is_the_answer_and_of_equals_the_first_given() -> None:
    said = {1: "BAA", 2: "BA", 3: "CABBA", 4: "A"}
    votes = [
        Vote(task_id=task_id, user_id=user, label=label)
        for task_id, labels in said.items()
        for user, label in enumerate(labels)
    ]
    assert answers(votes) == {1: "A", 2: "B", 3: "A", 4: "A"}
    assert answers([]) == {}
