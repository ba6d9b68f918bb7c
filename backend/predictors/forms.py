"""How each kind of model stands in a model file: as plain values and scikit-learn's own types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from backend.predictors.embedded import TrainedControl
from backend.predictors.images.classifier import ImageModel, image_as_plain, image_from_plain
from backend.predictors.numbers.model import NumberModel, numbers_as_plain, numbers_from_plain
from backend.predictors.paths.model import PathModel, paths_as_plain, paths_from_plain
from backend.predictors.protocol import ControlModel
from backend.predictors.rewards.model import RewardModel, reward_as_plain, reward_from_plain
from backend.predictors.rewards.rankings import (
    RankingModel,
    ranking_as_plain,
    ranking_from_plain,
)
from backend.predictors.sets.model import SetModel, sets_as_plain, sets_from_plain
from backend.predictors.spans.model import SpansModel, spans_as_plain, spans_from_plain
from backend.predictors.tables.choice import (
    TableChoice,
    table_choice_as_plain,
    table_choice_from_plain,
)
from backend.predictors.texts.classifier import TextModel, text_as_plain, text_from_plain
from connectors.label_studio.labeling import ControlKind, InputKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A kind of model: its class, and how it is written and read."""

    model: type[Any]
    as_plain: Callable[[Any], dict[str, Any]]
    from_plain: Callable[[Mapping[str, Any]], ControlModel]


def control_as_plain(name: str, trained: TrainedControl) -> dict[str, Any]:
    """A control's model in plain values. TypeError for a model of no known kind."""
    for kind, form in FORMS.items():
        if isinstance(trained.model, form.model):
            return {
                "name": name,
                "kind": trained.kind.value,
                "input_kind": trained.input_kind.value,
                "model": kind,
                "values": form.as_plain(trained.model),
            }
    raise TypeError(f"no form to keep {type(trained.model).__name__} in")


def control_from_plain(values: Mapping[str, Any]) -> tuple[str, TrainedControl]:
    """What ``control_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    form = FORMS.get(values["model"])
    if form is None:
        raise ValueError(f"no model of today is called {values['model']!r}: train the model anew")
    trained = TrainedControl(
        kind=ControlKind(values["kind"]),
        input_kind=InputKind(values["input_kind"]),
        model=form.from_plain(values["values"]),
    )
    return str(values["name"]), trained


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "text": Form(model=TextModel, as_plain=text_as_plain, from_plain=text_from_plain),
        "image": Form(model=ImageModel, as_plain=image_as_plain, from_plain=image_from_plain),
        "spans": Form(model=SpansModel, as_plain=spans_as_plain, from_plain=spans_from_plain),
        "sets": Form(model=SetModel, as_plain=sets_as_plain, from_plain=sets_from_plain),
        "paths": Form(model=PathModel, as_plain=paths_as_plain, from_plain=paths_from_plain),
        "numbers": Form(
            model=NumberModel, as_plain=numbers_as_plain, from_plain=numbers_from_plain
        ),
        "table": Form(
            model=TableChoice, as_plain=table_choice_as_plain, from_plain=table_choice_from_plain
        ),
        "ranking": Form(
            model=RankingModel, as_plain=ranking_as_plain, from_plain=ranking_from_plain
        ),
        "reward": Form(model=RewardModel, as_plain=reward_as_plain, from_plain=reward_from_plain),
    }
)
