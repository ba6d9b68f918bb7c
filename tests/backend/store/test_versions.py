"""What versions were made of, when they served, and what they said in shadow, as it is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.store.lineages import (
    Example,
    Lineage,
    annotations_of,
    data_hash,
    holdout_answers,
    lineage_of,
    policy_text,
    store_lineage,
)
from backend.store.model_tables import LineageRow
from backend.store.models import CHAMPION, KEPT, RETIRED, ModelVersion, all_versions, store_version
from backend.store.promotions import (
    Kind,
    Promotion,
    promotions,
    replaced_by,
    store_promotion,
)
from backend.store.shadows import (
    Shadow,
    ShadowAnswer,
    count_answers,
    end_shadows,
    newest_shadow,
    open_shadow,
    shadow_answers,
    start_shadow,
    store_answers,
    unanswered_arrivals,
)
from backend.store.tasks import mark_tasks_deleted, store_annotations
from tests.fakes.databases import NOW, PROJECT_ID, Database, after

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
EXAMPLES = st.builds(
    Example,
    task_id=st.integers(1, 2**62),
    answer=TEXTS,
    weight=st.floats(0.01, 1),
    data=st.text("0123456789abcdef", min_size=12, max_size=12),
    annotation_ids=st.lists(st.integers(1, 2**62), max_size=3).map(tuple),
)


def version(number: int, state: str = KEPT) -> ModelVersion:
    return ModelVersion(
        version=f"v{number}",
        number=number,
        path="p",
        sha256="s",
        labels=("A", "B"),
        state=state,
        verdict={},
        lineage={},
        trained_at=NOW,
        promoted_at=NOW if state == CHAMPION else None,
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    examples=st.lists(EXAMPLES, max_size=8, unique_by=lambda each: each.task_id),
    holdout=st.dictionaries(st.integers(1, 2**62), st.booleans(), max_size=8),
)
def test_a_lineage_comes_back_as_it_was(
    database: Database, examples: list[Example], holdout: dict[int, bool]
) -> None:
    given_one = Lineage(
        policy_hash="policy-1",
        label_config="<View>ä</View>",
        examples=tuple(examples),
        holdout=holdout,
    )
    with database.sessions.begin() as session:
        session.query(LineageRow).delete()
        store_lineage(session, PROJECT_ID, "v1", given_one)
    with database.reads() as session:
        found = lineage_of(session, PROJECT_ID, "v1")
        assert holdout_answers(session, PROJECT_ID) == {"v1": holdout}
        assert lineage_of(session, PROJECT_ID, "v2") is None
        assert policy_text(session, "policy-1") == "text"
        assert policy_text(session, "unknown") is None
    assert found is not None
    assert set(found.examples) == set(examples)
    assert found.sha256 == given_one.sha256
    assert (found.label_config, found.holdout) == (given_one.label_config, holdout)


def test_the_hash_of_data_heeds_no_order_of_keys() -> None:
    assert data_hash({"a": 1, "b": [2]}) == data_hash({"b": [2], "a": 1})
    assert data_hash({"a": 1}) != data_hash({"a": 2})


def annotation(number: int, task_id: int, **changes: Any) -> dict[str, Any]:
    return {
        "annotation_id": number,
        "task_id": task_id,
        "user_id": 3,
        "by_robot": False,
        "label": "A",
        "result": [],
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time_s": None,
        "parent_prediction_id": None,
        "created_at": NOW,
        "updated_at": NOW,
        **changes,
    }


def test_the_annotations_of_a_label_are_those_of_people_that_say_one(database: Database) -> None:
    database.add_tasks(1, 2)
    rows = [
        annotation(12, 1),
        annotation(11, 1),
        annotation(13, 1, by_robot=True),
        annotation(14, 1, was_cancelled=True),
        annotation(15, 1, label=None),
    ]
    with database.sessions.begin() as session:
        store_annotations(session, PROJECT_ID, [1, 2], rows, NOW)
    with database.reads() as session:
        assert annotations_of(session, PROJECT_ID, [1, 2]) == {1: (11, 12)}


def promoted(database: Database, name: str, kind: Kind, replaced: str | None, at: datetime) -> None:
    made = Promotion(version=name, replaced=replaced, kind=kind, why="why", at=at)
    with database.sessions.begin() as session:
        store_promotion(session, PROJECT_ID, made)


def test_promotions_change_who_serves_and_are_kept(database: Database) -> None:
    with database.sessions.begin() as session:
        for number in (1, 2, 3):
            store_version(session, PROJECT_ID, version(number), NOW)
    promoted(database, "v1", Kind.GATE, None, after(1))
    promoted(database, "v3", Kind.SHADOW, "v1", after(2))
    promoted(database, "v1", Kind.ROLLBACK, "v3", after(3))
    with database.reads() as session:
        found = {each.version: each for each in all_versions(session, PROJECT_ID)}
        made = promotions(session, PROJECT_ID)
        assert replaced_by(session, PROJECT_ID, "v3") == "v1"
        assert replaced_by(session, PROJECT_ID, "v1") is None
    assert {name: each.state for name, each in found.items()} == {
        "v1": CHAMPION,
        "v2": KEPT,
        "v3": RETIRED,
    }
    assert found["v1"].promoted_at == after(1)  # the first time
    assert [(each.version, each.kind) for each in made] == [
        ("v1", Kind.GATE),
        ("v3", Kind.SHADOW),
        ("v1", Kind.ROLLBACK),
    ]


def test_versions_from_before_promotions_were_kept_go_back_by_number(database: Database) -> None:
    with database.sessions.begin() as session:
        for number in (1, 2):
            store_version(session, PROJECT_ID, version(number, CHAMPION), NOW)
    with database.reads() as session:
        assert replaced_by(session, PROJECT_ID, "v2") == "v1"
        assert replaced_by(session, PROJECT_ID, "v1") is None


def started(database: Database, name: str, at: datetime, tasks: int = 3) -> Shadow:
    with database.sessions.begin() as session:
        return start_shadow(session, PROJECT_ID, name, at, tasks=tasks, days=None, promotes=True)


def said(task_id: int, label: str | None = "A") -> ShadowAnswer:
    return ShadowAnswer(
        task_id=task_id,
        label=label,
        score=None if label is None else 0.75,
        serving_version="v1",
        serving_label="B",
        serving_score=0.5,
    )


def test_one_version_is_in_shadow_at_a_time(database: Database) -> None:
    first = started(database, "v2", NOW)
    second = started(database, "v3", after(1))
    with database.reads() as session:
        assert open_shadow(session, PROJECT_ID) == second
        before = newest_shadow(session, PROJECT_ID, "v2")
        assert newest_shadow(session, PROJECT_ID, "v9") is None
    assert before is not None
    assert (before.id, before.ended_at, before.outcome) == (first.id, after(1), "v3 took its place")
    with database.sessions.begin() as session:
        assert end_shadows(session, PROJECT_ID, "done", after(2)) == 1
        assert end_shadows(session, PROJECT_ID, "again", after(3)) == 0
    with database.reads() as session:
        assert open_shadow(session, PROJECT_ID) is None


@pytest.mark.parametrize("most", [0, 1, 5])
def test_a_shadow_answers_what_came_since_once(database: Database, most: int) -> None:
    database.add_tasks(1, 2, 3)
    shadow = started(database, "v2", NOW)
    earlier = started(database, "v2", after(1))
    with database.sessions.begin() as session:
        mark_tasks_deleted(session, PROJECT_ID, [3], NOW)
        store_answers(session, shadow.id, [said(1), said(2, None)], NOW)
        store_answers(session, shadow.id, [said(1)], NOW)
        store_answers(session, shadow.id, [], NOW)
    with database.reads() as session:
        assert unanswered_arrivals(session, PROJECT_ID, shadow, most) == []
        assert unanswered_arrivals(session, PROJECT_ID, earlier, most) == []  # all came before
        assert count_answers(session, shadow.id) == 2
        assert shadow_answers(session, shadow.id) == [said(1), said(2, None)]
    database.add_tasks(4, 5)
    again = started(database, "v2", NOW)
    with database.reads() as session:
        found = unanswered_arrivals(session, PROJECT_ID, again, most)
    assert found == [1, 2, 4, 5][:most]
