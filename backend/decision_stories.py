"""Use case: all that is known of one decision, for the page that explains it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.decided_today import Today, decided_today
from backend.store.certificates import PastCertification, certification_named
from backend.store.ledger import LedgerEntry, entries_of_task, entry_named
from backend.store.ledger_check import EntryCheck, check_entry
from backend.store.lineages import policy_text
from backend.store.models import ModelVersion, version_named
from backend.store.projects import ConnectedProject
from backend.store.task_stories import (
    Answer,
    TaskDelivery,
    TaskState,
    answers_to,
    task_delivery,
    task_state,
)
from policies.domain import MODEL, Certificate, Decision
from policies.rule_lines import RuleLines, rule_lines

# A task that was decided more often shows its newest decisions; the search has all of them.
MOST_SHOWN = 50
_LINES_AROUND = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStory:
    """One decision with what it rested on, what came of it, and whether its entry is intact.

    ``policy_text`` is that of the policy it was made under, None where it is unknown here;
    ``lines`` are the parts of it that decided, ``policy_changes`` a unified diff to the policy in
    force, () where it is the same one. ``certificate`` is the entry of ``certification`` that is
    about this answer. ``timeline`` has the task's decisions, this one among them, oldest first.
    """

    entry: LedgerEntry
    check: EntryCheck
    policy_text: str | None
    lines: tuple[RuleLines, ...]
    policy_changes: tuple[str, ...]
    model: ModelVersion | None
    certification: PastCertification | None
    certificate: Certificate | None
    task: TaskState | None
    answers: tuple[Answer, ...]
    delivery: TaskDelivery | None
    timeline: tuple[LedgerEntry, ...]
    today: Today

    @property
    def holds(self) -> bool:
        """Whether no later decision of the task has replaced it."""
        return self.task is not None and self.task.decision_seq == self.entry.seq


def story_of_decision(
    session: Session, project: ConnectedProject, seq: int
) -> DecisionStory | None:
    """The story of the ledger's entry of this number; None where there is none."""
    entry = entry_named(session, project.id, seq)
    if entry is None:
        return None
    task_id, grounds = entry.decision.task_id, entry.grounds
    text = policy_text(session, grounds.policy_hash)
    task = task_state(session, project.id, task_id)
    certification = (
        None
        if grounds.certificate_id is None
        else certification_named(session, project.id, grounds.certificate_id)
    )
    timeline = entries_of_task(session, project.id, task_id, MOST_SHOWN)
    if all(each.seq != seq for each in timeline):
        timeline.insert(0, entry)
    return DecisionStory(
        entry=entry,
        check=check_entry(session, project.id, seq),
        policy_text=text,
        lines=() if text is None else rule_lines(text, entry.decision),
        policy_changes=_changes(text, project, grounds.policy_hash),
        model=None
        if grounds.model_version is None
        else version_named(session, project.id, grounds.model_version),
        certification=certification,
        certificate=_about(certification, entry.decision),
        task=task,
        answers=answers_to(session, project.id, [task_id]).get(task_id, ()),
        delivery=task_delivery(session, project.id, task_id),
        timeline=tuple(timeline),
        today=decided_today(session, project, entry, None if task is None else task.data),
    )


def _about(certification: PastCertification | None, decision: Decision) -> Certificate | None:
    """The certificate of the label's own group, else the one for all of the predictor's answers."""
    if certification is None or decision.label is None:
        return None
    by_group = {each.group: each for each in certification.stored.certification.certificates}
    predictor = decision.predictor or MODEL
    return by_group.get((predictor, decision.label)) or by_group.get((predictor, None))


def _changes(text: str | None, project: ConnectedProject, policy_hash: str) -> tuple[str, ...]:
    if text is None or policy_hash == project.policy_hash:
        return ()
    return tuple(
        difflib.unified_diff(
            text.splitlines(),
            project.policy_text.splitlines(),
            f"then ({policy_hash[:12]})",
            f"now ({project.policy_hash[:12]})",
            n=_LINES_AROUND,
            lineterm="",
        )
    )
