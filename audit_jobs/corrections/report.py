"""The X -> Y report for the model team as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit_jobs.documents.tables import FIGURE, Table, figure_cells

_MOST_ROWS = 50

LACKS = {
    "training data": "few training examples of the right label",
    "guideline": "people mix the two up as well",
    "training data and guideline": "few training examples, and people mix the two up as well",
    "model": "people agree and examples are there: look at what the model sees",
}
_WITHIN = {"tier": "tier", "score": "score", "label": "predicted label"}


def tables(report: Mapping[str, Any]) -> list[Table]:
    """Everything that a report says, in the order in which it is read."""
    return [
        Table(
            heading="In short",
            says=_sentences(report),
            columns=("figure", *FIGURE),
            rows=tuple(_in_short(report)),
        ),
        Table(
            heading="Confusions: predicted -> people say",
            says=_confusions_say(report),
            columns=(
                "predicted",
                "people say",
                "tasks",
                "of predicted",
                "lift",
                "what lacks",
                "look at",
            ),
            rows=tuple(map(_confusion, report["confusions"][:_MOST_ROWS])),
        ),
        *_parts(report),
    ]


def _sentences(report: Mapping[str, Any]) -> str:
    bias = report["automation_bias"]
    notes = [report["says"], *([bias["note"]] if bias and bias["note"] else [])]
    return " ".join(f"{note[0].upper()}{note[1:]}." for note in notes)


def _in_short(report: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield figure_cells("correction rate of shown pre-labels", report["rate"])
    yield figure_cells("error rate where people answered blind", report["blind_error"])
    bias = report["automation_bias"]
    yield figure_cells("automation bias", bias)
    if bias is not None and bias["value"] is not None:
        like = ", ".join(_WITHIN[name] for name in bias["within"]) or "nothing else"
        yield (
            "compared: shown and blind of the same",
            like,
            "",
            f"{bias['shown']}+{bias['blind']}",
        )
    seconds = report["seconds"]
    yield figure_cells("median seconds with a pre-label", seconds["shown"], "{:.1f}")
    yield figure_cells("median seconds without", seconds["blind"], "{:.1f}")
    yield figure_cells(
        "times as many labels an hour with pre-labels", seconds["throughput"], "{:.2f}"
    )


def _confusions_say(report: Mapping[str, Any]) -> str:
    if not report["confusions"]:
        return "People contradicted the model nowhere."
    left = report["confused_pairs"] - len(report["confusions"][:_MOST_ROWS])
    more = f" {left:,} rarer pairs are left out." if left > 0 else ""
    return (
        "Lift: how many times as often as if errors took any other label as often as people give "
        "it; with * far beyond chance (Benjamini-Hochberg over all pairs of labels, 5 %)." + more
    )


def _confusion(row: Mapping[str, Any]) -> tuple[str, ...]:
    star = "*" if row["systematic"] else ""
    lift = f"{row['lift']:.2f} [{row['lift_low']:.2f}, {row['lift_high']:.2f}]{star}"
    return (
        row["from"],
        row["to"],
        f"{row['count']:,}",
        f"{row['rate']['value']:.1%}",
        lift,
        "" if row["lacks"] is None else LACKS[row["lacks"]],
        ", ".join(row["examples"][:5]),
    )


def _parts(report: Mapping[str, Any]) -> Iterator[Table]:
    for word in ("label", "tier", "reviewer"):
        rates = report[f"by_{word}"]
        if len(rates) > (0 if word == "label" else 1):
            shown = list(rates.items())[:_MOST_ROWS]
            yield Table(
                heading=f"Corrections by {'predicted label' if word == 'label' else word}",
                says=f"Of what was shown, those with most answers first ({len(rates):,} in all).",
                columns=(word, "corrected", *FIGURE[1:], "band"),
                rows=tuple((*figure_cells(name, rate), rate["band"]) for name, rate in shown),
            )
    if report.get("weeks"):
        yield Table(
            heading="By week",
            says="ISO weeks of the answers.",
            columns=("week", "corrected", *FIGURE[1:]),
            rows=tuple(figure_cells(week, each["rate"]) for week, each in report["weeks"].items()),
        )
    if report.get("versions"):
        yield Table(
            heading="By model version",
            says="Every version that people have answered.",
            columns=("version", "corrected", *FIGURE[1:]),
            rows=tuple(
                figure_cells(name, each["rate"]) for name, each in report["versions"].items()
            ),
        )
