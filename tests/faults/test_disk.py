"""The disk under the database and the models is full: what cannot be kept is refused, no more."""

from __future__ import annotations

import time

import httpx
import pytest

from backend.secret_files import require_webhook_secret
from connectors.label_studio.events import SECRET_HEADER
from tests.faults.disks import full, limited
from tests.faults.loops import nothing_is_lost_or_doubled
from tests.faults.people import at_work
from tests.faults.plant import Plant, descendants
from tests.waiting import until

pytestmark = pytest.mark.label_studio

_LARGE = 40_000  # ids in a webhook: too much for what is left of a write-ahead log


@pytest.mark.long
def test_a_full_disk_is_told_and_outlived(plant: Plant) -> None:
    if not plant.disk_is_small:
        pytest.skip(
            "no small disk here: run as root where mount(2) is allowed (a container: "
            "--cap-add SYS_ADMIN); the limit on the size of files stands in for it"
        )
    with at_work(plant, seed=300):
        with full(plant.stage.settings.data_dir):
            until(lambda: refused(plant), "what cannot be kept is refused")
            assert plant.stage.healthy()
            time.sleep(2)  # rounds go on, and fail
        time.sleep(1)
    nothing_is_lost_or_doubled(plant)


def test_files_that_may_not_grow_are_outlived(plant: Plant) -> None:
    assert plant.served is not None
    with at_work(plant, seed=301):
        family = [plant.served.pid, *descendants(plant.served.pid)]
        with limited(family, 4096):
            until(lambda: refused(plant), "what cannot be kept is refused")
            assert plant.stage.healthy()
            time.sleep(2)  # rounds go on, and fail
        time.sleep(1)
    nothing_is_lost_or_doubled(plant)


def refused(plant: Plant) -> bool:
    """Whether a webhook that needs room gets the answer that it is not kept, and that soon."""
    settings = plant.stage.settings
    event = {
        "action": "TASKS_CREATED",
        "tasks": [{"id": 1, "data": {}}] * _LARGE,
        "project": {"id": plant.stage.project_id},
    }
    said = httpx.post(
        f"http://127.0.0.1:{settings.port}/webhook",
        json=event,
        headers={SECRET_HEADER: require_webhook_secret(settings)},
        timeout=60,
    )
    assert said.status_code in {201, 503}, said.text
    return said.status_code == httpx.codes.SERVICE_UNAVAILABLE
