"""Use case: workers share the asking of a model about the tasks of a large project.

Decisions are made of all tasks together, because shares depend on how much is accepted; but what
takes the time is the model. Whoever runs the round shares the tasks out in chunks, and works on
them as any other worker that finds them: claim one by its lease, ask, keep the answers, go on. The
chunk of a worker that died is free again when its lease has run out.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from backend.candidate_files import packed, unpacked
from backend.candidates import joined
from backend.champion import Champion, load_champion, predicted_chunks
from backend.inferences.verification import with_monitored
from backend.job_progress import is_to_end, progress
from backend.leasing import holding
from backend.predictors.errors import ArtifactError
from backend.runtime import Runtime
from backend.store.job_runs import lease_of
from backend.store.leases import lease_is_held
from backend.store.projects import ConnectedProject, active_project
from backend.store.work_chunks import (
    WorkChunk,
    chunk_results,
    chunks_done,
    close_sharing,
    finish_chunk,
    free_chunks,
    is_open_chunk,
    share_out,
)
from connectors.label_studio.labeling import parse_labeling
from policies.domain import Candidates
from policies.loading import parse_policy
from policies.schema import Policy

logger = logging.getLogger(__name__)

# What is left must take so long for one worker that it is worth to call others, who come within
# two seconds and read the model first.
WORTH_S = 10.0
MEASURED_S = 1.0  # for how long one works alone before one knows how long the rest will take
CHUNK_S = 4.0  # what a chunk takes: much more would be lost with a worker, less costs too much
FEWEST, MOST = 16, 2_000
MOST_CHUNKS = 400
_GRACE_S = 15.0  # for chunks that others have begun when the time is up
_LOOK_S = 0.2
_AMONG = 8  # of the first free chunks any is taken, so that workers seldom want the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What is asked about: the project, its policy, and the version that answers."""

    project: ConnectedProject
    policy: Policy
    serving: Champion

    @property
    def grounds(self) -> str:
        """What an answer rests on; workers that see another policy or version cannot help."""
        version, project = self.serving.model.version, self.project
        said = f"{version}\n{project.policy_hash}\n{project.label_config}"
        return hashlib.sha256(said.encode()).hexdigest()[:32]


def is_worth_sharing(runtime: Runtime, done: int, seconds: float, left: int) -> bool:
    """Whether others should be called, after so many tasks took so long and so many are left."""
    if runtime.settings.redis_url is None or seconds < MEASURED_S or done == 0:
        return False
    return left * seconds / done >= WORTH_S


def answered_together(
    runtime: Runtime, shared: Shared, ids: Sequence[int], rate: float, deadline: float
) -> list[Candidates]:
    """Answers to these tasks by whoever helps, in the tasks' order; to as many as the time allows.

    ``rate`` is how many tasks one worker does in a second, ``deadline`` on the monotonic clock:
    after it only what was begun is waited for.
    """
    project, name = shared.project, secrets.token_hex(8)
    size = max(FEWEST, min(MOST, int(rate * CHUNK_S)))
    parts = [ids[at : at + size] for at in range(0, len(ids), size)][:MOST_CHUNKS]
    with runtime.sessions.begin() as session:
        share_out(session, project.id, (name, shared.grounds), parts, runtime.now())
    try:
        own = _Own()
        while not _is_over(runtime, project.id, name, deadline):
            _work_until(runtime, shared, own, lambda: time.monotonic() >= deadline)
            time.sleep(_LOOK_S)  # others have the last chunks; that of one who dies is free again
        _wait_for_others(runtime, project.id, name)
        with runtime.reads() as session:
            found = chunk_results(session, project.id, name)
            labeling = parse_labeling(project.label_config)
            theirs = {
                number: with_monitored(session, project.id, unpacked(content), labeling)
                for number, content in found.items()
            }
    finally:
        with runtime.sessions.begin() as session:
            close_sharing(session, project.id, None)
    logger.info(
        "predicting.shared project=%d chunks=%d own=%d others=%d",
        *(project.id, len(parts), len(own.answers), len(theirs)),
    )
    every = {**theirs, **own.answers}
    return [every[number] for number in sorted(every)]


def help_predicting(runtime: Runtime, project_id: int) -> int:
    """Work on what another worker has shared out, as long as it wants it; how many chunks."""
    shared = _wanted(runtime, project_id)
    if shared is None:
        return 0
    own = _Own(kept=False)
    _work_until(runtime, shared, own, lambda: is_to_end() or not _is_wanted(runtime, project_id))
    return own.done


def _wanted(runtime: Runtime, project_id: int) -> Shared | None:
    """What to help with; None where nothing is to be done."""
    with runtime.reads() as session:
        project = active_project(session, project_id)
        free = free_chunks(session, project_id, _wall_clock(), 1)
    if project is None or not free or not _is_wanted(runtime, project_id):
        return None
    policy = parse_policy(project.policy_text)
    try:
        serving = load_champion(runtime, project_id, policy)
    except ArtifactError as error:  # the round's own worker could read it
        logger.warning("predicting.cannot_help project=%d error=%s", project_id, error)
        return None
    if serving is None:
        return None
    shared = Shared(project=project, policy=policy, serving=serving)
    return shared if shared.grounds == free[0].grounds else None


def _is_wanted(runtime: Runtime, project_id: int) -> bool:
    """Whether the round that shared its work goes on: its worker may have died."""
    with runtime.reads() as session:
        return lease_is_held(session, lease_of("route", project_id), _wall_clock())


@dataclass(slots=True)
class _Own:
    """What this worker has done; ``kept`` here, by the chunk's number, or else in the store."""

    kept: bool = True
    answers: dict[int, Candidates] = field(default_factory=dict)
    done: int = 0


def _work_until(runtime: Runtime, shared: Shared, own: _Own, enough: Callable[[], bool]) -> None:
    """Take free chunks until there is none, or it is enough."""
    project = shared.project
    while not enough():
        with _claimed(runtime, project.id, shared.grounds) as chunk:
            if chunk is None:
                return
            parts = predicted_chunks(
                runtime, project, shared.policy, shared.serving.predictor, chunk.task_ids
            )
            answers = joined(list(parts))
            content = None if own.kept else packed(answers)
            with runtime.sessions.begin() as session:
                wanted = finish_chunk(session, chunk, content, runtime.now())
        if wanted and own.kept:
            own.answers[chunk.number] = answers
        own.done += wanted
        _tell(runtime, chunk)


@contextmanager
def _claimed(runtime: Runtime, project_id: int, grounds: str) -> Iterator[WorkChunk | None]:
    """A chunk that nobody else works on meanwhile; None where none is free."""
    while True:
        with runtime.reads() as session:
            free = free_chunks(session, project_id, _wall_clock(), _AMONG)
        free = [each for each in free if each.grounds == grounds]
        if not free:
            yield None
            return
        chunk = secrets.choice(free)
        with holding(runtime, chunk.lease) as lease:
            if lease is None:
                continue
            with runtime.reads() as session:
                is_open = is_open_chunk(session, chunk)
            if is_open:
                yield chunk
                return


def _tell(runtime: Runtime, chunk: WorkChunk) -> None:
    with runtime.reads() as session:
        done, every = chunks_done(session, chunk.project_id, chunk.sharing)
    progress("asking the model, with others", done / max(every, 1))


def _is_over(runtime: Runtime, project_id: int, sharing: str, deadline: float) -> bool:
    with runtime.reads() as session:
        done, every = chunks_done(session, project_id, sharing)
    progress("asking the model, with others", done / max(every, 1))
    return done == every or time.monotonic() >= deadline


def _wait_for_others(runtime: Runtime, project_id: int, sharing: str) -> None:
    """Until those who have begun a chunk are done with it, or have died, or take too long."""
    until = time.monotonic() + _GRACE_S
    while True:
        with runtime.sessions.begin() as session:
            begun = close_sharing(session, project_id, _wall_clock())
        if begun == 0 or time.monotonic() > until:
            return
        with runtime.reads() as session:
            done, every = chunks_done(session, project_id, sharing)
        progress("waiting for other workers", done / max(every, 1))
        time.sleep(_LOOK_S)


def _wall_clock() -> datetime:
    return datetime.now(UTC)  # as of every lease
