"""What models that are paid by the token took: summed by project and model, never reset."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend.store.columns import Base
from backend.store.model_tables import ModelUsageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsage:
    """Questions, tokens and money of one model in one project; money in the tiers' currency."""

    project_id: int
    model: str
    questions: int
    input_tokens: int
    output_tokens: int
    cost: float


def add_usage(session: Session, usage: ModelUsage) -> None:
    """Add to what was counted before; several processes may do so at once."""
    table = Base.metadata.tables[ModelUsageRow.__tablename__]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    names = ("questions", "input_tokens", "output_tokens", "cost")
    statement = insert(table).values(
        project_id=usage.project_id,
        model=usage.model,
        **{name: getattr(usage, name) for name in names},
    )
    keys = [column.name for column in inspect(ModelUsageRow).primary_key]
    added = {name: table.c[name] + statement.excluded[name] for name in names}
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=added))


def all_usage(session: Session) -> list[ModelUsage]:
    """What was counted, by project and model."""
    rows = session.scalars(
        select(ModelUsageRow).order_by(ModelUsageRow.project_id, ModelUsageRow.model)
    )
    return [
        ModelUsage(
            project_id=row.project_id,
            model=row.model,
            questions=row.questions,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost=row.cost,
        )
        for row in rows
    ]
