"""A number that means nobody in the place of an annotator's, wherever the store has it.

Annotators are numbers of Label Studio here; names and addresses are never stored. Answers stay told
apart by person, so agreement is what it was, but nothing leads back to who it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text, func, or_, select, type_coerce, update
from sqlalchemy.orm import DeclarativeBase, Session

from backend.store.job_tables import JobRunRow
from backend.store.model_tables import TrainingRequestRow
from backend.store.tables import (
    AlertMessageRow,
    AnnotationRow,
    GoldRow,
    ReportRow,
    StoppedRow,
)

# Under these, reports name annotators by their numbers.
_PERSON_KEYS = frozenset({"user_id", "annotator", "annotators", "rater", "raters", "reviewer"})
# Reports, and what was written about them.
_TELLING: tuple[tuple[type[DeclarativeBase], tuple[str, ...]], ...] = (
    (ReportRow, ("body",)),
    (AlertMessageRow, ("body",)),
    (JobRunRow, ("report", "error", "log")),
    (TrainingRequestRow, ("reasons", "outcome")),
)
_ROWS_PER_READ = 500
_IDS_PER_STATEMENT = 5_000


def count_answers_of(session: Session, user_id: int) -> int:
    """How many answers are this annotator's, over all projects."""
    return (
        session.scalar(
            select(func.count()).select_from(AnnotationRow).where(AnnotationRow.user_id == user_id)
        )
        or 0
    )


def next_pseudonym(session: Session) -> int:
    """Below 0, where Label Studio has nobody, and below all that were given before."""
    lowest = session.scalar(select(func.min(AnnotationRow.user_id))) or 0
    return min(lowest, 0) - 1


def pseudonyms_of(
    session: Session, project_id: int, annotation_ids: Sequence[int]
) -> dict[int, int]:
    """Annotation id -> the pseudonym of who gave it, for those of these that have one."""
    found: dict[int, int] = {}
    for start in range(0, len(annotation_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(AnnotationRow.annotation_id, AnnotationRow.user_id).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.annotation_id.in_(annotation_ids[start : start + _IDS_PER_STATEMENT]),
                AnnotationRow.user_id < 0,
            )
        )
        found.update(dict(rows.all()))
    return found


def rename_annotator(session: Session, user_id: int, pseudonym: int) -> None:
    """Put the pseudonym in the place of the annotator's number."""
    for row in (AnnotationRow, StoppedRow):
        session.execute(update(row).where(row.user_id == user_id).values(user_id=pseudonym))
    for gold in session.scalars(select(GoldRow)):
        if user_id in gold.authors:
            gold.authors = sorted({*gold.authors, pseudonym} - {user_id})
    for table, columns in _TELLING:
        _rewrite(session, table, columns, (user_id, pseudonym))


def renamed(value: Any, user_id: int, pseudonym: int, *, person: bool = False) -> Any:
    """JSON with the annotator's number replaced where it is a person's, and nowhere else.

    That is under the keys of persons (``person`` says that the value stands under one), and in
    texts after the word user or users.

    >>> renamed({"annotators": ["12", "7"], "n": 12, "says": "users 7 and 12, 12 tasks"}, 12, -1)
    {'annotators': ['-1', '7'], 'n': 12, 'says': 'users 7 and -1, 12 tasks'}
    """
    if isinstance(value, dict):
        return {
            key: renamed(each, user_id, pseudonym, person=key in _PERSON_KEYS)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [renamed(each, user_id, pseudonym, person=person) for each in value]
    if isinstance(value, str):
        if person and value == str(user_id):
            return str(pseudonym)
        return _renamed_text(value, user_id, pseudonym)
    if person and value == user_id and not isinstance(value, bool | float):
        return pseudonym
    return value


def _renamed_text(text: str, user_id: int, pseudonym: int) -> str:
    """The number after ``user``, or among those after ``users``."""
    return re.sub(
        r"\b([Uu]sers? )(\d+(?:(?:, | and )\d+)*)",
        lambda found: found[1] + re.sub(rf"\b{user_id}\b", str(pseudonym), found[2]),
        re.sub(rf"\b(user=){user_id}\b", rf"\g<1>{pseudonym}", text),
    )


def _rewrite(
    session: Session,
    table: type[DeclarativeBase],
    columns: Sequence[str],
    numbers: tuple[int, int],
) -> None:
    """Read the rows whose text has the number in it; write those where it is a person's."""
    texts = [table.__table__.c[name] for name in columns]
    key = table.__table__.c.id
    holds = or_(*(type_coerce(text, Text).contains(str(numbers[0])) for text in texts))
    last = 0
    while True:
        rows = session.execute(
            select(key, *texts).where(key > last, holds).order_by(key).limit(_ROWS_PER_READ)
        ).all()
        for row in rows:
            before = dict(zip(columns, row[1:], strict=True))
            after = {name: renamed(value, *numbers) for name, value in before.items()}
            if after != before:
                session.execute(update(table).where(key == row[0]).values(**after))
        if len(rows) < _ROWS_PER_READ:
            return
        last = rows[-1][0]
