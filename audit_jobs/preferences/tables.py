"""The report on judges of preferences as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from audit_jobs.agreement.tables import lowest, table

_UNDEFINED = {"value": None, "low": None, "high": None, "n": 0}
_CERTAIN = 0.05


def report_tables(report: Mapping[str, Any], name: str) -> list[Table | str]:
    """Agreement, ties, judges, then what may have moved them: place, length, rings."""
    agreement = report["agreement"]
    shown: list[Table | str] = [
        f"{escape(name)}: {report['pairs']:,} pairs, {report['judges']:,} judges"
    ]
    shown += [f"[yellow]{escape(note)}[/]" for note in agreement["notes"]]
    shown.append(table("Agreement", "measure", _agreement(report)))
    kappas = [(" and ".join(each["raters"]), each["cohen_kappa"]) for each in agreement["pairs"]]
    if kappas:
        shown.append(lowest("Cohen's kappa of two judges", "judges", kappas))
    shown += _judges(report["judges_detail"])
    shown += _position(report["position_bias"])
    shown += _length(report["length_bias"])
    shown += _rings(report["intransitivity"])
    for criterion, each in report["criteria"].items():
        shown.append(table(f"Criterion {criterion}", "measure", _criterion(each)))
    return shown


def _agreement(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    agreement = report["agreement"]
    rows = [
        ("raw agreement", agreement["raw"]),
        ("Krippendorff's alpha", report["krippendorff_alpha"]),
        ("Fleiss' kappa", agreement["fleiss_kappa"]),
        ("Gwet's AC1", agreement["gwet_ac1"]),
        ("ties", report["ties"]["share"]),
        ("nothing said", report["ties"]["none"]),
        ("same answer the second time", agreement["repeated"]),
        ("consensus right, by gold", agreement["consensus"]["accuracy"]),
    ]
    return [(name, each) for name, each in rows if each is not None]


def _judges(details: Mapping[str, Mapping[str, Any]]) -> Iterator[Table]:
    """A table for each figure: who stands lowest is shown first, of many judges alone."""
    figures = {
        "agreement": "Judges with the others",
        "accuracy": "Judges by gold",
        "repeated": "Judges who were asked again: same answer",
    }
    for figure, title in figures.items():
        rows = [(name, each[figure]) for name, each in details.items() if each[figure] is not None]
        if rows:
            yield lowest(title, "judge", rows)
    moved = [
        (f"{name} (p {each['position_bias']['adjusted']:.3f})", each["position_bias"])
        for name, each in details.items()
        if each["position_bias"] is not None and each["position_bias"]["adjusted"] < _CERTAIN
    ]
    if moved:
        yield table("Judges whom the place moves: first answer preferred", "judge", moved)


def _position(found: Mapping[str, Any] | None) -> list[Table | str]:
    if found is None:
        return ["Position bias: no judgement says which answer stood first (judge:ab or judge:ba)"]
    rows = [
        ("first answer preferred, all else even", found),
        ("first answer preferred, plain", found["first"]),
        ("log odds of the first place", found["effect"]),
        ("answer a stood first", found["a_first"]),
    ]
    if found["swapped"] is not None:
        rows += [
            ("swapped: kept the answer", found["swapped"]["answer_kept"]),
            ("swapped: kept the place", found["swapped"]["place_kept"]),
        ]
    shown: list[Table | str] = [table(_titled("Position bias", found), "measure", rows)]
    if found["one_order"]:
        shown.append(
            "[yellow]all pairs were shown in one order: this holds if it was drawn which answer is "
            "called a[/]"
        )
    return shown


def _length(found: Mapping[str, Any] | None) -> list[Table | str]:
    if found is None:
        return []
    rows = [
        ("longer answer preferred", found),
        ("log odds for each doubling", found["per_doubling"]),
    ]
    if found["beside_gold"] is not None:
        rows.append(("the same, given gold", found["beside_gold"]))
    return [table(_titled("Length", found), "measure", rows)]


def _titled(title: str, found: Mapping[str, Any]) -> str:
    return f"{title}: {'found' if found['found'] else 'not found'}, p = {found['p_value']:.3g}"


def _rings(found: Mapping[str, Any] | None) -> list[Table | str]:
    if found is None:
        return ["Rings of preference: no three answers to one prompt are all compared"]
    title = "Rings of preference (a over b over c over a)"
    more, fewer = found["p_value"], found["p_fewer"]
    guessing = f"so many or more by guessing p = {more:.3g}, so few or fewer p = {fewer:.3g}"
    lines: list[Table | str] = [
        table(title, "measure", [("cyclic triples", found)]),
        f"Guessing makes 25 % cyclic: {guessing}",
    ]
    if found["by_noise"] is not None:
        lines.append(
            f"Judges with an order who differ as these do make {found['by_noise']:.1%}: so many or "
            f"more p = {found['p_beyond_noise']:.3g}"
        )
    if found["left_out"]:
        lines.append(f"[yellow]{found['left_out']:,} prompts with too many answers left out[/]")
    return lines


def _criterion(found: Mapping[str, Any]) -> Sequence[tuple[str, Mapping[str, Any]]]:
    return [
        ("raw agreement", found["agreement"]["raw"]),
        ("Krippendorff's alpha", found["krippendorff_alpha"]),
        ("ties", found["ties"]["share"]),
        ("as the preference", found["with_preference"] or _UNDEFINED),
        ("first answer preferred", found["position_bias"] or _UNDEFINED),
    ]
