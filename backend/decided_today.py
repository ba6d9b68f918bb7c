"""Use case: what would be decided today of an answer that the ledger holds.

By the real engine, under the policy in force and what is certified and suspended now, from what the
ledger recorded of the answer. Where that is not enough, it says why and guesses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from backend.safeguards import suspended_groups
from backend.store.certificates import valid_certification
from backend.store.ledger import LedgerEntry
from backend.store.models import EXAMPLES_BY_LABEL, champion
from backend.store.projects import ConnectedProject
from connectors.label_studio.answers import mentions
from connectors.label_studio.labeling import LabelingError, parse_labeling
from policies.adjudication import ESCALATION
from policies.audit_plan import EXTRA_AUDIT
from policies.breaker import RECALL
from policies.conditions import CLASS_SUPPORT
from policies.domain import MODEL, MONITORED, Candidates, Decision, column
from policies.engine import decide
from policies.loading import policy_if_it_loads
from policies.safeguards import Safeguards
from policies.schema import Policy

_NOT_BY_A_RULE = {
    ESCALATION: "people's answers led to it, not a rule on the model's answer",
    RECALL: "an accept was taken back by a breaker or by hand, not by a rule",
    EXTRA_AUDIT: "it asks for one more audit of an accept that stood, which no rule repeats",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """``decision`` is what would be decided now, or None with ``why_not``.

    ``differences`` are (what, then, now); () where all is the same.
    """

    decision: Decision | None
    why_not: str | None
    differences: tuple[tuple[str, str, str], ...] = ()


def decided_today(
    session: Session, project: ConnectedProject, entry: LedgerEntry, data: dict[str, object] | None
) -> Today:
    """The same answer decided now. How many audits are lacking is left out: the policy's share."""
    policy = policy_if_it_loads(project.policy_text)
    if policy is None:
        return Today(decision=None, why_not="the policy in force does not load in this version")
    why_not = _why_not(session, project, policy, entry, data)
    if why_not is not None:
        return Today(decision=None, why_not=why_not)
    version = entry.grounds.model_version
    certified, safeguards = None, Safeguards()
    if version is not None:
        certified = valid_certification(session, project.id, version, project.policy_hash)
        safeguards = Safeguards(suspended=suspended_groups(session, project.id, version))
    made = decide(
        policy,
        _candidate(session, project, policy, entry, data or {}),
        None if certified is None else certified.certification,
        model_version=version,
        safeguards=safeguards,
    )[0]
    return Today(decision=made, why_not=None, differences=_differences(entry.decision, made))


def _why_not(
    session: Session,
    project: ConnectedProject,
    policy: Policy,
    entry: LedgerEntry,
    data: dict[str, object] | None,
) -> str | None:
    decision, version = entry.decision, entry.grounds.model_version
    if decision.rule in _NOT_BY_A_RULE:
        return _NOT_BY_A_RULE[decision.rule]
    if decision.purpose in MONITORED:
        return "it verifies a deployed model's answer, drawn when that answer came in"
    if data is None:
        return "the task's data is not known here any more"
    serving = champion(session, project.id)
    now = None if serving is None else serving.version
    if version != now:
        return (
            f"{now or 'no version'} serves now, and what it answers to this task is not part of "
            f"this decision, which rests on {version or 'no version'}"
        )
    lacking = [
        name
        for name in policy.signals_used
        if name not in decision.signals and name != CLASS_SUPPORT and decision.label is not None
    ]
    if lacking:
        named = ", ".join(lacking)
        return f"the policy in force looks at {named}, which was not recorded with this decision"
    return None


def _candidate(
    session: Session,
    project: ConnectedProject,
    policy: Policy,
    entry: LedgerEntry,
    data: dict[str, object],
) -> Candidates:
    decision = entry.decision
    known: dict[str, float] = dict(decision.signals)
    serving = champion(session, project.id)
    if CLASS_SUPPORT not in known and serving is not None and decision.label is not None:
        known[CLASS_SUPPORT] = float(
            serving.lineage.get(EXAMPLES_BY_LABEL, {}).get(decision.label, 0)
        )
    try:
        labeling = parse_labeling(project.label_config)
        listed, spoken = labeling.is_list, None
        if labeling.speaks_of_more and decision.label is not None:
            spoken = column([mentions(labeling, decision.label)])
    except LabelingError:  # told by an alert of its own; an answer is then its text
        listed, spoken = True, None
    return Candidates(
        task_ids=np.array([decision.task_id], np.int64),
        labels=column([decision.label]),
        scores=np.array([np.nan if decision.score is None else decision.score]),
        problems=column([None if decision.label is not None else decision.reason]),
        fields={name: column([data.get(name)]) for name in policy.fields_used},
        signals={name: np.array([known.get(name, np.nan)]) for name in policy.signals_used},
        predictors=column([decision.predictor or MODEL]),
        mentions=spoken,
        listed=listed,
        part_scores=column([decision.part_scores or None]) if decision.part_scores else None,
    )


def _differences(then: Decision, now: Decision) -> tuple[tuple[str, str, str], ...]:
    compared = (
        ("Outcome", then.outcome.value, now.outcome.value),
        ("Purpose", then.purpose.value, now.purpose.value),
        ("Tier", then.tier or "nobody", now.tier or "nobody"),
        ("Rule", then.rule, now.rule),
        ("Threshold", _figure(then.threshold), _figure(now.threshold)),
    )
    return tuple(each for each in compared if each[1] != each[2])


def _figure(threshold: float | None) -> str:
    return "none" if threshold is None else f"{threshold:.4f}"
