"""Use case: audit labels that stand already, where the draw at their decision was not enough.

The robot's annotation is withdrawn with the next delivery, the task goes blind to the audit tier,
and the auditor's answer becomes its label.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from backend.runtime import Runtime
from backend.safeguards import lacking
from backend.store.audits import entries_at, newest_arrival, standing_decisions
from backend.store.ledger import LedgerEntry, newest_seq
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.recalls import data_of, take_back
from connectors.label_studio.answers import by_label, mentions
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.audit_plan import EXTRA_AUDIT
from policies.competence import TASK_TYPE, next_able, type_name
from policies.domain import Decision, ObjectArray, Purpose
from policies.extra_audits import draw_extra as drawn_of
from policies.loading import parse_policy
from policies.promises import AutoAccept
from policies.schema import Policy

logger = logging.getLogger(__name__)

# Small, so that a webhook that comes meanwhile waits for one short transaction only.
CHUNK = 500
# How long no task has come, and no version was promoted, before what stands is drawn from.
_QUIET = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraAudits:
    """How many audits were drawn among how many accepts, by label.

    ``frozen`` of them had gone out for good: an export may hold their labels.
    """

    drawn: int
    among: int
    by_label: dict[str, int]
    frozen: int
    stream: str

    def as_json(self) -> dict[str, Any]:
        """Under the names that jobs and commands print."""
        return {
            "drawn": self.drawn,
            "among": self.among,
            "by_label": self.by_label,
            "frozen": self.frozen,
            "stream": self.stream,
        }


def draw_extra(
    runtime: Runtime,
    project: ConnectedProject,
    count: int,
    labels: Collection[str] | None = None,
    *,
    dry_run: bool = False,
) -> ExtraAudits:
    """Draw so many more audits among the accepts that stand, frozen ones too, or all there are.

    Each draw has a stream of its own, named by the end of the ledger before it: what came since
    the last one has no greater chance, and the ledger says how to draw again. A dry run changes
    nothing, and says what the same call would draw.
    """
    policy = parse_policy(project.policy_text)
    labeling = parse_labeling(project.label_config)
    with runtime.reads() as session:
        stream = f"{EXTRA_AUDIT} {newest_seq(session, project.id)}"
        standing = standing_decisions(session, project.id, frozen=True)
    # Drawn ones wait for an auditor already.
    chosen = ~standing.audited & np.array(
        [_is_wanted(labeling, label, labels) for label in standing.labels.tolist()], bool
    )
    shares = 1 - standing.chances[chosen]
    among = int(np.count_nonzero(chosen))
    drawn = drawn_of(
        policy.salt,
        stream,
        (standing.task_ids[chosen], _strata(labeling, standing.labels[chosen]), shares),
        min(count, among),
    )
    places = np.flatnonzero(chosen)[drawn.places]
    odds = dict(
        zip(
            standing.seqs[places].tolist(),
            zip(drawn.draws.tolist(), drawn.shares.tolist(), strict=True),
            strict=True,
        )
    )
    made = len(odds) if dry_run else _append(runtime, project, policy, odds)
    logger.info("audit.drawn project=%d tasks=%d among=%d", project.id, made, among)
    return ExtraAudits(
        drawn=made,
        among=among,
        by_label=by_label(labeling, Counter(standing.labels[places].tolist())),
        frozen=int(np.count_nonzero(standing.frozen[places])),
        stream=stream,
    )


def _is_wanted(labeling: Labeling, answer: str, labels: Collection[str] | None) -> bool:
    if labels is None:
        return True
    spoken = (answer,) if labeling.is_list else mentions(labeling, answer)
    return any(label in labels for label in spoken)


def _strata(labeling: Labeling, answers: ObjectArray) -> ObjectArray:
    """What is drawn from apart: the labels, or all together where answers are not of a list."""
    return answers if labeling.is_list else np.full(len(answers), "", object)


def claim_due(runtime: Runtime, project: ConnectedProject) -> int:
    """How many audits the claim lacks that no new accept will bring; 0 while there may be some.

    That is where for a day no task has come and no version was promoted. Never more than the
    policy's ``audit.most`` of what stands at a time.
    """
    policy = parse_policy(project.policy_text)
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return 0
    with runtime.reads() as session:
        serving = champion(session, project.id)
        newest = newest_arrival(session, project.id)
        if serving is None or newest is None:
            return 0
        moved = max(newest, serving.promoted_at or newest)
        if runtime.now() - moved < _QUIET:
            return 0
        missing = lacking(session, project.id, rule, serving.version)
        if not missing:
            return 0
        standing = standing_decisions(session, project.id, frozen=True)
    left = int(np.count_nonzero(~standing.audited))
    return min(missing, math.ceil(policy.audit.most * left))


def draw_due(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """The job: draw what the claim lacks and no new accept will bring."""
    due = claim_due(runtime, project)
    return draw_extra(runtime, project, due).as_json() if due else {"drawn": 0}


def _append(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    odds: dict[int, tuple[float, float]],
) -> int:
    """How many were appended: a task that a person labelled meanwhile is left alone."""
    seqs = sorted(odds)
    made = 0
    for start in range(0, len(seqs), CHUNK):
        with runtime.sessions.begin() as session:
            entries = entries_at(session, project.id, seqs[start : start + CHUNK])
            data = data_of(session, project.id, [each.decision.task_id for each in entries])
            audits = [
                (entry, _audit(policy, entry, data[entry.decision.task_id], odds[entry.seq]))
                for entry in entries
            ]
            # As a recall takes an accept back: what is not sure any more is not final either, so
            # a freeze lets go of it, and the auditor's answer can become its label.
            made += take_back(session, project.id, audits, project.policy_hash, runtime.now())
    return made


def _audit(
    policy: Policy, entry: LedgerEntry, data: dict[str, Any], odds: tuple[float, float]
) -> Decision:
    """The accept as an audit of it, which asks the least expert tier that audits such tasks."""
    draw, share = odds
    task_type = type_name(data.get(TASK_TYPE))
    place = next_able(policy.tiers, policy.order(policy.audit.tier), (), task_type)
    return replace(
        entry.decision,
        purpose=Purpose.AUDIT,
        tier=policy.tiers[place].name,
        rule=EXTRA_AUDIT,
        reason=f"accepted before ({entry.decision.reason}); drawn later for audit, {share:.1%} of "
        "such accepts in all",
        draw=draw,
        inclusion_probability=share,
    )
