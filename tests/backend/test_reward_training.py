"""A project of preferences is trained, gated and made again as every other, prompts kept apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import training
from backend.champion import load_embedded
from backend.lineage import learned_from
from backend.predictors.rewards.comparisons import Answers
from backend.predictors.rewards.model import RewardModel
from backend.prompt_leakage import without_measured_prompts
from backend.reproduction import reproduce
from backend.slices import LabelledSlices, labelled_slices
from backend.store.models import all_versions
from backend.store.training import request_training
from backend.synchronisation import synchronise
from policies.domain import Purpose
from policies.loading import parse_policy
from policies.schema import Policy
from tests.fakes.worked_project import FAR_CAPACITY, WorkedProject, worked_policy, worked_project

CONFIG = (
    '<View><Text name="q" value="$prompt"/><Text name="l" value="$left"/>'
    '<Text name="r" value="$right"/><Pairwise name="better" toName="l,r"/></View>'
)
WORDS = ("clear", "kind", "correct"), ("rude", "wrong", "vague")
PER_PROMPT = 3


def preference_policy(**preferences: object) -> Policy:
    tiers = [
        {
            "name": name,
            "reviewers": [f"{person}@example.com" for person in people],
            "cost_per_label": cost,
            "daily_capacity": FAR_CAPACITY,
        }
        for name, people, cost in (("domain", ("ann", "bob"), 1.0), ("senior", ("sue",), 2.0))
    ]
    return worked_policy(
        tiers=tiers,
        auto_accept="never",
        agreement={"share": 0.1, "overlap": 2},
        control={"share": 0.1},
        holdout={"share": 0.1},
        retrain={"after_annotations": 10, "minimum_labels": 20},
        preferences=preferences,
    )


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Two hundred and ten pairs, three a prompt; the better one is a matter of words."""
    made = worked_project(tmp_path)
    project = made.server.projects[made.project_id]
    made.server.projects[made.project_id] = replace(project, label_config=CONFIG)
    made.connect(preference_policy())
    rng = np.random.default_rng(0)
    data: list[dict[str, Any]] = []
    for number in range(210):
        good, bad = (" ".join(rng.choice(words, 4)) for words in WORDS)
        left, right = (good, bad) if number % 2 else (bad, good)
        prompt = f"Say it {number // PER_PROMPT}"
        data.append({"prompt": prompt, "left": left, "right": right, "order": "ab"})
    made.server.add_tasks(made.project_id, data)
    for task in made.tasks:
        side = "left" if set(task.data["left"].split()) <= set(WORDS[0]) else "right"
        made.server.submit(made.people["ann"], task.id, side)
    synchronise(made.runtime, made.project)
    return made


def slices_of(worked: WorkedProject) -> tuple[LabelledSlices, LabelledSlices]:
    """All labelled slices, and what is left of them to be trained on."""
    policy = parse_policy(worked.project.policy_text)
    with worked.runtime.reads() as session:
        every = labelled_slices(session, worked.project, policy)
        return every, without_measured_prompts(session, worked.project, policy, every)


def train(worked: WorkedProject) -> dict[str, Any]:
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 210, worked.clock())
    return training.train(worked.runtime, worked.project)


def test_no_prompt_is_both_trained_on_and_measured_on(worked: WorkedProject) -> None:
    every, kept = slices_of(worked)
    prompts = {task.id: task.data["prompt"] for task in worked.tasks}
    measured = {prompts[each] for each in (*every.control, *every.holdout)}
    assert measured & {prompts[each] for each in every.training}
    assert not measured & {prompts[each] for each in kept.training}
    assert (kept.control, kept.holdout) == (every.control, every.holdout)
    assert 0.5 < len(kept.training) / len(every.training) < 0.8  # 0.8 ** 2 is expected


def test_a_slice_that_nobody_has_answered_yet_keeps_its_prompts_too(worked: WorkedProject) -> None:
    every, kept = slices_of(worked)
    unanswered = replace(every, control={}, holdout={})
    policy = parse_policy(worked.project.policy_text)
    with worked.runtime.reads() as session:
        still = without_measured_prompts(session, worked.project, policy, unanswered)
    assert still.training == kept.training


def test_a_project_without_preferences_loses_nothing(worked: WorkedProject) -> None:
    worked.connect(worked_policy())
    every, kept = slices_of(worked)
    assert kept is every


def test_it_is_trained_gated_recorded_and_made_again(worked: WorkedProject) -> None:
    _, kept = slices_of(worked)
    first, second = train(worked), train(worked)
    assert (first["state"], second["state"]) == ("promoted", "promoted")
    with worked.runtime.reads() as session:
        model = all_versions(session, worked.project_id)[-1]
        examples = learned_from(session, worked.project, kept)
    assert model.lineage["examples"] == len(kept.training) == len(examples)
    assert model.verdict["holdout_accuracy"]["value"] > 0.9
    assert model.verdict["wins"] == model.verdict["losses"] == 0
    again = reproduce(worked.runtime, worked.project, model)
    assert again.same
    assert again.why == ()


def test_the_prompt_is_read_and_the_better_answer_found(worked: WorkedProject) -> None:
    train(worked)
    policy = parse_policy(worked.project.policy_text)
    with worked.runtime.reads() as session:
        model = all_versions(session, worked.project_id)[-1]
    predictor = load_embedded(worked.runtime, policy, model)
    reward = predictor.controls["better"].model
    assert isinstance(reward, RewardModel)
    assert predictor.prompt == "prompt"
    good, bad = reward.worths(Answers(prompts=["Say it"] * 2, responses=["kind", "rude"]))
    assert good > bad


@pytest.mark.parametrize("prerank", [False, True])
def test_people_see_the_models_order_only_where_the_policy_says_so(
    worked: WorkedProject, *, prerank: bool
) -> None:
    train(worked)
    worked.connect(preference_policy(prerank=prerank))
    data = [
        {"prompt": f"New {number}", "left": "kind words", "right": "rude words", "order": "ab"}
        for number in range(40)
    ]
    new = set(worked.server.add_tasks(worked.project_id, data))
    worked.settle()
    routed = new & set(worked.with_purpose(Purpose.ROUTED))
    assert routed
    shown = {
        task.id
        for task in worked.tasks
        if any(each.prelabel.result for each in worked.server.tasks[task.id].predictions)
    }
    assert shown & new == (routed if prerank else set())


def test_a_choice_of_ties_beside_the_pair_is_left_to_people(worked: WorkedProject) -> None:
    project = worked.server.projects[worked.project_id]
    even = '<Choices name="even" toName="q"><Choice value="tie"/><Choice value="none"/></Choices>'
    config = CONFIG.replace("</View>", f"{even}</View>")
    worked.server.projects[worked.project_id] = replace(project, label_config=config)
    worked.connect(preference_policy())
    synchronise(worked.runtime, worked.project)
    assert train(worked)["state"] == "promoted"
    with worked.runtime.reads() as session:
        model = all_versions(session, worked.project_id)[-1]
    assert model.verdict["holdout_accuracy"]["value"] > 0.9
