"""Evenings of a stream: what is proved goes out for good, as ``backend.freezing`` does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from audit_jobs.simulation.learning import Serving, of_tasks
from audit_jobs.simulation.world import World
from backend.certification import slice_is_open
from policies.certifying import Evidence, reaching_auto_accept
from policies.domain import Certificate, IntArray, column
from policies.freezing import Lot, Terms, frozen, grown, look
from policies.promises import AutoAccept
from policies.sampling import SLICE, draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An earlier look: at which version, with how many control answers, and what came of it."""

    version: str
    answers: int
    fresh: bool
    proved: bool


@dataclass(slots=True, kw_only=True)
class Freezes:
    """What earlier freezes did: tasks that they were before, control tasks whose like they took."""

    looks: list[Look] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """How things stand: ``accepts`` are provisional, ``waiting`` has no label of any kind."""

    arrived: int
    accepts: Collection[int]
    waiting: Sequence[int]
    control: Mapping[int, str]


def freeze(freezes: Freezes, world: World, serving: Serving, evening: Evening) -> dict[int, str]:
    """The labels that go out for good this evening, by task; ``freezes`` learns of the look."""
    rule, certification = world.policy.auto_accept, serving.certification
    if not isinstance(rule, AutoAccept) or certification is None:
        return {}
    reaching = np.flatnonzero(reaching_auto_accept(world.policy, serving.candidates)) + 1
    reaching = reaching[reaching <= evening.arrived]
    drawn = draws(world.policy.salt, SLICE, reaching) < world.policy.control.share
    control = reaching[drawn]
    terms = Terms(
        rule=rule,
        number=len(freezes.looks) + 1,
        says=world.policy.says(world.labeling.labels),
        review_cost=world.policy.tiers[0].cost_per_label,
        thresholds=certification.thresholds,
        model_version=serving.version,
        slice_is_open=slice_is_open(world.policy, evening.waiting),
    )
    lots = _lots(freezes, serving, evening, (reaching[~drawn], control))
    certificates = look(terms, lots)
    if certificates is None:
        return {}
    fresh, left = certificates
    taken = [
        part.task_ids[frozen(rule, made, part)]
        for made, part in zip(certificates, [lot.accepts for lot in lots], strict=True)
    ]
    seen = np.isin(control, list(freezes.seen))
    remaining = seen & ~np.isin(control, list(freezes.gone))
    for certified, chosen in ((fresh, ~seen), (left, remaining)):
        part = of_tasks(serving, control[chosen].tolist())
        freezes.gone |= set(part.task_ids[frozen(rule, certified, part)].tolist())
    if _proves(fresh):
        freezes.seen |= set(range(1, evening.arrived + 1))
    freezes.looks.append(
        Look(
            version=serving.version,
            answers=len(evening.control),
            fresh=bool(fresh),
            proved=_proves(fresh),
        )
    )
    said = serving.candidates.labels
    return {number: said[number - 1] for number in np.concatenate(taken).tolist()}


def _lots(
    freezes: Freezes, serving: Serving, evening: Evening, reaching: tuple[IntArray, IntArray]
) -> list[Lot]:
    """Fresh tasks, and those that an earlier freeze left."""
    pool, control = (numbers.tolist() for numbers in reaching)
    waiting = set(evening.waiting)
    seen, gone = freezes.seen, freezes.gone
    last = freezes.looks[-1] if freezes.looks else None
    last_fresh = next((each for each in reversed(freezes.looks) if each.fresh), None)
    answered = [n for n in control if n in evening.control]

    def lot(*, of_seen: bool, like: Sequence[int], again: bool) -> Lot:
        return Lot(
            accepts=of_tasks(serving, [n for n in evening.accepts if (n in seen) is of_seen]),
            evidence=Evidence(
                control=of_tasks(serving, like),
                truth=column([evening.control[n] for n in like]),
                pool=of_tasks(
                    serving, [n for n in pool if n in waiting and (n in seen) is of_seen]
                ),
            ),
            again=again,
        )

    failed = (
        last_fresh is not None and not last_fresh.proved and _same(last_fresh, serving, evening)
    )
    return [
        lot(of_seen=False, like=answered, again=failed),
        lot(
            of_seen=True,
            like=[n for n in answered if n in seen and n not in gone],
            again=last is not None and _same(last, serving, evening),
        ),
    ]


def _same(last: Look, serving: Serving, evening: Evening) -> bool:
    return last.version == serving.version and not grown(len(evening.control), last.answers)


def _proves(certificates: Sequence[Certificate]) -> bool:
    return any(each.threshold is not None for each in certificates)
