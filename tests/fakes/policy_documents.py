"""Policies and candidates for tests: a small good one, and hypothesis strategies for any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from policies.automation import FORMATS
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
        _kind("interval_width", above=st.floats(0, 1e6)),
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


def _monitored() -> st.SearchStrategy[dict[str, Any]]:
    """Conditions on what is known of a deployed model's answer."""
    return st.one_of(
        _kind("predicted_label", **{"in": _labels}),
        _kind("score", below=_shares) | _kind("score", above=_shares),
        _kind("task_field", equals=_scalars, field=_texts),
        _kind("source", **{"in": st.lists(_scalars, min_size=1, max_size=3)}),
        _kind("novelty", above=_shares) | _kind("near_duplicate", above=st.floats(0.5, 0.99)),
        _kind("random_share", share=st.floats(0.01, 1)),
    )


def monitorings(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Any section ``monitoring``; its share suits all stakes, no rule looks at what is masked."""
    common = {
        "tier": st.sampled_from(names),
        "show": st.booleans(),
        "each_class": st.integers(0, 99),
        "slices": st.lists(_texts, max_size=2, unique=True),
        "routed": _shares,
        "rules": st.lists(
            st.fixed_dictionaries(
                {
                    "when": st.recursive(_monitored(), _combined, max_leaves=3),
                    "share": st.floats(0.01, 1),
                }
            ),
            max_size=2,
        ),
        "retention_days": st.integers(1, 999),
        "period": st.sampled_from(["day", "week", "month"]),
        "baseline": st.floats(0.01, 0.99),
        "tolerated_drop": st.floats(0.001, 0.49),
    }
    fetch = st.fixed_dictionaries(
        {"url": st.sampled_from(["http://127.0.0.1:8000/data", "https://records.example/d/"])},
        optional={"credentials": st.just("records"), "timeout_s": st.floats(0.1, 600)},
    )
    kept: st.SearchStrategy[dict[str, Any]]
    kept = st.just({}) | st.just({"keep": "data"}) | st.just({"keep": "ids"})
    fetched = fetch.map(lambda found: {"keep": "ids", "fetch": found})
    masked: st.SearchStrategy[dict[str, Any]]
    masked = st.just({}) | st.just({"mask": ["a masked field"]})  # longer than any of ``_texts``
    share = st.fixed_dictionaries({"share": st.floats(0.10, 1)}, optional=common)
    return _tuples(share, kept | fetched, masked)


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


def _tuples(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One document of several parts."""
    return st.tuples(*parts).map(lambda found: {k: v for part in found for k, v in part.items()})


_rates = st.floats(0.001, 0.49)
_certain = st.floats(0.51, 0.999)
_prices = st.floats(0, 1e6)


def promises() -> st.SearchStrategy[dict[str, Any]]:
    """Any ``auto_accept`` that is no ``never``; its floor suits all stakes."""
    label = {"max_error_rate": _rates, "confidence": _certain, "cost_of_error": _prices}
    return st.fixed_dictionaries(
        {
            "max_error_rate": _rates,
            "confidence": _certain,
            "floor": st.floats(0.9, 1),
            "never": st.lists(_texts, max_size=3),
        },
        optional={
            "cost_of_error": _prices,
            "each_label": st.booleans(),
            "labels": st.dictionaries(
                st.sampled_from(LABELS) | _texts,
                st.fixed_dictionaries({}, optional=label),
                max_size=3,
            ),
            "freeze_after_days": st.integers(1, 999),
        },
    )


def automations() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Any rules of automation, each with a name of its own."""
    field = {"field": _texts}
    formats = st.dictionaries(st.sampled_from(FORMATS), _texts, min_size=1, max_size=3)
    languages = st.dictionaries(st.sampled_from(["en", "de", "nds"]), _texts, min_size=1)
    patterns = st.sampled_from(["a", "^Dear .{1,9} customer", "x|y"])
    rule = st.one_of(
        _kind("exact_duplicate"),
        _kind("near_duplicate", similarity=st.floats(0.5, 1)),
        _tuples(_kind("language", labels=languages), st.fixed_dictionaries({}, optional=field)),
        _tuples(_kind("format", labels=formats), st.fixed_dictionaries({}, optional=field)),
        _kind("boilerplate", regex=patterns, label=_texts),
    )
    named = st.lists(rule, max_size=3).map(
        lambda rules: [each | {"name": f"rule {place}"} for place, each in enumerate(rules)]
    )
    return named | rule.map(lambda one: [one])  # named by its kind


def models() -> st.SearchStrategy[dict[str, Any]]:
    """Any model section without a second one, which routes would have to ask for."""
    price = st.fixed_dictionaries({}, optional={"input": _prices, "output": _prices})
    embedded = {"fields": _labels, "embeddings": _texts}
    upstream = {
        "timeout_s": st.floats(0.1, 600),
        "batch": st.integers(1, 1000),
        "region_score": st.sampled_from(["lowest", "mean", "product"]),
        "train": st.booleans(),
        "credentials": st.sampled_from(["yolo", "a-1_b"]),
    }
    llm = {
        "instruction": _texts,
        "samples": st.integers(3, 50),
        "output": st.sampled_from(["json_schema", "prompt"]),
        "price_per_million_tokens": price,
    }
    url = st.sampled_from(["http://127.0.0.1:9091", "https://yolo.example/ml/"])
    named = st.lists(_texts, min_size=1, max_size=3, unique=True)

    def kind(name: str, optional: dict[str, Any], **required: Any) -> Any:
        return _tuples(_kind(name, **required), st.fixed_dictionaries({}, optional=optional))

    return st.one_of(
        st.fixed_dictionaries({}, optional=embedded),
        kind("upstream", upstream, url=url),
        kind("python", {"labels": named}, estimator=_texts),
        _kind("python", function=st.just("mail.triage:probabilities"), labels=named),
        kind("llm", llm, model=_texts),
    )


@st.composite
def quotas(draw: st.DrawFn) -> dict[str, Any]:
    """Any sampling quotas: shares that sum to 1, with some of it left to chance."""
    others = draw(st.permutations(["uncertainty", "stratified", "known_failures", "diversity"]))
    places = sorted(draw(st.lists(st.integers(0, 89), min_size=4, max_size=4)))
    shares = {
        part: (high - low) / 100
        for part, low, high in zip(others, [0, *places[:-1]], places, strict=True)
    }
    shares["random"] = 1 - sum(shares.values())
    by = draw(st.sampled_from(["least_confidence", "margin", "entropy"]))
    return shares | {"by": by}


def later_sections(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the sections that may be left out, beside the slices."""
    return st.fixed_dictionaries(
        {},
        optional={
            "automation": automations(),
            "model": models(),
            "sampling": quotas() | st.just({"by": "entropy"}),
            "escalation": st.fixed_dictionaries(
                {}, optional={"minimum_consensus": _certain, "on_skip": st.booleans()}
            ),
            "gold": st.fixed_dictionaries(
                {"share": st.floats(0.01, 0.2)},
                optional={
                    "minimum": st.floats(0.01, 0.99),
                    "tasks": st.lists(st.integers(1, 10**9), unique=True, max_size=3),
                },
            ),
            "monitoring": monitorings(names),
            "prices": st.fixed_dictionaries(
                {},
                optional={
                    "tooling_per_label": _prices,
                    "compute_per_prediction": _prices,
                    "compute_per_training": _prices,
                },
            ),
            "simulation": st.fixed_dictionaries(
                {"error_rate": st.dictionaries(st.sampled_from(names), st.floats(0, 0.99))},
                optional={"confusion": st.sampled_from(["uniform", "neighbour"])},
            ),
            "same_answer": st.fixed_dictionaries(
                {},
                optional={
                    "tolerance": st.floats(0, 1e6),
                    "iou": st.floats(0.01, 1),
                    "spans": st.sampled_from(["exact", "overlap"]),
                },
            ),
            "retrain": st.fixed_dictionaries(
                {"after_annotations": st.integers(1, 10**6), "minimum_labels": st.integers(1, 999)}
            ),
        },
    )


@st.composite
def _tiers(draw: st.DrawFn, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Tiers of these names; all but the last may be limited to labels and types of task."""
    people = [f"p{number}@x.org" for number in range(draw(st.integers(1, 4)))]
    limits = {
        "labels": st.lists(st.sampled_from(LABELS) | _texts, min_size=1, max_size=3),
        "task_types": _labels,
    }
    common = {"cost_per_label": _prices, "daily_capacity": st.integers(1, 10**6)}
    timed = {"seconds_per_label": st.floats(0.1, 1e4)}
    tiers = []
    for name in names:
        optional = timed if name == names[-1] else timed | limits
        tiers.append(
            {"name": name, "reviewers": people}
            | draw(st.fixed_dictionaries(common, optional=optional))
        )
    return tiers


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy that can be written."""
    names = _NAMES[: draw(st.integers(2, 3))]
    share = st.fixed_dictionaries({"share": st.floats(0.05, 0.3), "tier": st.sampled_from(names)})
    document: dict[str, Any] = {
        "project": draw(_texts | st.integers(1, 10**9)),
        "stakes": draw(st.sampled_from(["low", "sensitive", "regulated"])),
        "salt": draw(_texts),
        "tiers": draw(_tiers(names)),
        "routes": draw(st.lists(routes(names), max_size=4)),
        "auto_accept": draw(st.just("never") | promises()),
    }
    if draw(st.booleans()):
        document |= {"control": draw(share), "holdout": draw(share)}
    return Policy.model_validate(document | draw(later_sections(names)))
