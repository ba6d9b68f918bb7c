"""Prometheus gauges of deployed models: how often they are right, whether they decay, counts."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from backend.store.figures import ProjectReports

_BOUNDS = ("value", "low", "high", "n")


def production_gauges(figures: list[ProjectReports]) -> Iterator[GaugeMetricFamily]:
    """By project and version, as last reported; what is undefined is left out."""
    accuracy = GaugeMetricFamily(
        "labelgate_production_accuracy",
        "Verified accuracy of a deployed model over all its answers: value, low, high and n.",
        labels=["project", "version", "bound"],
    )
    statistic = GaugeMetricFamily(
        "labelgate_production_decay_statistic",
        "Shiryaev-Roberts statistic of a deployed model's verified answers.",
        labels=["project", "version"],
    )
    alarm = GaugeMetricFamily(
        "labelgate_production_decay", "1 where it says decay.", labels=["project", "version"]
    )
    drifted = GaugeMetricFamily(
        "labelgate_production_drifted", "1 where the last look found drift.", labels=["project"]
    )
    answers = GaugeMetricFamily(
        "labelgate_production_answers", "Answers by state.", labels=["project", "state"]
    )
    for each in figures:
        if each.monitoring is None:
            continue
        project, body = str(each.project.id), each.monitoring.body
        for version, figure in body["by_version"].items():
            for bound in _BOUNDS:
                if figure["accuracy"][bound] is not None:
                    accuracy.add_metric([project, version, bound], figure["accuracy"][bound])
        for version, decay in body["decay"].items():
            statistic.add_metric([project, version], decay["statistic"])
            alarm.add_metric([project, version], int(decay["alarm"]))
        for state, count in body["states"].items():
            answers.add_metric([project, state], count)
        if body["drift"] is not None:
            drifted.add_metric([project], int(body["drift"]["drifted"]))
    yield from (accuracy, statistic, alarm, drifted, answers)
