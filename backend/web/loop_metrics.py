"""Prometheus gauges of what guards the loop: breakers, the six figures, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily

from backend.breakers.states import BreakerState
from backend.store.figures import ProjectReports
from backend.store.model_usage import ModelUsage

_BOUNDS = ("value", "low", "high", "n")
# One number with an interval each; the others have parts.
_PLAIN = ("correction_rate", "blind_error", "audit_pass_rate", "corrected_pass_rate", "agreement")


def breaker_gauges(states: Mapping[int, list[BreakerState]]) -> Iterator[GaugeMetricFamily]:
    """By project: whether each group is suspended, and how near its detector is to a trip."""
    labels = ["project", "version", "predictor", "label"]
    suspended = GaugeMetricFamily(
        "labelgate_breaker_suspended", "1 where nothing of the group is accepted.", labels=labels
    )
    statistic = GaugeMetricFamily(
        "labelgate_breaker_statistic", "Shiryaev-Roberts statistic of the audits.", labels=labels
    )
    limit = GaugeMetricFamily(
        "labelgate_breaker_limit", "The statistic at which the breaker trips.", labels=labels
    )
    for project_id, breakers in states.items():
        for each in breakers:
            predictor, label = each.group
            names = [str(project_id), each.model_version, predictor, label or ""]
            suspended.add_metric(names, int(each.state != "armed"))
            statistic.add_metric(names, each.statistic)
            limit.add_metric(names, each.limit)
    yield from (suspended, statistic, limit)


def figure_gauges(figures: list[ProjectReports]) -> Iterator[GaugeMetricFamily]:
    """The six figures as they stand, each with its interval and n; what is undefined is left out.

    ``figure`` names it, ``part`` the strategy, the part of the loop or nothing, ``bound`` which
    number of the estimate it is.
    """
    gauge = GaugeMetricFamily(
        "labelgate_figure",
        "The six figures of the loop: value, low, high and n of each.",
        labels=["project", "figure", "part", "bound"],
    )
    drifted = GaugeMetricFamily(
        "labelgate_drifted", "1 where the last look found drift.", labels=["project"]
    )
    cost = GaugeMetricFamily(
        "labelgate_cost", "What labelling has cost, by item.", labels=["project", "item"]
    )
    for each in figures:
        if each.six is None:
            continue
        project, body = str(each.project.id), each.six.body
        for figure, part, estimate in _estimates(body):
            for bound in _BOUNDS:
                if estimate[bound] is not None:
                    gauge.add_metric([project, figure, part, bound], estimate[bound])
        if body["now"]["drift"] is not None:
            drifted.add_metric([project], int(body["now"]["drift"]["drifted"]))
        for item, spent in body["cost"]["cost_items"].items():
            cost.add_metric([project, item], spent)
        cost.add_metric([project, "all_manual"], body["cost"]["cost_all_manual"])
    yield from (gauge, drifted, cost)


def usage_gauges(usage: list[ModelUsage]) -> Iterator[GaugeMetricFamily]:
    """What models that are paid by the token took since the beginning."""
    names = ["project", "model"]
    questions = GaugeMetricFamily(
        "labelgate_model_questions", "Questions that a paid model was asked.", labels=names
    )
    tokens = GaugeMetricFamily(
        "labelgate_model_tokens", "Their tokens.", labels=[*names, "direction"]
    )
    cost = GaugeMetricFamily(
        "labelgate_model_cost", "What they cost, in the tiers' currency.", labels=names
    )
    for each in usage:
        whose = [str(each.project_id), each.model]
        questions.add_metric(whose, each.questions)
        tokens.add_metric([*whose, "input"], each.input_tokens)
        tokens.add_metric([*whose, "output"], each.output_tokens)
        cost.add_metric(whose, each.cost)
    yield from (questions, tokens, cost)


def _estimates(body: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    now = body["now"]
    for figure in _PLAIN:
        if now[figure] is not None:
            yield figure, "", now[figure]
    for part, seconds in (now["loop_seconds"] or {}).items():
        yield "loop_seconds", part, seconds
    gains = now["gain_per_label"]["strategies"] if now["gain_per_label"] else {}
    for strategy, gain in gains.items():
        yield "gain_per_label", strategy, gain["per_label"]
    for name in ("estimated_accuracy", "measured_accuracy"):
        if now["drift"] is not None and now["drift"][name] is not None:
            yield name, "", now["drift"][name]
    yield "avoided_errors", "", body["cost"]["avoided_errors"]
    yield "cost_per_avoided_error", "", body["cost"]["cost_per_avoided_error"]
