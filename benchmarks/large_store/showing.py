"""Deliveries: how the tasks look in Label Studio by now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from backend.queueing import place
from backend.store.decisions import is_current
from backend.store.deliveries import DELIVERED, PENDING
from backend.store.tables import DecisionRow, DeliveryRow, TaskRow
from backend.store.upsert import upsert
from benchmarks.large_store.answering import Answered
from benchmarks.large_store.deciding import Play
from policies.domain import Outcome, Purpose

_PORTION = 20_000
_VIEWS = {Purpose.CONTROL: "Control", Purpose.HOLDOUT: "Control", Purpose.AUDIT: "Audit"}
_STRATEGY = {
    Purpose.CONTROL.value: "random",
    Purpose.HOLDOUT.value: "random",
    Purpose.AUDIT.value: "random",
    Purpose.AGREEMENT.value: "random",
}


def deliver_accepts(play: Play) -> int:
    """Write accepts that are not delivered yet into Label Studio, and take back those that fell."""
    now = play.stage.clock()
    with play.stage.runtime.reads() as session:
        standing = {
            row.task_id: row
            for row in session.execute(
                select(
                    DecisionRow.task_id,
                    DecisionRow.seq,
                    DecisionRow.label,
                    DecisionRow.score,
                    DecisionRow.model_version,
                )
                .join(TaskRow, is_current())
                .where(
                    DecisionRow.project_id == play.project_id,
                    DecisionRow.outcome == Outcome.ACCEPT.value,
                    DecisionRow.purpose != Purpose.AUDIT.value,
                    TaskRow.human_labels == 0,
                )
            )
        }
        shown = set(
            session.scalars(
                select(DeliveryRow.task_id).where(
                    DeliveryRow.project_id == play.project_id, DeliveryRow.accepts.is_(True)
                )
            )
        )
    rows = [
        _row(play, row.task_id, row.seq, now) | _accepted(row)
        for task_id, row in standing.items()
        if task_id not in shown
    ]
    rows += [_row(play, task_id, 0, now) for task_id in sorted(shown - standing.keys())]
    _store(play, rows)
    return len(rows)


def deliver_queue(play: Play, taken: Iterable[Answered]) -> None:
    """What people took in a week had been put into their views before."""
    rows: dict[int, dict[str, Any]] = {}
    ranks: dict[str, int] = {}
    for each in taken:
        view = _VIEWS.get(Purpose(each.purpose), each.tier)
        if each.again:
            view = each.tier
        ranks[view] = ranks.get(view, 0) + 1
        row = _row(play, each.task_id, each.seq, each.at - timedelta(minutes=30))
        row |= {"marker": view, "overlap": each.overlap, "rank": ranks[view] % 100 + 1}
        row["strategy"] = _STRATEGY.get(each.purpose, "uncertainty")
        if each.shown:
            row |= {"label": each.label, "score": each.score, "model_version": each.version}
        version = each.version if each.shown else None
        row["delivered"] = {
            "marker": view,
            "label": row["label"],
            "version": version,
            "accepts": False,
            "overlap": each.overlap,
        }
        rows[each.task_id] = row
    _store(play, list(rows.values()))


def place_today(play: Play) -> None:
    """The last day's queues, placed in earnest; all but the newest are delivered."""
    stage = play.stage
    place(stage.runtime, stage.project(play.project_id))
    with stage.runtime.sessions.begin() as session:
        pending = session.scalars(
            select(DeliveryRow.task_id)
            .where(DeliveryRow.project_id == play.project_id, DeliveryRow.state == PENDING)
            .order_by(DeliveryRow.task_id.desc())
        ).all()
        newest = min(pending[: len(pending) // 20], default=None)
        if newest is None:
            return
        rows = session.scalars(
            select(DeliveryRow).where(
                DeliveryRow.project_id == play.project_id,
                DeliveryRow.state == PENDING,
                DeliveryRow.task_id < newest,
            )
        ).all()
        looks = [{**_key(row), **_done(row), "delivered_at": stage.clock()} for row in rows]
        if looks:
            session.execute(update(DeliveryRow), looks)


def _key(row: DeliveryRow) -> dict[str, Any]:
    return {"project_id": row.project_id, "task_id": row.task_id}


def _done(row: DeliveryRow) -> dict[str, Any]:
    shown = not row.accepts and row.label is not None
    look = {
        "marker": row.marker,
        "label": row.label if shown else None,
        "version": row.model_version if shown else None,
        "accepts": row.accepts,
        "overlap": row.overlap,
    }
    return {"state": DELIVERED, "delivered": look}


def _row(play: Play, task_id: int, seq: int, at: Any) -> dict[str, Any]:
    return {
        "project_id": play.project_id,
        "task_id": task_id,
        "decision_seq": seq,
        "revision": 1,
        "marker": None,
        "label": None,
        "score": None,
        "part_scores": None,
        "model_version": None,
        "accepts": False,
        "overlap": 1,
        "strategy": None,
        "rank": None,
        "state": DELIVERED,
        "attempts": 0,
        "next_attempt_at": at,
        "error": None,
        "delivered_at": at,
        "delivered": {
            "marker": None,
            "label": None,
            "version": None,
            "accepts": False,
            "overlap": 1,
        },
    }


def _accepted(row: Any) -> dict[str, Any]:
    look = {"marker": None, "label": None, "version": None, "accepts": True, "overlap": 1}
    return {
        "accepts": True,
        "label": row.label,
        "score": row.score,
        "model_version": row.model_version,
        "delivered": look,
    }


def _store(play: Play, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _PORTION):
        with play.stage.runtime.sessions.begin() as session:
            upsert(session, DeliveryRow, rows[start : start + _PORTION])
