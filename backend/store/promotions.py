"""Which version serves, since when and why: every change of it, kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.model_tables import ModelRow, PromotionRow
from backend.store.models import CHAMPION, RETIRED


class Kind(StrEnum):
    """On whose word a version began to serve."""

    GATE = "gate"
    SHADOW = "shadow"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    REPORTED = "reported"  # by a model that is not Labelgate's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A version began to serve; ``replaced`` is the one that served before, None for none."""

    version: str
    replaced: str | None
    kind: Kind
    why: str
    at: datetime


def promotions(session: Session, project_id: int) -> list[Promotion]:
    """Every change of the serving version, oldest first."""
    rows = session.scalars(
        select(PromotionRow).where(PromotionRow.project_id == project_id).order_by(PromotionRow.id)
    )
    return [
        Promotion(
            version=row.version, replaced=row.replaced, kind=Kind(row.kind), why=row.why, at=row.at
        )
        for row in rows
    ]


def replaced_by(session: Session, project_id: int, version: str) -> str | None:
    """The version that served when this one was last promoted; None where none did.

    Going back to it is none: two rollbacks in a row go back two versions. What was promoted before
    promotions were kept goes back to the retired version before it by number.
    """
    made = [
        each
        for each in promotions(session, project_id)
        if each.version == version and each.kind is not Kind.ROLLBACK
    ]
    if made:
        return made[-1].replaced
    number = (
        select(ModelRow.number)
        .where(ModelRow.project_id == project_id, ModelRow.version == version)
        .scalar_subquery()
    )
    return session.scalar(
        select(ModelRow.version)
        .where(
            ModelRow.project_id == project_id,
            ModelRow.state == RETIRED,
            ModelRow.number < number,
        )
        .order_by(ModelRow.number.desc())
        .limit(1)
    )


def store_promotion(session: Session, project_id: int, made: Promotion) -> None:
    """Let a stored version serve in place of the one that does, and keep why.

    ``promoted_at`` stays the time of a version's first promotion: what was recalled since then
    waits for people, whichever version serves by turns meanwhile.
    """
    session.execute(
        update(ModelRow)
        .where(ModelRow.project_id == project_id, ModelRow.state == CHAMPION)
        .values(state=RETIRED, retired_at=made.at)
    )
    row = session.get_one(ModelRow, (project_id, made.version))
    row.state, row.retired_at = CHAMPION, None
    row.promoted_at = row.promoted_at or made.at
    session.add(
        PromotionRow(
            project_id=project_id,
            version=made.version,
            replaced=made.replaced,
            kind=made.kind.value,
            why=made.why,
            at=made.at,
        )
    )
    session.flush()
