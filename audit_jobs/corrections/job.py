"""Job: what people correct of what they are shown, and what the model mixes up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit_jobs.agreement.job import measurement_due
from audit_jobs.agreement.slices import MOST_WEEKS
from audit_jobs.corrections.alerts import alerts_due
from audit_jobs.corrections.figures import blind_error_of, figures, unclear_of
from audit_jobs.corrections.shown import Seen, columns_of, seen_by_people
from audit_jobs.measures.corrections import Answers, correction_rate
from audit_jobs.measures.model_confusions import Background
from audit_jobs.measures.ratings import ratings_of
from backend.reviewers import tier_members
from backend.runtime import Runtime
from backend.store.alerts import open_alerts, store_alert
from backend.store.corrections import answered_state, answered_tasks
from backend.store.gold import gold_task_ids
from backend.store.models import EXAMPLES_BY_LABEL, ModelVersion, all_versions, champion
from backend.store.projects import ConnectedProject
from backend.store.reports import CORRECTIONS, Report, newest_report, store_report
from backend.store.votes import human_votes
from policies.correction_bands import CorrectionBands, band_of, meaning
from policies.loading import parse_policy

# The alert is about the present: old answers would hide for long that a rate has changed.
RECENT = 1_000
MOST_CONFUSIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the answers are put beside; ``serving`` is the version that predicts now."""

    bands: CorrectionBands
    tiers: Mapping[int, str]
    serving: str | None
    background: Mapping[str | None, Background]


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Measure and keep a report with its alerts, unless nothing has changed since the last one."""
    now = runtime.now()
    with runtime.reads() as session:
        model = champion(session, project.id)
        state = {
            **answered_state(session, project.id).as_json(),
            "policy": project.policy_hash,
            "label_config": hashlib.sha256(project.label_config.encode()).hexdigest(),
            "gold": len(gold_task_ids(session, project.id)),
            "serving": None if model is None else model.version,
        }
        last = newest_report(session, project.id, CORRECTIONS)
        if last is not None and not measurement_due(state, last, now):
            return {"state": "nothing new", "answers": state["answers"]}
    policy = parse_policy(project.policy_text)
    tiers = {user: tier for tier, users in tier_members(runtime, policy).items() for user in users}
    with runtime.reads() as session:
        seen, left_out = seen_by_people(answered_tasks(session, project.id))
        votes = human_votes(session, project.id)
        versions = all_versions(session, project.id)
        standing = open_alerts(session, project.id)

    unclear = unclear_of(
        ratings_of(
            [str(vote.task_id) for vote in votes],
            [str(vote.user_id) for vote in votes],
            [vote.label for vote in votes],
        )
    )
    setting = Setting(
        bands=policy.corrections,
        tiers=tiers,
        serving=None if model is None else model.version,
        background=_backgrounds(versions, unclear),
    )
    body = {"state": state, "left_out": left_out, **project_corrections(seen, setting)}
    alerts = alerts_due(body, policy.corrections, standing, now)

    version = body["model_version"]
    report = Report(kind=CORRECTIONS, model_version=version, made_at=now, body=body)
    with runtime.sessions.begin() as session:
        store_report(session, project.id, report)
        for alert in alerts:
            store_alert(session, project.id, alert, version)
    return {
        "answers": state["answers"],
        "rate": body["rate"],
        "blind_error": body["blind_error"],
        "opened": [alert.says for alert in alerts if alert.opened],
        "resolved": [alert.says for alert in alerts if not alert.opened],
    }


def project_corrections(seen: Sequence[Seen], setting: Setting) -> dict[str, Any]:
    """The report of one version: that which serves, or else that which was answered last.

    Figures rest on the first answer to each task, which nobody's doubt has asked for; tiers and
    reviewers are told apart on all answers. ``weeks`` and ``versions`` are about all versions.
    """
    version = version_told_of(seen, setting.serving)
    own = [each for each in seen if each.model_version == version]
    first = columns_of([each for each in own if each.first], setting.tiers)
    found = figures(
        first,
        setting.bands,
        setting.background.get(version),
        columns_of(own, setting.tiers),
    )
    shown = [each for each in own if each.first and each.shown]
    recent = correction_rate(columns_of(shown[-RECENT:], setting.tiers))
    band = band_of(recent, setting.bands)
    return {
        "model_version": version,
        **found,
        "confusions": found["confusions"][:MOST_CONFUSIONS],
        "recent": {**recent.as_json(), "band": str(band), "says": meaning(band, recent)},
        "weeks": dict(
            list(_parts(seen, lambda each: each.week, setting.tiers).items())[-MOST_WEEKS:]
        ),
        "versions": _parts(seen, lambda each: each.model_version or "rules", setting.tiers),
    }


def version_told_of(seen: Sequence[Seen], serving: str | None) -> str | None:
    """The version that serves once people have answered it, until then the last that they did."""
    if not seen or any(each.model_version == serving for each in seen):
        return serving
    return seen[-1].model_version


def _parts(
    seen: Sequence[Seen], name: Callable[[Seen], str], tiers: Mapping[int, str]
) -> dict[str, Any]:
    parts: dict[str, list[Seen]] = {}
    for each in seen:
        if each.first:
            parts.setdefault(name(each), []).append(each)
    return {part: _rates(columns_of(parts[part], tiers)) for part in sorted(parts)}


def _rates(answers: Answers) -> dict[str, Any]:
    return {
        "rate": correction_rate(answers).as_json(),
        "blind_error": blind_error_of(answers),
    }


def _backgrounds(
    versions: Sequence[ModelVersion], unclear: frozenset[tuple[str, str]] | None
) -> dict[str | None, Background]:
    found: dict[str | None, Background] = {None: Background(unclear=unclear)}
    for each in versions:
        examples = each.lineage.get(EXAMPLES_BY_LABEL)
        found[each.version] = Background(examples=examples, unclear=unclear)
    return found
