"""A model file is half written, or half gone: people get the tasks, until it is whole again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.store.decisions import decisions_of
from backend.store.models import champion
from policies.domain import Outcome
from tests.faults.loops import nothing_is_lost_or_doubled, the_loop_goes_on
from tests.faults.plant import Plant
from tests.waiting import until

pytestmark = pytest.mark.label_studio


def test_a_half_written_model_file_decides_nothing(plant: Plant) -> None:
    nothing_is_lost_or_doubled(plant)
    with halved(model_file(plant)):
        task_id = the_loop_goes_on(plant)
        with plant.stage.runtime.reads() as session:
            decision = decisions_of(session, plant.stage.project_id, [task_id])[task_id]
        assert decision.outcome is Outcome.REVIEW
        assert decision.label is None  # the slices say why they were drawn, not what they lack
        assert "routing.model_unreadable" in plant.end_of_log()
        assert plant.stage.healthy()
    nothing_is_lost_or_doubled(plant)


@pytest.mark.long
def test_what_a_dead_trainer_left_half_written_is_never_read(plant: Plant) -> None:
    file = model_file(plant)
    draft = file.with_name(f".{file.name}.0123abcd")
    draft.write_bytes(file.read_bytes()[:1000])
    try:
        nothing_is_lost_or_doubled(plant)
    finally:
        draft.unlink(missing_ok=True)


def model_file(plant: Plant) -> Path:
    """The file of the version that serves."""

    def path() -> Path | None:
        with plant.stage.runtime.reads() as session:
            serving = champion(session, plant.stage.project_id)
        if serving is None or not serving.path:
            return None
        return plant.stage.settings.models_dir / serving.path

    return until(path, "a version serves")


@contextmanager
def halved(file: Path) -> Iterator[None]:
    """Only the first half is there within the block."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    try:
        yield
    finally:
        file.write_bytes(content)
