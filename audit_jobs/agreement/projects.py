"""All figures of agreement of one project, from the tasks that several people answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from audit_jobs.agreement.controls import ControlAgreement, control_agreement
from audit_jobs.agreement.people import guideline, people
from audit_jobs.agreement.slices import (
    DRAWN,
    ROUTED,
    SLICES,
    Placed,
    by_slice,
    by_tier,
    by_week,
    of_purposes,
    only_asked,
    whole,
)
from audit_jobs.measures.annotators import lead_times
from audit_jobs.measures.weighting import Part
from backend.store.shared_tasks import SharedTask
from connectors.answers import Control
from connectors.label_studio.exports import Export, parse_tasks
from policies.domain import Estimate, Purpose
from policies.intervals import UNKNOWN
from policies.low_agreement import LEAST_TASKS, Standing, standing

ALPHA, RAW, AC1 = "krippendorff_alpha", "raw_agreement", "gwet_ac1"
MOST_PAIRS = 300
_PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the figures are put beside.

    ``control`` is the one that is predicted, of several the first, ``control_type`` the type of its
    results, ``asked`` how many answers are asked of a task,
    ``tiers`` says who belongs where by user id, ``sizes`` how many decided tasks each part has,
    ``seconds`` are user id and time of every answer. ``gold`` are tasks that everybody is asked
    because their truth is known: they were picked, so they belong to no slice.
    """

    control: str | None
    asked: int
    minimum_alpha: float | None
    tiers: Mapping[int, str]
    sizes: Mapping[Part, int]
    seconds: Sequence[tuple[int, float]]
    gold: frozenset[int] = frozenset()
    control_type: str = "choices"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A task as it went by: who answered it first, when the second answer came, its decision."""

    first: tuple[int, ...]
    second_at: datetime
    purpose: Purpose | None
    probability: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Everything that was read."""

    export: Export
    tasks: list[int]
    placed: list[Placed]
    tiers: dict[int, str]


def project_agreement(tasks: Iterable[SharedTask], setting: Setting) -> dict[str, Any]:
    """The report: every control with its slices, tiers, weeks and people, annotators by user id."""
    read = _read(tasks, setting)
    controls = {control.name: _control(control, read, setting) for control in read.export.controls}
    main = next((each for name, each in controls.items() if _is_main(name, setting)), None)
    measures = {} if main is None else main["measures"]
    alpha = measures.get(ALPHA, UNKNOWN.as_json())
    return {
        "control": setting.control,
        "votes": sum(read.export.annotated),
        "tasks": len(read.tasks),
        "units": alpha["n"],
        RAW: measures.get(RAW, UNKNOWN.as_json()),
        ALPHA: alpha,
        "minimum_alpha": setting.minimum_alpha,
        "slices": {
            name: sum(each.purpose in purposes for each in read.placed)
            for name, purposes in SLICES.items()
        },
        "controls": controls,
        "annotators": _annotators(read, setting),
        "problems": [each.as_json() for each in read.export.problems[:_PROBLEMS_SHOWN]],
    }


def _is_main(name: str, setting: Setting) -> bool:
    """Whether the control is the one that is predicted; where none is, the first one stands."""
    # Its type stands in its name where answers of another type share the name.
    return setting.control is None or name in {
        setting.control,
        f"{setting.control} ({setting.control_type})",
    }


def _read(tasks: Iterable[SharedTask], setting: Setting) -> _Read:
    seen: list[_Seen] = []
    ids: list[int] = []
    export = parse_tasks(_rows(tasks, seen, ids, setting))
    place = {name: place for place, name in enumerate(export.annotators)}
    return _Read(
        export=export,
        tasks=ids,
        placed=[
            Placed(
                asked=frozenset(place[str(user)] for user in each.first),
                second_at=each.second_at,
                purpose=each.purpose,
                probability=each.probability,
            )
            for each in seen
        ],
        tiers={
            place[str(user)]: tier for user, tier in setting.tiers.items() if str(user) in place
        },
    )


def _rows(
    tasks: Iterable[SharedTask], seen: list[_Seen], ids: list[int], setting: Setting
) -> Iterator[dict[str, Any]]:
    """Tasks as a JSON export has them; what an export does not say is noted in ``seen``."""
    for task in tasks:
        when: dict[int, datetime] = {}
        for reading in task.readings:
            when.setdefault(reading.user_id, reading.created_at)
        first = sorted(when, key=lambda user: (when[user], user))[: max(setting.asked, 2)]
        if len(first) < 2:
            continue  # both answers are one person's
        ids.append(task.id)
        seen.append(
            _Seen(
                first=tuple(first),
                second_at=when[first[1]],
                purpose=None if task.id in setting.gold else task.purpose,
                probability=task.inclusion_probability,
            )
        )
        annotations = [
            {"id": each.annotation_id, "completed_by": each.user_id, "result": each.result}
            for each in task.readings
        ]
        yield {"id": task.id, "data": task.data, "annotations": annotations}


def _control(control: Control, read: _Read, setting: Setting) -> dict[str, Any]:
    found = control_agreement(control)
    names = tuple(found.measures)
    told = [name for name in (RAW, ALPHA, AC1, found.compared) if name in names]
    slices = by_slice(control, read.placed, names)
    return {
        "type": control.type,
        "per_region": control.per_region,
        "measures": {name: estimate.as_json() for name, estimate in found.measures.items()},
        "compared_by": found.compared,
        "note": found.note,
        **_pairs(found, read.export.annotators),
        "slices": slices,
        "whole": whole(control, read.placed, setting.sizes),
        "tiers": by_tier(control, read.tiers, told),
        "weeks": by_week(control, read.placed, told),
        "people": people(control, read.export.annotators),
        "standing": None,
        "judged_by": None,
        "guideline": None,
        **_against_the_minimum(control, slices, read, setting),
    }


def _against_the_minimum(
    control: Control, slices: Mapping[str, Any], read: _Read, setting: Setting
) -> dict[str, Any]:
    """Where the routed queue's alpha stands, and what to write into the guideline if too low.

    The tasks drawn for agreement speak for the queue where there are enough of them: others get a
    second reader because the first answer left doubt, and would make it look worse than it is.
    """
    if setting.minimum_alpha is None or ALPHA not in slices[ROUTED]:
        return {}
    judged = DRAWN if slices[DRAWN][ALPHA]["n"] >= LEAST_TASKS else ROUTED
    found = standing(Estimate(**slices[judged][ALPHA]), setting.minimum_alpha)
    told: dict[str, Any] = {"standing": str(found), "judged_by": judged}
    if found in {Standing.CERTAIN, Standing.LIKELY}:
        asked = only_asked(control, read.placed)
        queue = of_purposes(asked, read.placed, SLICES[judged])
        told["guideline"] = guideline(queue, read.tasks)
    return told


def _pairs(found: ControlAgreement, names: Sequence[str]) -> dict[str, Any]:
    """Who agrees with whom, the pairs that share most tasks first."""
    pairs = sorted(found.pairs, key=lambda pair: -pair.agreement.n)
    return {
        "pairs": [
            {
                "annotators": [names[place] for place in pair.annotators],
                "agreement": pair.agreement.as_json(),
            }
            for pair in pairs[:MOST_PAIRS]
        ],
        "pairs_left_out": max(0, len(pairs) - MOST_PAIRS),
    }


def _annotators(read: _Read, setting: Setting) -> list[dict[str, Any]]:
    """Everybody who answered, by user id: how many shared tasks, the tier, the time it takes."""
    shared = dict(zip(read.export.annotators, read.export.annotated, strict=True))
    users = sorted({int(name) for name in shared} | {user for user, _ in setting.seconds})
    if not users:
        return []
    place = {user: place for place, user in enumerate(users)}
    raters = np.array([place[user] for user, _ in setting.seconds], dtype=np.int64)
    seconds = np.array([spent for _, spent in setting.seconds], dtype=np.float64)
    return [
        {
            "annotator": str(user),
            "tier": setting.tiers.get(user),
            "tasks": shared.get(str(user), 0),
            "lead_time_s": estimate.as_json(),
        }
        for user, estimate in zip(users, lead_times(raters, seconds, len(users)), strict=True)
    ]
