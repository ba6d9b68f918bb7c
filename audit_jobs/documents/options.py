"""The options of commands that tell a report in any form."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from audit_jobs.documents.tables import FORMATS

Command = Callable[..., None]


def in_any_form(formats: Sequence[str] = FORMATS) -> Callable[[Command], Command]:
    """Give a command --format, --json and --out; it gets what they ask for as ``kind`` and ``out``.

    They are what ``print_report`` takes.
    """
    options = (
        click.option("--format", "kind", type=click.Choice(formats), help="Instead of tables."),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            help="Write to this file instead of the screen.",
        ),
    )

    def give(command: Command) -> Command:
        @functools.wraps(command)
        def asked(*args: Any, kind: str | None, as_json: bool, **given: Any) -> None:
            if as_json and kind not in (None, "json"):
                raise click.UsageError(f"--json and --format {kind} say different things: give one")
            command(*args, kind="json" if as_json else kind, **given)

        for option in reversed(options):
            asked = option(asked)
        return asked

    return give
