"""The look at an installation sees what it is there to see: each kind of loss, each doubling."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, update

from backend.store.tables import AnnotationRow, DecisionRow
from tests.faults.invariants import MARKERS, is_sound, wrongs
from tests.faults.plant import Plant

pytestmark = pytest.mark.label_studio


def test_a_changed_ledger_is_seen(plant: Plant) -> None:
    here = DecisionRow.project_id == plant.stage.project_id
    is_sound(plant)
    sessions = plant.stage.runtime.sessions
    with sessions.begin() as session:
        reason = session.scalar(select(DecisionRow.reason).where(here, DecisionRow.seq == 2))
        session.execute(update(DecisionRow).where(here, DecisionRow.seq == 2).values(reason="-"))
    try:
        assert any("ledger is broken at 2" in each for each in wrongs(plant))
    finally:
        with sessions.begin() as session:
            restored = update(DecisionRow).where(here, DecisionRow.seq == 2)
            session.execute(restored.values(reason=reason))


def test_a_lost_answer_is_seen(plant: Plant) -> None:
    here = AnnotationRow.project_id == plant.stage.project_id
    is_sound(plant)
    sessions = plant.stage.runtime.sessions
    with sessions.begin() as session:
        lost = session.scalar(select(func.min(AnnotationRow.annotation_id)).where(here))
        chosen = update(AnnotationRow).where(here, AnnotationRow.annotation_id == lost)
        session.execute(chosen.values(deleted_at=datetime.now(UTC)))
    try:
        assert any("answers here and in Label Studio" in each for each in wrongs(plant))
    finally:
        with sessions.begin() as session:
            session.execute(chosen.values(deleted_at=None))


def test_a_doubled_prediction_is_seen(plant: Plant) -> None:
    is_sound(plant)
    stage = plant.stage
    shown = next(
        each
        for task in stage.tasks()
        for each in task["predictions"]
        if each["model_version"].startswith(MARKERS)
    )
    body = {name: shown[name] for name in ("task", "result", "score", "model_version")}
    made = stage.client.post("/api/predictions", json=body).json()["id"]
    try:
        assert any("doubled" in each for each in wrongs(plant))
    finally:
        stage.client.delete(f"/api/predictions/{made}/").raise_for_status()


def test_what_was_acknowledged_and_is_nowhere_is_seen(plant: Plant) -> None:
    is_sound(plant)
    oracle = plant.oracle
    oracle.acknowledged_answers.add("nowhere")
    oracle.acknowledged_inferences.add("nowhere")
    [place] = oracle.new_places(1)
    oracle.acknowledged_places.add(place)
    try:
        found = [each for each in wrongs(plant) if "nowhere" in each or str(place) in each]
    finally:
        oracle.acknowledged_answers.remove("nowhere")
        oracle.acknowledged_inferences.remove("nowhere")
        oracle.acknowledged_places.remove(place)
    assert len(found) == 3
