"""Alerts in plain words: what is wrong, how bad, what has happened by itself, what to do now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.alerting import BOUND

# What follows by itself, and the command with which a person goes on.
_STEPS = {
    "breaker": (
        "Nothing is accepted for these labels any more; the tasks go to people.",
        "labelgate breaker status --project {project}",
    ),
    "drift": (
        "Nothing is accepted where it drifted until that is certified anew; more is audited.",
        "labelgate report --project {project} --format md",
    ),
    "audit_pass_rate": (
        "The breaker goes on watching every audit; nothing was taken back.",
        "labelgate report --project {project} --format md",
    ),
    "correction_rate": (
        "Nothing was changed: look at the most frequent confusions.",
        "labelgate report --project {project} --format md",
    ),
    "agreement": (
        "Nothing was changed: look at what people confuse, and write it into the guideline.",
        "labelgate agreement --project {project}",
    ),
    "gold": (
        "These answers no longer count; the tasks are open again.",
        "labelgate agreement --project {project}",
    ),
    "queue_days": (
        "The most valuable tasks still come first; the rest waits.",
        "labelgate report --project {project} --format md",
    ),
    "label_config": (
        "Nothing is predicted, and people get every task, until the labelling config is mended.",
        "labelgate alerts list --project {project}",
    ),
    "job_failed": (
        "It is tried again with every round, and nothing is lost meanwhile.",
        "labelgate jobs log",
    ),
}
_OTHER = ("Nothing was changed.", "labelgate alerts list --project {project}")
_SHOWN = 60  # alerts of one digest that are written out


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlert:
    """An alert as one message tells it; times are ISO 8601 in UTC.

    ``opened_at`` is set where the message that it is over is the first that people get.
    ``people`` are the addresses of the tier; ``link`` leads to the page.
    """

    project_id: int
    project: str
    alert: str
    about: str
    state: str
    says: str
    detail: Mapping[str, Any]
    at: str
    tier: str | None
    people: tuple[str, ...]
    opened_at: str | None
    link: str


def what_follows(alert: str, project_id: int) -> tuple[str, str]:
    """What an alert has brought about by itself, and the command with which a person goes on.

    >>> what_follows("agreement", 7)[1]
    'labelgate agreement --project 7'
    """
    automatic, command = _STEPS.get(alert.removesuffix(BOUND), _OTHER)
    return automatic, command.format(project=project_id)


def subject_of(told: Sequence[ToldAlert]) -> str:
    """One line: which project, and what."""
    first = told[0]
    if len(told) > 1:
        return f"[Labelgate] {first.project}: {len(told)} alerts"
    over = "over: " if first.state == "resolved" else ""
    return f"[Labelgate] {first.project}: {over}{first.alert}, {first.about}"


def text_of(told: Sequence[ToldAlert]) -> str:
    """The whole message; several alerts in a line each."""
    return "\n".join(_lines(told[0]) if len(told) == 1 else _digest_lines(told))


def _lines(told: ToldAlert) -> Iterator[str]:
    automatic, command = what_follows(told.alert, told.project_id)
    if told.state == "resolved":
        yield f"Over in project {told.project} ({told.project_id}): {told.says}"
        if told.opened_at is not None:
            yield f"It had begun at {_minutes(told.opened_at)}; this is the first message about it."
    else:
        yield f"Alert in project {told.project} ({told.project_id}): {told.says}"
        yield from _figures(told.detail)
        yield f"By itself: {automatic}"
        yield f"Now: {command}"
        yield from _recall(told)
    yield f"At {_minutes(told.at)} · {told.alert}: {told.about}"
    if told.tier is not None:
        yield f"For tier {told.tier}: {', '.join(told.people)}"
    yield f"Page: {told.link}"


def _recall(told: ToldAlert) -> Iterator[str]:
    """How to take back what a tripped breaker's version accepted since the last good point."""
    since = told.detail.get("good_until")
    if told.alert == "breaker" and isinstance(since, str):
        yield (
            f"Then, to take back what was accepted since: labelgate recall --project "
            f"{told.project_id} --since {since} --why TEXT --dry-run"
        )


def _digest_lines(told: Sequence[ToldAlert]) -> Iterator[str]:
    first = told[0]
    yield (
        f"{len(told)} alerts in project {first.project} ({first.project_id}), together because "
        "they were many at once:"
    )
    for each in told[:_SHOWN]:
        word = "over" if each.state == "resolved" else "alert"
        tier = "" if each.tier is None else f" (for tier {each.tier})"
        yield f"- {_minutes(each.at)} {word}: {each.says}{tier}"
    if len(told) > _SHOWN:
        yield f"- and {len(told) - _SHOWN} more"
    yield f"Now: labelgate alerts list --project {first.project_id}"
    yield f"Page: {first.link}"


def _figures(detail: Mapping[str, Any]) -> Iterator[str]:
    """The figures that the alert rests on, each with its interval."""
    for name, figure in detail.items():
        if not isinstance(figure, Mapping) or figure.get("value") is None:
            continue
        told = shown(figure)
        if told is not None:
            yield f"Measured: {name.replace('_', ' ')} {told}"


def shown(figure: Mapping[str, Any]) -> str | None:
    """A figure with its interval and what it rests on; None for what is no figure.

    >>> shown({"value": 0.912, "low": 0.88, "high": 0.936, "n": 500})
    '0.912 (0.880 to 0.936, n = 500)'
    """
    value, low, high, n = (figure.get(key) for key in ("value", "low", "high", "n"))
    if not isinstance(value, (int, float)):
        return None
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        return f"{value:.3f} (n = {n})"
    return f"{value:.3f} ({low:.3f} to {high:.3f}, n = {n})"


def _minutes(time: str) -> str:
    return f"{time[:10]} {time[11:16]} UTC"
