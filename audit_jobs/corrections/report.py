"""The X -> Y report for the model team: as Markdown, and as one HTML file without any script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

_MOST_ROWS = 50

LACKS = {
    "training data": "few training examples of the right label",
    "guideline": "people mix the two up as well",
    "training data and guideline": "few training examples, and people mix the two up as well",
    "model": "people agree and examples are there: look at what the model sees",
}
_WITHIN = {"tier": "tier", "score": "score", "label": "predicted label"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under column names; ``says`` is how to read it."""

    heading: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(report: Mapping[str, Any]) -> list[Table]:
    """Everything that a report says, in the order in which it is read."""
    return [
        Table(
            heading="In short",
            says=_sentences(report),
            columns=("figure", "value", "95 % interval", "n"),
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


def markdown(report: Mapping[str, Any], title: str) -> str:
    """The report as Markdown."""
    lines = [f"# Corrections: {_cell(title)}", ""]
    for table in tables(report):
        lines += [f"## {table.heading}", "", _cell(table.says), ""]
        if table.rows:
            lines += [_row(table.columns), _row("---" for _ in table.columns)]
            lines += [_row(map(_cell, row)) for row in table.rows]
            lines.append("")
    return "\n".join(lines)


def page(report: Mapping[str, Any], title: str) -> str:
    """The report as one HTML file."""
    pages = Environment(
        loader=PackageLoader("audit_jobs.corrections.page", "."),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template("page.html").render(title=title, tables=tables(report))


def _sentences(report: Mapping[str, Any]) -> str:
    bias = report["automation_bias"]
    notes = [report["says"], *([bias["note"]] if bias and bias["note"] else [])]
    return " ".join(f"{note[0].upper()}{note[1:]}." for note in notes)


def _in_short(report: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield _figure("correction rate of shown pre-labels", report["rate"])
    yield _figure("error rate where people answered blind", report["blind_error"])
    bias = report["automation_bias"]
    yield _figure("automation bias", bias)
    if bias is not None and bias["value"] is not None:
        like = ", ".join(_WITHIN[name] for name in bias["within"]) or "nothing else"
        yield (
            "compared: shown and blind of the same",
            like,
            "",
            f"{bias['shown']}+{bias['blind']}",
        )
    seconds = report["seconds"]
    yield _figure("median seconds with a pre-label", seconds["shown"], "{:.1f}")
    yield _figure("median seconds without", seconds["blind"], "{:.1f}")
    yield _figure("times as many labels an hour with pre-labels", seconds["throughput"], "{:.2f}")


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
                columns=(word, "corrected", "95 % interval", "n", "band"),
                rows=tuple((*_figure(name, rate), rate["band"]) for name, rate in shown),
            )
    if report.get("weeks"):
        yield Table(
            heading="By week",
            says="ISO weeks of the answers.",
            columns=("week", "corrected", "95 % interval", "n"),
            rows=tuple(_figure(week, each["rate"]) for week, each in report["weeks"].items()),
        )
    if report.get("versions"):
        yield Table(
            heading="By model version",
            says="Every version that people have answered.",
            columns=("version", "corrected", "95 % interval", "n"),
            rows=tuple(_figure(name, each["rate"]) for name, each in report["versions"].items()),
        )


def _figure(
    name: str, figure: Mapping[str, Any] | None, how: str = "{:.3f}"
) -> tuple[str, str, str, str]:
    if figure is None or figure["value"] is None:
        return name, "undefined", "", "0" if figure is None else f"{figure['n']:,}"
    bounds = [figure["low"], figure["high"]]
    interval = "" if None in bounds else " to ".join(how.format(bound) for bound in bounds)
    return name, how.format(figure["value"]), interval, f"{figure['n']:,}"


def _row(cells: Iterator[str] | Sequence[str] | map[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that is no Markdown and no HTML, whatever a label is called."""
    escaped = "".join(f"\\{each}" if each in "\\`*_[]|~#" else each for each in text)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;")):
        escaped = escaped.replace(sign, entity)
    return " ".join(escaped.split())
