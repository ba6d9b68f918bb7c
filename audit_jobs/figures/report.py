"""The six figures as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from audit_jobs.documents.tables import FIGURE, Table, figure_cells
from audit_jobs.figures.assembly import AGREEMENT, AUDIT, CORRECTION, DRIFT, GAIN, LOOP
from audit_jobs.monitoring.tables import in_short

_HOURS = 3600
_LOOP_PARTS = {
    "total": "all of it",
    "people": "waiting for people's labels",
    "trigger": "waiting for the training to begin",
    "training": "training",
    "gate": "the gate and the promotion",
}
# The figures of a week or a version that are one number with an interval.
_SERIES = (
    (CORRECTION, "correction rate"),
    ("blind_error", "error rate of blind answers"),
    (AUDIT, "audit pass rate"),
    (AGREEMENT, "agreement on the routed queue (alpha)"),
)


def tables(body: Mapping[str, Any]) -> list[Table]:
    """What a report says, in the order in which it is read."""
    now = body["now"]
    return [
        _in_short(now),
        *_accuracy(body.get("accuracy")),
        _gains(now[GAIN]),
        _loops(now[LOOP]),
        _drift(now[DRIFT]),
        *in_short(body.get("monitoring")),
        _costs(body["cost"]),
        *_series("By week", "ISO weeks, UTC.", "week", body["weeks"]),
        *_series("By model version", "Oldest first.", "version", body["versions"]),
    ]


def _in_short(now: Mapping[str, Any]) -> Table:
    corrected = now.get("correction_says")
    rows = [figure_cells(name, now[key]) for key, name in _SERIES]
    rows.append(
        figure_cells("audit pass rate, auditors' errors taken out", now["corrected_pass_rate"])
    )
    return Table(
        heading="The loop in figures",
        says="Every figure with its interval and what it rests on. "
        + ("" if corrected is None else f"Corrections: {corrected}."),
        columns=("figure", *FIGURE),
        rows=tuple(rows),
    )


def _accuracy(found: Mapping[str, Any] | None) -> Iterator[Table]:
    """Nothing for a report from before accuracy was part of it."""
    if found is not None:
        yield Table(
            heading="Accuracy over versions",
            says=f"On the holdout, when each version was trained. {found['trend']['says']}.",
            columns=("version", *FIGURE),
            rows=tuple(figure_cells(name, each) for name, each in found["versions"].items()),
        )


def _gains(found: Mapping[str, Any] | None) -> Table:
    gains = {} if found is None else found["strategies"]
    return Table(
        heading="What a human label is worth, by who asked for it",
        says="No cycle has been measured yet: a night after a training with new labels it is."
        if found is None
        else f"{found['says']}. Accuracy on control tasks, in points for a hundred labels.",
        columns=("asked for by", *FIGURE, "cycles", "verdict"),
        rows=tuple(
            (
                *figure_cells(strategy, _times(gain["per_label"], 10_000), "{:+.2f}"),
                str(gain["cycles"]),
                gain["verdict"],
            )
            for strategy, gain in gains.items()
        ),
    )


def _loops(found: Mapping[str, Any] | None) -> Table:
    parts = found or {}
    return Table(
        heading="Time to loop close",
        says="No loop has closed yet: the second promoted version closes the first."
        if found is None
        else "Mean hours from a version's first prediction to the promotion of the next.",
        columns=("part", *FIGURE),
        rows=tuple(
            figure_cells(name, _times(parts[part], 1 / _HOURS), "{:.2f}")
            for part, name in _LOOP_PARTS.items()
            if part in parts
        ),
    )


def _drift(found: Mapping[str, Any] | None) -> Table:
    if found is None:
        says = "Nothing has been compared yet: it takes a model and enough new tasks."
        return Table(heading="Drift", says=says, columns=("figure", *FIGURE), rows=())
    changed = ", ".join(found["features"]) or "nothing"
    return Table(
        heading="Drift",
        says=f"Changed since the serving version was trained: {changed}.",
        columns=("figure", *FIGURE),
        rows=(
            figure_cells("accuracy on new traffic, estimated", found["estimated_accuracy"]),
            figure_cells("accuracy on control tasks, measured", found["measured_accuracy"]),
        ),
    )


def _costs(cost: Mapping[str, Any]) -> Table:
    return Table(
        heading="Cost",
        says="In the currency of the policy; errors are counted against a model alone.",
        columns=("item", *FIGURE),
        rows=tuple(_cost_rows(cost)),
    )


def _cost_rows(cost: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for tier, spent in cost["labour_by_tier"].items():
        yield _amount(f"labour: {tier}", spent)
    for item, spent in cost["cost_items"].items():
        if item != "labour":
            yield _amount(item, spent)
    yield _amount("in all", cost["cost"])
    yield _amount("all by hand", cost["cost_all_manual"])
    yield _amount("for each label that stands", cost["cost_per_label"])
    yield figure_cells("errors kept out", cost["avoided_errors"], "{:,.0f}")
    yield figure_cells("for each error kept out", cost["cost_per_avoided_error"], "{:,.2f}")


def _amount(name: str, amount: float | None) -> tuple[str, ...]:
    return name, "undefined" if amount is None else f"{amount:,.2f}", "", ""


def _series(
    heading: str, says: str, word: str, parts: Mapping[str, Mapping[str, Any]]
) -> Iterator[Table]:
    for key, name in _SERIES:
        known = {part: figures[key] for part, figures in parts.items() if figures[key]}
        if known:
            yield Table(
                heading=f"{heading}: {name}",
                says=says,
                columns=(word, *FIGURE),
                rows=tuple(figure_cells(part, figure) for part, figure in known.items()),
            )
    loops = {part: figures[LOOP]["total"] for part, figures in parts.items() if figures[LOOP]}
    if loops:
        yield Table(
            heading=f"{heading}: time to loop close",
            says=f"{says} Mean hours.",
            columns=(word, *FIGURE),
            rows=tuple(
                figure_cells(part, _times(total, 1 / _HOURS), "{:.2f}")
                for part, total in loops.items()
            ),
        )


def incident_table(found: Mapping[str, Any]) -> Table:
    """What went wrong and was done, in the order in which it happened."""
    rows = [(_minute(each["at"]), "breaker", each["why"]) for each in found["suspensions"]]
    rows += [
        (_minute(each["rearmed_at"]), "accepts again", each["reset_why"] or "")
        for each in found["suspensions"]
        if each["rearmed_at"] is not None
    ]
    rows += [
        (_minute(each["at"]), "recall", f"{each['tasks']:,} accepts: {each['why']}")
        for each in found["recalls"]
    ]
    rows += [
        (_minute(each["at"]), "threshold", f"{each['from']:.3f} to {each['to']:.3f}")
        for each in found["thresholds"]
    ]
    rows += [
        (_minute(each["since"]), "stands: " + each["alert"], each["says"])
        for each in found["alerts"]
    ]
    return Table(
        heading="Incidents",
        says="UTC, oldest first." if rows else "None.",
        columns=("at", "what", "in words"),
        rows=tuple(sorted(rows)),
    )


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _times(figure: Mapping[str, Any], factor: float) -> dict[str, Any]:
    scaled = {
        name: None if figure[name] is None else figure[name] * factor
        for name in ("value", "low", "high")
    }
    return {**scaled, "n": figure["n"]}
