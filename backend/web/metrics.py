"""Prometheus figures: counters of this process, and gauges read from the store when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.answers import Answers
from backend.breakers.states import breaker_states
from backend.counting import shown_counts
from backend.runtime import Runtime
from backend.store.alert_messages import GIVEN_UP, PENDING, SENT, count_messages
from backend.store.counts import ProjectCounts
from backend.store.events import count_open
from backend.store.figures import ProjectReports, project_reports
from backend.store.job_runs import JobRun, recent_runs
from backend.store.model_usage import all_usage
from backend.store.projects import all_projects
from backend.web.loop_metrics import breaker_gauges, figure_gauges, usage_gauges
from backend.web.production_metrics import production_gauges
from backend.web.work_metrics import work_gauges
from backend.work_standing import work_standing
from policies.loading import policy_if_it_loads

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_RUNS_READ = 200  # newest job runs among which each job's last is looked for

# Names of Label Studio's webhooks; any other is counted as "other", so that a sender cannot make
# new time series at will.
_ACTIONS = frozenset(
    {
        "ANNOTATION_CREATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_DELETED",
        "TASKS_CREATED",
        "TASKS_DELETED",
        "PROJECT_UPDATED",
        "START_TRAINING",
    }
)


class Metrics:
    """What this process counts, in a registry of its own; the store's figures join on a scrape."""

    def __init__(self, runtime: Runtime) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "labelgate_http_request_seconds",
            "Time to answer a request.",
            ["method", "route", "status"],
            registry=self.registry,
            # Label Studio's limits stand among the bounds: 1 s (webhook, health), 3 s, 100 s.
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 10, 30, 100),
        )
        self.events = Counter(
            "labelgate_webhook_events", "Webhooks stored.", ["action"], registry=self.registry
        )
        self._tasks = Counter(
            "labelgate_predict_tasks",
            "Tasks of /predict by answer: predicted, blind (empty on purpose), problem, no_answer.",
            ["answer"],
            registry=self.registry,
        )
        self._inferences = Counter(
            "labelgate_inferences",
            "Inferences sent by deployed models: stored, known, conflicts, repeated, refused.",
            ["project", "outcome"],
            registry=self.registry,
        )
        self.registry.register(_StoreCollector(runtime))

    def observe(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Add one answered request; paths and methods that are not ours share one series."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route or "(none)", status).observe(seconds)

    def count(self, answers: Answers) -> None:
        """Add one answered batch."""
        problems = len(answers.problems)
        rest = len(answers.results) - answers.predicted - answers.blind - problems
        for answer, number in (
            ("predicted", answers.predicted),
            ("blind", answers.blind),
            ("problem", problems),
            ("no_answer", rest),
        ):
            if number:
                self._tasks.labels(answer).inc(number)

    def count_inferences(self, project_id: int, outcomes: Mapping[str, int]) -> None:
        """Add one batch by what became of its inferences."""
        for outcome, number in outcomes.items():
            if number:
                self._inferences.labels(project_id, outcome).inc(number)


def action_name(action: str) -> str:
    """The label under which a webhook is counted."""
    return action if action in _ACTIONS else "other"


class _StoreCollector(Collector):
    """Gauges of every connected project, read in one transaction."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def describe(self) -> list[Metric]:
        """Nothing: the names come with the figures, and registering must not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read and render."""
        now = self._runtime.now()
        with self._runtime.reads() as session:
            projects = all_projects(session)
            figures = [project_reports(session, each) for each in projects]
            counted = {each.id: shown_counts(session, each, now) for each in projects}
            breakers = {
                each.id: breaker_states(session, each.id, policy)
                for each in projects
                if (policy := policy_if_it_loads(each.policy_text)) is not None
            }
            runs = recent_runs(session, _RUNS_READ)
            waiting = count_open(session)
            messages = count_messages(session)
            usage = all_usage(session)
        events = GaugeMetricFamily("labelgate_open_events", "Webhooks that no job has handled.")
        events.add_metric([], waiting)
        yield events
        # What was never counted is left out: a large project before its first round.
        known = {project: found for project, found in counted.items() if found is not None}
        yield from _count_gauges(known)
        yield _model_gauge(figures)
        yield from _queue_gauges(known)
        yield from _agreement_gauges(figures)
        yield from _gold_gauges(figures)
        yield from breaker_gauges(breakers)
        yield from figure_gauges(figures)
        yield from usage_gauges(usage)
        yield from production_gauges(figures)
        yield from _run_gauges(runs, now.timestamp())
        yield from work_gauges(work_standing(self._runtime))
        yield _message_gauge([each.project.id for each in figures], messages)


def _message_gauge(projects: list[int], counts: Mapping[tuple[int, str], int]) -> Metric:
    gauge = GaugeMetricFamily(
        "labelgate_alert_messages",
        "Alerts to people by how far they got.",
        labels=["project", "state"],
    )
    for project in projects:
        for state in (PENDING, SENT, GIVEN_UP):
            gauge.add_metric([str(project), state], counts.get((project, state), 0))
    return gauge


def _count_gauges(counted: Mapping[int, ProjectCounts]) -> Iterator[Metric]:
    counts = GaugeMetricFamily("labelgate_tasks", "Tasks by state.", labels=["project", "state"])
    labels = GaugeMetricFamily(
        "labelgate_human_labels", "Labels that people gave.", labels=["project"]
    )
    decisions = GaugeMetricFamily(
        "labelgate_decisions", "Decisions in force.", labels=["project", "outcome", "purpose"]
    )
    deliveries = GaugeMetricFamily(
        "labelgate_deliveries", "Deliveries by state.", labels=["project", "state"]
    )
    for number, each in counted.items():
        project = str(number)
        labels.add_metric([project], each.human_labels)
        for state, tasks in (
            ("all", each.tasks),
            ("accepted", each.accepted),
            ("waiting", each.waiting),
        ):
            counts.add_metric([project, state], tasks)
        for name, made in each.decisions.items():
            decisions.add_metric([project, *name.split("/", 1)], made)
        for state, wishes in each.deliveries.items():
            deliveries.add_metric([project, state], wishes)
    yield from (counts, labels, decisions, deliveries)


def _model_gauge(figures: list[ProjectReports]) -> Metric:
    gauge = GaugeMetricFamily(
        "labelgate_model_info", "The version that serves.", labels=["project", "version"]
    )
    for each in figures:
        if each.champion is not None:
            gauge.add_metric([str(each.project.id), each.champion.version], 1)
    return gauge


def _queue_gauges(counted: Mapping[int, ProjectCounts]) -> Iterator[Metric]:
    queues = GaugeMetricFamily(
        "labelgate_queue_tasks", "Tasks in a view.", labels=["project", "queue", "state"]
    )
    escalated = GaugeMetricFamily(
        "labelgate_escalated_tasks",
        "Contested tasks by who settles them.",
        labels=["project", "tier"],
    )
    for number, each in counted.items():
        project = str(number)
        for queue in each.queues:
            queues.add_metric([project, queue.name, "open"], queue.open)
            queues.add_metric([project, queue.name, "answered"], queue.answered)
            escalated.add_metric([project, queue.name], queue.escalated)
    yield from (queues, escalated)


def _gold_gauges(figures: list[ProjectReports]) -> Iterator[Metric]:
    scores = GaugeMetricFamily(
        "labelgate_gold_score",
        "Share of an annotator's newest answers to gold tasks that are right.",
        labels=["project", "user"],
    )
    counts = GaugeMetricFamily(
        "labelgate_annotator_counts",
        "1 where the annotator's answers count, 0 where gold has stopped them.",
        labels=["project", "user"],
    )
    for each in figures:
        people = [] if each.gold is None else each.gold.body["annotators"]
        for person in people:
            labels = [str(each.project.id), str(person["user_id"])]
            scores.add_metric(labels, person["score"]["value"])
            counts.add_metric(labels, int(person["counts"]))
    yield from (scores, counts)


def _agreement_gauges(figures: list[ProjectReports]) -> Iterator[Metric]:
    alphas = GaugeMetricFamily(
        "labelgate_agreement_alpha",
        "Krippendorff's alpha of the last report; left out where it is undefined.",
        labels=["project", "control", "slice"],
    )
    alerts = GaugeMetricFamily(
        "labelgate_alert_open", "1 while an alert stands.", labels=["project", "alert", "about"]
    )
    for each in figures:
        project = str(each.project.id)
        controls = {} if each.agreement is None else each.agreement.body.get("controls", {})
        states = {("agreement", name): 0 for name in controls if controls[name]["standing"]}
        for name, control in controls.items():
            for part, measures in _parts(control):
                alpha = measures.get("krippendorff_alpha")
                if alpha is not None and alpha["value"] is not None:
                    alphas.add_metric([project, name, part], alpha["value"])
        states |= {alert.event: int(alert.opened) for alert in each.alerts}
        for (alert_name, about), state in states.items():
            alerts.add_metric([project, alert_name, about], state)
    yield from (alphas, alerts)


def _parts(control: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The measures of a control of an agreement report: of all answers, each slice, the whole."""
    yield "all", control["measures"]
    yield from control["slices"].items()
    yield "whole", control["whole"]["measures"]


def _run_gauges(runs: list[JobRun], now: float) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "labelgate_job_age_seconds", "Since a job's last run began.", labels=["job"]
    )
    success = GaugeMetricFamily(
        "labelgate_job_success", "1 where a job's last ended run went well.", labels=["job"]
    )
    seen: set[str] = set()
    judged: set[str] = set()
    for run in runs:  # newest first
        if run.job not in seen:
            seen.add(run.job)
            age.add_metric([run.job], now - run.started_at.timestamp())
        if run.job not in judged and run.outcome is not None:
            judged.add(run.job)
            success.add_metric([run.job], 0 if run.outcome == "failed" else 1)
    yield from (age, success)
