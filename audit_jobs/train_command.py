"""``labelgate train``: ask for a training and see it through, or look at the queue, or clear it."""

from __future__ import annotations

import getpass
import signal
import sys
import threading
from types import FrameType

import click

from audit_jobs.running import JobFailedError, run_job
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import new_table, note, show, tell, tell_json
from backend.commands.progress import Stages, progress
from backend.retraining import Standing, ask_visibly, attended, standing, standings
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from backend.store.training import CANCELLED, FAILED, REFUSED, cancel_training
from backend.training import train as train_here
from policies.loading import parse_policy

_SHOWN = 10
_LOOK_S = 0.5


@click.command()
@click.option("--project", required=True, help="Title or number of the connected project.")
@click.option("--no-wait", is_flag=True, help="Ask, and leave the training to the scheduler.")
@click.option("--status", is_flag=True, help="Ask for nothing; show the newest requests.")
@click.option("--cancel", is_flag=True, help="Take back what is queued, stop what is running.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--queued", is_flag=True, hidden=True, help="Train in this very process.")
@click.option("--holder", hidden=True, help="Under which name this process holds the lease.")
@clear_errors
def train(project: str, holder: str | None, *, as_json: bool, **wishes: bool) -> None:
    """Ask for a training, and wait until the new version serves or is kept.

    The scheduler carries it out where one runs, else this command does, in a process of its own.
    Ctrl-C ends the waiting only: what was asked for stays queued, see --cancel. Ends with 1 where
    no version came of it.

    Example: labelgate train --project 3
    """
    chosen = [name for name in ("no_wait", "status", "cancel", "queued") if wishes[name]]
    if len(chosen) > 1:
        raise click.UsageError("give one of --no-wait, --status and --cancel")
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    match chosen:
        case ["queued"]:
            _train_here(runtime, connected, holder)
        case ["status"]:
            _show(runtime, connected, as_json=as_json)
        case ["cancel"]:
            _cancel(runtime, connected, as_json=as_json)
        case _:
            _ask(runtime, connected, as_json=as_json, wait=not chosen)


def _train_here(runtime: Runtime, project: ConnectedProject, holder: str | None) -> None:
    signal.signal(signal.SIGTERM, _end)  # an orderly end gives the request back
    tell_json(train_here(runtime, project, holder))


def _show(runtime: Runtime, project: ConnectedProject, *, as_json: bool) -> None:
    with runtime.reads() as session:
        found = standings(session, project.id, _SHOWN)
    if as_json:
        tell_json([each.as_json() for each in found])
        return
    table = new_table("request", "asked for", "because", "how it stands", "version")
    for each in found:
        request = each.request
        asked = f"{request.requested_at:%Y-%m-%d %H:%M} UTC"
        version = request.model_version or "-"
        table.add_row(str(request.id), asked, request.reason, each.says, version)
    show(table if found else "no training was ever asked for")


def _cancel(runtime: Runtime, project: ConnectedProject, *, as_json: bool) -> None:
    with runtime.sessions.begin() as session:
        closed = cancel_training(session, project.id, f"{_user()} by command", runtime.now())
    if as_json:
        tell_json({"cancelled": [each.id for each in closed]})
    for each in () if as_json else closed:
        tell(f"request {each.id} ({each.reason}) is cancelled; the champion serves on")
    if not closed and not as_json:
        tell("nothing is queued or running")


def _ask(runtime: Runtime, project: ConnectedProject, *, as_json: bool, wait: bool) -> None:
    reason = f"asked for by command ({_user()})"
    policy = parse_policy(project.policy_text)
    with runtime.sessions.begin() as session:
        request = ask_visibly(session, project, policy, reason, runtime.now())
    if wait and request.open:
        _see_through(runtime, project, request.id)
    with runtime.reads() as session:
        found = standing(session, request.id)
    if as_json:
        tell_json(found.as_json())
    else:
        version = f"{found.request.model_version} " if found.request.model_version else ""
        tell(f"request {request.id}: {version}{found.says}")
    sys.exit(1 if found.request.state in (FAILED, CANCELLED, REFUSED) else 0)


def _see_through(runtime: Runtime, project: ConnectedProject, request_id: int) -> None:
    """Show the request until it is closed; carry it out where nobody else does."""
    ended = threading.Event()
    with progress("queued", 1.0) as stages:
        arguments = (runtime, request_id, ended, stages)
        shown = threading.Thread(target=_watch, args=arguments, daemon=True)
        shown.start()
        try:
            while _standing(runtime, request_id).request.open:
                if not _attended(runtime, project):
                    _carry_out(runtime, project)
                ended.wait(_LOOK_S)  # nobody sets it here: somebody else may be at it
        except KeyboardInterrupt:
            note(f"request {request_id} stays asked for; --cancel takes it back")
            raise
        finally:
            ended.set()
            shown.join()


def _carry_out(runtime: Runtime, project: ConnectedProject) -> None:
    try:
        run_job(runtime, "retrain", project)
    except JobFailedError as error:  # counted with the request, which ends it in time
        note(str(error))


def _attended(runtime: Runtime, project: ConnectedProject) -> bool:
    with runtime.reads() as session:
        return attended(session, project.id)


def _watch(runtime: Runtime, request_id: int, ended: threading.Event, stages: Stages) -> None:
    while not ended.wait(_LOOK_S):
        found = _standing(runtime, request_id)
        stages.stage(found.says, 1.0)
        stages.at(found.share or 0.0)


def _standing(runtime: Runtime, request_id: int) -> Standing:
    with runtime.reads() as session:
        return standing(session, request_id)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "somebody"


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(143)
