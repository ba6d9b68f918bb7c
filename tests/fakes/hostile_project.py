"""A project in which everything that people, tasks and models can name is markup that would run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

from audit_jobs.jobs import JOBS
from audit_jobs.running import JobFailedError, run_job
from backend.accounts import WantedLink, add, new_token, share
from backend.store.accounts import ADMIN
from backend.store.alerts import Alert, store_alert
from backend.store.job_runs import close_run, open_run
from backend.store.models import ModelVersion, store_version
from backend.store.promotions import Kind, Promotion, store_promotion
from backend.store.suspensions import store_suspension
from policies.breaker import Suspension
from policies.domain import Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

ELEMENT = "xss-it"  # no page has such an element, unless it took a text for markup
MARKUP = f"\"'><{ELEMENT} onload=a()>&amp;{{{{7*7}}}}"
A, B = f"{MARKUP}A", f"{MARKUP}B"
PASSWORD = "nine green bottles"
_CONFIG = (
    '<View><Text name="text" value="$text"/>'
    f'<Choices name={quoteattr(MARKUP)} toName="text">'
    f"<Choice value={quoteattr(A)}/><Choice value={quoteattr(B)}/></Choices></View>"
)


def hostile_project(folder: Path) -> WorkedProject:
    """Worked by every job: tasks answered, decided, audited, disagreed upon; a breaker tripped."""
    tiers = [
        {
            "name": f"{MARKUP} {each}",
            "reviewers": [f"{name}@example.com" for name in names],
            "cost_per_label": cost,
            "daily_capacity": 10_000,
        }
        for each, names, cost in (("1", ("ann", "bob"), 0.1), ("2", ("sue",), 1.0))
    ]
    policy = worked_policy(
        project=MARKUP,
        tiers=tiers,
        auto_accept={"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7},
        control={"share": 0.3},
        agreement={"share": 0.3, "overlap": 2, "minimum_alpha": 0.9},
    )
    made = worked_project(folder, policy, title=MARKUP, config=_CONFIG)
    made.promote(certified=False, labels=(A, B))
    made.server.add_tasks(
        made.project_id,
        [{"text": f"{text} {MARKUP} {n}", MARKUP: MARKUP} for n in range(60) for text in _TEXTS],
    )
    made.settle()
    _answer(made)
    _work(made)
    _remember(made)
    return made


_TEXTS = ("apples and pears ripen in quiet gardens", "engines turn wheels over rough roads")


def _answer(made: WorkedProject) -> None:
    """Control is right, and of what two people look at they disagree."""
    for each in made.with_purpose(Purpose.CONTROL):
        made.server.submit(made.people["sue"], each, _right(made, each))
    for each in made.with_purpose(Purpose.AGREEMENT):
        made.server.submit(made.people["ann"], each, A)
        made.server.submit(made.people["bob"], each, B)


def _right(made: WorkedProject, task_id: int) -> str:
    return A if "apples" in made.server.tasks[task_id].data["text"] else B


def _work(made: WorkedProject) -> None:
    made.settle()
    for each in made.with_purpose(Purpose.AUDIT)[:10]:
        made.server.submit(made.people["sue"], each, B)
    for _ in range(2):
        for name in JOBS:
            try:
                run_job(made.runtime, name, made.project)
            except JobFailedError:  # kept as a run that failed, which is a page too
                continue
        made.clock.forward(90_000)


def _remember(made: WorkedProject) -> None:
    """What stands in the store as others named it: versions, alerts, errors, accounts, links."""
    runtime, project_id, now = made.runtime, made.project_id, made.clock()
    version = f"{MARKUP}-2"
    with runtime.sessions.begin() as session:
        model = ModelVersion(
            version=version,
            number=99,
            path="",
            sha256="",
            labels=(A, B),
            state="kept",
            verdict={"reason": MARKUP},
            lineage={},
            trained_at=now,
            promoted_at=None,
        )
        store_version(session, project_id, model, now)
        made_by = Promotion(version=version, replaced="v1", kind=Kind.GATE, why=MARKUP, at=now)
        store_promotion(session, project_id, made_by)
        alert = Alert(name=MARKUP, about=MARKUP, opened=True, says=MARKUP, detail={}, made_at=now)
        store_alert(session, project_id, alert)
        suspension = Suspension(
            id=0,
            model_version="v1",
            group=("model", A),
            since=now,
            statistic=100.0,
            audits=20,
            errors=5,
            good_until=now - timedelta(days=1),
            why=MARKUP,
        )
        store_suspension(session, project_id, suspension)
        run = open_run(session, "route", project_id, now)
        close_run(session, run, MARKUP, now)
    add(runtime, "ann", ADMIN, PASSWORD, MARKUP)
    new_token(runtime, "ann", MARKUP, MARKUP)
    share(runtime, WantedLink(project_id=project_id, days=7, note=MARKUP), MARKUP)
