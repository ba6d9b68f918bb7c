"""``labelgate preferences export``: what people prefer, in the formats that trl reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from audit_jobs.preferences.export import (
    FILES,
    Export,
    NothingToExportError,
    Source,
    Wish,
    preference_export,
)
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import note, tell, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError
from backend.output_files import write_folder
from backend.preference_records import PreferenceRecordsError, project_pairs
from backend.reviewers import tier_members
from backend.runtime import Runtime
from backend.settings import SettingsError
from backend.store.projects import ConnectedProject
from connectors.annotation_tool import AnnotationToolError
from connectors.preference_files import PreferenceFileError, read_pairs
from connectors.trl import Format
from policies.judgments import PreferencePair
from policies.loading import parse_policy

_NOT_ALL = click.FloatRange(0, 1, max_open=True)
OUTSIDE = "in no tier"
_MANY = 20_000  # pairs whose figures take more than a few seconds


@click.command()
@click.argument(
    "file",
    metavar="[FILE.jsonl]",
    required=False,
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option("--project", help="Number or title of a connected project, instead of FILE.")
@click.option(
    "--format",
    "form",
    type=click.Choice([each.value for each in Format]),
    required=True,
    help="prompt, chosen and rejected; the same as messages; or prompt, completion and label.",
)
@click.option(
    "--out",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="A new folder, or an empty one.",
)
@click.option(
    "--holdout",
    type=_NOT_ALL,
    default=0.1,
    show_default=True,
    help="Share of the prompts that go into test.jsonl.",
)
@click.option(
    "--minimum-agreement",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Leave out pairs on which a smaller share of the judges agrees.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes what is held out.")
@click.option("--replace", is_flag=True, help="An earlier export in DIR gives way as a whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def export(  # noqa: PLR0913 - one parameter for each option
    *,
    file: Path | None,
    project: str | None,
    form: str,
    folder: Path,
    holdout: float,
    minimum_agreement: float,
    seed: int,
    replace: bool,
    as_json: bool,
) -> None:
    """Write what people prefer as a data set for trl: train.jsonl, test.jsonl and a card.

    FILE has a pair and its judgements on each line, as `labelgate preferences report` reads them;
    with --project it is what people of a connected project said. Ties, undecided pairs and pairs
    that nobody judged are left out and counted. Columns beside trl's own say how many judges stand
    behind a row. No prompt is in train and test; each stays on its side when others are added.

    README.md states how far the judges agree, what the tests of bias found, how many people judged
    (nobody is named), what was left out and how the set was made. The same judgements give the same
    bytes.

    Example: labelgate preferences export --project 3 --format trl --out pairs
    """
    if (file is None) == (project is None):
        raise click.UsageError("name FILE.jsonl or a connected --project, one of them")
    if file is not None and file.resolve().parent == folder.resolve():
        raise click.UsageError(f"{file} lies in --out {folder}: name another folder")
    wish = Wish(form=Format(form), holdout=holdout, minimum_agreement=minimum_agreement, seed=seed)
    try:
        pairs, source = _of_file(file) if file is not None else _of_named(str(project))
        if len(pairs) > _MANY:
            note(f"{len(pairs):,} pairs are measured first, for the card")
        with progress("measuring"):
            made = preference_export(pairs, wish, source)
        write_folder(folder, made.contents, replace=replace, known=FILES)
    except (
        DataFileError,
        NothingToExportError,
        PreferenceFileError,
        PreferenceRecordsError,
    ) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        told = {"folder": str(folder), **made.as_json()}
        tell_json(told, indent=True)
    else:
        _tell(folder, made)


def _of_file(file: Path) -> tuple[list[PreferencePair], Source]:
    pairs = read_pairs(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    source = Source(
        title=file.name.removesuffix(".gz").removesuffix(".jsonl"),
        words=f"the file {file.name}",
        made=(
            f"read from {file.name}, SHA-256 {digest}",
            "whether its judges are people is not known here: the file says only what they said",
        ),
    )
    return pairs, source


def _of_named(project: str) -> tuple[list[PreferencePair], Source]:
    runtime = build_runtime(read_settings())
    return of_project(runtime, connected_project(runtime, project))


def of_project(runtime: Runtime, project: ConnectedProject) -> tuple[list[PreferencePair], Source]:
    """A connected project's pairs, and who judged them by their tiers.

    The tiers are asked of Label Studio; where it does not answer the export is made without them,
    and says so.
    """
    pairs = project_pairs(runtime, project)
    tiers: tuple[tuple[str, int], ...] = ()
    unknown = ""
    try:
        tiers = _tiers(runtime, project, pairs)
    except (AnnotationToolError, SettingsError) as error:
        unknown = "to which tiers its judges belong is not known: Label Studio was not asked"
        note(f"{unknown} ({error})")
    made = (
        (
            f"people's answers in project {project.id}, judged under the policy of SHA-256 "
            f"{project.policy_hash}"
        ),
        "only people's answers were counted, none of a model or of a rule",
        unknown,
    )
    source = Source(
        title=project.title,
        words=f"the Label Studio project {project.title!r}",
        made=tuple(filter(None, made)),
        tiers=tiers,
        people=True,
    )
    return pairs, source


def _tiers(
    runtime: Runtime, project: ConnectedProject, pairs: list[PreferencePair]
) -> tuple[tuple[str, int], ...]:
    """How many of those who judged belong to each tier, and how many to none."""
    judges = {int(each.judge) for pair in pairs for each in pair.judgments}
    members = tier_members(runtime, parse_policy(project.policy_text))
    found = [(tier, len(judges & users)) for tier, users in members.items()]
    outside = len(judges.difference(*members.values()))
    return tuple(found) + (((OUTSIDE, outside),) if outside else ())


def _tell(folder: Path, made: Export) -> None:
    facts, told = made.facts, made.as_json()
    train, test = facts.rows
    tell(
        f"{folder}  {train:,} rows to train on and {test:,} to test on, of "
        f"{facts.prompts[0]:,} and {facts.prompts[1]:,} prompts"
    )
    left = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in facts.left_out.items() if count
    )
    tell(f"left out of {facts.questions:,} pairs: {left or 'none'}")
    if facts.even:
        tell(f"{facts.even:,} answers were chosen as often as rejected and have no row")
    alpha = told["krippendorff_alpha"]["value"]
    agreed = "not known" if alpha is None else f"{alpha:.3f}"
    tell(f"{told['judges']:,} judges, Krippendorff's alpha {agreed}: see README.md")
