"""Policies and candidates for tests: a small good one, and hypothesis strategies for any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from policies.domain import Candidates, Certificate, Certification, Estimate
from policies.schema import Policy

LABELS = ("cat", "dog", "yes", "8")


def policy_document(**changes: Any) -> dict[str, Any]:
    """A good policy as YAML would give it, with top-level sections replaced."""
    return {
        "project": "Digits",
        "stakes": "low",
        "tiers": [
            {
                "name": "general",
                "reviewers": ["a@x.org", "b@x.org"],
                "cost_per_label": 0.1,
                "daily_capacity": 100,
            },
            {
                "name": "senior",
                "reviewers": ["c@x.org"],
                "cost_per_label": 1.0,
                "daily_capacity": 20,
            },
        ],
        "routes": [
            {"kind": "predicted_label", "in": ["8"], "tier": "senior"},
            {"kind": "task_field", "field": "source", "in": ["press", 1, True], "tier": "general"},
        ],
        "auto_accept": {"max_error_rate": 0.05, "confidence": 0.95, "never": ["yes"]},
    } | changes


def make_policy(**changes: Any) -> Policy:
    return Policy.model_validate(policy_document(**changes))


def make_certificate(threshold: float | None = 0.8, **changes: Any) -> Certificate:
    values: dict[str, Any] = {
        "model_version": "m1",
        "max_error_rate": 0.05,
        "confidence": 0.95,
        "threshold": threshold,
        "accepted_share": 0.5,
        "error": Estimate(value=0.02, low=0.01, high=0.04, n=300),
        "errors": 6,
        "control_answers": 600,
        "grid": (0.9, 0.8),
        "labels_needed": None,
    }
    return Certificate(**(values | changes))


def make_certification(threshold: float | None = 0.8, **changes: Any) -> Certification:
    """One certificate over all of the model's answers."""
    certificate = make_certificate(threshold, **changes)
    return Certification(model_version=certificate.model_version, certificates=(certificate,))


def make_candidates(
    rows: Sequence[tuple[int, str | None, float, str | None, Any]], **signals: Sequence[float]
) -> Candidates:
    """Rows of task id, label, score (NaN for none), problem, and the field ``source``."""

    def column(place: int) -> Any:
        values = np.empty(len(rows), object)
        values[:] = [row[place] for row in rows]
        return values

    return Candidates(
        task_ids=np.array([row[0] for row in rows], np.int64),
        labels=column(1),
        scores=np.array([row[2] for row in rows], np.float64),
        problems=column(3),
        fields={"source": column(4)},
        signals={name: np.array(values, np.float64) for name, values in signals.items()},
    )


_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_scalars = st.one_of(
    _texts, st.booleans(), st.integers(-(10**15), 10**15), st.floats(-1e300, 1e300)
)
_NAMES = ("general", "domain", "senior")


_labels = st.lists(_texts, min_size=1, max_size=3)
_shares = st.floats(0, 1)


def _kind(kind: str, **values: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"kind": st.just(kind)} | values)


def _simple() -> st.SearchStrategy[dict[str, Any]]:
    scalars = st.lists(_scalars, min_size=1, max_size=3)
    field = {"field": _texts}
    low = st.fixed_dictionaries({"min": st.floats(-9, 0)}, optional={"max": st.floats(0, 9)})
    return st.one_of(
        _kind("predicted_label", **{"in": _labels}),
        _kind("score", below=_shares),
        _kind("score", above=st.floats(0, 0.69)),
        _kind("margin", below=_shares),
        _kind("entropy", above=_shares),
        _kind("task_field", equals=_scalars, **field),
        _kind("task_field", **{"in": scalars}, **field),
        _kind("task_field", regex=st.sampled_from(["a", "^[0-9]+$", "x|y"]), **field),
        _kind("task_field", range=low, **field),
        _kind("source", **{"in": scalars}),
        _kind("class_support", below=st.integers(1, 50)),
        _kind("novelty", above=_shares),
        _kind("near_duplicate", above=st.floats(0.5, 0.99)),
        _kind("version_disagreement"),
        _kind("upstream_disagreement", field=_texts),
        _kind("region_count", below=st.integers(1, 9)),
        _kind("region_count", range=low),
        _kind("lowest_region_score", below=_shares),
        _kind("random_share", share=st.floats(0.01, 1)),
    )


def _negatable() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        _kind("predicted_label", **{"in": _labels}),
        _kind("score", above=_shares),
        _kind("margin", above=_shares),
        _kind("entropy", below=_shares),
        _kind("task_field", equals=_scalars, field=_texts),
        _kind("near_duplicate", above=st.floats(0.5, 0.99)),
        _kind("version_disagreement"),
        _kind("upstream_disagreement", field=_texts),
        _kind("region_count", above=st.integers(0, 9)),
        _kind("lowest_region_score", above=_shares),
        _kind("random_share", share=st.floats(0.01, 1)),
    )


def _combined(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(_kind("all", all=several), st.fixed_dictionaries({"any": several}))


_conditions = st.recursive(
    _simple() | st.fixed_dictionaries({"not": _negatable()}), _combined, max_leaves=5
)


def routes(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Any route that a policy takes, to one of these tiers."""
    tiers = st.sampled_from(names)
    return st.builds(lambda condition, tier: condition | {"tier": tier}, _conditions, tiers)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy that can be written."""
    names = _NAMES[: draw(st.integers(2, 3))]
    people = [f"p{number}@x.org" for number in range(draw(st.integers(1, 4)))]
    accepts = st.fixed_dictionaries(
        {
            "max_error_rate": st.floats(0.001, 0.49),
            "confidence": st.floats(0.51, 0.999),
            "floor": st.floats(0.9, 1),
            "never": st.lists(_texts, max_size=3),
        }
    )
    share = st.fixed_dictionaries({"share": st.floats(0.05, 0.3), "tier": st.sampled_from(names)})
    document: dict[str, Any] = {
        "project": draw(_texts | st.integers(1, 10**9)),
        "stakes": draw(st.sampled_from(["low", "sensitive", "regulated"])),
        "salt": draw(_texts),
        "tiers": [
            {
                "name": name,
                "reviewers": people,
                "cost_per_label": draw(st.floats(0, 1e6)),
                "daily_capacity": draw(st.integers(1, 10**6)),
            }
            for name in names
        ],
        "routes": draw(st.lists(routes(names), max_size=4)),
        "auto_accept": draw(st.just("never") | accepts),
    }
    if draw(st.booleans()):
        document |= {"control": draw(share), "holdout": draw(share)}
    return Policy.model_validate(document)
