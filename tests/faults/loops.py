"""Whether the loop goes on: a text that comes now is decided and shows in Label Studio."""

from __future__ import annotations

from backend.store.decisions import decisions_of
from tests.end_to_end.stage import text_of
from tests.faults.invariants import MARKERS, is_sound, remember
from tests.faults.people import ask_for
from tests.faults.plant import Plant
from tests.waiting import until


def nothing_is_lost_or_doubled(plant: Plant) -> None:
    """The invariants hold, and go on holding with one more text.

    Where Label Studio has died since the last look, a night passes first: it may have stored an
    answer and neither counted nor dated it, which only a reading of everything finds.
    """
    if plant.label_studio_died:
        ask_for(plant, "reconcile")
        plant.label_studio_died = False
    is_sound(plant)
    remember(plant)
    the_loop_goes_on(plant)


def the_loop_goes_on(plant: Plant) -> int:
    """Import one text; its task, once it was decided and is delivered."""
    stage, oracle = plant.stage, plant.oracle
    [place] = oracle.new_places(1)
    rows = [{"text": text_of(place)[0], "place": place}]
    path = f"/api/projects/{stage.project_id}/import?return_task_ids=true"
    said = stage.client.post(path, json=rows)
    assert said.status_code == 201, said.text
    oracle.acknowledged_places.add(place)
    [task_id] = said.json()["task_ids"]
    oracle.opened.add(task_id)

    def decided_and_shown() -> bool:
        with stage.runtime.reads() as session:
            if task_id not in decisions_of(session, stage.project_id, [task_id]):
                return False
        task = stage.task(task_id)
        shown = [p for p in task["predictions"] if p["model_version"].startswith(MARKERS)]
        return len(shown) == 1 or len(task["annotations"]) == 1

    until(decided_and_shown, f"task {task_id} is decided and delivered")
    return int(task_id)
