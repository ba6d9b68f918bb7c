# ruff: noqa: INP001 -- a script, not a package
"""Writes settings.md and commands.md from the code; `make docs` runs it, a test compares them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from backend.settings import Settings
from labelgate import main

HERE = Path(__file__).parent


def settings_page() -> str:
    """Every setting with its default and meaning."""
    head = (
        "# Settings\n\n"
        "Environment variables, read once at the start. Written by `make docs` from\n"
        "`backend/settings.py`; change it there.\n\n"
        "| variable | default | meaning |\n|---|---|---|\n"
    )
    return head + "".join(map(_setting_row, Settings.model_fields))


def commands_page() -> str:
    """Every command with its own help, word for word."""
    head = "# Commands\n\nWritten by `make docs` from the commands' own help; change it there.\n"
    return head + "".join(_command_entry(*found) for found in commands())


def commands() -> Iterator[tuple[str, click.Command]]:
    """All commands below ``labelgate`` with the words that call them, groups before theirs."""
    yield from _below("labelgate", main)


def _below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _below(f"{path} {name}", child)


def _setting_row(name: str) -> str:
    field = Settings.model_fields[name]
    default = "" if field.default is None else f"`{field.default}`"
    return f"| `LABELGATE_{name.upper()}` | {default} | {field.description} |\n"


def _command_entry(path: str, command: click.Command) -> str:
    with click.Context(command, info_name=path, terminal_width=80) as context:
        return f"\n## {path}\n\n```\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    (HERE / "settings.md").write_text(settings_page(), encoding="utf-8")
    (HERE / "commands.md").write_text(commands_page(), encoding="utf-8")
