"""Model versions: every one that was trained, and which one serves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.store.model_tables import ModelRow

CHAMPION, KEPT, RETIRED = "champion", "kept", "retired"
# Of a version's lineage: label -> how many of its training examples people gave that label.
EXAMPLES_BY_LABEL = "examples_by_label"
# Of one that is trained elsewhere: nothing here keeps it from having learned what it is proved on.
LEARNS_ELSEWHERE = "learns_elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A trained version. ``state`` is champion (serves), kept (not promoted) or retired.

    ``verdict`` is the gate's evidence, ``lineage`` what the version was made of.
    """

    version: str
    number: int
    path: str
    sha256: str
    labels: tuple[str, ...]
    state: str
    verdict: dict[str, Any]
    lineage: dict[str, Any]
    trained_at: datetime
    promoted_at: datetime | None


def champion(session: Session, project_id: int) -> ModelVersion | None:
    """The version that serves, or None before the first training."""
    row = session.scalar(
        select(ModelRow).where(ModelRow.project_id == project_id, ModelRow.state == CHAMPION)
    )
    return None if row is None else _model(row)


def serving_versions(session: Session, projects: Collection[int]) -> dict[int, str]:
    """Project -> the version that serves; those where none does are left out."""
    rows = session.execute(
        select(ModelRow.project_id, ModelRow.version).where(
            ModelRow.project_id.in_(projects), ModelRow.state == CHAMPION
        )
    )
    return {project: version for project, version in rows}  # noqa: C416 - pairs, to a type checker


def all_versions(session: Session, project_id: int) -> list[ModelVersion]:
    """Every version, oldest first."""
    rows = session.scalars(
        select(ModelRow).where(ModelRow.project_id == project_id).order_by(ModelRow.number)
    )
    return [_model(row) for row in rows]


def model_paths(session: Session) -> list[str]:
    """The model files that versions of all projects name; some models have none."""
    return list(session.scalars(select(ModelRow.path).where(ModelRow.path != "").distinct()))


def version_named(session: Session, project_id: int, version: str) -> ModelVersion | None:
    """The version of this name; None where there is none."""
    row = session.get(ModelRow, (project_id, version))
    return None if row is None else _model(row)


def may_have_learned_until(session: Session, project_id: int, version: str) -> datetime | None:
    """Until when answers may have taught a version that is trained elsewhere; None for all others.

    It reads people's answers by itself, and whether it leaves out those of the control slice is
    its own affair: only answers given since it was first seen prove anything of it.
    """
    row = session.get(ModelRow, (project_id, version))
    return row.trained_at if row is not None and row.lineage.get(LEARNS_ELSEWHERE) else None


def next_number(session: Session, project_id: int) -> int:
    """The number of the version that is trained next, from 1."""
    newest = session.scalar(
        select(func.max(ModelRow.number)).where(ModelRow.project_id == project_id)
    )
    return (newest or 0) + 1


def store_version(session: Session, project_id: int, model: ModelVersion, now: datetime) -> None:
    """Add a version; a new champion retires the old one in the same transaction."""
    if model.state == CHAMPION:
        retire_champion(session, project_id, now)
    session.add(
        ModelRow(
            project_id=project_id,
            version=model.version,
            number=model.number,
            path=model.path,
            sha256=model.sha256,
            labels=list(model.labels),
            state=model.state,
            verdict=model.verdict,
            lineage=model.lineage,
            trained_at=model.trained_at,
            promoted_at=model.promoted_at,
        )
    )
    session.flush()


def retire_champion(session: Session, project_id: int, now: datetime) -> None:
    """Whatever serves serves no longer."""
    session.execute(
        update(ModelRow)
        .where(ModelRow.project_id == project_id, ModelRow.state == CHAMPION)
        .values(state=RETIRED, retired_at=now)
    )


def note_lineage(session: Session, project_id: int, version: str, notes: Mapping[str, Any]) -> None:
    """Add notes to a version's lineage; what it says already under other names stays."""
    row = session.get_one(ModelRow, (project_id, version))
    row.lineage = {**row.lineage, **notes}


def _model(row: ModelRow) -> ModelVersion:
    return ModelVersion(
        version=row.version,
        number=row.number,
        path=row.path,
        sha256=row.sha256,
        labels=tuple(row.labels),
        state=row.state,
        verdict=row.verdict,
        lineage=row.lineage,
        trained_at=row.trained_at,
        promoted_at=row.promoted_at,
    )
