"""The simulation fills its days by the policy's quotas, as the running system does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from audit_jobs.simulation.loop import State, play
from audit_jobs.simulation.world import world_of
from policies.sampling import SLICE, draws
from tests.fakes.policy_documents import make_policy

pytestmark = pytest.mark.simulation

TASKS = 900
WORDS = {
    "steel": "engine wheel brake clutch gear",
    "fruit": "apple pear plum grape fig",
    "fig": "apple pear plum grape fig",  # no model can tell it from fruit
    "sea": "wave tide foam shore gull",
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half is steel, a third fruit; a third of what looks like fruit is fig; a tenth is sea."""
    rng = np.random.default_rng(4)
    lines = ["id,text,label"]
    for number in range(TASKS):
        label = str(rng.choice(list(WORDS), p=[0.5, 0.27, 0.13, 0.1]))
        lines.append(f"t{number},{' '.join(rng.choice(WORDS[label].split(), 6))},{label}")
    made = tmp_path_factory.mktemp("quotas") / "data.csv"
    made.write_text("\n".join(lines), encoding="utf-8")
    return made


def played(file: Path, **shares: float) -> State:
    policy = make_policy(
        routes=[],
        auto_accept="never",
        agreement={"share": 0.0},
        sampling=shares,
        control={"share": 0.1, "tier": "general"},
        holdout={"share": 0.1, "tier": "general"},
        retrain={"after_annotations": 50, "minimum_labels": 50},
    )
    world = world_of(policy, file, seed=1, max_tasks=None)
    return play(world, stream=False, tell=lambda _: None)


def routed(state: State) -> list[int]:
    """The tasks outside the slices, in the order in which people labelled them."""
    numbers = np.array(list(state.answers), dtype=np.int64)
    drawn = draws(state.world.policy.salt, SLICE, numbers)
    inside: list[int] = numbers[(drawn >= 0.1) & (drawn < 0.9)].tolist()
    return inside


def share_of_fruit(state: State, first: int = 150) -> float:
    """How much of what is labelled once there is a model looks like fruit."""
    labelled = [state.world.truth[number - 1] for number in routed(state)[60 : 60 + first]]
    counts = Counter(labelled)
    return (counts["fruit"] + counts["fig"]) / first


def test_a_stratified_day_is_like_the_pool_and_an_uncertain_one_is_not(file: Path) -> None:
    stratified = share_of_fruit(played(file, random=0.1, stratified=0.9))
    uncertain = share_of_fruit(played(file, random=0.1, uncertainty=0.9))
    assert stratified == pytest.approx(0.4, abs=0.1)
    assert uncertain > stratified + 0.2


def test_what_people_correct_is_labelled_earlier(file: Path) -> None:
    plain = share_of_fruit(played(file, random=0.2, stratified=0.8))
    failing = played(file, random=0.2, stratified=0.3, known_failures=0.5)
    assert share_of_fruit(failing) > plain + 0.1
    counted = failing.corrections()
    given = Counter(failing.predicted.values())
    assert {label: answers for label, (answers, _) in counted.items()} == given
    wrong = sum(label != failing.answers[task] for task, label in failing.predicted.items())
    assert sum(corrected for _, corrected in counted.values()) == wrong > 0


def test_every_part_together_labels_every_task_once(file: Path) -> None:
    parts = {"random": 0.2, "uncertainty": 0.2, "stratified": 0.2, "known_failures": 0.2}
    state = played(file, **parts, diversity=0.2)
    assert sorted(state.answers) == list(range(1, TASKS + 1))
    assert state.looks.total() == TASKS
    assert list(played(file, **parts, diversity=0.2).answers) == list(state.answers)
