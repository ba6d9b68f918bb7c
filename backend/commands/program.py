"""How the program ends: its exit codes, and what it says where it did not foresee the end.

0 is well. 1: what was asked for is not so, or was refused, and the message says what to do. 2: it
was asked wrongly. 3: Label Studio, the database or another server does not answer. 70: an error of
Labelgate's own (EX_SOFTWARE of sysexits.h). 130: Ctrl-C, as shells have it (128 + SIGINT).
"""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any

import click

from backend.commands.groups import LazyGroup

UNREACHABLE, OWN_ERROR, INTERRUPTED = 3, 70, 130
DEBUG = "LABELGATE_DEBUG"
COMPLETE = "_LABELGATE_COMPLETE"  # in which a shell's completion asks; click's own name for it
_COMPLETION = "backend.commands.completion"


class UnreachableError(click.ClickException):
    """A server does not answer: trying again later may help."""

    exit_code = UNREACHABLE


class Program(LazyGroup):
    """The whole command line: ends quietly on Ctrl-C, and with one line on an error of its own.

    ``words`` are what may follow the words of a command, where the shell is to know it quickly.
    """

    def __init__(
        self,
        *args: Any,
        words: Mapping[tuple[str, ...], Sequence[str]] = MappingProxyType({}),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.words = words

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Answer the shell's completion, or run."""
        if COMPLETE in os.environ:  # a command that runs needs nothing of it
            import_module(_COMPLETION)
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            click.echo(_own_error(error), err=True)
            ctx.exit(OWN_ERROR)


def _own_error(error: Exception) -> str:
    said = (str(error).strip() or "no message").splitlines()[0]
    return (
        f"Error: labelgate failed by an error of its own: {type(error).__name__}: {said[:300]}; "
        f"{_kept(error)}. `labelgate doctor` may tell more; please report it"
    )


def _kept(error: Exception) -> str:
    """Where the traceback is: in a file that its owner alone can read."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="labelgate-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.writelines(traceback.format_exception(error))
    except OSError:  # a full disk may be the very reason
        return f"run it again with {DEBUG}=1 to see where"
    return f"where it happened stands in {file.name} ({DEBUG}=1 shows it here)"
