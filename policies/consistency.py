"""What must hold between the fields of a policy, each rule on its own.

The rules read the document as YAML gave it (defaults filled in) and skip whatever is malformed,
because wrong types are reported elsewhere and all problems are wanted at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policies.alert_rules import alert_issues
from policies.automation_rules import automation_issues
from policies.model_rules import model_issues
from policies.preference_rules import preference_issues
from policies.problems import Issue, at, dotted, nearest
from policies.quota_rules import sampling_issues
from policies.route_rules import route_issues
from policies.stakes import floors_of

# The views that exist beside those of the tiers.
RESERVED_TIERS = ("Audit", "Control")
# More than this leaves too little for training and routing.
MOST_HELD_BACK = 0.6


def issues_of(document: Mapping[str, Any]) -> list[Issue]:
    """Every rule of this module that the document breaks."""
    return [issue for rule in _RULES for issue in rule(document)]


def _number(document: Mapping[str, Any], *path: str) -> float | None:
    value = at(document, path)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _items(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return list(value) if isinstance(value, (list, tuple)) else []


def _tier_names(document: Mapping[str, Any]) -> dict[int, str]:
    names = ((index, at(tier, ("name",))) for index, tier in enumerate(_items(document, "tiers")))
    return {index: name for index, name in names if isinstance(name, str)}


def _unique_tiers(document: Mapping[str, Any]) -> Iterator[Issue]:
    first: dict[str, int] = {}
    reserved = {name.lower() for name in RESERVED_TIERS}
    for index, name in _tier_names(document).items():
        path = ("tiers", index, "name")
        if name.lower() in reserved:
            views = " and ".join(RESERVED_TIERS)
            yield Issue(path, f"is reserved: {views} are views of their own", "take another name")
        elif name.lower() in first:
            other = dotted(("tiers", first[name.lower()], "name"))
            yield Issue(path, f"is the name of {other} too", "each tier needs a name of its own")
        first.setdefault(name.lower(), index)


def _unique_reviewers(document: Mapping[str, Any]) -> Iterator[Issue]:
    for index, tier in enumerate(_items(document, "tiers")):
        seen: set[str] = set()
        reviewers = at(tier, ("reviewers",))
        for place, reviewer in enumerate(reviewers if isinstance(reviewers, (list, tuple)) else ()):
            if not isinstance(reviewer, str):
                continue
            if reviewer.lower() in seen:
                yield Issue(("tiers", index, "reviewers", place), "stands twice in this tier")
            seen.add(reviewer.lower())


def _known_tiers(document: Mapping[str, Any]) -> Iterator[Issue]:
    names = tuple(_tier_names(document).values())
    routes = [("routes", index, "tier") for index in range(len(_items(document, "routes")))]
    slices = [(key, "tier") for key in ("control", "holdout", "audit", "monitoring")]
    tests = [("tests", index, "expect", "tier") for index in range(len(_items(document, "tests")))]
    alerts = [("alerts", index, "tier") for index in range(len(_items(document, "alerts")))]
    for path in (*routes, *slices, *tests, *alerts):
        name = at(document, path)
        if isinstance(name, str) and names and name not in names:
            hint = nearest(name, names) or f"the tiers are {', '.join(names)}"
            yield Issue(path, "is not a tier", hint)


def _not_flat(document: Mapping[str, Any]) -> Iterator[Issue]:
    floors = floors_of(document.get("stakes"))
    tiers = _items(document, "tiers")
    if floors and tiers and len(tiers) < floors.tiers:
        yield Issue(
            ("tiers",),
            f"is a flat pool of one tier: {document['stakes']} stakes need at least "
            f"{floors.tiers}, so that experts check and adjudicate",
            "add a more expert tier at the end",
        )


def _top_decides_all(document: Mapping[str, Any]) -> Iterator[Issue]:
    tiers = _items(document, "tiers")
    for key, limits in (("labels", "certain labels"), ("task_types", "certain types of task")):
        if tiers and at(tiers[-1], (key,)) is not None:
            yield Issue(
                ("tiers", len(tiers) - 1, key),
                f"limits the top tier to {limits}, but it decides all that the others may not",
                f"leave {key} out of the last tier, or add a more expert one after it",
            )


def _score_floor(document: Mapping[str, Any]) -> Iterator[Issue]:
    floors = floors_of(document.get("stakes"))
    floor = _number(document, "auto_accept", "floor")
    if floors and floor is not None and 0 <= floor < floors.score:
        yield Issue(
            ("auto_accept", "floor"),
            f"is under the score floor of {floors.score:.2f} for {document['stakes']} stakes: "
            "no label with a lower score may be accepted without a person",
            f"use {floors.score:.2f} or more, or leave it out",
        )


def _audit_floor(document: Mapping[str, Any]) -> Iterator[Issue]:
    floors = floors_of(document.get("stakes"))
    share = _number(document, "audit", "share")
    if floors and share is not None and 0 <= share < floors.audit_share:
        yield Issue(
            ("audit", "share"),
            f"is under the audit floor of {floors.audit_share:.2f} for {document['stakes']} "
            "stakes: accepts that nobody looks at cannot be defended",
            f"use {floors.audit_share:.2f} or more",
        )


def _monitoring_floor(document: Mapping[str, Any]) -> Iterator[Issue]:
    floors = floors_of(document.get("stakes"))
    share = _number(document, "monitoring", "share")
    if floors and share is not None and 0 <= share < floors.monitoring_share:
        yield Issue(
            ("monitoring", "share"),
            f"is under the monitoring floor of {floors.monitoring_share:g} for "
            f"{document['stakes']} stakes: a model in production that nobody checks goes wrong "
            "unseen",
            f"use {floors.monitoring_share:g} or more, or leave it out",
        )


def _simulated_tiers(document: Mapping[str, Any]) -> Iterator[Issue]:
    names = tuple(_tier_names(document).values())
    rates = at(document, ("simulation", "error_rate"))
    for name in rates if isinstance(rates, Mapping) else ():
        if name and names and name not in names:
            hint = nearest(name, names) or f"the tiers are {', '.join(names)}"
            yield Issue(("simulation", "error_rate", name), "is the rate of no tier", hint)


def _promised_or_never(document: Mapping[str, Any]) -> Iterator[Issue]:
    never = at(document, ("auto_accept", "never"))
    labels = at(document, ("auto_accept", "labels"))
    if not isinstance(never, (list, tuple)) or not isinstance(labels, Mapping):
        return
    for label in labels:
        if label in never:
            yield Issue(
                ("auto_accept", "labels", label),
                "has a promise, and auto_accept.never says that it is never accepted",
                "take it out of one of them",
            )


def _room_for_training(document: Mapping[str, Any]) -> Iterator[Issue]:
    control, holdout = _number(document, "control", "share"), _number(document, "holdout", "share")
    if control is None or holdout is None or max(control, holdout) > 1:
        return
    if control + holdout > MOST_HELD_BACK:
        yield Issue(
            ("control", "share"),
            f"and holdout.share make {control + holdout:.2f} of all tasks: at most "
            f"{MOST_HELD_BACK:.2f} may be held back, the rest is routed and trained on",
        )


def _enough_reviewers(document: Mapping[str, Any]) -> Iterator[Issue]:
    share = _number(document, "agreement", "share")
    tiers = [at(tier, ("reviewers",)) for tier in _items(document, "tiers")]
    largest = max((len(people) for people in tiers if isinstance(people, (list, tuple))), default=0)
    for key, name in (("overlap", "the overlap"), ("most", "most")):
        asked = at(document, ("agreement", key))
        if isinstance(asked, int) and share != 0 and largest and asked > largest:
            yield Issue(
                ("agreement", key),
                f"asks for {asked} answers to a task, but no tier has more than {largest} "
                "reviewers",
                f"add reviewers to a tier, lower {name} or set agreement.share to 0",
            )


def _more_readers(document: Mapping[str, Any]) -> Iterator[Issue]:
    overlap = at(document, ("agreement", "overlap"))
    most = at(document, ("agreement", "most"))
    if isinstance(overlap, int) and isinstance(most, int) and 2 <= most < overlap:
        yield Issue(
            ("agreement", "most"),
            f"is under agreement.overlap: every such task has {overlap} readers from the start",
            f"use {overlap} or more, or leave it out",
        )


def _gold(document: Mapping[str, Any]) -> Iterator[Issue]:
    minimum, share = at(document, ("gold", "minimum")), _number(document, "gold", "share")
    if minimum is not None and not share:
        yield Issue(
            ("gold", "minimum"),
            "needs gold in the queues: nobody would be measured, and who is under it could never "
            "come back",
            "set gold.share, such as 0.05",
        )
    seen: set[Any] = set()
    tasks = at(document, ("gold", "tasks"))
    for place, task in enumerate(tasks if isinstance(tasks, (list, tuple)) else ()):
        if isinstance(task, int) and task in seen:
            yield Issue(("gold", "tasks", place), "stands twice in this list")
        seen.add(task if isinstance(task, int) else None)


_RULES: tuple[Callable[[Mapping[str, Any]], Iterator[Issue]], ...] = (
    _unique_tiers,
    _unique_reviewers,
    _known_tiers,
    route_issues,
    automation_issues,
    _not_flat,
    _top_decides_all,
    _score_floor,
    _audit_floor,
    _promised_or_never,
    _monitoring_floor,
    _simulated_tiers,
    _room_for_training,
    _enough_reviewers,
    _more_readers,
    _gold,
    sampling_issues,
    alert_issues,
    model_issues,
    preference_issues,
)
