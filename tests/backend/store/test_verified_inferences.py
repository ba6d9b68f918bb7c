"""What the store tells of a deployed model's answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from backend.store.inference_tables import InferenceRow
from backend.store.verified_inferences import (
    count_inferences,
    counted_inferences,
    kept_inferences,
    picked_inferences,
)
from tests.fakes.databases import PROJECT_ID, Database
from tests.fakes.production import Answer, add_answers

DAY = datetime(2026, 3, 1, tzinfo=UTC)
OTHER_PROJECT = 2


@pytest.fixture
def stored(database: Database) -> Database:
    database.add_project(OTHER_PROJECT)
    answers = [
        Answer(at=DAY, predicted="A", task_id=7, share=0.5, slices={"site": 1, "shop": True}),
        Answer(at=DAY, predicted="B", state="drawn"),
        Answer(at=DAY, predicted="B", state="lost", slices={"shop": None}),
        Answer(at=DAY, predicted="A", state="waiting"),
        Answer(at=DAY, predicted="A", slices={"site": 2}),
        Answer(at=DAY, predicted="A"),
    ]
    with database.sessions.begin() as session:
        add_answers(session, PROJECT_ID, answers)
        add_answers(session, OTHER_PROJECT, answers[:2])
    return database


def test_what_was_drawn_is_there_whatever_became_of_it(stored: Database) -> None:
    with stored.reads() as session:
        found = picked_inferences(session, PROJECT_ID, ["site", "shop"])
    assert len(found) == 3
    assert found.task_ids.tolist() == [7, 0, 0]
    assert found.shares.tolist() == [0.5, 0.1, 0.1]
    assert found.predicted.tolist() == ["A", "B", "B"]
    assert found.slices["site"].tolist() == ["1", None, None]
    assert found.slices["shop"].tolist() == ["True", None, None]
    assert found.at.tolist() == [DAY] * 3


def test_counts_outlive_the_answers(stored: Database) -> None:
    with stored.sessions.begin() as session:
        before = count_inferences(session, PROJECT_ID)
        session.query(InferenceRow).filter_by(state="passed").delete()
        assert count_inferences(session, PROJECT_ID) == before
        counted = counted_inferences(session, PROJECT_ID, ["site"])
    assert before == {"waiting": 1, "passed": 2, "drawn": 1, "placed": 1, "lost": 1}
    assert int(counted.counts.sum()) == 5
    by_site = dict(zip(counted.slices["site"].tolist(), counted.counts.tolist(), strict=True))
    assert (by_site["1"], by_site["2"]) == (1, 1)
    assert set(counted.days.tolist()) == {"2026-03-01"}


def test_a_project_without_any_has_empty_columns(database: Database) -> None:
    with database.reads() as session:
        assert len(picked_inferences(session, PROJECT_ID)) == 0
        assert len(counted_inferences(session, PROJECT_ID, ["site"])) == 0
        assert not any(count_inferences(session, PROJECT_ID).values())
        assert kept_inferences(session, PROJECT_ID, "v1", (date.min, date.max), 10).of == 0


def test_of_some_days_a_random_part_is_read_the_same_every_time(database: Database) -> None:
    answers = [
        Answer(
            at=DAY + timedelta(hours=hour),
            predicted="A",
            score=None if hour % 2 else 0.5,
            data={"text": str(hour)},
            slices={"site": hour},
        )
        for hour in range(24 * 40)
    ]
    with database.sessions.begin() as session:
        add_answers(session, PROJECT_ID, answers)
        days = (date(2026, 3, 2), date(2026, 3, 31))
        every = kept_inferences(session, PROJECT_ID, "deployed-1", days, 10_000)
        some = kept_inferences(session, PROJECT_ID, "deployed-1", days, 200)
        again = kept_inferences(session, PROJECT_ID, "deployed-1", days, 200)
    assert every.of == len(every.ids) == 24 * 30
    assert [every.data[0], every.data[-1]] == [
        {"text": "24", "site": 24},
        {"text": "743", "site": 743},
    ]
    assert np.isnan(every.scores).sum() == every.of / 2
    assert some.of == every.of
    assert 150 <= len(some.ids) <= 250
    assert some.ids.tolist() == again.ids.tolist()
    assert set(some.ids.tolist()) < set(every.ids.tolist())
