"""Types of columns: what is stored is the same on every database.

Times are UTC and stored as such, JSON is the same bytes, and no text holds a NUL.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in, an aware UTC datetime out, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """SQLite forgets the zone; it was UTC."""
        del dialect
        if value is None:
            return None
        aware: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC)


def storable(text: str) -> str:
    """The text as it is stored: PostgreSQL takes no NUL, so each becomes U+FFFD, on SQLite too.

    >>> storable("a" + chr(0)) == "a" + chr(0xFFFD)
    True
    """
    return text.replace("\0", "\ufffd") if "\0" in text else text


class ShortText(TypeDecorator[str]):
    """A name, a label, a word; without NUL."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """As ``storable`` says: what is asked for is changed as what is stored was."""
        del dialect
        return None if value is None else storable(value)


class LongText(TypeDecorator[str]):
    """A text of any length; without NUL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """As ``storable`` says."""
        del dialect
        return None if value is None else storable(value)


class Json(TypeDecorator[Any]):
    """JSON as text through orjson: the same bytes on every database, several times faster."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        """Values to text."""
        del dialect
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any | None:
        """Text to values."""
        del dialect
        return None if value is None else orjson.loads(value)


BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only INTEGER keys by itself


class Base(DeclarativeBase):
    """Column types from Python types, and constraint names that Alembic can find again."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: Json(),
        list[Any]: Json(),
        str: ShortText(),
        bytes: LargeBinary(),
    }
