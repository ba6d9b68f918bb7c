"""Projects in every state of the loop, as jobs would have left them, for pages to show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from backend.store.alerts import Alert, store_alert
from backend.store.counts import ProjectCounts, Queue, TierDay, store_counts
from backend.store.job_runs import close_run, open_run
from backend.store.models import CHAMPION, ModelVersion, store_version
from backend.store.projects import ConnectedProject, store_policy, store_project
from backend.store.reports import AUDIT, Report, store_report
from backend.store.suspensions import store_suspension
from policies.breaker import Suspension
from policies.claims import BROKEN, HOLDS
from policies.loading import parse_policy, policy_hash
from policies.spending import Saving
from policies.stages import Stage
from tests.fakes.web_project import CONFIG, WebProject

POLICY = """
project: {title}
stakes: low
tiers:
  - name: general
    reviewers: [a@example.com, b@example.com]
    cost_per_label: 0.1
    daily_capacity: 500
  - name: domain
    reviewers: [d@example.com]
    cost_per_label: 0.4
    daily_capacity: 120
  - name: senior
    reviewers: [s@example.com]
    cost_per_label: 1
    daily_capacity: 40
auto_accept: {accepts}
"""
ACCEPTS = "{max_error_rate: 0.05, confidence: 0.95}"


class ShownLoops:
    """Adds projects to a web project's store, each with a word on how it stands."""

    def __init__(self, project: WebProject) -> None:
        self.runtime = project.runtime
        self.clock = project.clock

    def add(
        self, project_id: int, title: str, *, accepts: str = ACCEPTS, model: str | None = "v7"
    ) -> ConnectedProject:
        """Connect a project, with a version that serves unless ``model`` is None."""
        text = POLICY.format(title=title, accepts=accepts)
        digest = policy_hash(parse_policy(text))
        project = ConnectedProject(
            id=project_id,
            title=title,
            label_config=CONFIG,
            policy_text=text,
            policy_hash=digest,
            robot_id=9,
            views={"general": 11, "domain": 12, "senior": 13, "Control": 14, "Audit": 15},
            ml_backend_id=None,
            webhook_id=None,
            previous_settings={},
            last_task_id=0,
            synced_until=None,
        )
        with self.runtime.sessions.begin() as session:
            store_policy(session, digest, text, self.clock())
            store_project(session, project, self.clock())
            if model is not None:
                store_version(session, project_id, self._version(model), self.clock())
        return project

    def count(self, project_id: int, stage: Stage, **changes: Any) -> ProjectCounts:
        """Keep counts as the job would have."""
        counts = ProjectCounts(
            tasks=48_210,
            human_labels=9_432,
            labelled_tasks=8_870,
            accepted=31_004,
            accepted_this_week=4_211,
            waiting=1_203,
            decisions={
                "accept/none": 31_004,
                "review/none": 15_321,
                "review/control": 1_300,
                "accept/audit": 585,
            },
            deliveries={"delivered": 46_900, "pending": 1_310},
            queues=(
                Queue(name="general", open=412, answered=7_100, escalated=0),
                Queue(name="domain", open=38, answered=1_044, escalated=9),
                Queue(name="senior", open=52, answered=408, escalated=4),
                Queue(name="Control", open=17, answered=1_283, escalated=0),
                Queue(name="Audit", open=21, answered=564, escalated=0),
            ),
            labels_this_week={"general": 1_800, "domain": 220, "senior": 96},
            today={
                "general": TierDay(answered=206, capacity=500),
                "domain": TierDay(answered=31, capacity=120),
                "senior": TierDay(answered=12, capacity=40),
            },
            saved_this_week=Saving(spared=421.1, proving=58.3, models=12.0),
            saved=Saving(spared=3_100.4, proving=402.0, models=61.5),
            stage=stage,
            as_of=self.clock() - timedelta(minutes=2),
        )
        counts = replace(counts, **changes)
        with self.runtime.sessions.begin() as session:
            store_counts(session, project_id, counts, {})
        return counts

    def audits(
        self, project_id: int, *, audits: int, errors: int, bounds: tuple[float, float]
    ) -> None:
        """Keep what the audit job would have said of the promise."""
        low, high = bounds
        rate = {"value": 1 - errors / audits, "low": 1 - high, "high": 1 - low, "n": audits}
        claim = {
            "model_version": "v7",
            "pass_rate": rate,
            "max_error_rate": 0.05,
            "confidence": 0.95,
            "audits": audits,
            "errors": errors,
            "low": low,
            "high": high,
            "needed": max(audits, 149),
            "decided": HOLDS if high < 0.05 else BROKEN if low > 0.05 else None,
        }
        body = {"audited": audits, "pass_rate": rate, "claim": claim, "by_label": {}}
        report = Report(kind=AUDIT, model_version="v7", made_at=self.clock(), body=body)
        with self.runtime.sessions.begin() as session:
            store_report(session, project_id, report)

    def alert(self, project_id: int, name: str, says: str, *, opened: bool = True) -> None:
        """Open an alert, or say that it is over."""
        alert = Alert(
            name=name, about="labels", opened=opened, says=says, detail={}, made_at=self.clock()
        )
        with self.runtime.sessions.begin() as session:
            store_alert(session, project_id, alert)

    def trip(self, project_id: int, version: str = "v7") -> None:
        """Suspend all answers of the version."""
        suspension = Suspension(
            id=0,
            model_version=version,
            group=("model", None),
            since=self.clock(),
            statistic=2_310.5,
            audits=131,
            errors=17,
            good_until=self.clock() - timedelta(days=2),
            why="17 of 131 audits wrong; promised are at most 5.0 %",
        )
        with self.runtime.sessions.begin() as session:
            store_suspension(session, project_id, suspension)

    def run(self, project_id: int | None, job: str = "alerts", error: str | None = None) -> int:
        """Let a job have run."""
        with self.runtime.sessions.begin() as session:
            run_id = open_run(session, job, project_id, self.clock())
            ended = self.clock() + timedelta(seconds=1.4)
            close_run(session, run_id, error if error is not None else {"tasks": 3}, ended)
        return run_id

    def _version(self, name: str) -> ModelVersion:
        return ModelVersion(
            version=name,
            number=int(name.removeprefix("v")),
            path=f"{name}.skops",
            sha256="0" * 64,
            labels=("A", "B"),
            state=CHAMPION,
            verdict={"reason": "better on the holdout"},
            lineage={},
            trained_at=self.clock(),
            promoted_at=self.clock(),
        )


def every_state(project: WebProject) -> ShownLoops:
    """Eight projects, one in each state that an admin may find, the scheduler at work."""
    loops = ShownLoops(project)
    for number, title, stage in (
        (1, "Support mails", Stage.ACCEPTING),
        (2, "Invoices", Stage.SUSPENDED),
        (3, "Chest x-rays", Stage.COLLECTING_CONTROL),
        (4, "Product reviews in eleven languages, second wave", Stage.DRIFTED),
        (5, "Street signs", Stage.RETRAINING),
    ):
        loops.add(number, title)
        loops.count(number, stage)
    loops.add(6, "Contracts", accepts="never")
    loops.count(6, Stage.ASSISTING, accepted=0, accepted_this_week=0, saved_this_week=None)
    loops.add(7, "Call transcripts", model=None)
    loops.count(
        7,
        Stage.NO_MODEL,
        accepted=0,
        accepted_this_week=0,
        saved_this_week=Saving(spared=0.0, proving=0.0, models=0.0),
    )
    loops.add(8, "<b>New</b> & empty", model=None)
    loops.audits(1, audits=564, errors=11, bounds=(0.011, 0.033))
    loops.audits(2, audits=131, errors=17, bounds=(0.083, 0.187))
    loops.audits(3, audits=20, errors=1, bounds=(0.001, 0.249))
    loops.audits(4, audits=402, errors=9, bounds=(0.011, 0.042))
    loops.audits(5, audits=320, errors=6, bounds=(0.008, 0.036))
    loops.trip(2)
    loops.alert(2, "job_failed", "the job deliver has failed 3 times in a row")
    loops.alert(
        2,
        "breaker",
        "the breaker of v7 tripped: 17 of 131 audited labels are wrong; promised are at most 5.0 %",
    )
    loops.alert(4, "drift", "the texts of the last 500 tasks differ from those the model knows")
    loops.alert(1, "queue_days", "over long ago", opened=False)
    for number in range(1, 8):
        loops.run(number)
    return loops
