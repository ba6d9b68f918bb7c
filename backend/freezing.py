"""Use case: make accepts final, under a certificate of their own.

Whoever takes labels away cannot take them back when a better model comes. So an export, or the
policy's days, freezes the accepts that stand, as far as the control answers prove their promise
once more within the budget of this freeze (``policies.freezing``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from backend.breakers.rearming import doubts_of, without_suspended
from backend.certification import Asked, slice_is_open
from backend.champion import load_champion
from backend.predictors.errors import ArtifactError
from backend.runtime import Runtime
from backend.sameness import said_alike
from backend.slices import control_answers
from backend.store.certificates import StoredCertification, valid_certification
from backend.store.escalations import contested_task_ids
from backend.store.freezes import (
    AGE,
    Freeze,
    Standing,
    freezes,
    seen_before,
    standing_answers,
    store_freeze,
)
from backend.store.ledger import Grounds
from backend.store.projects import ConnectedProject
from backend.store.tasks import task_ids, unlabelled_task_ids
from policies.certifying import Evidence, told
from policies.domain import BoolArray, Candidates, Certificate, ObjectArray, part_of
from policies.freezing import Lot, Terms, frozen, grown, look
from policies.loading import parse_policy
from policies.promises import AutoAccept
from policies.rearming import Doubts
from policies.sampling import SLICE, draws
from policies.schema import Policy

logger = logging.getLogger(__name__)

FRESH, LEFT = "fresh", "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeReport:
    """What a freeze did. ``number`` is None where it did not look, and ``said`` tells why.

    ``provisional`` are the accepts that stand and were not frozen.
    """

    number: int | None
    tasks: int
    provisional: int
    said: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Under the names that commands and jobs print."""
        return {
            "number": self.number,
            "tasks": self.tasks,
            "provisional": self.provisional,
            "said": list(self.said),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Control:
    """The control tasks that reach auto-accept, answered or not, in columns of one length.

    ``seen`` were before an earlier freeze, ``gone`` are those whose like it took along, ``known``
    those that this one may look at.
    """

    answers: Candidates
    truth: ObjectArray
    seen: BoolArray
    gone: BoolArray
    known: BoolArray

    def evidence(self, chosen: BoolArray, pool: Candidates) -> Evidence:
        """What people answered among the chosen ones."""
        answered = chosen & np.array([label is not None for label in self.truth], dtype=np.bool_)
        return Evidence(
            control=part_of(self.answers, answered), truth=self.truth[answered], pool=pool
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """All that a freeze is decided on."""

    policy: Policy
    rule: AutoAccept
    certified: StoredCertification
    before: Sequence[Freeze]
    standing: Standing
    control: _Control
    answers: int
    terms: Terms


def freeze_aged(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Freeze what has stood for the policy's ``freeze_after_days``; nothing where it names none."""
    rule = parse_policy(project.policy_text).auto_accept
    days = rule.freeze_after_days if isinstance(rule, AutoAccept) else None
    if days is None:
        return {"number": None, "tasks": 0}
    until = runtime.now() - timedelta(days=days)
    return freeze_accepts(runtime, project, why=AGE, until=until).as_json()


def freeze_accepts(
    runtime: Runtime, project: ConnectedProject, *, why: str, until: datetime
) -> FreezeReport:
    """Freeze the accepts that were decided at ``until`` or before, delivered, and are proved.

    A freeze is stored with its tasks in one transaction, so a crash freezes all of them or none.

    Raises
        FreezeTakenError: another freeze came between; nothing is frozen.
    """
    found = _gather(runtime, project, until)
    if isinstance(found, str):
        return FreezeReport(number=None, tasks=0, provisional=0, said=(found,))
    waiting = int(np.count_nonzero(found.standing.accepted))

    lots = _lots(found)
    certificates = look(found.terms, list(lots.values()))
    if certificates is None:
        early = "nothing new to freeze, or too few control answers: accepts stay provisional"
        return FreezeReport(number=None, tasks=0, provisional=waiting, said=(early,))
    evidence = {lot: made for lot, made in zip(lots, certificates, strict=True) if made}
    taken = {
        task_id: seq
        for lot, made in evidence.items()
        for task_id, seq in _taken(found, lots[lot].accepts, made)
    }

    freeze = Freeze(
        number=found.terms.number,
        model_version=found.terms.model_version,
        policy_hash=project.policy_hash,
        evidence=evidence,
        answers=found.answers,
        left_control=_left_control(found, evidence),
        tasks=0,
        why=why,
        frozen_at=runtime.now(),
    )
    with runtime.sessions.begin() as session:
        stored = store_freeze(session, project.id, freeze, taken, _offered(found, evidence))
    logger.info(
        "freeze.made project=%d number=%d tasks=%d", project.id, stored.number, stored.tasks
    )
    said = tuple(told(each, found.rule.floor) for made in evidence.values() for each in made)
    return FreezeReport(
        number=stored.number, tasks=stored.tasks, provisional=waiting - stored.tasks, said=said
    )


def _gather(runtime: Runtime, project: ConnectedProject, until: datetime) -> _Gathered | str:
    """What there is to freeze, or why there is nothing."""
    policy = parse_policy(project.policy_text)
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return "the policy accepts nothing"
    try:
        serving = load_champion(runtime, project.id, policy)
    except ArtifactError as error:
        return f"the model that serves cannot be read: {error}"
    if serving is None:
        return "no model serves yet"
    version = serving.model.version
    with runtime.reads() as session:
        certified = valid_certification(session, project.id, version, project.policy_hash)
        if certified is None:
            return f"no threshold of {version} is certified under this policy"
        grounds = Grounds(
            model_version=version, policy_hash=project.policy_hash, certificate_id=certified.id
        )
        standing = standing_answers(session, project.id, grounds, until)
        before = freezes(session, project.id)
        waiting = unlabelled_task_ids(session, project.id)
        waiting += contested_task_ids(session, project.id)
        truth = control_answers(session, project, policy, version)
        doubts = doubts_of(session, project.id, version, certified.certification)
    standing = without_suspended(rule, standing, doubts)
    return _Gathered(
        policy=policy,
        rule=rule,
        certified=certified,
        before=before,
        standing=standing,
        control=_control(
            Asked(runtime=runtime, project=project, policy=policy, serving=serving),
            (truth, before, until),
            (rule, doubts),
        ),
        answers=len(truth),
        terms=Terms(
            rule=rule,
            number=before[-1].number + 1 if before else 1,
            says=policy.says(serving.predictor.labels),
            review_cost=policy.tiers[0].cost_per_label,
            thresholds=certified.certification.thresholds,
            model_version=version,
            slice_is_open=slice_is_open(policy, waiting),
        ),
    )


def _control(
    asked: Asked,
    known: tuple[dict[int, str], Sequence[Freeze], datetime],
    doubted: tuple[AutoAccept, Doubts],
) -> _Control:
    truth, before, until = known
    with asked.runtime.reads() as session:
        ids = np.array(task_ids(session, asked.project.id), dtype=np.int64)
        drawn = ids[draws(asked.policy.salt, SLICE, ids) < asked.policy.control.share].tolist()
        seen = seen_before(session, asked.project.id, drawn, until)
    answers = asked.reaching(drawn)
    gone = {task_id for freeze in before for task_id in freeze.left_control}
    here = answers.task_ids.tolist()
    rule, doubts = doubted
    counting = dict(zip(here, doubts.counting(rule, answers).tolist(), strict=True))
    return _Control(
        answers=answers,
        truth=said_alike(
            asked.project, {key: truth.get(key) for key in here if counting[key]}, answers
        ),
        seen=np.array([seen.get(task_id, False) for task_id in here], dtype=np.bool_),
        gone=np.array([task_id in gone for task_id in here], dtype=np.bool_),
        known=np.array([task_id in seen for task_id in here], dtype=np.bool_),
    )


def _lots(found: _Gathered) -> dict[str, Lot]:
    standing, control = found.standing, found.control
    ready = standing.accepted & standing.settled
    everything = np.ones(len(control.answers), dtype=np.bool_)

    def lot(seen: BoolArray, like: BoolArray, *, again: bool) -> Lot:
        return Lot(
            accepts=part_of(standing.answers, ready & seen),
            evidence=control.evidence(like, part_of(standing.answers, seen)),
            again=again,
        )

    return {
        FRESH: lot(~standing.seen, everything, again=_failed_before(found)),
        LEFT: lot(standing.seen, control.seen & ~control.gone, again=_nothing_new(found)),
    }


def _failed_before(found: _Gathered) -> bool:
    """Whether the last look at fresh tasks let none through, and nothing is new since."""
    last = next((each for each in reversed(found.before) if FRESH in each.evidence), None)
    if last is None or any(each.threshold is not None for each in last.evidence[FRESH]):
        return False
    return _same(found, last)


def _nothing_new(found: _Gathered) -> bool:
    return bool(found.before) and _same(found, found.before[-1])


def _same(found: _Gathered, last: Freeze) -> bool:
    grounds = (found.terms.model_version, found.certified.policy_hash)
    same = grounds == (last.model_version, last.policy_hash)
    return same and not grown(found.answers, last.answers)


def _taken(
    found: _Gathered, accepts: Candidates, certificates: Sequence[Certificate]
) -> list[tuple[int, int]]:
    chosen = accepts.task_ids[frozen(found.rule, certificates, accepts)]
    places = np.searchsorted(found.standing.answers.task_ids, chosen)
    return list(zip(chosen.tolist(), found.standing.seqs[places].tolist(), strict=True))


def _left_control(
    found: _Gathered, evidence: dict[str, tuple[Certificate, ...]]
) -> tuple[int, ...]:
    """The control tasks that would have been frozen, were they not control."""
    control = found.control
    of_lot = {FRESH: ~control.seen, LEFT: control.seen & ~control.gone}
    gone = np.zeros(len(control.answers), dtype=np.bool_)
    for lot, certificates in evidence.items():
        gone |= of_lot[lot] & control.known & frozen(found.rule, certificates, control.answers)
    return tuple(control.answers.task_ids[gone].tolist())


def _offered(found: _Gathered, evidence: dict[str, tuple[Certificate, ...]]) -> list[int]:
    """The tasks that are no longer fresh: something was taken from among them."""
    if all(each.threshold is None for each in evidence.get(FRESH, ())):
        return []
    standing, control = found.standing, found.control
    return [
        *standing.answers.task_ids[~standing.seen & standing.settled].tolist(),
        *control.answers.task_ids[~control.seen & control.known].tolist(),
    ]
