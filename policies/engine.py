"""The heart: candidates and a policy in, a decision with its reason for every task out.

Vectorised over whole columns. Every step settles the tasks it applies to and leaves the others to
the next one, so the order of the steps in ``decide`` is the order of the rules.
"""

from __future__ import annotations

import numpy as np

from policies.audit_plan import AuditPlan, draw_audits
from policies.breaker import SUSPENDED
from policies.competence import TASK_TYPE, type_name
from policies.decisions import Decisions, Draft, is_none
from policies.deployed import MONITORING, with_deployed_answers
from policies.domain import (
    SEEN,
    BoolArray,
    Candidates,
    Certificate,
    Certification,
    ObjectArray,
    Outcome,
    Purpose,
    part_of,
)
from policies.promises import AutoAccept, LabelPromise, groups_of
from policies.safeguards import NONE, Safeguards, suspended_by
from policies.sampling import AGREEMENT, SLICE, draws
from policies.schema import Policy
from policies.signals import Column, Signals, mentioning, mentioning_only, verdict
from policies.wording import described, listed

NO_MODEL = "no model yet"


def decide(
    policy: Policy,
    candidates: Candidates,
    certification: Certification | None = None,
    *,
    model_version: str | None = None,
    safeguards: Safeguards = NONE,
) -> Decisions:
    """What the policy says of each candidate: total, deterministic, one by one or all at once.

    Slices come first, then what verifies a deployed model, then routes (the first match wins), then
    tasks without an answer, then auto-accept. Whatever chose a tier, one that may not decide the
    task hands it on to the next more expert one that may. ``model_version`` is that of the
    candidates' answers; ValueError where the certificates were made for another, or where a field
    or signal that the policy names is not in ``candidates``.

    ``inclusion_probability`` of a decision is the chance of its purpose among the tasks that its
    rule applies to: of an accept that was drawn for audit its share, of one that was not one minus
    the share. ``safeguards`` say what may not be accepted now, and how large the shares are; they
    depend on how much is accepted, so tasks that are decided together must be given together.
    """
    if certification is not None and certification.model_version != model_version:
        raise ValueError(
            f"certified is model version {certification.model_version!r}, the predictions "
            f"are of {model_version!r}: certify that version first"
        )
    draft = Draft(candidates, draws(policy.salt, SLICE, candidates.task_ids))
    _slices(draft, policy)
    _monitoring(draft, policy)
    _routes(draft, policy)
    _unanswered(draft, policy)
    if isinstance(policy.auto_accept, AutoAccept):
        _suspend(draft, policy, policy.auto_accept, safeguards)
        _auto_accept(draft, policy, policy.auto_accept, certification)
        _audit(draft, policy, safeguards.audits)
    else:
        reason = "the policy lets a person confirm every label"
        _to_first_tier(draft, draft.open, policy, "auto_accept_never", reason)
    _hand_on(draft, policy)
    _agreement(draft, policy)
    return draft.finished()


def _slices(draft: Draft, policy: Policy) -> None:
    for purpose, spec, chosen in (
        (Purpose.CONTROL, policy.control, draft.draws < policy.control.share),
        (Purpose.HOLDOUT, policy.holdout, draft.draws >= 1 - policy.holdout.share),
    ):
        mask = chosen & draft.open
        reason = f"drawn for the {purpose.value} slice ({spec.share:.1%} of all tasks)"
        draft.settle(mask, tier=spec.tier, rule=purpose.value, reason=reason)
        draft.purposes[mask] = purpose
        draft.inclusion_probabilities[mask] = spec.share


def _monitoring(draft: Draft, policy: Policy) -> None:
    """What a deployed model answered goes to people, whatever the project's own model says.

    The draw was made before the task was, by the inference; control and holdout keep theirs, and
    what people say there verifies the inference as well.
    """
    monitored = draft.candidates.monitored
    if monitored is None:
        return
    mask = draft.open & ~is_none(monitored.predictors)
    draft.candidates = with_deployed_answers(draft.candidates, mask)
    reasons = monitored.reasons[mask].tolist()
    draft.settle(mask, tier=policy.monitoring.tier, rule=MONITORING, reason=reasons)
    shown = mask & ~is_none(monitored.labels) & policy.monitoring.show
    draft.purposes[mask] = Purpose.MONITORING
    draft.purposes[shown] = Purpose.MONITORING_SHOWN
    draft.draws[mask] = monitored.draws[mask]
    draft.inclusion_probabilities[mask] = monitored.shares[mask]


def _unanswered(draft: Draft, policy: Policy) -> None:
    labels, scores = draft.candidates.labels, draft.candidates.scores
    unlabelled = draft.open & is_none(labels)
    problems = [problem or NO_MODEL for problem in draft.candidates.problems[unlabelled]]
    rules = ["no_model" if problem == NO_MODEL else "problem" for problem in problems]
    draft.settle(unlabelled, tier=policy.tiers[0].name, rule=rules, reason=problems)
    unusable = draft.open & ~((scores >= 0) & (scores <= 1))  # NaN is neither
    reasons = [f"the prediction's score {score:g} is not in 0..1" for score in scores[unusable]]
    draft.settle(unusable, tier=policy.tiers[0].name, rule="problem", reason=reasons)


def _routes(draft: Draft, policy: Policy) -> None:
    candidates = draft.candidates
    missing = [field for field in policy.fields_used if field not in candidates.fields]
    if missing:
        raise ValueError(f"the policy looks at task fields not given: {missing}")
    unknown = [signal for signal in policy.signals_used if signal not in candidates.signals]
    if unknown:
        raise ValueError(f"the policy's routes look at signals not given: {unknown}")
    signals = Signals(candidates, policy.salt)
    for index, route in enumerate(policy.routes):
        rule = f"routes[{index}]"
        matches, _ = verdict(route, signals, rule)
        draft.settle(matches & draft.open, tier=route.tier, rule=rule, reason=described(route))


def _suspend(draft: Draft, policy: Policy, rule: AutoAccept, safeguards: Safeguards) -> None:
    groups = suspended_by(rule, list(safeguards.suspended), draft.candidates)
    for place, why in enumerate(safeguards.suspended.values()):
        _to_first_tier(draft, draft.open & (groups == place), policy, SUSPENDED, why)


def _auto_accept(
    draft: Draft, policy: Policy, rule: AutoAccept, certification: Certification | None
) -> None:
    candidates = draft.candidates
    never = draft.open & mentioning(candidates, rule.never)
    reason = f"the predicted label is one that is never accepted: {listed(rule.never)}"
    _to_first_tier(draft, never, policy, "never_label", reason)
    found = () if certification is None else certification.certificates
    groups = groups_of(rule, [each.group for each in found], candidates)
    for place, certificate in enumerate(found):
        mask = draft.open & (groups == place)
        wanted = rule.of(certificate.label)
        threshold = certificate.in_force
        if threshold is None or not _covers(certificate, wanted):
            why = _why_uncertified(certificate, wanted)
            _to_first_tier(draft, mask, policy, "no_certificate", why)
        else:
            _at_threshold(draft, mask, policy, (threshold, rule.floor))
    why = f"no threshold is certified yet for {_promised(rule)}"
    _to_first_tier(draft, draft.open & (groups < 0), policy, "no_certificate", why)


def _at_threshold(
    draft: Draft, mask: BoolArray, policy: Policy, limits: tuple[float, float]
) -> None:
    certified, floor = limits
    threshold = max(certified, floor)
    source = "certified threshold" if threshold == certified else "policy's floor"
    draft.thresholds[mask] = threshold
    scores = draft.candidates.scores
    below = mask & (scores < threshold)
    reasons = [f"score {_below(score, threshold, source)}" for score in scores[below].tolist()]
    _to_first_tier(draft, below, policy, "below_threshold", reasons)
    _accept(draft, mask & ~below, f"the {source} {threshold:.3f}")


def _accept(draft: Draft, accepted: BoolArray, threshold: str) -> None:
    scores = draft.candidates.scores[accepted].tolist()
    reasons = [f"score {score:.3f} reaches {threshold}" for score in scores]
    draft.settle(accepted, tier=None, rule="auto_accept", reason=reasons)
    draft.outcomes[accepted] = Outcome.ACCEPT


def _audit(draft: Draft, policy: Policy, plan: AuditPlan | None) -> None:
    """After all groups: how large a share is drawn depends on how much is accepted in all."""
    accepted = np.asarray(draft.outcomes == Outcome.ACCEPT, bool)
    if not accepted.any():
        return
    drawn = draw_audits(policy.audit, policy.salt, part_of(draft.candidates, accepted), plan)
    picked = draft.draw_purpose(accepted, Purpose.AUDIT, drawn.draws, drawn.shares)
    draft.tiers[picked] = policy.audit.tier
    draft.reasons[picked] += drawn.reasons


def _hand_on(draft: Draft, policy: Policy) -> None:
    """A tier that may not decide a task gives it to the next more expert one that may.

    Labels bind where the tier is shown a predicted one, types bind blind tasks too.
    """
    if all(tier.labels is None and tier.task_types is None for tier in policy.tiers):
        return
    labels, fields = draft.candidates.labels, draft.candidates.fields
    types = np.full(len(labels), None, object)
    if TASK_TYPE in fields:
        types[:] = [type_name(value) for value in fields[TASK_TYPE].tolist()]
    takes = [_among(types, tier.task_types) for tier in policy.tiers]
    blind = ~np.isin(draft.purposes, list(SEEN))
    able = [
        takes[place] & (blind | _decides(draft.candidates, tier.labels))
        for place, tier in enumerate(policy.tiers)
    ]
    chosen = draft.tiers.copy()
    for place, tier in enumerate(policy.tiers):
        unable = (chosen == tier.name) & ~able[place]
        for above in range(len(able) - 1, place, -1):  # the least expert one writes last
            draft.tiers[unable & able[above]] = policy.tiers[above].name
        for row in np.flatnonzero(unable).tolist():
            decides = f"does not decide {labels[row]!r}"
            why = decides if takes[place][row] else f"takes no tasks of type {types[row]!r}"
            draft.reasons[row] += f"; {tier.name} {why}, {draft.tiers[row]} does"


def _decides(candidates: Candidates, labels: tuple[str, ...] | None) -> BoolArray:
    """Whose answers a tier for these labels decides: all that they speak of is among them."""
    if labels is None:
        return np.ones(len(candidates), bool)
    return mentioning_only(candidates, labels)


def _among(values: ObjectArray, wanted: tuple[str, ...] | None) -> BoolArray:
    """Which of the values are wanted; all where nothing is said, and those that are unknown."""
    if wanted is None:
        return np.ones(len(values), bool)
    column = Column(values)
    found: BoolArray = ~column.given | column.among(wanted)
    return found


def _agreement(draft: Draft, policy: Policy) -> None:
    if policy.agreement.share == 0:
        return
    overlap = policy.agreement.overlap
    enough = [tier.name for tier in policy.tiers if len(tier.reviewers) >= overlap]
    routed = (draft.outcomes == Outcome.REVIEW) & (draft.purposes == Purpose.ROUTED)
    if not routed.any():
        return
    eligible = routed & Column(draft.tiers).among(enough)
    picked = draft.draw_purpose(
        eligible,
        Purpose.AGREEMENT,
        draws(policy.salt, AGREEMENT, draft.candidates.task_ids[eligible]),
        np.full(np.count_nonzero(eligible), policy.agreement.share),
    )
    draft.reasons[picked] += f"; drawn for agreement: {overlap} people answer"


def _to_first_tier(
    draft: Draft, mask: BoolArray, policy: Policy, rule: str, reason: str | list[str]
) -> None:
    draft.settle(mask.copy(), tier=policy.tiers[0].name, rule=rule, reason=reason)


def _covers(certificate: Certificate, wanted: LabelPromise) -> bool:
    """A certificate for a stricter promise holds for a laxer one, never the other way round."""
    return certificate.max_error_rate <= (wanted.max_error_rate or 0.0) and (
        certificate.confidence >= (wanted.confidence or 1.0)
    )


def _promised(wanted: LabelPromise | AutoAccept) -> str:
    return f"{wanted.max_error_rate:.1%} errors at {wanted.confidence:.1%} confidence"


def _why_uncertified(certificate: Certificate, wanted: LabelPromise) -> str:
    if not _covers(certificate, wanted):
        proved = f"{certificate.max_error_rate:.1%} at {certificate.confidence:.1%}"
        return f"the certificate is for {proved}, the policy now asks for {_promised(wanted)}"
    more = certificate.labels_needed
    forecast = f"; about {more} more are needed" if more is not None else ""
    answers = certificate.control_answers
    return f"{answers} control answers certify no threshold for {_promised(wanted)}{forecast}"


def _below(score: float, threshold: float, source: str) -> str:
    digits = 3 if f"{score:.3f}" != f"{threshold:.3f}" else 9
    return f"{score:.{digits}f} is below the {source} {threshold:.{digits}f}"
