"""The signals that a policy's routes look at are there wherever the running system decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.candidates import candidates_of, joined, with_class_support
from backend.predictors.protocol import Asked, Predicted, Predictor
from backend.routing import route
from backend.store.decisions import current_decisions
from backend.store.models import all_versions, champion
from backend.store.training import request_training
from backend.synchronisation import synchronise
from backend.training import train
from connectors.label_studio.labeling import parse_labeling
from policies.domain import column, part_of
from policies.sampling import SLICE, draws
from policies.schema import Policy
from policies.uncertainty import entropies, margins
from tests.fakes.policy_documents import make_policy
from tests.fakes.predictors import asked
from tests.fakes.web_project import CONFIG, POLICY, task, web_project
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

ROUTES = [
    {"kind": "margin", "below": 0.2, "tier": "senior"},
    {"kind": "entropy", "above": 0.9, "tier": "senior"},
    {"kind": "class_support", "below": 5, "tier": "general"},
]


class ThreeLabels:
    """Answers each text with the probabilities that it is told."""

    version = "v1"
    labels = ("A", "B", "gone")

    def predict(self, asked: Asked) -> Predicted:
        none = [np.nan] * 3
        told = {"sure": [0.8, 0.15, 0.05], "unsure": [0.4, 0.35, 0.25], "gone": [0.1, 0.1, 0.8]}
        texts = [each.get("text") for each in asked.data]
        chances = np.array([told.get(str(text), none) for text in texts])
        said = column(self.labels)[chances.argmax(axis=1)]
        said[[text is None for text in texts]] = None
        return Predicted(
            texts=said,
            scores=chances.max(axis=1),
            problems=column([None if text else "no text" for text in texts]),
            signals={"margin": margins(chances), "entropy": entropies(chances)},
        )


def answers(policy: Policy, texts: list[str | None], predictor: Predictor | None) -> Any:
    data: list[dict[str, Any]] = [{"text": text} if text else {} for text in texts]
    return candidates_of(policy, predictor, asked(parse_labeling(CONFIG), data))


def test_margin_and_entropy_come_with_the_answers_where_the_policy_asks() -> None:
    candidates = answers(
        make_policy(routes=ROUTES), ["sure", None, "unsure", "gone"], ThreeLabels()
    )
    assert candidates.signals["margin"].tolist() == pytest.approx(
        [0.65, np.nan, 0.05, np.nan], nan_ok=True
    )
    assert np.isnan(candidates.signals["entropy"]).tolist() == [False, True, False, True]
    sure, _, unsure, _ = candidates.signals["entropy"]
    assert sure < 0.6
    assert unsure > 0.9
    assert answers(make_policy(), ["sure"], ThreeLabels()).signals == {}
    assert np.isnan(answers(make_policy(routes=ROUTES), ["sure"], None).signals["margin"]).all()


def test_parts_and_joined_batches_keep_their_signals() -> None:
    policy = make_policy(routes=ROUTES)
    whole = answers(policy, ["sure", "unsure"], ThreeLabels())
    parts = [part_of(whole, slice(place, place + 1)) for place in range(2)]
    again = joined(parts)
    assert parts[1].signals["margin"].tolist() == whole.signals["margin"][1:].tolist()
    assert again.signals["entropy"].tolist() == whole.signals["entropy"].tolist()


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Forty tasks answered by people, most of them B, and forty new ones."""
    made = worked_project(tmp_path, worked_policy(routes=ROUTES, retrain={"minimum_labels": 20}))
    made.add([*["fruit"] * 8, *["motor"] * 50])
    for each in made.tasks:
        label = "A" if "apples" in each.data["text"] else "B"
        made.server.submit(made.people["ann"], each.id, label)
    made.add(["fruit", "motor"] * 20)
    synchronise(made.runtime, made.project)
    return made


def test_the_ledger_is_decided_on_what_the_version_had_seen(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 40, worked.clock())
    assert train(worked.runtime, worked.project)["state"] == "promoted"
    with worked.runtime.reads() as session:
        (model,) = all_versions(session, worked.project_id)
    examples = model.lineage["examples_by_label"]
    assert sum(examples.values()) == model.lineage["examples"]
    seen_enough = max(examples, key=examples.get)
    limit = {"kind": "class_support", "below": examples[seen_enough], "tier": "senior"}
    worked.connect(worked_policy(routes=[limit]))
    route(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        entries = list(current_decisions(session, worked.project_id, labelled=False))
    outside = [entry.decision for entry in entries if not entry.decision.blind]
    assert {each.label for each in outside} == {"A", "B"}
    for each in outside:
        assert (each.rule == "routes[0]") is (each.label != seen_enough)


def test_a_version_that_noted_no_examples_has_seen_none(worked: WorkedProject) -> None:
    worked.promote()
    with worked.runtime.reads() as session:
        model = champion(session, worked.project_id)
    candidates = answers(make_policy(routes=ROUTES), ["sure", "gone"], ThreeLabels())
    counted = with_class_support(candidates, model).signals["class_support"]
    assert counted.tolist() == pytest.approx([0, np.nan], nan_ok=True)


def test_predict_answers_under_such_a_policy(tmp_path: Path) -> None:
    routes = "routes:\n" + "".join(
        f"  - {{kind: {kind}, {side}: {limit}, tier: senior}}\n"
        for kind, side, limit in (
            ("margin", "below", 0.2),
            ("entropy", "above", 0.9),
            ("class_support", "below", 5),
        )
    )
    project = web_project(tmp_path)
    project.connect(policy=POLICY + routes + "agreement: {share: 0}\n")
    project.promote("v1")
    undrawn = [
        task_id
        for task_id in range(1, 60)
        if 0.1 <= draws("labelgate", SLICE, np.array([task_id]))[0] < 0.9
    ]
    body = {"project": "1.1", "tasks": [task(task_id) for task_id in undrawn]}
    response = project.client().post("/predict", json=body)
    assert response.status_code == 200
    assert all(answer["score"] > 0.5 for answer in response.get_json()["results"])
