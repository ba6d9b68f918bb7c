"""Every command with its own help, word for word."""

from __future__ import annotations

from collections.abc import Iterator

import click

from labelgate import main

_HEAD = "# Commands\n\nWritten by `make docs` from the commands' own help; change it there.\n"


def commands_page() -> str:
    """A heading for each command, groups before theirs."""
    return _HEAD + "".join(_entry(*found) for found in commands())


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


def _entry(path: str, command: click.Command) -> str:
    with click.Context(command, info_name=path, terminal_width=80) as context:
        return f"\n## {path}\n\n```\n{command.get_help(context)}\n```\n"
