"""Human oversight as a chapter: what people looked at, and who they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit_jobs.documents.pack import Chapter
from audit_jobs.documents.tables import Table
from audit_jobs.evidence.charts import oversight_chart

# What each outcome and purpose of a decision means to somebody who never saw the words.
_MEANS = {
    ("accept", "routed"): "accepted on the model's word",
    ("accept", "audit"): "accepted, and drawn for a blind audit",
    ("review", "routed"): "sent to people by a rule or for want of certainty",
    ("review", "control"): "control slice: labelled blind, whatever the model says",
    ("review", "holdout"): "holdout: labelled blind, never learned from",
    ("review", "agreement"): "asked of several people, to see whether they agree",
    ("review", "recall"): "taken back after it had been accepted",
    ("review", "monitoring"): "checks a deployed model, blind",
    ("review", "monitoring_shown"): "checks a deployed model, its answer shown",
}


def oversight(found: Mapping[str, Any]) -> Chapter:
    """Which share of the tasks a person has looked at, and which share each person."""
    return Chapter(
        heading="Human oversight",
        says=(
            "Of the tasks that were decided in this time, by their last decision of it. A person "
            "has looked where a label that a person gave stands at the end of the time."
        ),
        charts=(oversight_chart(found),) if found["tasks"] else (),
        tables=(_tasks(found), _people(found)),
    )


def _tasks(found: Mapping[str, Any]) -> Table:
    in_all = found["tasks"]
    rows = [
        (
            _MEANS.get((each["outcome"], each["purpose"]), f"{each['outcome']}: {each['purpose']}"),
            f"{each['tasks']:,}",
            f"{each['tasks'] / in_all:.1%}",
            f"{each['seen']:,}",
            f"{each['seen'] / each['tasks']:.1%}",
        )
        for each in found["decisions"]
    ]
    if rows:
        seen = sum(each["seen"] for each in found["decisions"])
        rows.append(("all", f"{in_all:,}", "100.0%", f"{seen:,}", f"{seen / in_all:.1%}"))
    return Table(
        heading="What people looked at",
        says="" if rows else "Nothing was decided in this time.",
        columns=("decided", "tasks", "share", "a person has looked", "of them"),
        rows=tuple(rows),
    )


def _people(found: Mapping[str, Any]) -> Table:
    rows = tuple(
        (
            each["name"] or f"user {each['user_id']}",
            each["tier"] or "unknown",
            f"{each['labels']:,}",
            f"{each['share']:.1%}",
            f"{each['tasks']:,}",
            f"{each['seconds'] / each['timed']:.1f} s" if each["timed"] else "unknown",
        )
        for each in found["people"]
    )
    unknown = "" if found["tiers_known"] else " Label Studio could not be asked who is in a tier."
    return Table(
        heading="Who reviewed what share",
        says=(f"{found['labels']:,} labels that stand.{unknown}" if rows else "Nobody labelled."),
        columns=("person", "tier", "labels", "share", "tasks", "time for a label"),
        rows=rows,
    )
