"""What must hold between the fields of a policy's monitoring, each rule on its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.conditions import (
    ENTROPY,
    INTERVAL_WIDTH,
    MARGIN,
    MODEL_DISAGREEMENT,
    REGION_SIGNALS,
    VERSION_DISAGREEMENT,
)
from policies.problems import Issue, Path, at
from policies.route_rules import condition_issues, conditions_in

# What only the project's own model tells, of its own answers.
_UNTOLD = frozenset(
    {MARGIN, ENTROPY, VERSION_DISAGREEMENT, MODEL_DISAGREEMENT, INTERVAL_WIDTH, *REGION_SIGNALS}
)


def monitoring_issues(document: Mapping[str, Any]) -> Iterator[Issue]:
    """Every rule of this module that the document breaks."""
    masked = _texts(at(document, ("monitoring", "mask")))
    rules = at(document, ("monitoring", "rules"))
    for index, rule in enumerate(rules if isinstance(rules, (list, tuple)) else ()):
        path = ("monitoring", "rules", index, "when")
        when = at(rule, ("when",))
        yield from condition_issues(when, path)
        yield from _untold(when, path)
        yield from _blanked(when, path, masked)
    yield from _fetched(document)


def _untold(when: Any, path: Path) -> Iterator[Issue]:
    for place, values in conditions_in(when, path):
        kind = values.get("kind")
        if isinstance(kind, str) and kind in _UNTOLD:
            yield Issue(
                (*place, "kind"),
                "is not known of a deployed model's answers: nothing would match",
                "use score, predicted_label, task_field, novelty or near_duplicate",
            )


def _blanked(when: Any, path: Path, masked: frozenset[str]) -> Iterator[Issue]:
    """A rule looks at what is stored, and a masked field is blank there."""
    for place, values in conditions_in(when, path):
        field = values.get("field", "source" if values.get("kind") == "source" else None)
        if isinstance(field, str) and field in masked:
            where = (*place, "field") if "field" in values else place
            yield Issue(
                where,
                f"looks at {field!r}, which monitoring.mask blanks before anything is stored",
                "take it out of one of them",
            )


def _fetched(document: Mapping[str, Any]) -> Iterator[Issue]:
    fetch, keep = (at(document, ("monitoring", key)) for key in ("fetch", "keep"))
    if isinstance(fetch, Mapping) and keep in (None, "data"):
        yield Issue(
            ("monitoring", "fetch"),
            "says where data comes from that is not kept, but monitoring.keep stores it",
            "use keep: ids, or leave fetch out",
        )


def _texts(values: Any) -> frozenset[str]:
    listed = values if isinstance(values, (list, tuple)) else ()
    return frozenset(each for each in listed if isinstance(each, str))
