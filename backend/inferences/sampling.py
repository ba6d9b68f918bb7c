"""Use case: look at what deployed models answered, and draw what people verify.

In chunks: read, decide as columns, note the looks and count the days in one transaction. The job
holds a lease, so that every answer is looked at and counted once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from typing import Any

import numpy as np
import orjson

from backend.candidates import candidates_of, with_examples_seen
from backend.champion import Champion, load_champion
from backend.histories import task_numbers
from backend.leasing import Lease
from backend.predictors.errors import ArtifactError
from backend.predictors.memory.kept import Remembering
from backend.predictors.protocol import Asked
from backend.runtime import Runtime
from backend.store.drift import left_of
from backend.store.inference_samples import (
    DayCount,
    Looked,
    Waiting,
    add_day_counts,
    day_counts,
    earliest_waiting,
    first_day,
    store_looks,
    waiting_inferences,
)
from backend.store.inferences import DRAWN, PASSED
from backend.store.models import EXAMPLES_BY_LABEL
from backend.store.projects import ConnectedProject
from backend.store.reports import MONITORING, newest_report
from connectors.label_studio.answers import mentions
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.answer_texts import json_text
from policies.conditions import CLASS_SUPPORT, NEAR_DUPLICATE, NOVELTY, SIGNALS
from policies.domain import Candidates, FloatArray, IntArray, ObjectArray, column
from policies.drift import RaisedSlice
from policies.monitoring_shares import (
    DAYS,
    Answers,
    Sampled,
    Traffic,
    conditions_of,
    fields_of,
    sample,
)
from policies.schema import Policy

logger = logging.getLogger(__name__)

# As many as are noted in a twentieth of a second: a webhook that comes meanwhile waits for no more.
CHUNK = 1_000
# What the project's own model tells of a task's data, whoever answered it.
_OF_THE_DATA = (NOVELTY, NEAR_DUPLICATE)
_LABELS = "predicted_label"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grounds:
    """What shares rest on, the same for all chunks; ``serving`` only where a rule asks for it."""

    policy: Policy
    labeling: Labeling
    project: ConnectedProject
    traffic: Traffic
    raised: Sequence[RaisedSlice]
    fields: tuple[str, ...]
    kinds: frozenset[str]
    serving: Champion | None

    @property
    def reads_data(self) -> bool:
        """Whether shares depend on the data, beside its slices."""
        slices = self.policy.monitoring.slices
        return self._asks_for(*_OF_THE_DATA) or any(each not in slices for each in self.fields)

    def _asks_for(self, *signals: str) -> bool:
        return self.serving is not None and not self.kinds.isdisjoint(signals)


def sample_waiting(
    runtime: Runtime, project: ConnectedProject, policy: Policy, lease: Lease
) -> dict[str, int]:
    """Look at all that waits; how many were looked at, and how many of them were drawn.

    What comes meanwhile is for the next time: where answers never stop coming, this does.
    """
    grounds = _gathered(runtime, project, policy)
    looked = drawn = after = 0
    while True:
        with runtime.reads() as session:
            waiting = waiting_inferences(
                session, project.id, after, CHUNK, with_data=grounds.reads_data
            )
        if not len(waiting):
            break
        answers = _answers(runtime, grounds, waiting)
        grounds.traffic.count(answers)
        sampled = sample(policy, answers, grounds.traffic, grounds.raised)
        counts = _day_counts(waiting, answers)
        with runtime.sessions.begin() as session:
            lease.require(session)
            store_looks(session, _looks(waiting, sampled))
            add_day_counts(session, project.id, counts)
        after = waiting.ids[-1]
        looked += len(waiting)
        drawn += int(np.count_nonzero(sampled.drawn))
        if len(waiting) < CHUNK:
            break
    return {"looked_at": looked, "drawn": drawn}


def _gathered(runtime: Runtime, project: ConnectedProject, policy: Policy) -> _Grounds:
    kinds = frozenset(str(condition.kind) for condition in conditions_of(policy))
    with runtime.reads() as session:
        earliest = earliest_waiting(session, project.id)
        first = first_day(session, project.id)
        report = newest_report(session, project.id, MONITORING)
        since = None if earliest is None else earliest.date() - timedelta(days=DAYS)
        counted = [] if since is None else list(day_counts(session, project.id, since.isoformat()))
    raised = [] if report is None else report.body.get("raised", [])
    slices = left_of(raised, runtime.now(), policy.drift.half_life_days)
    fields = [*fields_of(policy), *policy.monitoring.slices]
    fields += [part.field for part in slices if part.field is not None]
    asks = not kinds.isdisjoint((*_OF_THE_DATA, CLASS_SUPPORT))
    return _Grounds(
        policy=policy,
        labeling=parse_labeling(project.label_config),
        project=project,
        traffic=_traffic(policy, counted, first),
        raised=slices,
        fields=tuple(dict.fromkeys(fields)),
        kinds=kinds,
        serving=_serving(runtime, project, policy) if asks else None,
    )


def _traffic(policy: Policy, counted: Sequence[DayCount], first: str | None) -> Traffic:
    traffic = Traffic(first=None if first is None else date.fromisoformat(first).toordinal())
    known: dict[str, dict[str, str]] = {"": {}}
    for each in counted:
        if each.slice not in known:
            known[each.slice] = orjson.loads(each.slice)
        day = date.fromisoformat(each.day).toordinal()
        traffic.add((None, each.predicted), day, each.answers)
        for field in policy.monitoring.slices:
            value = known[each.slice].get(field)
            if value:
                traffic.add((field, value), day, each.answers)
    return traffic


def _serving(runtime: Runtime, project: ConnectedProject, policy: Policy) -> Champion | None:
    """The project's own model; what only a model that cannot be read could tell is unknown."""
    try:
        return load_champion(runtime, project.id, _looking(policy))
    except ArtifactError as error:
        logger.warning("sampling.model_unreadable project=%d error=%s", project.id, error)
        return None


def _looking(policy: Policy) -> Policy:
    """The policy of which the model is asked for what it knows of the data, and nothing more."""
    asked = tuple(each for each in conditions_of(policy) if each.kind in _OF_THE_DATA)
    return policy.model_copy(update={"routes": asked, "automation": ()})


def _answers(runtime: Runtime, grounds: _Grounds, waiting: Waiting) -> Answers:
    numbers = task_numbers(waiting.inference_ids)
    slices = {
        field: column([(each or {}).get(field) or None for each in waiting.slices])
        for field in grounds.policy.monitoring.slices
    }
    candidates = Candidates(
        task_ids=numbers,
        labels=column(waiting.predicted),
        scores=np.array([np.nan if s is None else s for s in waiting.scores], np.float64),
        problems=np.full(len(waiting), None, object),
        fields=_fields(grounds, waiting, slices),
        signals={name: np.full(len(waiting), np.nan) for name in SIGNALS if name in grounds.kinds},
        mentions=_mentions(grounds, waiting.predicted),
        listed=grounds.labeling.is_list,
    )
    days = [each.astimezone(UTC).toordinal() for each in waiting.times]
    return Answers(
        candidates=_with_signals(runtime, grounds, candidates, waiting.data),
        days=np.array(days, np.int64),
        slices=slices,
    )


def _fields(
    grounds: _Grounds, waiting: Waiting, slices: Mapping[str, ObjectArray]
) -> dict[str, ObjectArray]:
    """What the data says in the fields that are looked at; of slices what is noted of them."""
    data = waiting.data or [None] * len(waiting)
    return {
        field: column([None if each is None else each.get(field) for each in data])
        if field not in slices
        else slices[field]
        for field in grounds.fields
    }


def _mentions(grounds: _Grounds, predicted: Sequence[str]) -> ObjectArray | None:
    if not grounds.labeling.speaks_of_more or _LABELS not in grounds.kinds:
        return None
    spoken = {text: mentions(grounds.labeling, text) for text in set(predicted)}
    return column([spoken[text] for text in predicted])


def _with_signals(
    runtime: Runtime,
    grounds: _Grounds,
    candidates: Candidates,
    data: Sequence[dict[str, Any] | None] | None,
) -> Candidates:
    """With what the project's own model knows of the data and the predicted labels."""
    serving = grounds.serving
    if serving is None:
        return candidates
    seen = with_examples_seen(candidates, serving.model.lineage.get(EXAMPLES_BY_LABEL, {}))
    asked = [name for name in _OF_THE_DATA if name in grounds.kinds]
    if data is None or not asked or not isinstance(serving.predictor, Remembering):
        return seen
    told = candidates_of(
        _looking(grounds.policy),
        serving.predictor,
        Asked(
            labeling=grounds.labeling,
            label_config=grounds.project.label_config,
            task_ids=candidates.task_ids.tolist(),
            data=[each or {} for each in data],
            download=lambda path: runtime.tool().download(path),
        ),
    )
    found: dict[str, FloatArray] = {name: told.signals[name] for name in asked}
    return replace(seen, signals={**seen.signals, **found})


def _looks(waiting: Waiting, sampled: Sampled) -> list[Looked]:
    rows = zip(
        waiting.ids,
        sampled.shares.tolist(),
        sampled.draws.tolist(),
        sampled.drawn.tolist(),
        sampled.reasons.tolist(),
        strict=True,
    )
    return [
        Looked(row_id, share, draw, DRAWN if drawn else PASSED, why)
        for row_id, share, draw, drawn, why in rows
    ]


def _day_counts(waiting: Waiting, answers: Answers) -> list[DayCount]:
    """How many of these came, by the day on which the model answered, version, answer and slice."""
    n = len(waiting)
    predicted = waiting.predicted if answers.candidates.listed else [""] * n
    kinds = zip(
        _iso_days(answers.days),
        waiting.model_versions,
        predicted,
        _slice_texts(waiting.slices),
        strict=True,
    )
    return [DayCount(*kind, answers=count) for kind, count in sorted(Counter(kinds).items())]


def _slice_texts(slices: Sequence[dict[str, str] | None]) -> list[str]:
    """The slices as they are counted; each of a few different ones is written once."""
    keys = [() if each is None else tuple(each.items()) for each in slices]
    texts = {key: json_text(dict(key)) if key else "" for key in set(keys)}
    return [texts[key] for key in keys]


def _iso_days(days: IntArray) -> list[str]:
    listed: list[int] = days.tolist()
    names = {day: date.fromordinal(day).isoformat() for day in set(listed)}
    return [names[day] for day in listed]
