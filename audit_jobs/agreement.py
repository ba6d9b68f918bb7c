"""Job: how far people agree on the tasks that several of them labelled."""

from __future__ import annotations

from typing import Any

from audit_jobs.measures.alpha import krippendorff_alpha, raw_agreement
from audit_jobs.measures.patterns import patterns_of
from audit_jobs.measures.ratings import ratings_of
from backend.runtime import Runtime
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.reports import AGREEMENT, Report, newest_report, store_report
from backend.store.tasks import human_votes


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Measure and keep a report, unless nothing has changed since the last one."""
    with runtime.reads() as session:
        votes = human_votes(session, project.id)
        model = champion(session, project.id)
        last = newest_report(session, project.id, AGREEMENT)

    ratings = ratings_of(
        [str(vote.task_id) for vote in votes],
        [str(vote.user_id) for vote in votes],
        [vote.label for vote in votes],
    )
    patterns = patterns_of(ratings).of_several()
    body = {
        "votes": len(votes),
        "units": patterns.units,
        "raw_agreement": raw_agreement(patterns).as_json(),
        "krippendorff_alpha": krippendorff_alpha(patterns).as_json(),
    }

    if last is None or last.body != body:
        with runtime.sessions.begin() as session:
            version = None if model is None else model.version
            report = Report(kind=AGREEMENT, model_version=version, made_at=runtime.now(), body=body)
            store_report(session, project.id, report)
    return body
