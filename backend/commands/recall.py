"""``labelgate recall``: take back what was accepted in a window, and have people look at it."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from backend.bootstrap import build_runtime, read_settings
from backend.breakers.recall import Cause, Recalled, recall
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell, tell_json
from backend.commands.progress import progress
from backend.mismatches import nameable_labels
from backend.runtime import Runtime
from backend.store.models import all_versions
from backend.store.projects import ConnectedProject
from connectors.label_studio.labeling import parse_labeling
from policies.recalls import Scope


class Moment(click.ParamType[datetime]):
    """A time with its zone, in ISO 8601."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time in UTC; a usage error where the text is none, or names no zone."""
        try:
            time = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time: write 2026-11-01T00:00Z", param, ctx)
        if time.tzinfo is None:
            self.fail(f"{value!r} names no time zone: write {time:%Y-%m-%dT%H:%M}Z", param, ctx)
        return time.astimezone(UTC)


_MOMENT = Moment()


@click.command(name="recall")
@click.option("--project", required=True, help="Number or title of the project.")
@click.option(
    "--since",
    required=True,
    type=_MOMENT,
    help="What was accepted after this time, such as 2026-11-01T00:00Z.",
)
@click.option("--until", type=_MOMENT, help="And at this time or before; default: until now.")
@click.option("--label", help="Only accepts of this label, or that speak of it.")
@click.option("--version", "model_version", help="Only accepts of this model version.")
@click.option("--why", required=True, metavar="TEXT", help="The reason, kept with each decision.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken back, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def recall_accepts(  # noqa: PLR0913 - one parameter for each option
    *,
    project: str,
    since: datetime,
    until: datetime | None,
    label: str | None,
    model_version: str | None,
    why: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put accepted labels that no person has confirmed back into review, oldest first.

    Frozen ones too: what was exported holds labels that are in doubt from then on, and the output
    says how many. A label counts from when it was first accepted. The next round of jobs withdraws
    the robot's annotations in Label Studio, and never a person's. The version that accepted them
    does not decide these tasks again: a person does, or a version that is promoted later.

    Example: labelgate recall --project 3 --since 2026-11-01T00:00Z --why 'bad scans' --dry-run
    """
    if not why.strip():
        raise click.BadParameter("say why", param_hint="--why")
    if until is not None and until <= since:
        raise click.BadParameter(f"{until} is not after --since {since}", param_hint="--until")
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    _check(runtime, connected, model_version)
    scope = Scope(since=since, until=until, model_version=model_version, label=label)
    with progress("looking for accepts"):
        found = recall(runtime, connected, scope, Cause(why=why.strip()), dry_run=dry_run)
    if not found.tasks and label is not None:
        _check_label(connected, label)
    if as_json:
        tell_json({"dry_run": dry_run, **scope.as_json(), **found.as_json()})
        return
    _tell(found, dry_run=dry_run)


def _check(runtime: Runtime, project: ConnectedProject, model_version: str | None) -> None:
    if model_version is None:
        return
    with runtime.reads() as session:
        known = [each.version for each in all_versions(session, project.id)]
    if model_version not in known:
        listed = ", ".join(known) or "none yet"
        raise click.ClickException(f"there is no version {model_version!r}; there are: {listed}")


def _check_label(project: ConnectedProject, label: str) -> None:
    labeling = parse_labeling(project.label_config)
    if label not in nameable_labels(labeling):
        listed = ", ".join(labeling.labels) or "none in this project"
        raise click.ClickException(f"there is no label {label!r}; there are: {listed}")


def _tell(found: Recalled, *, dry_run: bool) -> None:
    done = "would be taken back" if dry_run else "were taken back"
    tell(f"{found.tasks:,} accepts {done}")
    for label, count in found.by_label.items():
        tell(f"  {label!r}: {count:,}")
    if found.oldest is not None and found.newest is not None:
        tell(f"accepted from {found.oldest:%Y-%m-%d %H:%M} to {found.newest:%Y-%m-%d %H:%M}")
    if found.frozen:
        freezes = ", ".join(f"{number} ({count:,})" for number, count in found.freezes.items())
        tell(
            f"{found.frozen:,} of them were frozen, by freeze {freezes}: what was exported since "
            "holds their labels"
        )
