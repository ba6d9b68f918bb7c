"""Versions as lines and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.commands.output import tell
from backend.lineage import LEARNING_CURVE
from backend.store.models import ModelVersion
from backend.versions import Story, VersionDifference, Versions

_LONG = 60  # characters of a value that fit on a line beside another


def say_list(found: Versions) -> None:
    """A line or two for each version, then whether they get better."""
    for model in found.models:
        accuracy = _estimate(model.verdict.get("holdout_accuracy"))
        tell(
            f"  {model.version}  {found.state(model)}, trained {model.trained_at:%Y-%m-%d %H:%M} "
            f"UTC on {model.lineage.get('examples', '-')} labels, holdout accuracy {accuracy}"
        )
        tell(f"      {model.verdict.get('reason', '-')}")
        if model.version in found.problems:
            tell(f"      cannot serve: {found.problems[model.version]}")
    tell(f"accuracy over versions: {found.trend.says}")


def list_json(found: Versions) -> dict[str, Any]:
    """The same in plain values."""
    return {
        "trend": found.trend.as_json(),
        "versions": [
            {
                "version": model.version,
                "state": found.state(model),
                "trained_at": model.trained_at,
                "promoted_at": model.promoted_at,
                "labels": model.lineage.get("examples"),
                "holdout_accuracy": model.verdict.get("holdout_accuracy"),
                "reason": model.verdict.get("reason"),
                "problem": found.problems.get(model.version),
            }
            for model in found.models
        ],
    }


def say_story(story: Story) -> None:
    """Everything of one version, a line each."""
    model = story.model
    tell(f"{model.version}: {model.state}, trained {model.trained_at:%Y-%m-%d %H:%M} UTC")
    tell(f"  file: {model.path}, sha256 {model.sha256}")
    tell(f"    {'as it was written' if story.problem is None else story.problem}")
    tell(f"  verdict: {model.verdict.get('reason', '-')}")
    tell(f"    holdout accuracy {_estimate(model.verdict.get('holdout_accuracy'))}")
    if "difference" in model.verdict:
        gain, p_value = _estimate(model.verdict["difference"]), model.verdict["p_value"]
        tell(f"    gained on the champion {gain}, p = {p_value:.3g}")
    for check in model.verdict.get("checks", ()):
        tell(f"    {'passed' if check['passed'] else 'failed'}: {check['says']}")
    tell("  made of:")
    for name, value in model.lineage.items():
        if name != LEARNING_CURVE:
            tell(f"    {name}: {_short(value)}")
    advice = model.lineage.get(LEARNING_CURVE, {}).get("advice")
    if advice:
        tell(f"  learning curve: {advice}")
    for made in story.served:
        tell(f"  served from {made.at:%Y-%m-%d %H:%M} UTC ({made.kind.value}): {made.why}")
    if story.shadow is not None and story.comparison is not None:
        tell(f"  in shadow from {story.shadow.started_at:%Y-%m-%d %H:%M} UTC:")
        tell(f"    {story.comparison.says}")
        tell(f"    accuracy gained {_estimate(story.comparison.gain.as_json())}")
        tell(f"    {story.shadow.outcome or 'going on'}")


def story_json(story: Story) -> dict[str, Any]:
    """The same in plain values."""
    model, shadow = story.model, story.shadow
    return {
        "version": model.version,
        "state": model.state,
        "path": model.path,
        "sha256": model.sha256,
        "problem": story.problem,
        "labels": list(model.labels),
        "trained_at": model.trained_at,
        "promoted_at": model.promoted_at,
        "lineage": model.lineage,
        "verdict": model.verdict,
        "served": [
            {"at": made.at, "kind": made.kind.value, "replaced": made.replaced, "why": made.why}
            for made in story.served
        ],
        "shadow": None
        if shadow is None or story.comparison is None
        else {
            "started_at": shadow.started_at,
            "ended_at": shadow.ended_at,
            "tasks_wanted": shadow.tasks,
            "outcome": shadow.outcome,
            **story.comparison.as_json(),
        },
    }


def say_diff(versions: tuple[ModelVersion, ModelVersion], found: VersionDifference) -> None:
    """What differs, a line each."""
    one, other = versions
    tell(f"{one.version} -> {other.version}")
    for name, (before, after) in found.lineage.items():
        if name != LEARNING_CURVE:
            tell(f"  {name}: {_short(before)} -> {_short(after)}")
    if found.added is None or found.removed is None or found.changed is None:
        tell("  examples: not kept of both versions")
    else:
        tell(
            f"  examples: {len(found.added):,} added, {len(found.removed):,} removed, "
            f"{len(found.changed):,} answered otherwise"
        )
    holdout = found.holdout
    if holdout["tasks"]:
        tell(
            f"  holdout: {holdout['wins']} better, {holdout['losses']} worse of "
            f"{holdout['tasks']:,} that both were measured on, "
            f"{_estimate(holdout['difference'])}, p = {holdout['p_value']:.3g}"
        )
    else:
        tell("  holdout: no task that both were measured on")


def say_reproduction(found: Mapping[str, Any]) -> None:
    """Whether a version came out as it was, a line each."""
    model = "the same model" if found["same_model"] else "another model"
    tell(
        f"{found['version']} made again: {model}, "
        f"{found['same_answers']:,} of {found['compared']:,} answers the same"
    )
    for each in found["why"]:
        tell(f"  not as it was: {each}")


def diff_json(found: VersionDifference) -> dict[str, Any]:
    """The same in plain values."""
    return {
        "lineage": {name: list(pair) for name, pair in found.lineage.items()},
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "holdout": found.holdout,
    }


def _estimate(figure: Mapping[str, Any] | None) -> str:
    if not figure or figure.get("value") is None:
        return "-"
    shown = f"{figure['value']:.1%}"
    if figure["low"] is not None:
        shown += f" ({figure['low']:.1%} to {figure['high']:.1%})"
    return f"{shown}, n = {figure['n']}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {each}" for name, each in value.items())
    else:
        text = "none" if value is None else str(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."
