"""How each kind of model stands in a model file: as plain values and scikit-learn's own types."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from backend.predictors.embedded import TrainedControl
from backend.predictors.protocol import ControlModel
from backend.predictors.sklearn_models import FittedModel
from backend.predictors.spans import SpansModel, spans_as_plain, spans_from_plain
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
    trained = TrainedControl(
        kind=ControlKind(values["kind"]),
        input_kind=InputKind(values["input_kind"]),
        model=FORMS[values["model"]].from_plain(values["values"]),
    )
    return str(values["name"]), trained


# skops writes a vocabulary one node a term: 80 s and 58 MB for 64,000 of them, and 5 s to load.
# As one text they take 0.2 s, 1 MB and 0.05 s.


def _classifier_as_plain(model: FittedModel) -> dict[str, Any]:
    return {
        "pipeline": _without_terms(model.pipeline),
        "terms": _terms(model.pipeline),
        "labels": list(model.labels),
        "inverse_temperature": model.inverse_temperature,
        "input_kind": model.input_kind.value,
    }


def _classifier_from_plain(values: Mapping[str, Any]) -> FittedModel:
    if not isinstance(values["pipeline"], Pipeline):
        raise TypeError("its pipeline is none")
    return FittedModel(
        pipeline=_with_terms(values["pipeline"], values["terms"]),
        labels=tuple(map(str, values["labels"])),
        inverse_temperature=float(values["inverse_temperature"]),
        input_kind=InputKind(values["input_kind"]),
    )


def _terms(pipeline: Pipeline) -> str | None:
    """A text model's terms in column order, one a line (no term holds a line break)."""
    words = pipeline[0]
    if not isinstance(words, TfidfVectorizer):
        return None
    return "\n".join(sorted(words.vocabulary_, key=words.vocabulary_.__getitem__))


def _without_terms(pipeline: Pipeline) -> Pipeline:
    """The same pipeline but for its terms; the one given keeps them."""
    if not isinstance(pipeline[0], TfidfVectorizer):
        return pipeline
    (name, words), *others = pipeline.steps
    bare = copy.copy(words)
    bare.vocabulary_ = {}
    return Pipeline([(name, bare), *others])


def _with_terms(pipeline: Pipeline, terms: str | None) -> Pipeline:
    if terms is not None:
        pipeline[0].vocabulary_ = {term: column for column, term in enumerate(terms.split("\n"))}
    return pipeline


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "classifier": Form(
            model=FittedModel, as_plain=_classifier_as_plain, from_plain=_classifier_from_plain
        ),
        "spans": Form(model=SpansModel, as_plain=spans_as_plain, from_plain=spans_from_plain),
    }
)
