"""Fourteen weeks, week by week: what happens when, in which project."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from audit_jobs.running import run_job
from backend.predictors.embedded import EmbeddedPredictor
from benchmarks.large_store.answering import answer_gold, answer_week, mark_gold
from benchmarks.large_store.deciding import Play, arrive, decide_due
from benchmarks.large_store.showing import deliver_accepts, deliver_queue, place_today
from benchmarks.large_store.stages import BEGINNING, Stage, policy_text
from benchmarks.large_store.training import certify, train_version
from benchmarks.large_store.worlds import world

logger = logging.getLogger(__name__)

WEEKS = 14
LARGE, NEW, TRIPPED = 1, 2, 3
# In the order of a round, as far as they need no Label Studio; the thresholds' job is a night's.
# The dear ones run in some weeks only.
_JOBS = (
    "gold",
    "escalate",
    "agreement",
    "corrections",
    "audit",
    "breaker",
    "drift",
    "cycle",
    "strategies",
    "figures",
    "counts",
)
_WEEKS_OF = {"drift": (3, 6, 9, 10, 13), "strategies": (9, 13), "figures": (9, 13)}
_LAST_JOBS = ("thresholds", "alerts")
_TASKS_A_DECISION = 0.27  # of the large project: each task is decided about four times
_DRIFT_WEEKS = {LARGE: 9, TRIPPED: 11, NEW: WEEKS}  # the tenth, for the large one


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """What a project's week holds beside its tasks and answers.

    ``share`` of all its tasks come. At the week's end a version of ``skill`` is trained (None:
    none), with or without knowledge of the new wording; ``strict`` puts the second policy in force.
    """

    share: float
    skill: float | None = None
    knows_later: bool = False
    strict: bool = False


# Skills are log odds. The fourth version is worse than the third: the gate keeps it back.
_LARGE = {
    0: Chapter(share=0.10),
    1: Chapter(share=0.07, skill=2.0),
    2: Chapter(share=0.07, skill=2.6),
    3: Chapter(share=0.07),
    4: Chapter(share=0.07),
    5: Chapter(share=0.07, skill=3.2, strict=True),
    6: Chapter(share=0.07),
    7: Chapter(share=0.07, skill=2.9),
    8: Chapter(share=0.07),
    9: Chapter(share=0.07),
    10: Chapter(share=0.07, skill=3.8, knows_later=True),
    11: Chapter(share=0.07),
    12: Chapter(share=0.07, skill=4.2, knows_later=True),
    13: Chapter(share=0.06),
}
_TRIPPED = {
    7: Chapter(share=0.25),
    8: Chapter(share=0.15, skill=3.6),
    9: Chapter(share=0.10),
    10: Chapter(share=0.15),
    11: Chapter(share=0.15),
    12: Chapter(share=0.10),
    13: Chapter(share=0.10),
}
_NEW = {13: Chapter(share=1.0)}
_STORIES = {LARGE: _LARGE, TRIPPED: _TRIPPED, NEW: _NEW}
_TITLES = {LARGE: "Support mail", NEW: "Shop reviews", TRIPPED: "Returns desk"}


@dataclass(slots=True, kw_only=True)
class _Told:
    """What the story has come to: the plays, the model file, how long each part took."""

    plays: dict[int, Play]
    file: EmbeddedPredictor | None = None
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[part] += time.monotonic() - began


def play_all(stage: Stage, decisions: int) -> Mapping[str, float]:
    """Tell the whole story; how many seconds each part of it took.

    The large project is decided exactly so often; escalations come on top.
    """
    told = _Told(plays=_plays(stage, decisions))
    for week in range(WEEKS):
        plays = [told.plays[project_id] for project_id in _STORIES if week in _STORIES[project_id]]
        stage.clock.at(_monday(week))
        for play in plays:
            _begin(told, play, week)
        for play in plays:
            _answer(told, play, week)
        stage.clock.at(_monday(week) + timedelta(days=6, hours=3))
        for play in plays:
            _close(told, play, week)
    return dict(told.seconds)


def _plays(stage: Stage, decisions: int) -> dict[int, Play]:
    tasks = {
        LARGE: int(decisions * _TASKS_A_DECISION),
        NEW: max(500, decisions // 2_000),
        TRIPPED: max(2_000, decisions // 200),
    }
    plays = {}
    # Each has chance of its own: the small projects' stories do not hang on the large one's size.
    for (project_id, count), rng in zip(tasks.items(), stage.rng.spawn(len(tasks)), strict=True):
        before = sum(chapter.share for chapter in _before_drift(project_id))
        plays[project_id] = Play(
            stage=replace(stage, rng=rng),
            project_id=project_id,
            world=world(rng, 1 + 10_000_000 * (project_id - 1), count, int(count * before)),
            left=decisions if project_id == LARGE else 10 * count,
        )
    return plays


def _before_drift(project_id: int) -> list[Chapter]:
    return [
        chapter for week, chapter in _STORIES[project_id].items() if week < _DRIFT_WEEKS[project_id]
    ]


def _begin(told: _Told, play: Play, week: int) -> None:
    """Monday: tasks have come, and are decided."""
    stage, pid = play.stage, play.project_id
    tasks, story = len(play.world), _STORIES[pid]
    if week == min(story):
        stage.connect(pid, _TITLES[pid], policy_text(_TITLES[pid], tasks, strict=False))
    with told.timed("tasks"):
        arrive(play, tasks if week == WEEKS - 1 else round(tasks * story[week].share))
    _decide(told, play)


def _answer(told: _Told, play: Play, week: int) -> None:
    """From Monday to Saturday people answer."""
    since, until = _monday(week) + timedelta(hours=2), _monday(week) + timedelta(days=6)
    with told.timed("answers"):
        taken = answer_week(play, play.stage.policy(play.project_id), since, until)
        deliver_queue(play, taken)
        if play.project_id == LARGE:
            if week == min(_LARGE) + 1:
                mark_gold(play, 60)
            answer_gold(play, 40, since, until)


def _close(told: _Told, play: Play, week: int) -> None:
    """Sunday: the jobs look at the week, and a version is trained or certified."""
    stage, pid = play.stage, play.project_id
    chapter = _STORIES[pid][week]
    _jobs(told, play, _jobs_of(pid, week))
    if chapter.strict:
        text = policy_text(_TITLES[pid], len(play.world), strict=True)
        stage.connect(pid, _TITLES[pid], text)
    if chapter.skill is not None:
        with told.timed("trainings"):
            file = train_version(
                play, chapter.skill, knows_later=chapter.knows_later, file=told.file
            )
            told.file = file
    else:
        with told.timed("certification"):
            certify(play)
    if week == WEEKS - 1:
        _end(told, play)


def _monday(week: int) -> datetime:
    return BEGINNING + timedelta(weeks=week)


def _decide(told: _Told, play: Play) -> int:
    with told.timed("decisions"):
        made = decide_due(play)
    with told.timed("deliveries"):
        deliver_accepts(play)
    logger.info("story.decided project=%d decisions=%d", play.project_id, made)
    return made


def _end(told: _Told, play: Play) -> None:
    """The last night: thresholds move, what is open is decided once more, the day is placed."""
    _jobs(told, play, ("thresholds",))
    _decide(told, play)
    if play.project_id == LARGE:
        _use_up(told, play)
    with told.timed("placing"):
        place_today(play)
    _jobs(told, play, (*_jobs_of(play.project_id, WEEKS - 1), *_LAST_JOBS[1:]))


def _use_up(told: _Told, play: Play) -> None:
    """Prices are edited until the ledger has all its decisions: each edit decides all anew."""
    stage, edition = play.stage, 0
    title = _TITLES[play.project_id]
    while play.left:
        edition += 1
        text = policy_text(title, len(play.world), strict=True, edition=edition)
        stage.connect(play.project_id, title, text)
        certify(play)
        if _decide(told, play) == 0:
            raise RuntimeError(f"no task is open, and {play.left} decisions are still to be made")


def _jobs_of(project_id: int, week: int) -> tuple[str, ...]:
    """The week's jobs, but for a look at the traffic that would be faster than the audits."""
    due = tuple(name for name in _JOBS if week in _WEEKS_OF.get(name, (week,)))
    return tuple(name for name in due if project_id != TRIPPED or name != "drift")


def _jobs(told: _Told, play: Play, names: tuple[str, ...]) -> None:
    stage = play.stage
    for name in names:
        began = time.monotonic()
        run_job(stage.runtime, name, stage.project(play.project_id))
        if play.project_id == LARGE:
            took = time.monotonic() - began
            told.seconds[f"job {name}"] += took
            longest = told.seconds[f"longest run of {name}"]
            told.seconds[f"longest run of {name}"] = max(took, longest)
