"""``labelgate doctor``: what is wrong with an installation, and what mends it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

import click
from rich.text import Text

from backend.bootstrap import read_settings
from backend.commands.output import is_quiet, out, tell_json
from backend.commands.progress import progress
from backend.diagnosis import configuration
from backend.diagnosis.examination import examine
from backend.diagnosis.findings import Finding, Verdict, went_wrong
from backend.settings import SettingsError

_SIGNS = {
    Verdict.OK: ("ok", "green"),
    Verdict.WARNING: ("warning", "yellow"),
    Verdict.FAILED: ("FAILED", "bold red"),
    Verdict.NOT_CHECKED: ("not checked", "dim"),
}


@click.command()
@click.option(
    "--deep",
    is_flag=True,
    help="Also make a throw-away project in Label Studio, try everything in it, and delete it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, deep: bool, as_json: bool) -> None:
    """Check everything that Labelgate needs, and print the fix of each thing that is wrong.

    Nothing is changed: it reads, and sends one webhook to Labelgate itself. Ends with 0 where
    nothing failed (warnings do not count), with 1 where something did.

    Example: labelgate doctor --deep
    """
    findings = _findings(deep=deep)
    if as_json:
        told = [each.as_json() for each in findings]
        tell_json({"ok": not went_wrong(findings), "findings": told}, indent=True)
    else:
        _print(findings)
    sys.exit(1 if went_wrong(findings) else 0)


def _findings(*, deep: bool) -> list[Finding]:
    try:
        settings = read_settings()
    except SettingsError as error:
        return [configuration.unreadable(error)]
    found = [configuration.misspelt(os.environ)]
    with progress("looking at the settings") as stages:
        for each in examine(settings, deep=deep):
            found.append(each)
            stages.stage(f"looking at the {each.topic}")
    return found


def _print(findings: Sequence[Finding]) -> None:
    console, topic = out(), None
    for each in _wanted(findings):
        if each.topic != topic:
            topic = each.topic
            console.print(Text(topic, style="bold"))
        sign, style = _SIGNS[each.verdict]
        console.print(Text(f"  {sign:<11} ", style=style) + Text(f"{each.check}: {each.saw}"))
        if each.fix is not None:
            console.print(Text(f"{'':14}fix: {each.fix}"), soft_wrap=True)  # copied as one line
    counts = Counter(each.verdict for each in findings)
    if not is_quiet():
        console.print(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict))


def _wanted(findings: Iterable[Finding]) -> list[Finding]:
    """All, or what failed where only errors are wanted."""
    return [each for each in findings if not is_quiet() or each.verdict is Verdict.FAILED]
