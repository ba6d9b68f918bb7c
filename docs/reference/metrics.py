"""Every figure for Prometheus with its labels, from a scrape of an app on an empty store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import CollectorRegistry

from backend.app import create_app
from backend.bootstrap import build_runtime
from backend.settings import Settings
from backend.web.state import NAME, Web

_HEAD = (
    "# Metrics\n\n"
    "What `/metrics` tells Prometheus. Written by `make docs` from a scrape; change it in\n"
    "`backend/web/metrics.py` and beside it. A figure that is undefined is left out, never 0.\n"
    "Counters and histograms start anew with the process.\n\n"
    "| name | kind | labels | meaning |\n|---|---|---|---|\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure as a scrape names it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def metrics_page() -> str:
    """A row for each figure, in the order of their names."""
    return _HEAD + "".join(map(_row, figures()))


def figures() -> list[Figure]:
    """What an app without projects exports: names and labels do not depend on them."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = build_runtime(Settings(data_dir=Path(folder)))
        state: Web = create_app(runtime).extensions[NAME]
        found = list(_figures(state.metrics.registry))
        runtime.sessions.kw["bind"].dispose()
    return sorted(found, key=lambda figure: figure.name)


def _figures(registry: CollectorRegistry) -> Iterator[Figure]:
    own = _labels_of_counters(registry)
    for family in registry.collect():
        total = "_total" if family.type == "counter" else ""
        yield Figure(
            name=family.name + total,
            kind=family.type,
            labels=own.get(family.name) or _labels(family),
            meaning=family.documentation,
        )


def _labels_of_counters(registry: CollectorRegistry) -> dict[str, tuple[str, ...]]:
    """prometheus_client has no public word for the labels of what was never counted."""
    collectors = vars(registry)["_collector_to_names"]
    named = [vars(each) for each in collectors if "_labelnames" in vars(each)]
    return {each["_name"]: each["_labelnames"] for each in named}


def _labels(family: Metric) -> tuple[str, ...]:
    return tuple(vars(family).get("_labelnames", ()))


def _row(figure: Figure) -> str:
    labels = ", ".join(f"`{label}`" for label in figure.labels)
    return f"| `{figure.name}` | {figure.kind} | {labels} | {figure.meaning} |\n"
