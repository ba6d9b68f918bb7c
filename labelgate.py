"""The front door: the command line. It only knows where each command lives."""

from __future__ import annotations

from importlib import import_module

import click

# A command is imported when it is asked for: `labelgate policy check` needs no scikit-learn, and
# every process of `labelgate serve` starts with what it needs alone.
COMMANDS = {
    "connect": "backend.commands.projects",
    "demo": "audit_jobs.demo.command",
    "disconnect": "backend.commands.projects",
    "jobs": "audit_jobs.commands",
    "ledger": "backend.commands.projects",
    "policy": "backend.commands.policy",
    "scheduler": "audit_jobs.commands",
    "serve": "backend.commands.serve",
    "train": "backend.commands.projects",
    "web": "backend.commands.web",
}


class Commands(click.Group):
    """The commands by name, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in order."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.command(cls=Commands)
@click.version_option(package_name="labelgate")
def main() -> None:
    """Human-in-the-loop quality layer for Label Studio."""


if __name__ == "__main__":
    main()
