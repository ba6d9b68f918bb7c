"""An entry of an ML backend's answer -> what it says, and how sure it is. Pure; never raises."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from backend.predictors.foreign.source import Answer, printable, storable
from connectors.label_studio.answers import offers, scored_answer_of
from connectors.label_studio.labeling import ControlKind, Labeling
from policies.conditions import LOWEST_REGION_SCORE, REGION_COUNT
from policies.models import RegionRule

_MARKED = (ControlKind.SPANS, ControlKind.REGIONS)


def read_entry(entry: Any, labeling: Labeling, rule: RegionRule) -> Answer | str:
    """The answer of one entry, or why it is none.

    An entry is a prediction, or a list of them as Label Studio takes it: then the surest one that
    can be used. Where every region has a score, ``rule`` makes the task's of them; else the
    prediction's own counts.
    """
    entries = entry if isinstance(entry, list) else [entry]
    read = [_prediction(each, labeling, rule) for each in entries]
    answers = [each for each in read if isinstance(each, Answer)]
    if answers:
        return max(answers, key=lambda each: each.score)
    return next((each for each in read if isinstance(each, str)), "it gave no answer")


def unusable(labeling: Labeling, text: str) -> str | None:
    """Why an answer cannot be taken; None where it can."""
    problem = offers(labeling, text)
    if problem is None and not storable(text):
        problem = "its answer has characters that cannot be stored"
    return None if problem is None else printable(problem)


def _prediction(prediction: Any, labeling: Labeling, rule: RegionRule) -> Answer | str:
    if not isinstance(prediction, Mapping) or not isinstance(prediction.get("result"), list):
        return "it gave no answer" if not prediction else "its answer is no prediction"
    result = prediction["result"]
    strange = _strange(result, labeling)
    if strange is not None:
        return f"it answers for {printable(strange, 60)!r}, which the labelling config does not ask"
    text, parts = scored_answer_of(labeling, result)
    if text is None:
        return "its answer says nothing for what the labelling config asks"
    problem = unusable(labeling, text)
    if problem is not None:
        return problem
    regions = _regions(result)
    score = _score(prediction.get("score"), list(regions.values()), rule)
    if isinstance(score, str):
        return score
    sound = [each for each in regions.values() if isinstance(each, float)]
    return Answer(
        text=text,
        score=score,
        parts=parts if all(0 <= each <= 1 for each in parts) else (),
        signals=_signals(labeling, len(regions), sound),
    )


def _strange(result: Iterable[Any], labeling: Labeling) -> str | None:
    known = {control.name for control in labeling.controls}
    for item in result:
        name = item.get("from_name") if isinstance(item, Mapping) else None
        if isinstance(name, str) and name not in known:
            return name
    return None


def _regions(result: Iterable[Any]) -> dict[str, float | str | None]:
    """By region, its lowest score; a text where one is malformed, None where one has none.

    Several items of one id are one region: its shape and its labels.
    """
    found: dict[str, float | str | None] = {}
    for place, item in enumerate(result):
        if not isinstance(item, Mapping) or not isinstance(item.get("from_name"), str):
            continue
        name = item["id"] if isinstance(item.get("id"), str) else f"\0{place}"
        score = None if item.get("score") is None else _probability(item["score"])
        before = found.get(name)
        if isinstance(before, str) or (isinstance(before, float) and score is None):
            continue
        both = isinstance(before, float) and isinstance(score, float)
        found[name] = min(before, score) if both else score  # type: ignore[type-var]  # both floats
    return found


def _score(own: Any, regions: list[float | str | None], rule: RegionRule) -> float | str:
    bad = next((each for each in regions if isinstance(each, str)), None)
    if bad is not None:
        return bad
    scored = [each for each in regions if isinstance(each, float)]
    if scored and len(scored) == len(regions):
        return _combined(scored, rule)
    if own is None:
        return "it gave no score: nothing says how sure it is"
    return _probability(own)


def _combined(scores: list[float], rule: RegionRule) -> float:
    match rule:
        case "lowest":
            return min(scores)
        case "mean":
            return math.fsum(scores) / len(scores)
        case "product":
            return math.prod(scores)


def _probability(value: Any) -> float | str:
    """A score from 0 to 1, or what is wrong with it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"its score is a JSON {type(value).__name__}, no number"
    if not 0 <= value <= 1:
        return f"its score is {printable(str(value), 40)}, not from 0 to 1"
    return float(value)


def _signals(labeling: Labeling, count: int, scores: list[float]) -> dict[str, float]:
    if not any(control.kind in _MARKED for control in labeling.controls):
        return {}
    lowest = {LOWEST_REGION_SCORE: min(scores)} if scores else {}
    return {REGION_COUNT: float(count), **lowest}
