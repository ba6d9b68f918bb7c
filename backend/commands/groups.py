"""Groups of commands whose modules are imported when a command is asked for.

`labelgate policy check` needs no scikit-learn, and every process of `labelgate serve` starts with
what it needs alone. What `--help` and the shell's completion say of a command is read off its
module's text, which takes a thousandth of the time that importing it would.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """Knows where commands live: ``lazy`` maps a name to its module, or to ``module:attribute``."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in order."""
        return sorted({*self._lazy, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute = self._place(cmd_name)
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was asked for; a misspelt one is told with the nearest."""
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or name in self.list_commands(ctx):
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(name, self.list_commands(ctx), n=3)
        meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise click.UsageError(f"No such command {name!r}.{meant}", ctx=ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands in `--help`."""
        told = list(self._told(ctx))
        limit = formatter.width - 6 - max(len(command.name or "") for command in told)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(command.name or "", command.get_short_help_str(limit)) for command in told]
            )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, and options where one was begun."""
        found = [
            CompletionItem(command.name, help=command.get_short_help_str())
            for command in self._told(ctx)
            if (command.name or "").startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def _told(self, ctx: click.Context) -> Iterator[click.Command]:
        """Every command that is not hidden; of lazy ones the name and the help alone."""
        for name in self.list_commands(ctx):
            if name in self._lazy:
                yield click.Command(name, help=_documentation(*self._place(name)))
                continue
            command = super().get_command(ctx, name)
            if command is not None and not command.hidden:
                yield command

    def _place(self, name: str) -> tuple[str, str]:
        module, _, attribute = self._lazy[name].partition(":")
        return module, attribute or name


def _documentation(module: str, function: str) -> str:
    """A function's documentation, read off its module's text; empty where there is none."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return ""
    for node in ast.parse(Path(found.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return ast.get_docstring(node) or ""
    return ""
