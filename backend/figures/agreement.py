"""How far people agree: each control by its parts, and who agrees with whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from backend.charts.heat import Cell, HeatMap, heat_map
from backend.figures.gathered import Gathered, body

_ALPHA, _AC1, _RAW = "krippendorff_alpha", "gwet_ac1", "raw_agreement"
_MOST_PEOPLE = 16
_MOST_MAPS = 4
_EMPTY = (
    "No task has been labelled by two people yet: the policy's agreement share and the control "
    "slice ask for second answers."
)
# A coefficient below this is as pale as can be; alpha of 0.667 is where Krippendorff (2004) lets
# tentative conclusions begin, and 0.8 where he calls it reliable.
_PALE = 0.4
_Part = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
_PARTS: tuple[tuple[str, _Part], ...] = (
    ("Routed queue", lambda control: control["slices"]["routed"].get(_ALPHA)),
    ("Its random part", lambda control: control["slices"]["agreement_drawn"].get(_ALPHA)),
    ("Control and holdout", lambda control: control["slices"]["random"].get(_ALPHA)),
    ("Whole, estimated", lambda control: control["whole"]["measures"].get(_ALPHA)),
    ("All answers", lambda control: control["measures"].get(_ALPHA)),
    ("AC1", lambda control: control["measures"].get(_AC1)),
    ("Raw", lambda control: control["measures"].get(_raw_of(control))),
)


def agreement_map(gathered: Gathered) -> Markup:
    """A row for each control, a column for each part of the answers; alpha where not said else."""
    found = body(gathered.agreement)
    controls: Mapping[str, Mapping[str, Any]] = found.get("controls", {})
    minimum = found.get("minimum_alpha")
    low = [name for name, each in controls.items() if each["standing"] in ("certain", "likely")]
    wanted = "" if minimum is None else f" The policy wants {minimum:g} at least."
    return heat_map(
        HeatMap(
            name=gathered.name("agreement"),
            title="Agreement, by control",
            says=(
                f"Too low: {', '.join(low)}.{wanted}"
                if low
                else f"Krippendorff's alpha: 1 is full agreement, 0 is chance.{wanted}"
            ),
            empty=_EMPTY,
            corner="control",
            columns=tuple(name for name, _ in _PARTS),
            rows=tuple(
                (
                    f"{name} ({control['type']})",
                    tuple(_cell(part(control)) for _, part in _PARTS),
                )
                for name, control in controls.items()
            ),
            scale=("less", "full agreement"),
            notes=tuple(
                f"{name}: {each['note']}" for name, each in controls.items() if each["note"]
            ),
        )
    )


def _raw_of(control: Mapping[str, Any]) -> str:
    compared = control["compared_by"]
    return _RAW if _RAW in control["measures"] or compared is None else str(compared)


def _cell(figure: Mapping[str, Any] | None) -> Cell:
    """A coefficient with its interval and what it rests on."""
    if not figure or figure["value"] is None:
        return Cell(text="-", says="not measured: too few tasks have two answers")
    value, low, high, n = (figure[key] for key in ("value", "low", "high", "n"))
    between = "" if low is None or high is None else f"{low:.2f} to {high:.2f}, "
    return Cell(
        text=f"{value:.3f}",
        detail=f"{between}n = {n:,}",
        level=(value - _PALE) / (1 - _PALE),
    )


def people_maps(gathered: Gathered) -> list[Markup]:
    """Who agrees with whom, one map a control; only where there are three people or more."""
    controls: Mapping[str, Mapping[str, Any]] = body(gathered.agreement).get("controls", {})
    several = {name: each for name, each in controls.items() if len(_people(each["pairs"])) > 2}
    return [
        _people_map(gathered, place, name, control)
        for place, (name, control) in enumerate(list(several.items())[:_MOST_MAPS])
    ]


def _people_map(gathered: Gathered, place: int, name: str, control: Mapping[str, Any]) -> Markup:
    found = {frozenset(each["annotators"]): each["agreement"] for each in control["pairs"]}
    people = _people(control["pairs"])
    shown = people[:_MOST_PEOPLE]
    lowest = min(
        (each for each in control["pairs"] if each["agreement"]["high"] is not None),
        key=lambda each: float(each["agreement"]["high"]),
        default=None,
    )
    left = len(people) - len(shown)
    return heat_map(
        HeatMap(
            name=gathered.name(f"people-{place}"),
            title=f"Who agrees with whom: {name}",
            says=""
            if lowest is None
            else f"Least for certain: users {' and '.join(lowest['annotators'])}, at most "
            f"{lowest['agreement']['high']:.2f} ({str(control['compared_by']).replace('_', ' ')}).",
            empty=_EMPTY,
            corner="user",
            columns=tuple(shown),
            rows=tuple(
                (
                    one,
                    tuple(
                        None if one == other else _pair(found.get(frozenset((one, other))))
                        for other in shown
                    ),
                )
                for one in shown
            ),
            scale=("less", "full agreement"),
            notes=(f"{left:,} people who share fewer tasks are left out.",) if left > 0 else (),
        )
    )


def _pair(figure: Mapping[str, Any] | None) -> Cell | None:
    """A pair that shares no task has no cell."""
    if figure is None or figure["value"] is None:
        return None
    low, high = figure["low"], figure["high"]
    return Cell(
        text=f"{figure['value']:.2f}",
        detail="" if low is None or high is None else f"{low:.2f} to {high:.2f}",
        says=f"{figure['n']:,} tasks in common",
        level=(figure["value"] - _PALE) / (1 - _PALE),
    )


def _people(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those who share most tasks first: pairs come in that order."""
    return list(dict.fromkeys(name for pair in pairs for name in pair["annotators"]))
