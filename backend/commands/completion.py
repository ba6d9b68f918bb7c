"""``labelgate completion``: the script that lets a shell complete commands, projects and versions.

Projects and versions are read off the database as it is, and without importing the command, which
may take seconds; where the database cannot be read there is nothing to offer, and the shell goes
on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.bootstrap import build_runtime, read_settings
from backend.commands.output import tell
from backend.commands.program import COMPLETE, Program
from backend.diagnosis.database import sqlite_file
from backend.settings import SettingsError
from backend.store.models import all_versions
from backend.store.projects import all_projects

_PROJECT = "--project"
# Commands whose first argument is a project, or a version of the project that --project names.
_OF_A_PROJECT = {("certificates",), ("export",)}
_OF_A_VERSION = {
    ("models", each) for each in ("show", "diff", "promote", "export", "reproduce", "shadow")
}


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    r"""Print the script that completes commands, options, projects and versions in a SHELL.

    \b
    bash: eval "$(labelgate completion bash)"      in ~/.bashrc
    zsh:  eval "$(labelgate completion zsh)"       in ~/.zshrc
    fish: labelgate completion fish > ~/.config/fish/completions/labelgate.fish
    """
    root = click.get_current_context().find_root()
    made = get_completion_class(shell)
    if made is None:
        raise click.ClickException(f"nothing completes in {shell}: use bash, zsh or fish")
    tell(made(root.command, {}, "labelgate", COMPLETE).source())


class _Quick(ShellComplete):
    """Looks for what a project or version is called before anything heavy is imported."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """What may stand here."""
        words = self.cli.words if isinstance(self.cli, Program) else {}
        found = quickly(args, incomplete, words)
        return super().get_completions(args, incomplete) if found is None else found


@add_completion_class
class Bash(_Quick, BashComplete):
    """In bash."""


@add_completion_class
class Zsh(_Quick, ZshComplete):
    """In zsh."""


@add_completion_class
class Fish(_Quick, FishComplete):
    """In fish."""


def quickly(
    args: Sequence[str], incomplete: str, known: Mapping[tuple[str, ...], Sequence[str]]
) -> list[CompletionItem] | None:
    """Projects, versions or ``known`` words, where one of them is due; None where none is."""
    if args and args[-1] == _PROJECT:
        return _stored(_projects, incomplete)
    if incomplete.startswith("-"):
        return None
    words = tuple(each for each in _without_project(args) if not each.startswith("-"))
    if words in _OF_A_PROJECT:
        return _stored(_projects, incomplete)
    if words in _OF_A_VERSION or words[:2] == ("models", "diff"):
        return _stored(_versions, incomplete)
    if words in known:
        return [CompletionItem(each) for each in known[words] if each.startswith(incomplete)]
    return None


def _without_project(args: Sequence[str]) -> list[str]:
    """The words without the option and its value."""
    return [
        word
        for place, word in enumerate(args)
        if word != _PROJECT and (place == 0 or args[place - 1] != _PROJECT)
    ]


def _stored(
    names: Callable[[Session], list[CompletionItem]], incomplete: str
) -> list[CompletionItem]:
    """What the database holds, by value or by its help; nothing where it cannot be read."""
    try:
        settings = read_settings()
        file = sqlite_file(settings)
        if file is not None and not file.exists():
            return []
        runtime = build_runtime(settings, migrates=False)
        with runtime.reads() as session:
            found = names(session)
        runtime.sessions.kw["bind"].dispose()
    except (SettingsError, SQLAlchemyError, OSError):
        return []
    return [
        each
        for each in found
        if each.value.startswith(incomplete)
        or (each.help or "").lower().startswith(incomplete.lower())
    ]


def _projects(session: Session) -> list[CompletionItem]:
    return [CompletionItem(str(each.id), help=each.title) for each in all_projects(session)]


def _versions(session: Session) -> list[CompletionItem]:
    return [
        CompletionItem(model.version, help=f"{model.state}, of project {project.id}")
        for project in all_projects(session)
        for model in all_versions(session, project.id)
    ]
