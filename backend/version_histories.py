"""What the pages say of a project's model versions: who served when, and what a change would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.promotion import CHANGES, returning_certification
from backend.runtime import Runtime
from backend.store.acts import newest_acts
from backend.store.certificates import (
    PastCertification,
    StoredCertification,
    certifications_of,
    valid_certifications,
)
from backend.store.lineages import LineageError
from backend.store.models import CHAMPION, ModelVersion, all_versions, champion
from backend.store.projects import ConnectedProject
from backend.store.promotions import Promotion, promotions, replaced_by
from backend.store.rollups import COUNTS, rollup_of
from backend.store.shadows import Shadow, count_answers, open_shadow
from backend.versions import (
    Story,
    VersionDifference,
    difference_of,
    file_problem,
    story_of,
    trend_of,
)
from policies.accuracy_trend import Trend

_CERTIFICATIONS_SHOWN = 10
_ACTS_READ = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A time in which a version served; ``until`` is None while it does."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionHistory:
    """All versions, newest first, with who served when.

    ``made`` are the promotions and rollbacks, newest first, ``who`` did those that were done on a
    page, by their time. ``before`` is the version that a
    rollback would bring back, None where there is none. ``unreadable`` is what is wrong with the
    file of the version that serves.
    """

    models: tuple[ModelVersion, ...]
    trend: Trend
    served: dict[str, tuple[Served, ...]]
    made: tuple[Promotion, ...]
    who: dict[datetime, str]
    serving: ModelVersion | None
    before: str | None
    unreadable: str | None
    shadow: Shadow | None
    shadow_answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStory:
    """One version beside the one that was trained before it.

    ``difference`` is None for the first version, and where ``not_compared`` says why.
    """

    story: Story
    served: tuple[Served, ...]
    certifications: tuple[PastCertification, ...]
    previous: ModelVersion | None
    difference: VersionDifference | None
    not_compared: str | None
    serves: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens when a version begins to serve: what is void, what returns, what is redone.

    ``counts`` are the project's sums as a job last made them, at ``counted_at``; None before that.
    """

    serving: ModelVersion | None
    version: ModelVersion
    void: tuple[StoredCertification, ...]
    returning: StoredCertification | None
    problem: str | None
    counts: dict[str, Any] | None
    counted_at: datetime | None


def history_of(runtime: Runtime, session: Session, project: ConnectedProject) -> VersionHistory:
    """All versions of a project; of their files, that of the one that serves is read."""
    models = all_versions(session, project.id)
    made = promotions(session, project.id)
    serving = next((each for each in models if each.state == CHAMPION), None)
    running = open_shadow(session, project.id)
    return VersionHistory(
        models=tuple(reversed(models)),
        trend=trend_of(session, project.id, models),
        served=serving_times(models, made),
        made=tuple(reversed(made)),
        who={
            act.at: act.who
            for act in newest_acts(session, project.id, _ACTS_READ)
            if act.what in CHANGES
        },
        serving=serving,
        before=None if serving is None else replaced_by(session, project.id, serving.version),
        unreadable=None if serving is None else file_problem(runtime.settings, serving),
        shadow=running,
        shadow_answers=0 if running is None else count_answers(session, running.id),
    )


def serving_times(
    models: Sequence[ModelVersion], made: Sequence[Promotion]
) -> dict[str, tuple[Served, ...]]:
    """When each version served, from promotions in their order.

    Before promotions were kept there is the time of a version's own promotion alone; it is taken
    where the version is in none of them.
    """
    promoted = {each.version for each in made}
    begun = [(each.at, each.version) for each in made]
    begun += [
        (each.promoted_at, each.version)
        for each in models
        if each.promoted_at is not None and each.version not in promoted
    ]
    begun.sort()
    ends: list[datetime | None] = [at for at, _ in begun[1:]]
    found: dict[str, list[Served]] = {}
    for (since, version), until in zip(begun, [*ends, None], strict=False):
        found.setdefault(version, []).append(Served(since=since, until=until))
    return {version: tuple(times) for version, times in found.items()}


def version_story(runtime: Runtime, project: ConnectedProject, model: ModelVersion) -> VersionStory:
    """One version: its making, its service, and how it differs from the one before it."""
    story = story_of(runtime, project, model)
    with runtime.reads() as session:
        models = all_versions(session, project.id)
        made = promotions(session, project.id)
        certified = certifications_of(session, project.id, model.version, _CERTIFICATIONS_SHOWN)
    earlier = [each for each in models if each.number < model.number]
    previous = earlier[-1] if earlier else None
    found, not_compared = None, None
    if previous is not None:
        try:
            found = difference_of(runtime, project.id, previous, model)
        except LineageError as error:
            not_compared = str(error)
    return VersionStory(
        story=story,
        served=serving_times(models, made).get(model.version, ()),
        certifications=tuple(certified),
        previous=previous,
        difference=found,
        not_compared=not_compared,
        serves=model.state == CHAMPION,
    )


def change_to(
    runtime: Runtime, session: Session, project: ConnectedProject, model: ModelVersion
) -> Change:
    """What it would mean if this version began to serve now; nothing is changed."""
    sums = rollup_of(session, project.id, COUNTS)
    return Change(
        serving=champion(session, project.id),
        version=model,
        void=tuple(valid_certifications(session, project.id)),
        returning=returning_certification(session, project, model.version),
        problem=file_problem(runtime.settings, model),
        counts=None if sums is None else sums.body,
        counted_at=None if sums is None else sums.made_at,
    )
