"""Days of people and models: label what the queues hand out, learn, decide anew, until done."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from audit_jobs.simulation.auditing import Audits
from audit_jobs.simulation.freezing import Evening, Freezes, freeze
from audit_jobs.simulation.learning import Serving, certified, slices_of, trained, unserved
from audit_jobs.simulation.world import World
from backend.queueing import days_queue, pool_of
from backend.store.corrections import RECENT_ANSWERS
from backend.store.open_decisions import OpenDecision
from policies.adjudication import Word, adjudicate, asked_by, moved_up
from policies.competence import TASK_TYPE, type_name
from policies.domain import Candidates, Decision, Outcome, Purpose, part_of
from policies.engine import decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Where things stood after a training, or at the end."""

    human_labels: int
    accepted: int
    accepted_error: float | None
    holdout_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contested:
    """A task that people answered and that waits for a more expert tier; oldest words first."""

    decision: Decision
    words: tuple[Word, ...]


@dataclass(slots=True, kw_only=True)
class State:
    """What is known so far. ``looks`` counts every human look by tier, ``final`` is exported.

    ``predictions`` counts a version's answer to a task once, when the version first decides it;
    ``predicted`` holds what was predicted of the tasks that people then labelled. ``answers`` are
    settled labels: what is ``contested`` is no label yet.
    """

    world: World
    untrained: Candidates
    arrived: int = 0
    answers: dict[int, str] = field(default_factory=dict)
    contested: dict[int, Contested] = field(default_factory=dict)
    predicted: dict[int, str] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    final: dict[int, str] = field(default_factory=dict)
    freezes: Freezes = field(default_factory=Freezes)
    audits: Audits = field(default_factory=Audits)
    serving: Serving | None = None
    trainings: int = 0
    predictions: int = 0
    looks_at_training: int = 0
    cycles: list[Cycle] = field(default_factory=list)

    def open_decisions(self) -> list[Decision]:
        """What the policy says today of each task that came and that is not labelled for good."""
        serving = self.serving
        candidates = self.untrained if serving is None else serving.candidates
        open_now = np.array([self._is_open(task) for task in candidates.task_ids.tolist()], bool)
        decisions = decide(
            self.world.policy,
            part_of(candidates, open_now),
            None if serving is None else serving.certification,
            model_version=None if serving is None else serving.version,
            safeguards=self.audits.safeguards(self.world.policy),
        )
        self.audits.learn(decisions)
        return [
            self.contested[each.task_id].decision if each.task_id in self.contested else each
            for each in decisions
        ]

    def arrive(self, tasks: int) -> None:
        """More tasks come, and what serves answers them."""
        arrived = min(len(self.world), self.arrived + tasks)
        self.predictions += 0 if self.serving is None else arrived - self.arrived
        self.arrived = arrived

    def unlabelled(self) -> list[int]:
        """The tasks that came and that no person has labelled."""
        looked_at = self.answers.keys() | self.contested.keys()
        return [number for number in range(1, self.arrived + 1) if number not in looked_at]

    def _is_open(self, number: int) -> bool:
        return number <= self.arrived and number not in self.answers and number not in self.final

    def human_error(self) -> float | None:
        """The share of people's final labels that are wrong; None without any."""
        wrong = [self.world.truth[task - 1] != label for task, label in self.answers.items()]
        return sum(wrong) / len(wrong) if wrong else None

    def corrections(self) -> dict[str, tuple[int, int]]:
        """(answers, corrected) by predicted label, as ``backend.store.corrections`` counts them."""
        recent = list(self.predicted.items())[-RECENT_ANSWERS:]
        given = Counter(label for _, label in recent)
        wrong = Counter(label for task, label in recent if self.answers[task] != label)
        return {label: (answers, wrong[label]) for label, answers in given.items()}

    def accepted(self) -> dict[int, str]:
        """The labels that stand without a person, exported ones first."""
        return self.final | {
            each.task_id: each.label
            for each in self.open_decisions()
            if _accepts(each) and each.label is not None
        }


def play(world: World, *, stream: bool, tell: Callable[[Cycle], None]) -> State:
    """Run until every task has a label; ``tell`` hears of each cycle.

    As a pool all tasks are there from the first day, and every promoted version decides all of
    them anew. As a stream each day brings as many as all tiers can label in a day, and every
    evening is an export: accepts go out for good as far as a freeze proves them. Those that no
    freeze took by the end are labelled by people: an export holds nothing provisional.
    """
    state = State(world=world, untrained=unserved(world))
    per_day = sum(tier.daily_capacity for tier in world.policy.tiers)
    while True:
        state.arrive(per_day if stream else len(world))
        for cycle in _day(state):
            state.cycles.append(cycle)
            tell(cycle)
        if stream:
            _export(state)
        if state.arrived == len(world) and not any(map(_waits, state.open_decisions())):
            if stream:
                _label_rest(state)
            if not state.contested:
                state.cycles.append(_standing(state))
                return state


def _day(state: State) -> Iterator[Cycle]:
    """One day: in small steps, because models are trained while people work."""
    tiers = state.world.policy.tiers
    left = {tier.name: tier.daily_capacity for tier in tiers}
    step = state.world.policy.retrain.after_annotations / sum(left.values())
    steps = {tier.name: max(1, math.ceil(step * tier.daily_capacity)) for tier in tiers}
    worked = True
    while worked:
        decisions = {each.task_id: each for each in state.open_decisions()}
        opened = [_queued(each, state) for each in decisions.values()]
        pool = pool_of(opened, state.corrections())
        worked = False
        for tier, room in left.items():
            own = [each for each in opened if each.tier == tier and _waits(each)]
            queue = days_queue(state.world.policy, own, pool, max(0, min(steps[tier], room)))
            looks = [_label(state, decisions[task.task_id]) for task, _ in queue]
            left[tier] = room - sum(looks)
            worked = worked or bool(looks)
        if worked and _learn(state):
            yield _standing(state)


def _export(state: State) -> None:
    """Accepts go out for good, as far as this evening's freeze proves them."""
    if state.serving is None:
        return
    evening = Evening(
        arrived=state.arrived,
        accepts=[each.task_id for each in state.open_decisions() if _accepts(each)],
        waiting=[number for number in state.unlabelled() if number not in state.final],
        control=slices_of(state.world.policy, state.answers).control,
    )
    state.final |= freeze(state.freezes, state.world, state.serving, evening)


def _label_rest(state: State) -> None:
    """People label what stands provisionally."""
    first = state.world.policy.tiers[0].name
    for each in state.open_decisions():
        _label(state, replace(each, outcome=Outcome.REVIEW, tier=first))


def _label(state: State, decision: Decision) -> int:
    """Ask the people whom the decision names, and settle the task or hand it on; how many looks."""
    world, task = state.world, decision.task_id
    tier = str(decision.tier)
    asked = asked_by(world.policy, decision, type_name(world.data[task - 1].get(TASK_TYPE)))
    said = world.reviewers.answers(task, world.truth[task - 1], tier, asked.answers)
    before = state.contested[task].words if task in state.contested else ()
    words = (*before, *(Word(expertise=asked.tier, label=label) for label in said))
    verdict = adjudicate(words, asked, world.policy)
    state.looks[tier] += len(said)
    if verdict.tier is not None:
        above = world.policy.tiers[verdict.tier].name
        moved = moved_up(decision, above, verdict.reason)
        state.contested[task] = Contested(decision=moved, words=words)
    elif verdict.label is not None:
        state.contested.pop(task, None)
        state.answers[task] = verdict.label
        if decision.label is not None and decision.purpose is Purpose.AUDIT:
            state.audits.answer(decision.label, verdict.label)
        if decision.label is not None:
            state.predicted[task] = decision.label
    return len(said)


def _learn(state: State) -> bool:
    """Train where the policy's trigger is met, certify where it is time; whether it trained."""
    retrain = state.world.policy.retrain
    slices = slices_of(state.world.policy, state.answers)
    given = state.looks.total()
    due = not state.trainings or given - state.looks_at_training >= retrain.after_annotations
    due = due and len(slices.training) >= retrain.minimum_labels
    if due:
        state.trainings += 1
        state.looks_at_training = given
        promoted = trained(state.world, slices, state.serving, state.trainings)
        state.predictions += 0 if promoted is None else len(state.unlabelled())
        state.serving = promoted or state.serving
    if state.serving is not None:
        found = certified(state.world, state.serving, slices.control, state.unlabelled())
        state.serving = replace(state.serving, certification=found)
    return due


def _standing(state: State) -> Cycle:
    accepted = state.accepted()
    wrong = sum(label != state.world.truth[number - 1] for number, label in accepted.items())
    holdout = slices_of(state.world.policy, state.answers).holdout
    right = None if state.serving is None or not holdout else state.serving.right(holdout)
    return Cycle(
        human_labels=state.looks.total(),
        accepted=len(accepted),
        accepted_error=wrong / len(accepted) if accepted else None,
        holdout_accuracy=None if right is None else float(np.mean(right)),
    )


def _accepts(decision: Decision | OpenDecision) -> bool:
    return decision.outcome is Outcome.ACCEPT and decision.purpose is not Purpose.AUDIT


def _waits(decision: Decision | OpenDecision) -> bool:
    return not _accepts(decision)


def _queued(decision: Decision, state: State) -> OpenDecision:
    return OpenDecision(
        seq=0,
        task_id=decision.task_id,
        outcome=decision.outcome,
        purpose=decision.purpose,
        tier=decision.tier,
        label=decision.label,
        score=decision.score,
        draw=decision.draw,
        model_version=None,
        signals=decision.signals,
        escalated=decision.task_id in state.contested,
    )
