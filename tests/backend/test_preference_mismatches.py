"""A project that cannot give the preferences its policy asks for is told at connect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from backend.connecting import connect_project
from backend.errors import ConnectError
from backend.preference_mismatches import uncomparable, unordered
from connectors.annotation_tool import Task
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.schema import Policy
from tests.fakes.policy_documents import make_policy
from tests.fakes.worked_project import CONFIG, Clock, WorkedProject, worked_project

TIERS = [
    {
        "name": name,
        "reviewers": [f"{name}@x.org", f"{name}2@x.org"],
        "cost_per_label": 1,
        "daily_capacity": 9,
    }
    for name in ("domain", "senior")
]
TEXTS = "".join(f'<Text name="{name}" value="${name}"/>' for name in ("prompt", "left", "right"))
PAIRWISE = parse_labeling(f'<View>{TEXTS}<Pairwise name="better" toName="left,right"/></View>')
RANKER = parse_labeling(
    '<View><List name="l" value="$answers"/><Ranker name="rank" toName="l"/></View>'
)
GOOD = {"prompt": "Why?", "left": "a", "right": "b", "order": "ba"}


def policy_of(**changes: Any) -> Policy:
    values = {"tiers": TIERS, "routes": [], "auto_accept": "never", "preferences": {}}
    return make_policy(**(values | changes))


def lacks(labeling: Labeling, *data: dict[str, Any], **changes: Any) -> list[str]:
    now = Clock()()
    tasks = [
        Task(id=number, data=each, created_at=now, updated_at=now)
        for number, each in enumerate(data, start=7)
    ]
    return unordered(policy_of(**changes), labeling, tasks)


def test_preferences_need_something_to_compare() -> None:
    (said,) = uncomparable(policy_of(), parse_labeling(CONFIG))
    assert said == (
        "preferences needs answers to compare, but the project asks 'label' (choice): give it a "
        "Pairwise on two texts, a Ranker on a List, or a Rating on each of several texts, or take "
        "the section out"
    )
    assert uncomparable(policy_of(), PAIRWISE) == uncomparable(policy_of(), RANKER) == []
    assert uncomparable(make_policy(), parse_labeling(CONFIG)) == []


def test_pairs_without_a_drawn_order_name_the_command_that_draws_one() -> None:
    assert lacks(PAIRWISE, GOOD) == lacks(PAIRWISE) == []
    (said,) = lacks(PAIRWISE, GOOD, GOOD | {"order": "left"}, {**GOOD, "order": None})
    assert said == (
        "2 of the first 3 tasks, such as 8, have no drawn order in 'order', so nobody could tell a "
        "better answer from a better place: make tasks with labelgate preferences pair FILE.jsonl "
        "--out TASKS.jsonl, or shuffle the answers and write there ab where A stands in 'left', "
        "ba where it stands in 'right'"
    )


def test_the_fields_are_those_that_the_policy_names() -> None:
    named = {"prompt": "question", "order": "drawn"}
    assert lacks(PAIRWISE, {"question": "Why?", "drawn": "ab"}, preferences=named) == []
    prompt, order = lacks(PAIRWISE, GOOD, preferences=named)
    assert "such as 7, have no text in 'question'" in prompt
    assert "no drawn order in 'drawn'" in order


def test_a_ranking_whose_order_the_page_would_sort_away_is_told() -> None:
    items = [{"id": name, "body": name} for name in ("a2", "a1")]
    good = {"prompt": "Why?", "order": "drawn", "answers": items}
    assert lacks(RANKER, good) == []
    numbers = [{"id": number, "body": str(number)} for number in (2, 1)]
    (said,) = lacks(RANKER, good | {"answers": numbers})
    assert "answers whose ids are whole numbers" in said
    (unshuffled,) = lacks(RANKER, good | {"order": ""})
    assert unshuffled.endswith("or shuffle the answers and write there how")


def test_a_policy_without_the_section_asks_nothing_of_a_pairwise_project() -> None:
    assert lacks(PAIRWISE, {"left": "a", "right": "b"}, preferences=None) == []


def connect(worked: WorkedProject, folder: Path, policy: Policy) -> None:
    file = folder / "policy.yaml"
    plain = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    file.write_text(yaml.safe_dump(plain), encoding="utf-8")
    secrets = {"robot_token": SecretStr("b" * 40), "label_studio_token": SecretStr("a" * 40)}
    settings = worked.runtime.settings.model_copy(update=secrets)
    connect_project(replace(worked.runtime, settings=settings), "worked", file)


def test_at_connect_the_tasks_are_looked_at(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    config = f'<View>{TEXTS}<Pairwise name="better" toName="left,right"/></View>'
    seen = worked.server.projects[worked.project_id]
    worked.server.projects[worked.project_id] = replace(seen, label_config=config)
    worked.server.add_tasks(worked.project_id, [GOOD, {"left": "a", "right": "b"}])
    with pytest.raises(ConnectError) as caught:
        connect(worked, tmp_path, policy_of(project="worked"))
    prompt, order = str(caught.value).splitlines()
    assert prompt.startswith(f"{tmp_path / 'policy.yaml'}: 1 of the first 2 tasks")
    assert "labelgate preferences pair" in order
