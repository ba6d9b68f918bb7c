"""Which model learns which control: the one list of Labelgate's own kinds of model."""

from __future__ import annotations

from backend.predictors.embedded import TrainedControl
from backend.predictors.image_classifier import fit_image
from backend.predictors.protocol import (
    ControlModel,
    Examples,
    Progress,
    TrainingError,
    no_progress,
)
from backend.predictors.spans import fit_spans
from backend.predictors.text_classifier import fit_text
from backend.predictors.text_members import Encoder
from backend.predictors.text_training import QUICK
from connectors.label_studio.labeling import Control, ControlKind, InputKind


def fit_control(  # noqa: PLR0913 - what is wanted of a model, by name
    control: Control,
    examples: Examples,
    *,
    seed: int,
    calibrated: bool = True,
    progress: Progress = no_progress,
    encode: Encoder | None = None,
) -> TrainedControl:
    """Train the model of one control; the same arguments give the same model.

    ``calibrated`` is for those who ask for answers alone and train many models: without it some
    kinds of model leave their confidence as it comes, and train in a fraction of the time.
    ``encode`` makes sentence vectors, which models of texts take where they add something.

    Raises
        TrainingError: nothing can be learned from the examples, or no model of Labelgate's own
            answers such a control.
    """
    match control.kind, control.input_kind:
        case ControlKind.CHOICE, InputKind.TEXT | InputKind.HYPERTEXT:
            plan = None if calibrated else QUICK
            model: ControlModel = fit_text(
                examples, seed=seed, progress=progress, encode=encode, plan=plan
            )
        case ControlKind.CHOICE, InputKind.IMAGE:
            model = fit_image(examples, seed=seed, progress=progress, calibrated=calibrated)
        case ControlKind.SPANS, InputKind.TEXT:
            model = fit_spans(examples, seed=seed, progress=progress)
        case kind, shown:
            raise TrainingError(
                f"no model of Labelgate's own answers {control.name!r}, which asks for "
                f"{kind.value} on {shown.value}: name another model under 'model' in the policy"
            )
    return TrainedControl(kind=control.kind, input_kind=control.input_kind, model=model)
