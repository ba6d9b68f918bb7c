"""Every setting with its default and meaning, from the fields of ``backend.settings``."""

from __future__ import annotations

from backend.settings import Settings

_HEAD = (
    "# Settings\n\n"
    "Environment variables, read once at the start. Written by `make docs` from\n"
    "`backend/settings.py`; change it there.\n\n"
    "| variable | default | meaning |\n|---|---|---|\n"
)


def settings_page() -> str:
    """A table with a row for each variable."""
    return _HEAD + "".join(map(_row, Settings.model_fields))


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    default = "" if field.default is None else f"`{field.default}`"
    return f"| `LABELGATE_{name.upper()}` | {default} | {field.description} |\n"
