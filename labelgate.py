"""The front door: the command line. It only gathers the commands of the folders."""

from __future__ import annotations

import click


@click.group()
@click.version_option(package_name="labelgate")
def main() -> None:
    """Human-in-the-loop quality layer for Label Studio."""


if __name__ == "__main__":
    main()
