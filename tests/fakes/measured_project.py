"""A project with a report of every kind, as jobs leave them: what its figures are drawn from."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from backend.store.certificates import store_certification
from backend.store.models import ModelVersion, store_version
from backend.store.projects import active_project
from backend.store.promotions import Kind, Promotion, store_promotion
from backend.store.reports import (
    AGREEMENT,
    AUDIT,
    BREAKER,
    CORRECTIONS,
    CURVES,
    CYCLE,
    DRIFT,
    FIGURES,
    STRATEGIES,
    Report,
    store_report,
)
from backend.store.suspensions import store_suspension
from policies.breaker import Suspension
from policies.domain import MODEL, Certificate, Certification, Estimate
from tests.fakes.web_project import POLICY, PROJECT_ID, WebProject, web_project

RULE = "auto_accept: {max_error_rate: 0.05, confidence: 0.95, cost_of_error: 1.0}"
LABELS = ("business", "science <b>&", "sport", "world")
UNKNOWN = {"value": None, "low": None, "high": None, "n": 0}
WEEKS = tuple(f"2026-W{week:02d}" for week in range(1, 13))
VERSIONS = tuple(f"v{number}" for number in range(1, 8))


def share(value: float, n: int = 200, half: float = 0.03) -> dict[str, Any]:
    """An estimate as reports keep it."""
    return {"value": value, "low": max(0.0, value - half), "high": min(1.0, value + half), "n": n}


def measured_project(folder: Path) -> WebProject:
    """Twelve weeks, seven versions, a breaker that tripped once, drift in the newest look."""
    project = web_project(folder)
    project.connect(policy=POLICY.replace("auto_accept: never", RULE))
    project.promote("v0")
    with project.runtime.sessions.begin() as session:
        _add_versions(session, project.clock())
        _add_certificate(session, project.clock())
        _add_reports(session, project.clock())
    return project


def _add_versions(session: Session, now: datetime) -> None:
    for place, name in enumerate(VERSIONS):
        at = now - timedelta(days=7 * (len(VERSIONS) - place))
        version = ModelVersion(
            version=name,
            number=place + 2,
            path="",
            sha256="",
            labels=LABELS,
            state="kept",
            verdict={
                "holdout_accuracy": share(0.82 + 0.018 * place, 400),
                "reason": "better than the version before",
            },
            lineage={},
            trained_at=at,
            promoted_at=None,
        )
        store_version(session, PROJECT_ID, version, at)
        if place % 2 == 0:
            made = Promotion(version=name, replaced=None, kind=Kind.GATE, why="better", at=at)
            store_promotion(session, PROJECT_ID, made)


def _add_certificate(session: Session, now: datetime) -> None:
    certificate = Certificate(
        model_version=VERSIONS[-1],
        max_error_rate=0.05,
        confidence=0.95,
        threshold=0.8,
        accepted_share=0.6,
        error=Estimate(value=0.02, low=0.0, high=0.049, n=600),
        errors=12,
        control_answers=1_000,
        grid=(0.9, 0.8),
        labels_needed=None,
    )
    connected = active_project(session, PROJECT_ID)
    assert connected is not None
    found = Certification(model_version=VERSIONS[-1], certificates=(certificate,))
    store_certification(session, PROJECT_ID, found, connected.policy_hash, now)


def curves(version: str) -> dict[str, Any]:
    """What the job of that name leaves."""
    points = [
        {
            "threshold": 1 - place / 200,
            "coverage": place / 100,
            **share(0.001 + 0.12 * (place / 100) ** 2, 10 * place, 0.3 / place**0.5),
        }
        for place in range(1, 101)
    ]
    bins = [
        {
            "start": place / 10,
            "end": (place + 1) / 10,
            "score": place / 10 + 0.05,
            **share(place / 10 - 0.01, 20 * place * place, 0.3 / place),
        }
        for place in range(3, 10)
    ]
    return {
        "state": {},
        "model_version": version,
        "answers": 1_000,
        "groups": [
            {
                "predictor": MODEL,
                "label": None,
                "answers": 1_000,
                "errors": 121,
                "points": points,
                "max_error_rate": 0.05,
                "confidence": 0.95,
                "cheapest": points[71],
            }
        ],
        "reliability": [
            {
                "predictor": MODEL,
                "bins": bins,
                "n": 1_000,
                "error": 0.051,
                "by_chance": 0.014,
                "most_by_chance": 0.02,
                "bias": 0.05,
            }
        ],
    }


def _add_reports(session: Session, now: datetime) -> None:
    for kind, body in (
        (AUDIT, audit()),
        (CORRECTIONS, corrections()),
        (AGREEMENT, agreement()),
        (STRATEGIES, strategies()),
        (CURVES, curves(VERSIONS[-1])),
        (FIGURES, six()),
    ):
        report = Report(kind=kind, model_version=VERSIONS[-1], made_at=now, body=body)
        store_report(session, PROJECT_ID, report)
    for place in range(40):
        at = now - timedelta(hours=6 * (40 - place))
        report = Report(kind=BREAKER, model_version="v7", made_at=at, body=breaker(place))
        store_report(session, PROJECT_ID, report)
    store_suspension(
        session,
        PROJECT_ID,
        Suspension(
            id=0,
            model_version="v7",
            group=(MODEL, None),
            since=now - timedelta(days=4),
            statistic=2_400.0,
            audits=131,
            errors=9,
            good_until=now - timedelta(days=6),
            why="9 of 131 audits wrong",
            reset_at=now - timedelta(days=3),
            reset_why="the guideline was mended",
            rearmed_at=now - timedelta(days=2),
        ),
    )
    for place in range(8):
        at = now - timedelta(days=8 - place)
        report = Report(kind=DRIFT, model_version="v7", made_at=at, body=drift(place))
        store_report(session, PROJECT_ID, report)
    for place in range(6):
        at = now - timedelta(days=40 - 6 * place)
        report = Report(kind=CYCLE, model_version="v1", made_at=at, body=cycle(place + 1))
        store_report(session, PROJECT_ID, report)


def audit() -> dict[str, Any]:
    """Pass rates by week and by label."""
    return {
        "pass_rate": share(0.972, 640, 0.012),
        "corrected_pass_rate": share(0.98, 640, 0.012),
        "by_week": {week: share(0.95 + 0.003 * (n % 5), 50) for n, week in enumerate(WEEKS)},
        "by_label": {label: share(0.98 - 0.02 * n, 160) for n, label in enumerate(LABELS)},
    }


def breaker(place: int) -> dict[str, Any]:
    """The statistic climbs, trips, and begins anew."""
    statistic = 0.4 * 1.5**place if place < 22 else 1.0 + place % 5
    group = {
        "predictor": MODEL,
        "label": None,
        "audits": 10 + place,
        "errors": place // 9,
        "statistic": statistic,
        "max_error_rate": 0.05,
        "waiting_for": None,
    }
    return {"groups": [group]}


def corrections() -> dict[str, Any]:
    """Rates by week, and every pair of labels mixed up."""
    pairs = [
        {
            "from": one,
            "to": other,
            "count": 7 * place + 3 * other_place + 1,
            "lift": 1.0 + place,
            "lacks": ("training data", "guideline", "model", None)[place],
            "examples": [str(100 * place + number) for number in range(5)],
        }
        for place, one in enumerate(LABELS)
        for other_place, other in enumerate(LABELS)
        if one != other
    ]
    recent = {**share(0.17, 1_000), "band": "within", "says": "pre-labels help"}
    return {
        "rate": share(0.18, 3_000),
        "recent": recent,
        "bands": {"low": 0.05, "high": 0.3},
        "weeks": {
            week: {
                "rate": share(0.35 - 0.015 * place, 250),
                "blind_error": None if place % 4 == 3 else share(0.3 - 0.01 * place, 60, 0.06),
            }
            for place, week in enumerate(WEEKS)
        },
        "confusions": sorted(pairs, key=lambda pair: -pair["count"]),
    }


def agreement() -> dict[str, Any]:
    """Two controls, five people."""
    people = ("101", "102", "103", "104", "105")
    pairs = [
        {"annotators": [one, other], "agreement": share(0.6 + 0.03 * (int(one) % 7), 80, 0.1)}
        for place, one in enumerate(people)
        for other in people[place + 1 :]
        if (one, other) != ("104", "105")
    ]

    def control(value: float, note: str | None) -> dict[str, Any]:
        figure = {"krippendorff_alpha": share(value, 300, 0.05)}
        return {
            "type": "choices",
            "measures": figure | {"gwet_ac1": share(value + 0.05), "raw_agreement": share(0.9)},
            "compared_by": "raw_agreement",
            "note": note,
            "slices": {
                "routed": figure,
                "agreement_drawn": {"krippendorff_alpha": UNKNOWN},
                "random": {"krippendorff_alpha": share(value + 0.1, 90, 0.09)},
            },
            "whole": {"measures": {}, "note": "cannot be estimated"},
            "standing": "likely" if value < 0.6 else None,
            "pairs": pairs,
        }

    return {
        "minimum_alpha": 0.6,
        "krippendorff_alpha": share(0.8),
        "controls": {"label": control(0.78, None), "mood": control(0.52, "few answers")},
    }


def strategies() -> dict[str, Any]:
    """One that helps, one that nobody can tell from chance."""

    def gain(value: float, verdict: str) -> dict[str, Any]:
        ends = {"value": value, "low": value - 0.00008, "high": value + 0.00008, "n": 300}
        return {"per_label": ends, "labels": 300, "cycles": 4, "verdict": verdict}

    return {
        "cycles": [],
        "gains": {"uncertain": gain(0.00018, "helps"), "stratified": gain(0.00002, "unknown")},
        "says": "not distinguishable: no strategy's labels are worth more than another's",
    }


def drift(place: int) -> dict[str, Any]:
    """The look of the last day finds that texts are longer."""
    changed = place == 7
    features = [
        ("number of words", 0.00002 if changed else 0.4, 0.31 if changed else 0.04),
        ("language", 0.8, 0.01),
        ("predicted label", 0.02 if changed else 0.6, 0.09),
    ]
    shares = dict.fromkeys(LABELS, 0.25)
    now = {
        label: 0.25 + (0.02 * place if n == 0 else -0.02 * place / 3)
        for n, label in enumerate(LABELS)
    }
    return {
        "drifted": changed,
        "features": [
            {
                "name": name,
                "test": "Kolmogorov-Smirnov",
                "p_adjusted": p_value,
                "psi": psi,
                "psi_expected": 0.03,
                "p_value": p_value,
                "n": {"reference": 2_000, "current": 500},
                "note": None,
            }
            for name, p_value, psi in features
        ],
        "false_alarm": {"policy": 0.01, "this_look": 0.001},
        "label_shift": {
            label: {
                "reference": shares[label],
                "current": now[label],
                "counted": now[label],
                "p_adjusted": 0.5,
            }
            for label in LABELS
        },
        "raised": [],
    }


def loop_seconds(hours: float, n: int = 1) -> dict[str, Any]:
    """A loop's time by parts."""
    parts = {"people": 0.8, "trigger": 0.1, "training": 0.07, "gate": 0.03}
    figures = {name: hours * 3600 * part for name, part in parts.items()} | {
        "total": hours * 3600.0
    }
    return {
        name: {"value": value, "low": None, "high": None, "n": n} for name, value in figures.items()
    }


def six() -> dict[str, Any]:
    """The six figures now, by week and by version."""

    def part(place: int) -> dict[str, Any]:
        return {
            "gain_per_label": None,
            "correction_rate": share(0.35 - 0.015 * place, 250),
            "correction_band": "within",
            "blind_error": share(0.3 - 0.01 * place, 60, 0.06),
            "audit_pass_rate": share(0.95 + 0.003 * (place % 5), 50),
            "corrected_pass_rate": None,
            "loop_seconds": loop_seconds(60.0 - 3 * place),
            "agreement": share(0.7 + 0.01 * place, 90),
            "drift": {"looks": 3, "found": 1, "drifted": place == 11, "features": ["language"]},
        }

    return {
        "now": part(11) | {"loop_seconds": loop_seconds(41.0, 6)},
        "weeks": {week: part(place) for place, week in enumerate(WEEKS)},
        "versions": {version: part(place) for place, version in enumerate(VERSIONS)},
        "cost": {
            "cost": 4_200.0,
            "cost_all_manual": 10_400.0,
            "cost_items": {"labour": 4_100.0},
            "cost_per_label": 0.042,
            "avoided_errors": share(120.0, 10, 20.0),
            "cost_per_avoided_error": {"value": 3.4, "low": 2.0, "high": 5.0, "n": 10},
        },
    }


def cycle(number: int) -> dict[str, Any]:
    """What the first cycles cost, beside all by hand."""
    return {
        "cycle": number,
        "human_labels": 900 * number,
        "accepted": 1_500 * number,
        "holdout_accuracy": share(0.8 + 0.02 * number, 400),
        "agreement": None,
        "audit_pass_rate": share(0.96, 80),
        "model_version": f"v{number}",
        "cost": 620.0 * number,
        "cost_all_manual": 1_600.0 * number,
    }
