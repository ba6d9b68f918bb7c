"""Which model learns which control: the one list of Labelgate's own kinds of model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from backend.predictors.embedded import TrainedControl
from backend.predictors.errors import TrainingError
from backend.predictors.images.classifier import fit_image
from backend.predictors.numbers.model import fit_numbers, fit_ratings
from backend.predictors.paths.model import fit_paths
from backend.predictors.protocol import ControlModel, Examples, Progress, no_progress
from backend.predictors.rewards.fitting import fit_pairs
from backend.predictors.rewards.rankings import fit_rankings
from backend.predictors.sets.model import fit_sets
from backend.predictors.spans.model import fit_spans
from backend.predictors.tables.choice import fit_table_choice
from backend.predictors.texts.classifier import fit_text
from backend.predictors.texts.members import Encoder
from backend.predictors.texts.training import QUICK
from connectors.label_studio.labeling import Control, ControlKind, InputKind

_TEXTS = frozenset({InputKind.TEXT, InputKind.HYPERTEXT})
_SHOWN = _TEXTS | {InputKind.IMAGE, InputKind.TABLE}
# What each kind of control is learned from.
_LEARNED_FROM = {
    ControlKind.CHOICE: _SHOWN,
    ControlKind.CHOICES: _SHOWN,
    ControlKind.TAXONOMY: _SHOWN,
    ControlKind.RATING: _SHOWN,
    ControlKind.NUMBER: _SHOWN,
    ControlKind.PAIRWISE: frozenset({InputKind.PAIR}),
    ControlKind.SPANS: frozenset({InputKind.TEXT}),
    ControlKind.REGIONS: frozenset[InputKind](),
    ControlKind.RANKING: frozenset({InputKind.LIST}),
    ControlKind.TEXT: frozenset[InputKind](),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """How a model is trained; everything that is drawn is drawn by ``seed``.

    ``calibrated`` is for those who ask for answers alone and train many models: without it some
    kinds of model leave their confidence as it comes, and train in a fraction of the time.
    ``encode`` makes sentence vectors, which models of texts take where they add something.
    ``tolerance`` is how far a number may be off and still be right.
    """

    seed: int
    progress: Progress = no_progress
    calibrated: bool = True
    encode: Encoder | None = None
    tolerance: float = 0.0


def unlearned(control: Control) -> str | None:
    """Why no model of Labelgate's own answers the control; None where one does."""
    if control.buckets:
        return (
            f"no model of Labelgate's own answers {control.name!r}, which sorts into buckets: a "
            "reward model puts answers in order, and a Ranker without buckets asks for one"
        )
    if control.input_kind in _LEARNED_FROM[control.kind]:
        return None
    return (
        f"no model of Labelgate's own answers {control.name!r}, which asks for "
        f"{control.kind.value} on {control.input_kind.value}: name another model under 'model' in "
        "the policy"
    )


def fit_control(control: Control, examples: Examples, lesson: Lesson) -> TrainedControl:
    """Train the model of one control; the same arguments give the same model.

    Raises
        TrainingError: nothing can be learned from the examples, or no model of Labelgate's own
            answers such a control.
    """
    why = unlearned(control)
    if why is not None:
        raise TrainingError(why)
    return TrainedControl(
        kind=control.kind,
        input_kind=control.input_kind,
        model=_fitted(control, examples, lesson),
    )


def _fitted(control: Control, examples: Examples, lesson: Lesson) -> ControlModel:
    seed, progress = lesson.seed, lesson.progress
    match control.kind:
        case ControlKind.CHOICE:
            return _fitted_choice(control, examples, lesson)
        case ControlKind.CHOICES | ControlKind.TAXONOMY:
            return fit_sets(examples, seed=seed, progress=progress)
        case ControlKind.RATING:
            return fit_ratings(examples, control.labels, seed=seed, progress=progress)
        case ControlKind.NUMBER:
            tolerance = lesson.tolerance
            return fit_numbers(examples, tolerance=tolerance, seed=seed, progress=progress)
        case ControlKind.PAIRWISE | ControlKind.RANKING:
            return _fitted_preference(control, examples, lesson)
        case ControlKind.SPANS:
            return fit_spans(examples, seed=seed, progress=progress)
        case ControlKind.REGIONS | ControlKind.TEXT:
            raise TrainingError(f"{control.kind.value} are not learned")
        case _:
            assert_never(control.kind)


def _fitted_preference(control: Control, examples: Examples, lesson: Lesson) -> ControlModel:
    """Without sentence vectors: what scores answers at once cannot wait for a worker's."""
    if control.kind is ControlKind.RANKING:
        return fit_rankings(control, examples, seed=lesson.seed, progress=lesson.progress)
    return fit_pairs(examples, seed=lesson.seed, progress=lesson.progress)


def _fitted_choice(control: Control, examples: Examples, lesson: Lesson) -> ControlModel:
    seed, progress = lesson.seed, lesson.progress
    if control.input_kind is InputKind.TABLE:
        return fit_table_choice(examples, seed=seed, progress=progress)
    if control.tag == "taxonomy":
        return fit_paths(examples, seed=seed, progress=progress)
    if control.input_kind is InputKind.IMAGE:
        return fit_image(examples, seed=seed, progress=progress, calibrated=lesson.calibrated)
    plan = None if lesson.calibrated else QUICK
    return fit_text(examples, seed=seed, progress=progress, encode=lesson.encode, plan=plan)
