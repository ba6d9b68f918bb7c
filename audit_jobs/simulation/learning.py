"""Models in the simulation: trained, judged and certified as the running system does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit_jobs.simulation.world import World
from backend.candidates import candidates_of, model_alone, with_examples_seen
from backend.certification import sample, slice_is_open, version_promises
from backend.fitting import Wanted, fit_tasks
from backend.gate import judge
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.errors import TrainingError
from backend.predictors.protocol import Asked
from backend.store.tasks import StoredTask
from policies.certifying import (
    Evidence,
    certify_promises,
    extended,
    missing,
    reaching_auto_accept,
    ready,
)
from policies.domain import BoolArray, Candidates, Certification, ObjectArray, column, part_of
from policies.gate_checks import Measured
from policies.promises import AutoAccept
from policies.sampling import SLICE, draws
from policies.schema import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A promoted version, what is said of every task, and what of it is certified.

    ``candidates`` hold the answers of the rules of automation too, ``alone`` the model's labels.
    """

    predictor: EmbeddedPredictor
    candidates: Candidates
    alone: ObjectArray
    certification: Certification | None = None

    @property
    def version(self) -> str:
        """The version's name."""
        return self.predictor.version

    def right(self, answers: Mapping[int, str]) -> BoolArray:
        """Which of the answered tasks it gets right, by task number; no answer is not right."""
        said = self.alone
        return np.array([said[n - 1] == answers[n] for n in sorted(answers)], dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """People's answers by task number, apart for each use that an answer may have."""

    training: dict[int, str]
    control: dict[int, str]
    holdout: dict[int, str]


def slices_of(policy: Policy, answers: Mapping[int, str]) -> Slices:
    """All answers, split so that no task is trained on and measured on."""
    numbers = sorted(answers)
    drawn = draws(policy.salt, SLICE, np.array(numbers, dtype=np.int64)).tolist()
    parts = Slices(training={}, control={}, holdout={})
    for number, draw in zip(numbers, drawn, strict=True):
        if draw < policy.control.share:
            parts.control[number] = answers[number]
        elif draw >= 1 - policy.holdout.share:
            parts.holdout[number] = answers[number]
        else:
            parts.training[number] = answers[number]
    return parts


def unserved(world: World) -> Candidates:
    """Every task before there is a model."""
    return _candidates(world, None)


def trained(world: World, slices: Slices, serving: Serving | None, number: int) -> Serving | None:
    """A version trained on the answers; None where nothing can be learned or it is not promoted."""
    tasks = [StoredTask(id=n, data=dict(world.data[n - 1])) for n in sorted(slices.training)]
    wanted = Wanted(version=f"v{number}", seed=number, encoding=world.encoding)
    answered = (tasks, slices.training)
    try:
        made = fit_tasks(world.labeling, world.policy, answered, wanted, _nothing_to_download)
    except TrainingError:
        return None
    before = None if serving is None else replace(serving.predictor, forerunner=None)
    predictor = replace(made, forerunner=before)
    challenger = _challenger(world, predictor, Counter(slices.training.values()))
    standing = None if serving is None else Measured(right=serving.right(slices.holdout))
    found = judge(Measured(right=challenger.right(slices.holdout)), standing)
    return challenger if found.promoted else None


def _challenger(world: World, predictor: EmbeddedPredictor, seen: Mapping[str, int]) -> Serving:
    candidates = with_examples_seen(_candidates(world, predictor), seen)
    alone = candidates
    if world.policy.automation:
        alone = _candidates(replace(world, policy=model_alone(world.policy)), predictor)
    return Serving(predictor=predictor, candidates=candidates, alone=alone.labels)


def certified(
    world: World, serving: Serving, control: Mapping[int, str], unlabelled: Sequence[int]
) -> Certification | None:
    """What of the version's promises is certified by now, as ``backend.certification`` does it.

    ``unlabelled`` are the numbers of the tasks that nobody has labelled: they place the grids.
    """
    rule, policy = world.policy.auto_accept, world.policy
    if not isinstance(rule, AutoAccept):
        return None
    promises = missing(version_promises(rule, policy, world.labeling.labels), serving.certification)
    reaching = reaching_auto_accept(policy, serving.candidates)
    answered = [number for number in sorted(control) if reaching[number - 1]]
    asked = of_tasks(serving, answered)
    due = ready(rule, promises, asked, slice_is_open=slice_is_open(policy, unlabelled))
    if not due:
        return serving.certification
    evidence = Evidence(
        control=asked,
        truth=column([control[number] for number in answered]),
        pool=of_tasks(serving, [number for number in sample(unlabelled) if reaching[number - 1]]),
    )
    found = certify_promises(rule, due, evidence, model_version=serving.version)
    return extended(serving.certification, found, serving.version)


def of_tasks(serving: Serving, numbers: Sequence[int]) -> Candidates:
    """What the version says of these tasks, in their order of arrival."""
    places = np.zeros(len(serving.candidates), bool)
    places[np.array(numbers, dtype=np.int64) - 1] = True
    return part_of(serving.candidates, places)


def _candidates(world: World, predictor: EmbeddedPredictor | None) -> Candidates:
    asked = Asked(
        labeling=world.labeling,
        label_config="",
        task_ids=range(1, len(world) + 1),
        data=world.data,
        download=_nothing_to_download,
    )
    return candidates_of(world.policy, predictor, asked)


def _nothing_to_download(path: str) -> bytes:
    raise ValueError(f"a text is never downloaded, yet {path!r} was asked for")
