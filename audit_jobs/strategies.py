"""Job: what a label is worth by the part of the queue that asked for it.

For each version's cycle the model is trained again without one strategy's new labels, with several
seeds, and asked the control tasks, which no version is ever trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from audit_jobs.measures.strategy_gains import (
    LEAST_TESTS,
    LeftOut,
    as_json,
    compared,
    pooled_gains,
)
from backend.fitting import asked_of, examples_of
from backend.job_progress import progress
from backend.predictors.errors import TrainingError
from backend.predictors.protocol import Examples, ModelInput
from backend.predictors.trainable import Lesson, fit_control
from backend.runtime import Runtime
from backend.slices import LabelledSlices, labelled_slices
from backend.store.cycles import Asked, asked_labels, training_starts
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.reports import STRATEGIES, Report, newest_report, store_report
from backend.store.tasks import stored_tasks
from connectors.label_studio.labeling import Control, parse_labeling
from policies.domain import FloatArray, column
from policies.loading import parse_policy
from policies.schema import Policy

SEEDS = 3
# A cycle costs a training for each strategy and seed: the newest ones are measured first.
CYCLES_A_RUN = 2
LEAST_LABELS = 5
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cycle:
    """What a version learned from: earlier labels, and the new ones by strategy, as task ids."""

    version: str
    before: frozenset[int]
    new: Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """What models learn from and are asked: for each control, input and answer by task id."""

    controls: Sequence[tuple[Control, Mapping[int, tuple[ModelInput, str]]]]
    usable: frozenset[int]
    tests: tuple[int, ...]

    def right(self, training: Sequence[int], seed: int) -> FloatArray:
        """1 for each control task of which the models of these labels get everything right."""
        right = np.ones(len(self.tests))
        for control, known in self.controls:
            inputs, answers = zip(*(known[task_id] for task_id in training), strict=True)
            examples = Examples.alike(inputs, answers)
            trained = fit_control(control, examples, Lesson(seed=seed, calibrated=False))
            asked, truth = zip(*(known[task_id] for task_id in self.tests), strict=True)
            right *= trained.model.answers(asked).texts == column(truth)
        return right


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Measure the newest cycles that have not been, and pool them with those that have."""
    policy = parse_policy(project.policy_text)
    with runtime.reads() as session:
        last = newest_report(session, project.id, STRATEGIES)
        slices = labelled_slices(session, project, policy)
        starts = training_starts(session, project.id)
        asked = asked_labels(session, project.id)
        serving = champion(session, project.id)
    done = [] if last is None else last.body["cycles"]
    known = {cycle["version"] for cycle in done}
    waiting = [each for each in _cycles(starts, asked, slices) if each.version not in known]
    if not waiting or len(slices.control) < LEAST_TESTS:
        return {"state": "nothing new", "cycles": len(done)}
    world = _world(runtime, project, policy, slices)

    cycles = [*done, *(_measured(world, cycle) for cycle in reversed(waiting[-CYCLES_A_RUN:]))]
    gains = pooled_gains([trial for cycle in cycles for trial in trials_of(cycle)])
    body = {"cycles": cycles, "gains": as_json(gains), "says": compared(gains)}

    with runtime.sessions.begin() as session:
        version = None if serving is None else serving.version
        report = Report(kind=STRATEGIES, model_version=version, made_at=runtime.now(), body=body)
        store_report(session, project.id, report)
    return {"cycles": len(cycles), "gains": body["gains"], "says": body["says"]}


def _cycles(
    starts: Mapping[str, datetime], asked: Sequence[Asked], slices: LabelledSlices
) -> Iterator[_Cycle]:
    """The cycles in which some strategy brought enough labels, oldest first."""
    since = _BEGINNING
    for version, until in starts.items():
        before: set[int] = set()
        new: dict[str, set[int]] = defaultdict(set)
        for each in asked:
            if each.task_id in slices.training and each.first_label < since:
                before.add(each.task_id)
            elif each.task_id in slices.training and each.first_label < until:
                new[each.strategy or ""].add(each.task_id)
        before |= new.pop("", set())
        worth = {name: frozenset(ids) for name, ids in new.items() if len(ids) >= LEAST_LABELS}
        rest = [ids for name, ids in new.items() if name not in worth]
        if before and worth:
            yield _Cycle(version=version, before=frozenset(before).union(*rest), new=worth)
        since = until


def _world(
    runtime: Runtime, project: ConnectedProject, policy: Policy, slices: LabelledSlices
) -> _World:
    labeling, fields = asked_of(parse_labeling(project.label_config), policy)
    labels = {**slices.training, **slices.control}
    with runtime.reads() as session:
        tasks = stored_tasks(session, project.id, sorted(labels))
    controls = []
    for control in labeling.controls:
        ids, examples = examples_of(
            labeling,
            control,
            (tasks, labels),
            {},
            (lambda path: runtime.tool().download(path), fields),
        )
        known = zip(examples.inputs, examples.answers, strict=True)
        controls.append((control, dict(zip(ids, known, strict=True))))
    usable = frozenset.intersection(*(frozenset(known) for _, known in controls))
    tests = tuple(task_id for task_id in sorted(slices.control) if task_id in usable)
    return _World(controls=controls, usable=usable, tests=tests)


def _measured(world: _World, cycle: _Cycle) -> dict[str, Any]:
    """A cycle's losses; a strategy without which nothing can be trained is left out."""
    all_new = frozenset().union(*cycle.new.values())
    everything = _usable(world, cycle.before | all_new)
    whole = [world.right(everything, seed) for seed in range(SEEDS)]
    left_out = []
    for place, (name, ids) in enumerate(cycle.new.items()):
        progress(f"training {cycle.version} anew without {name}", place / len(cycle.new))
        rest = _usable(world, (cycle.before | all_new) - ids)
        try:
            without = [world.right(rest, seed) for seed in range(SEEDS)]
        except TrainingError:
            continue
        lost = np.array(whole) - np.array(without)
        changed = np.flatnonzero(lost.any(axis=0)).tolist()
        left_out.append(
            {
                "strategy": name,
                "labels": len(everything) - len(rest),
                "lost": {str(world.tests[place]): lost[:, place].tolist() for place in changed},
            }
        )
    return {
        "version": cycle.version,
        "seeds": SEEDS,
        "tests": list(world.tests),
        "accuracy": float(np.mean(whole)),
        "left_out": left_out,
    }


def _usable(world: _World, ids: frozenset[int]) -> list[int]:
    return sorted(task_id for task_id in ids if task_id in world.usable)


def trials_of(cycle: Mapping[str, Any]) -> Iterator[LeftOut]:
    """A stored cycle as the measure takes it: the tasks that no model differed on are 0."""
    places = {task_id: place for place, task_id in enumerate(cycle["tests"])}
    for each in cycle["left_out"]:
        lost = np.zeros((cycle["seeds"], len(places)))
        for task_id, by_seed in each["lost"].items():
            lost[:, places[int(task_id)]] = by_seed
        yield LeftOut(
            strategy=each["strategy"],
            labels=each["labels"],
            tests=np.array(cycle["tests"], np.int64),
            lost=lost,
        )
