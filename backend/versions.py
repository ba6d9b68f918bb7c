"""What there is to say of a project's model versions: on the command line, the page, in reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from backend.lineage import differences
from backend.predictors.errors import ArtifactError
from backend.predictors.model_files import Artifact, check
from backend.runtime import Runtime
from backend.settings import Settings
from backend.shadowing import Comparison, compare
from backend.store.lineages import holdout_answers, learned_of
from backend.store.models import ModelVersion, all_versions
from backend.store.projects import ConnectedProject
from backend.store.promotions import Promotion, promotions
from backend.store.shadows import Shadow, count_answers, newest_shadow, open_shadow
from policies.accuracy_trend import Trend, trend
from policies.paired import difference, sign_test


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """All versions of a project, oldest first, with what they say together.

    ``problems`` is what is wrong with a version's file, by version; ``shadow`` the version that is
    in shadow now with how many tasks it has answered.
    """

    models: list[ModelVersion]
    trend: Trend
    problems: dict[str, str]
    shadow: Shadow | None
    answered: int

    def state(self, model: ModelVersion) -> str:
        """The version's state in words."""
        if self.shadow is not None and self.shadow.version == model.version:
            return f"in shadow ({self.answered:,} of {self.shadow.tasks:,})"
        return model.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One version: how it came to serve or not, and what it said in shadow (None: never was)."""

    model: ModelVersion
    problem: str | None
    served: list[Promotion]
    shadow: Shadow | None
    comparison: Comparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDifference:
    """How the second version differs from the first.

    ``lineage`` has (first, second) by name. ``added``, ``removed`` and ``changed`` are the tasks
    that only the second, or only the first, learned from, and those whose answer or weight changed;
    None where a lineage was not kept. ``holdout`` compares the answers to the holdout tasks that
    both were measured on.
    """

    lineage: dict[str, tuple[Any, Any]]
    added: list[int] | None
    removed: list[int] | None
    changed: list[int] | None
    holdout: dict[str, Any]


def trend_of(session: Session, project_id: int, models: Sequence[ModelVersion]) -> Trend:
    """Whether the versions get better, by what each got right of the holdout; oldest first."""
    answers = holdout_answers(session, project_id)
    return trend([answers[each.version] for each in models if each.version in answers])


def file_problem(settings: Settings, model: ModelVersion) -> str | None:
    """What is wrong with a version's file; None where it is the one that was written, or has none.

    What answers elsewhere has no file here.
    """
    if not model.path:
        return None
    try:
        check(settings.models_dir, Artifact(path=model.path, sha256=model.sha256))
    except ArtifactError as error:
        return str(error)
    return None


def versions_of(runtime: Runtime, project_id: int) -> Versions:
    """All versions with the state of their files, which are read and hashed."""
    with runtime.reads() as session:
        models = all_versions(session, project_id)
        running = open_shadow(session, project_id)
        answered = 0 if running is None else count_answers(session, running.id)
        said = trend_of(session, project_id, models)
    found = {each.version: file_problem(runtime.settings, each) for each in models}
    return Versions(
        models=models,
        trend=said,
        problems={version: problem for version, problem in found.items() if problem is not None},
        shadow=running,
        answered=answered,
    )


def story_of(runtime: Runtime, project: ConnectedProject, model: ModelVersion) -> Story:
    """All that is known of one version."""
    with runtime.reads() as session:
        made = promotions(session, project.id)
        shadow = newest_shadow(session, project.id, model.version)
    return Story(
        model=model,
        problem=file_problem(runtime.settings, model),
        served=[each for each in made if each.version == model.version],
        shadow=shadow,
        comparison=None if shadow is None else compare(runtime, project, shadow),
    )


def difference_of(
    runtime: Runtime, project_id: int, one: ModelVersion, other: ModelVersion
) -> VersionDifference:
    """What the second version is made of otherwise than the first, and answers otherwise.

    Raises ``LineageError`` where what is stored of one is damaged.
    """
    with runtime.reads() as session:
        made = [learned_of(session, project_id, each.version) for each in (one, other)]
    first, second = (None if each is None else each.answers for each in made)
    holdouts = [{} if each is None else each.holdout for each in made]
    if first is None or second is None:
        added = removed = changed = None
    else:
        added, removed = sorted(second.keys() - first.keys()), sorted(first.keys() - second.keys())
        both = sorted(first.keys() & second.keys())
        changed = [task for task in both if first[task] != second[task]]
    return VersionDifference(
        lineage=differences(one.lineage, other.lineage),
        added=added,
        removed=removed,
        changed=changed,
        holdout=_holdout(*holdouts),
    )


def _holdout(first: Mapping[int, bool], second: Mapping[int, bool]) -> dict[str, Any]:
    shared = first.keys() & second.keys()
    wins = sum(second[task] and not first[task] for task in shared)
    losses = sum(first[task] and not second[task] for task in shared)
    return {
        "tasks": len(shared),
        "wins": wins,
        "losses": losses,
        "p_value": sign_test(wins, losses),
        "difference": difference(wins, losses, len(shared)).as_json(),
    }
