"""The page of a connected project: what its last agreement report says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit_jobs.agreement.page.rendering import Section, chart_of, heat_map, page_of
from backend.charts.scales import seconds

_ALPHA = "krippendorff_alpha"
_MOST_PEOPLE = 60
_SLICES = {
    "routed": "routed queue",
    "agreement_drawn": "drawn for agreement",
    "random": "control and holdout",
    "audit": "audits",
}


def project_page(body: Mapping[str, Any], title: str) -> str:
    """The report of a project, control by control."""
    facts = {
        "tasks read by two": body["tasks"],
        "answers": body["votes"],
        "annotators": len(body["annotators"]),
    }
    notes = [
        f"{alert['about']}: alpha {alert['alpha']['value']:.3f} on the routed queue is "
        f"{'certainly' if alert['certainty'] == 'certain' else 'likely'} under the policy's "
        f"minimum of {alert['minimum']:g}, since {alert['since'][:10]}"
        for alert in body["alerts"]
    ]
    notes += [", ".join(filter(None, problem.values())) for problem in body["problems"]]
    sections: list[Section] = []
    for name, control in body["controls"].items():
        sections += _control(name, control)
    times = {
        _person(each): each["lead_time_s"]
        for each in sorted(body["annotators"], key=lambda each: -each["tasks"])[:_MOST_PEOPLE]
        if each["lead_time_s"]["value"] is not None
    }
    if times:
        says = "Median seconds for an answer, of everything that they answered."
        chart = chart_of(times, seconds)
        sections.append(Section(heading="Lead time", says=says, chart=chart))
    return page_of(title, facts, notes, sections)


def _control(name: str, control: Mapping[str, Any]) -> Iterator[Section]:
    heading = f"{name} ({control['type']})"
    chart = chart_of(control["measures"])
    yield Section(heading=heading, says=control["note"] or "All answers.", chart=chart)
    figure = _ALPHA if _ALPHA in control["measures"] else control["compared_by"]
    if figure is None:
        return
    shown = figure.replace("_", " ")
    parts = {_SLICES[part]: each[figure] for part, each in control["slices"].items()}
    estimated = control["whole"]["measures"].get(figure)
    if estimated is not None:
        parts["whole, estimated"] = estimated
    says = (
        "The routed queue holds what rules picked, control and holdout are a random sample of all "
        f"tasks. {control['whole']['note'] or ''}"
    )
    yield Section(heading=f"{name}: {shown} apart", says=says, chart=chart_of(parts))
    for word in ("tiers", "weeks"):
        figures = {part: each[figure] for part, each in control[word].items() if figure in each}
        if figures:
            yield Section(heading=f"{name}: {word}", says=f"{shown}.", chart=chart_of(figures))
    yield from _people(name, control)


def _people(name: str, control: Mapping[str, Any]) -> Iterator[Section]:
    pairs = [
        {"raters": each["annotators"], "agreement": each["agreement"]} for each in control["pairs"]
    ]
    if pairs:
        says = f"{control['compared_by'].replace('_', ' ')} of each two annotators."
        grid = heat_map(pairs, "agreement")
        yield Section(heading=f"{name}: two by two", says=says, chart=grid)
    found = control["people"]
    if found is None:
        return
    scores = {each["annotator"]: each["with_consensus"] for each in found["annotators"]}
    shown = dict(sorted(scores.items(), key=lambda each: -each[1]["n"])[:_MOST_PEOPLE])
    says = "How often each gives the label that the others' majority has."
    yield Section(heading=f"{name}: with the consensus", says=says, chart=chart_of(shown))
    told = [
        *(_disagreeing(pair) for pair in found["disagreeing_pairs"]),
        *(_confused(row) for row in found["annotator_confusions"]),
        *_guideline(control["guideline"]),
    ]
    if told:
        yield Section(heading=f"{name}: look at this", says=" ".join(told))


def _person(annotator: Mapping[str, Any]) -> str:
    tier = annotator["tier"]
    return f"{annotator['annotator']} ({tier})" if tier else str(annotator["annotator"])


def _disagreeing(pair: Mapping[str, Any]) -> str:
    one, other = pair["annotators"]
    return (
        f"{one} and {other} agree on {pair['agreed']} of {pair['shared']} tasks, "
        "far less than the others do."
    )


def _confused(row: Mapping[str, Any]) -> str:
    return (
        f"{row['annotator']} says {row['says']!r} where the others say {row['others_say']!r}: "
        f"{row['times']} times, {row['lift']:.1f} times as often as everybody."
    )


def _guideline(found: Mapping[str, Any] | None) -> Iterator[str]:
    for pair in () if found is None else found["pairs"]:
        one, other = pair["labels"]
        merged = pair["alpha_merged"]["value"]
        lift = "" if merged is None else f" As one label: alpha {merged:.3f}."
        yield (
            f"{one!r} and {other!r} are mixed up on {pair['units']} tasks, such as "
            f"{', '.join(map(str, pair['examples']))}.{lift}"
        )
