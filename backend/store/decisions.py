"""The decision that holds for each task now, read from the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from backend.store.ledger import Grounds, LedgerEntry, entry_of
from backend.store.model_tables import ModelRow
from backend.store.models import CHAMPION
from backend.store.tables import DecisionRow, TaskRow
from policies.adjudication import ESCALATION
from policies.audit_plan import EXTRA_AUDIT
from policies.breaker import SUSPENDED
from policies.domain import MODEL, Outcome, Purpose

_ROWS_PER_READ = 5_000
_IDS_PER_STATEMENT = 5_000


def is_current() -> ColumnElement[bool]:
    """Joins a task with the decision that holds for it now."""
    return and_(
        TaskRow.project_id == DecisionRow.project_id, TaskRow.decision_seq == DecisionRow.seq
    )


def undecided_task_ids(
    session: Session,
    project_id: int,
    grounds: Grounds,
    config: tuple[Sequence[str] | None, int],
) -> list[int]:
    """Unlabelled tasks whose current decision does not rest on these grounds.

    Those that are to be pre-labelled come first, each part ascending. Among them is one that the
    labelling config speaks against. ``config`` has all labels that it offers, of which the
    decision's must be one, or None where answers are not of a list; and the number of the last
    decision that was made before it came: up to that one they are then made anew. So is
    an escalation that nobody's word stands behind any more, and one of a suspended group: see
    ``backend.safeguards.undecided`` for what a suspension holds. An extra audit asks about an
    accept that stood, and waits for its answer as long as the policy is the same. What waits for a
    more expert tier stays as it is, what was recalled stays with people, and what is frozen stays
    for good.
    """
    rows = session.scalars(
        select(TaskRow.task_id)
        .outerjoin(DecisionRow, is_current())
        .where(
            TaskRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            TaskRow.human_labels == 0,
            TaskRow.escalated_to.is_(None),
            TaskRow.freeze_id.is_(None),
            ~func.coalesce(kept_for_people(project_id), False),
            or_(
                TaskRow.decision_seq.is_(None),
                DecisionRow.rule.in_((ESCALATION, SUSPENDED)),
                DecisionRow.policy_hash != grounds.policy_hash,
                and_(
                    DecisionRow.rule != EXTRA_AUDIT,
                    or_(
                        DecisionRow.model_version.is_distinct_from(grounds.model_version),
                        DecisionRow.certificate_id.is_distinct_from(grounds.certificate_id),
                    ),
                ),
                _unasked(*config),
            ),
        )
        .order_by(TaskRow.prelabelled.desc(), TaskRow.task_id)
    )
    return list(rows)


def _unasked(labels: Sequence[str] | None, config_seq: int) -> ColumnElement[bool]:
    if labels is not None:
        return DecisionRow.label.not_in(labels)
    return and_(DecisionRow.rule != EXTRA_AUDIT, DecisionRow.seq <= config_seq)


def still_undecided(
    session: Session, project_id: int, task_ids: Sequence[int], until_seq: int
) -> set[int]:
    """Those of the tasks that nothing has happened to since the ledger ended with this number.

    Neither was one decided, recalled or drawn since, nor labelled, nor frozen. To be asked while
    nobody else can append.
    """
    found: set[int] = set()
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        found.update(
            session.scalars(
                select(TaskRow.task_id).where(
                    TaskRow.project_id == project_id,
                    TaskRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                    TaskRow.deleted_at.is_(None),
                    TaskRow.human_labels == 0,
                    TaskRow.escalated_to.is_(None),
                    TaskRow.freeze_id.is_(None),
                    func.coalesce(TaskRow.decision_seq, 0) <= until_seq,
                )
            )
        )
    return found


def kept_for_people(project_id: int) -> ColumnElement[bool]:
    """Whether a decision took an accept back since the serving version was promoted.

    Only a person's answer, or a version promoted later, decides such a task: a threshold that
    moves in the night must not accept again what somebody has just taken back.
    """
    promoted_at = (
        select(ModelRow.promoted_at)
        .where(ModelRow.project_id == project_id, ModelRow.state == CHAMPION)
        .scalar_subquery()
    )
    recalled = DecisionRow.purpose == Purpose.RECALL.value
    return and_(recalled, DecisionRow.decided_at >= promoted_at)


def current_decisions(
    session: Session,
    project_id: int,
    *,
    labelled: bool | None = None,
    purpose: Purpose | None = None,
) -> Iterator[LedgerEntry]:
    """Every task's current decision, by task; only (un)labelled tasks or one purpose if asked."""
    query = (
        select(DecisionRow)
        .join(TaskRow, is_current())
        .where(DecisionRow.project_id == project_id, TaskRow.deleted_at.is_(None))
        .order_by(DecisionRow.task_id)
    )
    if labelled is not None:
        query = query.where(TaskRow.human_labels > 0 if labelled else TaskRow.human_labels == 0)
    if purpose is not None:
        query = query.where(DecisionRow.purpose == purpose.value)
    with session.scalars(query.execution_options(yield_per=_ROWS_PER_READ)) as rows:
        for row in rows:
            yield entry_of(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingDecision:
    """What a task may show, as its current decision says.

    ``in_doubt`` says that somebody settles what others answered, as blind as they were.
    """

    outcome: Outcome
    purpose: Purpose
    label: str | None
    in_doubt: bool = False


_TASKS, _DECISIONS = TaskRow.__table__.c, DecisionRow.__table__.c
# Made once, and of plain columns: every question of Label Studio reads it, and making a statement
# of mapped ones takes longer than reading what it finds.
_STANDING_OF = (
    select(
        _TASKS.task_id,
        _DECISIONS.outcome,
        _DECISIONS.purpose,
        _DECISIONS.label,
        or_(_TASKS.escalated_to.is_not(None), _TASKS.wants_reader.is_(True)),
    )
    .join_from(
        TaskRow.__table__,
        DecisionRow.__table__,
        and_(_TASKS.project_id == _DECISIONS.project_id, _TASKS.decision_seq == _DECISIONS.seq),
    )
    .where(_TASKS.project_id == bindparam("project_id"))
)
_STANDING = _STANDING_OF.where(_TASKS.task_id.in_(bindparam("task_ids", expanding=True)))
# A task that a person opens comes alone: a list of one is written anew each time it is asked.
_STANDING_OF_ONE = _STANDING_OF.where(_TASKS.task_id == bindparam("task_id"))
# And so is one of a thousand. Label Studio asks for tasks in their order.
_STANDING_BETWEEN = _STANDING_OF.where(
    _TASKS.task_id.between(bindparam("first"), bindparam("last"))
)


def decisions_of(
    session: Session | Connection, project_id: int, task_ids: Sequence[int]
) -> dict[int, StandingDecision]:
    """Task id -> the decision that holds for it now; tasks that have none are left out.

    A connection does as well as a session, and takes less time to begin.
    """
    found: dict[int, StandingDecision] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        chunk = list(task_ids[start : start + _IDS_PER_STATEMENT])
        statement, which = _question(chunk)
        rows = session.execute(statement, {"project_id": project_id, **which})
        asked = set(chunk)
        for task_id, outcome, purpose, label, in_doubt in rows:
            if task_id not in asked:
                continue
            found[task_id] = StandingDecision(
                outcome=Outcome(outcome),
                purpose=Purpose(purpose),
                label=label,
                in_doubt=bool(in_doubt),
            )
    return found


def _question(task_ids: list[int]) -> tuple[Select[Any], dict[str, Any]]:
    """The statement for these tasks and what it is asked with; its rows may be of others too."""
    if len(task_ids) == 1:
        return _STANDING_OF_ONE, {"task_id": task_ids[0]}
    first, last = min(task_ids), max(task_ids)
    if last - first < 2 * len(task_ids):
        return _STANDING_BETWEEN, {"first": first, "last": last}
    return _STANDING, {"task_ids": task_ids}


def model_answers(
    session: Session, project_id: int, task_ids: Sequence[int], model_version: str
) -> dict[int, tuple[str, float]]:
    """Task id -> what this version's model answered and how surely, where that decided it last."""
    found: dict[int, tuple[str, float]] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(TaskRow.task_id, DecisionRow.label, DecisionRow.score)
            .join(DecisionRow, is_current())
            .where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                DecisionRow.model_version == model_version,
                DecisionRow.predictor == MODEL,
                DecisionRow.label.is_not(None),
                DecisionRow.score.is_not(None),
            )
        )
        found.update((row[0], (str(row[1]), float(row[2] or 0.0))) for row in rows)
    return found
