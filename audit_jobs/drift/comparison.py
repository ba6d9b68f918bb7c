"""All features of two samples, tested together: one verdict, and the findings behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audit_jobs.drift.features import Features
from audit_jobs.measures.drift import (
    Categories,
    Finding,
    Numbers,
    classifier_finding,
    findings_of,
    verdict,
)
from audit_jobs.measures.label_shift import LabelShare
from policies.domain import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was compared and what came of it; ``labels`` is None where there are no labels."""

    drifted: bool
    findings: list[Finding]
    labels: list[LabelShare] | None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, as the report and the command give them."""
        return {
            "drifted": self.drifted,
            "features": [found.as_json() for found in self.findings],
            "label_shift": None if self.labels is None else _labels_json(self.labels),
            "notes": list(self.notes),
        }


@dataclass(slots=True, kw_only=True)
class Samples:
    """Two samples, as features to test one by one and as rows for a classifier."""

    tested: list[Numbers | Categories] = field(default_factory=list)
    reference_rows: list[FloatArray] = field(default_factory=list)
    current_rows: list[FloatArray] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, features: Features) -> None:
        """What was computed of a text or an image."""
        self.tested += features.tested
        self.reference_rows.append(features.reference_rows)
        self.current_rows.append(features.current_rows)
        self.notes += features.notes


def compare(
    samples: Samples, labels: list[LabelShare] | None, false_alarm: float, seed: int = 0
) -> Comparison:
    """Test every feature, and give one verdict that alarms falsely as often as it is told to."""
    findings = [found for feature in samples.tested for found in findings_of(feature, seed)]
    pairs = zip(samples.reference_rows, samples.current_rows, strict=True)
    pairs_of_rows = [(before, after) for before, after in pairs if before.shape[1]]
    if pairs_of_rows:
        reference, current = (_beside(each) for each in zip(*pairs_of_rows, strict=True))
        findings.append(classifier_finding(reference, current, seed))
    drifted, told = verdict(findings, false_alarm)
    return Comparison(drifted=drifted, findings=told, labels=labels, notes=tuple(samples.notes))


def _beside(parts: Sequence[FloatArray]) -> FloatArray:
    """The parts side by side, as many rows as all of them have."""
    rows = min(len(part) for part in parts)
    return np.hstack([part[:rows] for part in parts])


def _labels_json(labels: Sequence[LabelShare]) -> Mapping[str, Any]:
    return {
        each.label: {
            "reference": each.reference,
            "current": each.current if each.estimated is None else each.estimated,
            "counted": each.current,
            "p_adjusted": each.p_adjusted,
        }
        for each in labels
    }
