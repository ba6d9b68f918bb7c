"""``labelgate models``: every version of a project's model, and which one serves."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import done, tell, tell_json
from backend.commands.progress import progress
from backend.commands.version_words import (
    diff_json,
    list_json,
    say_diff,
    say_list,
    say_reproduction,
    say_story,
    story_json,
)
from backend.model_exports import ExportError, export_version
from backend.predictors.errors import ArtifactError, TrainingError
from backend.predictors.model_files import Artifact, check
from backend.promotion import PromotionError, roll_back, version_of
from backend.promotion import promote as promote_version
from backend.reproduction import Reproduction, ReproductionError
from backend.reproduction import reproduce as reproduce_version
from backend.runtime import Runtime
from backend.store.lineages import LineageError
from backend.store.models import CHAMPION, ModelVersion
from backend.store.projects import ConnectedProject
from backend.store.promotions import Promotion
from backend.store.shadows import end_shadows, start_shadow
from backend.versions import difference_of, story_of, versions_of

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_PROJECT = click.option("--project", required=True, help="Number or title of the project.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_WHY = click.option("--why", required=True, metavar="TEXT", help="The reason, kept with it.")


def _clear(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """As ``clear_errors``, with the errors of models on top."""

    @clear_errors
    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except (
            ArtifactError,
            ExportError,
            LineageError,
            PromotionError,
            ReproductionError,
            TrainingError,
        ) as error:
            raise click.ClickException(str(error)) from error

    return run


@click.group()
def models() -> None:
    """Every version of a project's model: what it was made of, how good it is, which one serves."""


@models.command("list")
@_PROJECT
@_JSON
@_clear
def list_versions(project: str, *, as_json: bool) -> None:
    """List the versions, oldest first, and say whether they get better.

    The files are read and hashed: one that is damaged or gone is said.

    Example: labelgate models list --project 3
    """
    runtime, connected = _opened(project)
    with progress("reading model files"):
        found = versions_of(runtime, connected.id)
    if as_json:
        tell_json(list_json(found), indent=True)
        return
    tell(f"project {connected.id} {connected.title!r}: {len(found.models)} versions")
    say_list(found)


@models.command()
@click.argument("version")
@_PROJECT
@click.option("--verify", is_flag=True, help="Make it again, too, as `models reproduce` does.")
@_JSON
@_clear
def show(version: str, project: str, *, verify: bool, as_json: bool) -> None:
    """Say what VERSION was made of, what the gate found, and what it did in shadow.

    Example: labelgate models show 3-v2 --project 3
    """
    runtime, connected = _opened(project)
    model = version_of(runtime, connected, version)
    story = story_of(runtime, connected, model)
    made = _reproduced(runtime, connected, model) if verify else None
    if as_json:
        again = {} if made is None else {"reproduction": made.as_json()}
        tell_json({**story_json(story), **again}, indent=True)
    else:
        say_story(story)
        if made is not None:
            say_reproduction(made.as_json())
    sys.exit(0 if made is None or made.same else 1)


@models.command()
@click.argument("one")
@click.argument("other")
@_PROJECT
@_JSON
@_clear
def diff(one: str, other: str, project: str, *, as_json: bool) -> None:
    """Say how version OTHER differs from version ONE: data, policy, code, answers.

    Example: labelgate models diff 3-v1 3-v2 --project 3
    """
    runtime, connected = _opened(project)
    first, second = (version_of(runtime, connected, each) for each in (one, other))
    found = difference_of(runtime, connected.id, first, second)
    if as_json:
        tell_json(diff_json(found), indent=True)
        return
    say_diff((first, second), found)


@models.command()
@click.argument("version")
@_PROJECT
@_WHY
@_JSON
@_clear
def promote(version: str, project: str, why: str, *, as_json: bool) -> None:
    """Let VERSION serve, whatever the gate said of it.

    Thresholds of the version before are void; this one's are certified on the control slice at
    once, as far as there are answers enough. The next round decides every open task anew.

    Example: labelgate models promote 3-v2 --project 3 --why 'checked by hand'
    """
    runtime, connected = _opened(project)
    _told(promote_version(runtime, connected, version, _given(why)), as_json=as_json)


@models.command()
@_PROJECT
@_WHY
@_JSON
@_clear
def rollback(project: str, why: str, *, as_json: bool) -> None:
    """Let the version serve again that served before; twice goes back two versions.

    It has its own certificate again, unless drift or a withdrawn promise came since.

    Example: labelgate models rollback --project 3 --why 'worse on invoices'
    """
    runtime, connected = _opened(project)
    _told(roll_back(runtime, connected, _given(why)), as_json=as_json)


@models.command()
@click.argument("version")
@_PROJECT
@click.option(
    "--out",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="A new or empty folder.",
)
@_JSON
@_clear
def export(version: str, project: str, folder: Path, *, as_json: bool) -> None:
    """Write VERSION to a folder: its file, lineage, examples, policy and labelling config.

    Example: labelgate models export 3-v2 --project 3 --out model
    """
    runtime, connected = _opened(project)
    model = version_of(runtime, connected, version)
    written = export_version(runtime, connected, model, folder)
    if as_json:
        tell_json({"version": version, "folder": str(folder), "files": written})
        return
    done(f"{version} is in {folder}: {', '.join(written)}")


@models.command()
@click.argument("version")
@_PROJECT
@_JSON
@_clear
def reproduce(version: str, project: str, *, as_json: bool) -> None:
    """Train VERSION again from its lineage and compare; exit with 1 where it is another model.

    Nothing is stored. What differs from the first time (code, libraries, edited tasks) is said.

    Example: labelgate models reproduce 3-v2 --project 3
    """
    runtime, connected = _opened(project)
    found = _reproduced(runtime, connected, version_of(runtime, connected, version))
    if as_json:
        tell_json(found.as_json())
    else:
        say_reproduction(found.as_json())
    sys.exit(0 if found.same else 1)


@models.command()
@click.argument("version")
@_PROJECT
@click.option("--tasks", default=500, type=click.IntRange(min=1), help="Tasks that it answers.")
@click.option("--stop", is_flag=True, help="End its shadow now.")
@_JSON
@_clear
def shadow(version: str, project: str, tasks: int, *, stop: bool, as_json: bool) -> None:
    """Let VERSION answer the next tasks that come in, unseen, beside the one that serves.

    Nothing is decided by its answers, and it does not serve by itself afterwards: `models show`
    compares the two, and `models promote` is yours. One version is in shadow at a time.

    Example: labelgate models shadow 3-v2 --project 3 --tasks 500
    """
    runtime, connected = _opened(project)
    model = version_of(runtime, connected, version)
    if stop:
        _stop(runtime, connected, version)
        said = "its shadow has ended"
        result: dict[str, Any] = {"version": version, "state": "ended"}
    else:
        if model.state == CHAMPION:
            raise PromotionError(
                f"{version} serves: it has no shadow to stand in, name another version"
            )
        check(runtime.settings.models_dir, Artifact(path=model.path, sha256=model.sha256))
        with runtime.sessions.begin() as session:
            start_shadow(
                session,
                connected.id,
                version,
                runtime.now(),
                tasks=tasks,
                days=None,
                promotes=False,
            )
        said = f"answers the next {tasks:,} tasks unseen"
        result = {"version": version, "state": "in shadow", "tasks": tasks}
    if as_json:
        tell_json(result)
        return
    done(f"{version}: {said}")


@progress("training it again")
def _reproduced(runtime: Runtime, project: ConnectedProject, model: ModelVersion) -> Reproduction:
    return reproduce_version(runtime, project, model)


def _stop(runtime: Runtime, project: ConnectedProject, version: str) -> None:
    found = versions_of(runtime, project.id).shadow
    if found is None or found.version != version:
        raise PromotionError(f"{version} is not in shadow: labelgate models list says which is")
    with runtime.sessions.begin() as session:
        end_shadows(session, project.id, "stopped by command", runtime.now())


def _opened(project: str) -> tuple[Runtime, ConnectedProject]:
    runtime = build_runtime(read_settings())
    return runtime, connected_project(runtime, project)


def _given(why: str) -> str:
    if not why.strip():
        raise click.BadParameter("say why", param_hint="--why")
    return why.strip()


def _told(made: Promotion, *, as_json: bool) -> None:
    if as_json:
        result = {"version": made.version, "replaced": made.replaced, "why": made.why}
        tell_json({**result, "kind": made.kind.value, "at": made.at})
        return
    instead = "" if made.replaced is None else f" in place of {made.replaced}"
    done(f"{made.version} serves{instead}: the next round decides every open task anew")
