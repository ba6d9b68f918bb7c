"""Tasks and answers that are nearly right go through the whole loop, and its pages show them.

Each case is a task of a connected project with an answer of a person, as Label Studio's JSON gives
them: it is synchronised, decided, delivered and answered like any other, and no page breaks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from connectors.label_studio.convert import ConversionError, task_of
from tests.fakes.visitors import quick_passwords
from tests.fuzz.campaign import Campaign
from tests.fuzz.corpus import ANNOTATION, TASK, TASK_DATA
from tests.fuzz.mutations import mutated
from tests.fuzz.shares import forms
from tests.fuzz.surroundings import Surroundings, Who, surroundings

__all__ = ["quick_passwords"]
_CHOICE = {"id": "x", "from_name": "label", "to_name": "text", "type": "choices"}
_ANSWER = [{**_CHOICE, "value": {"choices": ["A"]}, "score": 0.5}]


@pytest.mark.usefixtures("quick_passwords")
@pytest.mark.parametrize("cases", forms("loops"))
def test_any_task_goes_through_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, cases: int
) -> None:
    around = surroundings(tmp_path, monkeypatch)
    campaign = Campaign("loops")
    tasks = st.tuples(mutated([TASK_DATA]), mutated([_ANSWER]))
    campaign.explore(tasks, lambda case: _goes_through(around, *case), cases)
    assert around.truth()
    around.worked.runtime.sessions.kw["bind"].dispose()
    campaign.close(request)


def _goes_through(around: Surroundings, data: Any, result: Any) -> str:
    worked = around.worked
    try:
        sent = task_of({**TASK, "data": data, "annotations": [{**ANNOTATION, "result": result}]})
    except ConversionError:
        return "no task"
    (task_id,) = worked.server.add_tasks(worked.project_id, [sent.data])
    worked.round()
    decided = worked.decisions()[task_id]
    task = worked.server.tasks[task_id]
    worked.server.annotate(worked.people["sue"], task, sent.annotations[0].result)
    worked.round()
    _shown(around, task_id)
    worked.server.delete_task(task_id)  # so that later cases take no longer
    return str(decided.outcome)


def _shown(around: Surroundings, task_id: int) -> None:
    client = around.app.test_client(use_cookies=False)
    headers = around.headers(Who.ADMIN, {"accountToken"})
    decisions = f"/projects/{around.project_id}/decisions"
    found = client.get(f"{decisions}.json?task={task_id}", headers=headers)
    assert found.status_code == 200, around.failures
    (row, *_) = found.get_json()["decisions"]
    asked = (f"{decisions}?task={task_id}", f"{decisions}/{row['seq']}")
    for path in (*asked, f"{decisions}.csv?task={task_id}"):
        page = client.get(path, headers=headers)
        assert page.status_code == 200, (path, around.failures)
        assert page.get_data()
