"""Every table and column of the store, from SQLAlchemy's metadata and the rows' docstrings."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

from sqlalchemy import BigInteger, Column, Integer, Table
from sqlalchemy.orm import Mapper

import backend.store
from backend.store.columns import Base, Json, UtcDateTime

_HEAD = (
    "# Tables\n\n"
    "What stands in the database, SQLite or PostgreSQL: read it, never write it. Written by\n"
    "`make docs` from `backend/store/`; change it there. Times are UTC. A column without\n"
    '"null" always has a value. Migrations bring an older database to this schema at the start.\n'
)
_WORDS: dict[type, str] = {UtcDateTime: "time", Json: "JSON as text"}


def tables_page() -> str:
    """A heading for each table, in the order of their names."""
    return _HEAD + "".join(_entry(mapper) for mapper in mappers())


def mappers() -> list[Mapper[Base]]:
    """The mapped rows of every module of the store."""
    for module in pkgutil.iter_modules(backend.store.__path__):
        if not module.ispkg:
            import_module(f"backend.store.{module.name}")
    found = Base.registry.mappers
    return sorted(found, key=lambda mapper: _table(mapper).name)


def _entry(mapper: Mapper[Base]) -> str:
    table = _table(mapper)
    said = inspect.cleandoc(mapper.class_.__doc__ or "").replace("``", "`")
    rows = "".join(_row(column) for column in table.columns)
    head = "| column | type | key |\n|---|---|---|\n"
    return f"\n## {table.name}\n\n{said}\n\n{head}{rows}"


def _row(column: Column[object]) -> str:
    null = ", null" if column.nullable else ""
    return f"| `{column.name}` | {_type(column)}{null} | {_key(column)} |\n"


def _type(column: Column[object]) -> str:
    if isinstance(column.type, (BigInteger, Integer)):
        return "number"
    word = _WORDS.get(type(column.type))
    return word or {"str": "text", "float": "number with fraction", "bool": "true or false"}.get(
        column.type.python_type.__name__, column.type.python_type.__name__
    )


def _key(column: Column[object]) -> str:
    points = [f"points to `{key.target_fullname}`" for key in column.foreign_keys]
    own = ["primary"] if column.primary_key else ["unique"] if column.unique else []
    return ", ".join([*own, *points])


def _table(mapper: Mapper[Base]) -> Table:
    table = mapper.local_table
    assert isinstance(table, Table)  # noqa: S101 - no row is mapped to a query
    return table
