"""The options of commands that tell a report in any form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from audit_jobs.documents.tables import FORMATS

_OPTIONS = (
    click.option("--format", "kind", type=click.Choice(FORMATS), help="Instead of tables."),
    click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
    click.option(
        "--out", type=click.Path(path_type=Path), help="Write to this file instead of the screen."
    ),
)


def in_any_form(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --format, --json and --out; it gets what they ask for as ``kind`` and ``out``.

    They are what ``print_report`` takes.
    """

    @functools.wraps(command)
    def asked(*args: Any, kind: str | None, as_json: bool, **options: Any) -> None:
        if as_json and kind not in (None, "json"):
            raise click.UsageError(f"--json and --format {kind} say different things: give one")
        command(*args, kind="json" if as_json else kind, **options)

    for option in reversed(_OPTIONS):
        asked = option(asked)
    return asked
