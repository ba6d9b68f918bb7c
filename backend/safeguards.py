"""What audits, breakers and drift have found so far, gathered for the next decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from backend.store.audits import AuditCount, audit_counts, exposures, standing_decisions
from backend.store.decisions import undecided_task_ids
from backend.store.drift import raised_slices
from backend.store.ledger import Grounds
from backend.store.projects import ConnectedProject
from backend.store.reports import AUDIT, newest_report
from backend.store.suspensions import standing_suspensions, suspensions
from connectors.label_studio.answers import mentions, offers
from connectors.label_studio.labeling import Labeling
from policies.audit_plan import AuditPlan, lacking_audits
from policies.breaker import SUSPENDED
from policies.domain import BoolArray, Candidates, ObjectArray
from policies.promises import AutoAccept, Group
from policies.safeguards import NONE, Safeguards, suspended_by
from policies.schema import Policy


def gather_safeguards(
    session: Session,
    project: ConnectedProject,
    policy: Policy,
    answers: tuple[str | None, Candidates],
    now: datetime,
) -> Safeguards:
    """What decisions on these answers must heed; ``answers`` has the version that gave them.

    Audits count over all versions: the claim is about the labels that stand, whichever version
    gave them (ADR 0013). Those of an earlier version whose breaker tripped prove nothing.
    """
    version, candidates = answers
    rule = policy.auto_accept
    if version is None or not isinstance(rule, AutoAccept):
        return NONE
    counts = _counted(session, project.id, version)
    plan = AuditPlan(
        audited=_by_label(counts),
        lacking=claim_lacks(session, project.id, rule, counts),
        raised=tuple(raised_slices(session, project.id, now, policy.drift.half_life_days)),
        exposed=exposures(session, project.id, candidates.task_ids.tolist()),
    )
    return Safeguards(suspended=suspended_groups(session, project.id, version), audits=plan)


def suspended_groups(session: Session, project_id: int, version: str) -> dict[Group, str]:
    """Why each group of this version is suspended now."""
    return {
        each.group: f"suspended since {each.since:%Y-%m-%d %H:%M} UTC: {each.why}"
        for each in standing_suspensions(session, project_id, version)
    }


def lacking(session: Session, project_id: int, rule: AutoAccept, version: str) -> int:
    """How many audits the claim still lacks, as the next decisions would heed it."""
    return claim_lacks(session, project_id, rule, _counted(session, project_id, version))


def claim_lacks(
    session: Session, project_id: int, rule: AutoAccept, counts: Sequence[AuditCount]
) -> int:
    """How many audits the claim still lacks. Those that no auditor answered are no audits."""
    report = newest_report(session, project_id, AUDIT)
    unanswered = {} if report is None else report.body.get("unanswered", {})
    others = int(unanswered.get("answered_by_others", 0))
    return lacking_audits(
        rule,
        drawn=max(0, sum(each.drawn for each in counts) - others),
        answered=max(0, sum(each.answered for each in counts) - others),
        errors=sum(each.wrong for each in counts),
    )


def undecided(
    session: Session,
    project: ConnectedProject,
    policy: Policy,
    grounds: Grounds,
    labeling: Labeling,
) -> list[int]:
    """The tasks to decide now, most wanted first, without those that a suspension holds.

    Held are accepts of a suspended group of the version that serves, whatever becomes of policy
    and certificate: what stands is as good as it was proved, until it is recalled. Not held is what
    the policy in force would accept under no certificate: a label that is never accepted or no
    longer offered, a score under the floor; and nothing where it accepts nothing.
    """
    listed = labeling.labels if labeling.is_list else None
    ids = undecided_task_ids(session, project.id, grounds, (listed, project.config_seq))
    rule = policy.auto_accept
    if not ids or grounds.model_version is None or not isinstance(rule, AutoAccept):
        return ids
    suspended = suspended_groups(session, project.id, grounds.model_version)
    if not suspended:
        return ids
    held = _held(session, project.id, rule, (grounds, labeling, suspended))
    return [task_id for task_id in ids if task_id not in held]


def _held(
    session: Session,
    project_id: int,
    rule: AutoAccept,
    found: tuple[Grounds, Labeling, Mapping[Group, str]],
) -> set[int]:
    grounds, labeling, suspended = found
    standing = standing_decisions(
        session, project_id, model_version=grounds.model_version, rule=SUSPENDED
    )
    answers = Candidates(
        task_ids=standing.task_ids,
        labels=standing.labels,
        scores=standing.scores,
        problems=np.full(len(standing), None, object),
        fields={},
        predictors=standing.predictors,
    )
    covered = suspended_by(rule, list(suspended), answers) >= 0
    offered = _offered(labeling, standing.labels)
    wanted = offered & ~_speaks_of(labeling, standing.labels, frozenset(rule.never))
    stands = standing.accepts & wanted & (standing.scores >= rule.floor)
    # They have been told once why they are not accepted now.
    told = (
        ~standing.accepts
        & (standing.policies == grounds.policy_hash)
        & (standing.certificates == grounds.certificate_id)
        & offered
    )
    return set(standing.task_ids[covered & (stands | told)].tolist())


def _counted(session: Session, project_id: int, version: str) -> list[AuditCount]:
    tripped = {each.model_version for each in suspensions(session, project_id)} - {version}
    counts = audit_counts(session, project_id)
    return [each for each in counts if each.model_version not in tripped]


def _by_label(counts: Sequence[AuditCount]) -> dict[str, int]:
    audited: Counter[str] = Counter()
    for each in counts:
        audited[each.label] += each.drawn
    return dict(audited)


def _offered(labeling: Labeling, answers: ObjectArray) -> BoolArray:
    """Which answers the labelling config offers; none is not."""
    good = {each: each is not None and offers(labeling, each) is None for each in set(answers)}
    return np.fromiter((good[each] for each in answers.tolist()), np.bool_, len(answers))


def _speaks_of(labeling: Labeling, answers: ObjectArray, wanted: frozenset[str]) -> BoolArray:
    """Which of these answers speak of one of these labels."""
    spoken = {
        each: not wanted.isdisjoint(mentions(labeling, each))
        for each in set(answers)
        if each is not None
    }
    found = (spoken.get(each, False) for each in answers.tolist())
    return np.fromiter(found, np.bool_, len(answers))
