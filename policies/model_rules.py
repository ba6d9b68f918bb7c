"""What must hold within the model section of a policy, and between it and the routes.

As in ``policies.consistency``, the rules read the document as YAML gave it (defaults filled in)
and skip what is malformed, because wrong types are reported elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.conditions import COMBINED, MODEL_DISAGREEMENT
from policies.models import HOSTED, PYTHON
from policies.problems import Issue, Path, at

_MODELS: tuple[Path, ...] = (("model",), ("model", "second"))


def model_issues(document: Mapping[str, Any]) -> Iterator[Issue]:
    """Every rule of this module that the document breaks."""
    for path in _MODELS:
        model = at(document, path)
        if isinstance(model, Mapping) and model.get("kind") == PYTHON:
            yield from _python(path, model)
        if isinstance(model, Mapping) and model.get("kind") == HOSTED:
            yield from _hosted(path, model)
    yield from _second(document)


def _python(path: Path, model: Mapping[str, Any]) -> Iterator[Issue]:
    given = [key for key in ("estimator", "function") if model.get(key) is not None]
    if len(given) != 1:
        has = "both" if given else "none"
        yield Issue(path, f"needs one of 'estimator' and 'function', and has {has}")
    elif given == ["function"] and model.get("labels") is None:
        yield Issue(
            path,
            "needs 'labels': nothing else says what a function's columns mean",
            "labels: one for each column, in their order",
        )
    labels = model.get("labels")
    seen: set[str] = set()
    for place, label in enumerate(labels if isinstance(labels, (list, tuple)) else ()):
        if isinstance(label, str) and label in seen:
            yield Issue((*path, "labels", place), "stands twice in this list")
        seen.add(label if isinstance(label, str) else "")


def _hosted(path: Path, model: Mapping[str, Any]) -> Iterator[Issue]:
    if model.get("process") == "inside" and model.get("train") is True:
        yield Issue(
            (*path, "train"),
            "needs process: own: a class inside a process keeps what it learned from the others",
            "take process: inside out",
        )
    second = model.get("second")
    if not isinstance(second, Mapping) or second.get("kind") != HOSTED:
        return
    if model.get("class") is not None and second.get("class") == model.get("class"):
        yield Issue(
            (*path, "second", "class"),
            "is the first model's too: the two would share their state",
            "name another class, or a subclass",
        )


def _second(document: Mapping[str, Any]) -> Iterator[Issue]:
    asked = _place_of(MODEL_DISAGREEMENT, document.get("routes"), ("routes",))
    second = at(document, ("model", "second"))
    if asked is not None and second is None:
        yield Issue(
            asked,
            "asks what a second model says, and there is none",
            "name one under model.second",
        )
    elif asked is None and isinstance(second, Mapping):
        yield Issue(
            ("model", "second"),
            "is asked by no route: it would cost and decide nothing",
            f"add the route {{kind: {MODEL_DISAGREEMENT}, tier: ...}}, or take it out",
        )


def _place_of(kind: str, conditions: Any, path: Path) -> Path | None:
    """Where the first condition of this kind stands, inside combined ones too."""
    for index, condition in enumerate(conditions if isinstance(conditions, (list, tuple)) else ()):
        found = _place_in(kind, condition, (*path, index))
        if found is not None:
            return found
    return None


def _place_in(kind: str, condition: Any, path: Path) -> Path | None:
    if not isinstance(condition, Mapping):
        return None
    if condition.get("kind") == kind:
        return path
    for key in COMBINED:
        part = condition.get(key)
        found = (
            _place_in(kind, part, (*path, key))
            if isinstance(part, Mapping)
            else _place_of(kind, part, (*path, key))
        )
        if found is not None:
            return found
    return None
