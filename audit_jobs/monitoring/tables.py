"""What monitoring found, as tables: for ``labelgate inferences`` and ``labelgate report``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit_jobs.documents.tables import FIGURE, Table, figure_cells

_MOST_CLASSES = 20
_COUNTS = ("answers", "drawn")
_PERCENT = "{:.1%}"


def monitoring_tables(body: Mapping[str, Any]) -> list[Table]:
    """The curve, the decay of each version, the figures apart, and drift."""
    return [
        _curve(body),
        _decay(body["decay"]),
        *_apart(body),
        *_drift(body.get("drift")),
    ]


def in_short(body: Mapping[str, Any] | None) -> Iterator[Table]:
    """One table, for a report about more than this; none where nothing is monitored."""
    if body is None:
        return
    rows = [_row("all", body)] + [_row(name, each) for name, each in body["by_version"].items()]
    alarms = "; ".join(f"{name}: {each['says']}" for name, each in body["decay"].items())
    drift = body.get("drift")
    found = "" if drift is None else f" Drift: {drift['says']}."
    yield Table(
        heading="The deployed model",
        says=f"Accuracy of what it answered in production, verified by people. {alarms}.{found}",
        columns=("version", *FIGURE, *_COUNTS),
        rows=tuple(rows),
    )


def _curve(body: Mapping[str, Any]) -> Table:
    waiting = body["unanswered"]
    unknown = "" if body["answers"] else " How many answers there were is not known."
    return Table(
        heading="Accuracy in production",
        says=f"Share of the answers that are right, by {body['period']} (UTC); "
        f"{waiting:,} drawn ones are unanswered.{_states(body)}{unknown}",
        columns=("period", "version", *FIGURE, *_COUNTS),
        rows=tuple(
            (each["period"], each["model_version"] or "all", *_row("", each)[1:])
            for each in (*body["curve"], {**body, "period": "all", "model_version": None})
        ),
    )


def _states(body: Mapping[str, Any]) -> str:
    states = body.get("states") or {}
    named = [f"{count:,} {state}" for state, count in states.items() if count]
    return f" In all {', '.join(named)}." if named else ""


def _decay(versions: Mapping[str, Any]) -> Table:
    return Table(
        heading="Decay",
        says="The alarm holds a promise: while the accuracy is no further under the baseline than "
        "is tolerated, it takes 2,000 verified answers or more, on average, until it sounds.",
        columns=("version", "alarm", "statistic (alarm at)", "in words"),
        rows=tuple(
            (
                name,
                "yes" if each["alarm"] else "no",
                f"{each['statistic']:,.1f} ({each['threshold']:,.0f})",
                each["says"],
            )
            for name, each in versions.items()
        ),
    )


def _apart(body: Mapping[str, Any]) -> Iterator[Table]:
    parts = {"predicted label": body["by_class"], **body["by_slice"]}
    for name, figures in parts.items():
        if figures:
            yield Table(
                heading=f"By {name}",
                says="Those with the most verified answers.",
                columns=(name, *FIGURE, *_COUNTS),
                rows=tuple(_row(each, figures[each]) for each in list(figures)[:_MOST_CLASSES]),
            )
    if body["truth"]:
        yield Table(
            heading="What is true",
            says="How frequent each label is among all answers, as people say.",
            columns=("label", *FIGURE),
            rows=tuple(
                figure_cells(label, body["truth"][label], _PERCENT)
                for label in list(body["truth"])[:_MOST_CLASSES]
            ),
        )


def _drift(found: Mapping[str, Any] | None) -> Iterator[Table]:
    if found is None:
        return
    yield Table(
        heading="Drift of inputs and answers",
        says=f"{found['says']}.",
        columns=("feature", "test", "p (adjusted)", "PSI", "PSI by chance"),
        rows=tuple(
            (
                each["name"],
                each["test"],
                *(_number(each[key]) for key in ("p_adjusted", "psi", "psi_expected")),
            )
            for each in found["features"]
        ),
    )


def _row(name: str, figure: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (f"{figure[key]:,}" if figure[key] else "-" for key in _COUNTS)
    return (*figure_cells(name, figure["accuracy"], _PERCENT), *counts)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"
