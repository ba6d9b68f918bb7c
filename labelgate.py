"""The front door: the command line. It only gathers the commands of the folders."""

from __future__ import annotations

import click

from audit_jobs.commands import jobs, scheduler
from audit_jobs.demo.command import demo
from backend.commands.policy import policy
from backend.commands.projects import connect, disconnect, ledger, train
from backend.commands.serve import serve
from backend.commands.web import web


@click.group()
@click.version_option(package_name="labelgate")
def main() -> None:
    """Human-in-the-loop quality layer for Label Studio."""


for command in (connect, demo, disconnect, jobs, ledger, policy, scheduler, serve, train, web):
    main.add_command(command)

if __name__ == "__main__":
    main()
