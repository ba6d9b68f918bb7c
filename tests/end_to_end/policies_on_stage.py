"""Policies for the people of the stage: two or more general reviewers, and a senior."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.end_to_end.stage import Stage


def emails_of(stage: Stage) -> dict[str, str]:
    """Person -> the address that Label Studio knows them by."""
    found = {}
    for person, token in stage.tokens.items():
        answer = httpx.get(
            f"{stage.label_studio.url}/api/current-user/whoami",
            headers={"Authorization": f"Token {token}"},
            timeout=60,
        ).json()
        found[person] = answer["email"]
    return found


def write_rules(
    stage: Stage,
    file: Path,
    rules: str,
    *,
    capacity: int = 200,
    general: Sequence[str] = ("ann", "bob"),
    model: str = "kind: embedded",
) -> Path:
    """A policy file with the stage's project, tiers and model, and these rules below them."""
    emails = emails_of(stage)
    file.write_text(
        f"""\
project: {stage.project_id}
stakes: low
tiers:
  - name: general
    reviewers: [{", ".join(emails[person] for person in general)}]
    cost_per_label: 0.1
    daily_capacity: {capacity}
  - name: senior
    reviewers: [{emails["sen"]}]
    cost_per_label: 0.5
    daily_capacity: {capacity}
model: {{{model}}}
{rules}""",
        "utf-8",
    )
    return file


def write_policy(stage: Stage, file: Path, *, after: int, capacity: int = 60) -> Path:
    """A policy whose promise can be certified on a few dozen control answers."""
    rules = f"""\
auto_accept: {{max_error_rate: 0.2, confidence: 0.8}}
control: {{share: 0.2}}
holdout: {{share: 0.1}}
audit: {{share: 0.3}}
agreement: {{share: 0.2, overlap: 2}}
retrain: {{after_annotations: {after}, minimum_labels: 20}}
"""
    return write_rules(stage, file, rules, capacity=capacity)
