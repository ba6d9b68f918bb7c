"""Models in the simulation: trained, judged and certified as the running system does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit_jobs.simulation.world import World
from backend.candidates import candidates_of, with_examples_seen
from backend.certification import answers_to_wait_for, sample
from backend.gate import judge
from backend.predictors.inputs import read_inputs
from backend.predictors.sklearn_models import SklearnPredictor, TrainingError, fit
from policies.domain import BoolArray, Candidates, Certificate
from policies.planning import reaching_auto_accept
from policies.sampling import SLICE, draws
from policies.schema import AutoAccept, Policy
from policies.thresholds import certify, grid_from_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A promoted version, what it says of every task, and its certificate once there is one."""

    version: str
    candidates: Candidates
    certificate: Certificate | None = None

    def right(self, answers: Mapping[int, str]) -> BoolArray:
        """Which of the answered tasks it gets right, by task number; no answer is not right."""
        said = self.candidates.labels
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
    numbers = sorted(slices.training)
    data = [world.data[n - 1] for n in numbers]
    values = read_inputs(world.labeling, data, _nothing_to_download).values
    examples = [
        (value, slices.training[n])
        for n, value in zip(numbers, values, strict=True)
        if value is not None
    ]
    try:
        model = fit(
            world.labeling.input_kind,
            [value for value, _ in examples],
            [label for _, label in examples],
            seed=number,
        )
    except TrainingError:
        return None
    predictor = SklearnPredictor(version=f"v{number}", model=model)
    seen = Counter(label for _, label in examples)
    challenger = Serving(
        version=predictor.version,
        candidates=with_examples_seen(_candidates(world, predictor), seen),
    )
    before = None if serving is None else serving.right(slices.holdout)
    return challenger if judge(challenger.right(slices.holdout), before).promoted else None


def certified(
    world: World, serving: Serving, control: Mapping[int, str], unlabelled: Sequence[int]
) -> Certificate | None:
    """The version's certificate; None where it is too early, or the policy never accepts.

    ``unlabelled`` are the numbers of the tasks that nobody has labelled: they place the grid.
    """
    rule = world.policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return None
    wait = answers_to_wait_for(rule, world.policy, unlabelled)
    if len(control) < wait:
        return None
    # As in backend.certification: what a route takes to people has no say.
    reaching = reaching_auto_accept(world.policy, serving.candidates)
    answers = {number: label for number, label in control.items() if reaching[number - 1]}
    if len(answers) < wait:
        return None
    open_places = np.array(sample(unlabelled), dtype=np.int64) - 1
    scores = serving.candidates.scores
    grid = grid_from_scores(
        scores[open_places[reaching[open_places]]],
        max_error_rate=rule.max_error_rate,
        confidence=rule.confidence,
        n_labelled=len(answers),
        floor=rule.floor,
    )
    return certify(
        scores[np.array(sorted(answers), dtype=np.int64) - 1],
        ~serving.right(answers),
        grid=grid,
        max_error_rate=rule.max_error_rate,
        confidence=rule.confidence,
        model_version=serving.version,
    )


def _candidates(world: World, predictor: SklearnPredictor | None) -> Candidates:
    rows = (range(1, len(world) + 1), [dict(data) for data in world.data])
    return candidates_of(world.policy, world.labeling, predictor, rows, _nothing_to_download)


def _nothing_to_download(path: str) -> bytes:
    raise ValueError(f"a text is never downloaded, yet {path!r} was asked for")
