"""Use case: connect a Label Studio project to its policy, and take everything away again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.orm import Session

from backend.breakers.rearming import regroup
from backend.delivery import AUDIT_VIEW, CONTROL_VIEW
from backend.errors import ConnectError
from backend.mirrors.projects import find_mirror, leave_mirror, set_up_mirror
from backend.mismatches import mismatches
from backend.preference_mismatches import unordered
from backend.runtime import Runtime
from backend.secret_files import require_robot_token, require_webhook_secret, store_robot_token
from backend.settings import Settings, SettingsError
from backend.store.acts import Act, record_act
from backend.store.projects import (
    ConnectedProject,
    active_project,
    mark_disconnected,
    store_policy,
    store_project,
)
from backend.store.recalls import lock_project
from connectors.annotation_tool import AnnotationToolError, Project
from connectors.label_studio import provisioning
from connectors.label_studio.accounts import ensure_robot
from connectors.label_studio.connection import Connection
from connectors.label_studio.labeling import parse_labeling
from policies.loading import load_policy, policy_hash
from policies.schema import Policy


class PolicyChangedError(ConnectError):
    """Another policy came into force since the one that was to be replaced was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A policy with its text, and the name that messages give the file."""

    name: str
    policy: Policy
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """Which policy (by hash) another one comes in the place of, on whose word."""

    instead_of: str
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be connected: the project as it is, and the policy as its file says."""

    seen: Project
    policy: Policy
    text: str
    hash: str


def connect_project(runtime: Runtime, title_or_id: str, policy_file: Path) -> ConnectedProject:
    """Set the project up in Label Studio; again and again with the same result.

    The project is stored first, because Label Studio asks our ``/setup`` while the ML backend is
    being registered; where that fails a new project is not left half connected, and one that was
    connected before keeps its policy.
    """
    policy = load_policy(policy_file)
    text = policy_file.read_text(encoding="utf-8")
    return connect_policy(
        runtime, title_or_id, PolicyFile(name=str(policy_file), policy=policy, text=text)
    )


def connect_policy(
    runtime: Runtime,
    title_or_id: str,
    file: PolicyFile,
    replacement: Replacement | None = None,
) -> ConnectedProject:
    """The same with a policy that is read already.

    With ``replacement`` it is put in force only while the policy that it replaces still is, and the
    act is recorded with it; raises PolicyChangedError where that is no longer so, and where yet
    another one came into force while Label Studio was being set up: that one stays.
    """
    policy = file.policy
    _ensure_robot_token(runtime.settings)
    tool = runtime.tool()
    seen = tool.project(title_or_id)
    wanted = _wanted(runtime, seen, file)

    title = policy.audit.mirror
    mirror = None if title is None else find_mirror(runtime, seen.id, title)
    with runtime.reads() as session:
        before = active_project(session, seen.id)
    draft = _stored(wanted, before, tool.robot_id())
    _put_in_force(runtime, draft, replacement)
    try:
        made = _set_up(runtime, draft, policy, mirror)
    except AnnotationToolError:
        if before is None:
            with runtime.sessions.begin() as session:
                mark_disconnected(session, seen.id, runtime.now())
        else:
            _take_back(runtime, before, draft.policy_hash, replacement)
        raise
    project = replace(
        draft,
        ml_backend_id=made.ml_backend_id,
        webhook_id=made.webhook_id,
        views=made.views,
        previous_settings=made.previous,
    )
    with runtime.sessions.begin() as session:
        _require_in_force(session, project, project.policy_hash)
        _store(runtime, session, project)
    return project


def disconnect_project(runtime: Runtime, title_or_id: str) -> int:
    """Take away the backend, webhooks, views, markers and copies; people's work stays.

    The project's id.
    """
    project_id = runtime.tool().project(title_or_id).id
    with runtime.reads() as session:
        project = active_project(session, project_id)
    # First here, so that no job delivers anew what is being taken away.
    if project is not None:
        with runtime.sessions.begin() as session:
            mark_disconnected(session, project_id, runtime.now())
    leave_mirror(runtime, _admin(runtime.settings), project_id)
    previous = None if project is None else project.previous_settings
    provisioning.disconnect(_admin(runtime.settings), project_id, previous or None)
    return project_id


def wiring_of(settings: Settings) -> provisioning.Wiring:
    """How Label Studio reaches this server."""
    username, password = settings.credentials or (None, None)
    return provisioning.Wiring(
        url=settings.called_url,
        webhook_secret=require_webhook_secret(settings),
        username=username,
        password=password,
    )


def _wanted(runtime: Runtime, seen: Project, file: PolicyFile) -> _Wanted:
    """Raises ConnectError with everything in the policy that does not fit the project."""
    policy = file.policy
    labeling = parse_labeling(seen.label_config)
    problems = mismatches(seen, policy, labeling)
    if policy.preferences is not None:
        first = next(iter(runtime.tool().tasks_after(seen.id, 0)), [])
        problems += unordered(policy, labeling, first)
    if problems:
        raise ConnectError("\n".join(f"{file.name}: {problem}" for problem in problems))
    return _Wanted(seen=seen, policy=policy, text=file.text, hash=policy_hash(policy))


def _stored(wanted: _Wanted, before: ConnectedProject | None, robot_id: int) -> ConnectedProject:
    return ConnectedProject(
        id=wanted.seen.id,
        title=wanted.seen.title,
        # Of a project that is connected already the next synchronising takes over a new config.
        label_config=wanted.seen.label_config if before is None else before.label_config,
        policy_text=wanted.text,
        policy_hash=wanted.hash,
        robot_id=robot_id,
        views={} if before is None else before.views,
        ml_backend_id=None if before is None else before.ml_backend_id,
        webhook_id=None if before is None else before.webhook_id,
        previous_settings={} if before is None else before.previous_settings,
        last_task_id=0 if before is None else before.last_task_id,
        synced_until=None if before is None else before.synced_until,
        config_seq=0 if before is None else before.config_seq,
        config_problem=None if before is None else before.config_problem,
        all_controls=True if before is None else before.all_controls,
    )


def _set_up(
    runtime: Runtime, project: ConnectedProject, policy: Policy, mirror: Project | None
) -> provisioning.Connected:
    """Wire the project, and its mirror where the policy wants one, in Label Studio."""
    settings = runtime.settings
    made = provisioning.connect(
        _admin(settings),
        project.id,
        wiring_of(settings),
        [*policy.tier_names, CONTROL_VIEW, AUDIT_VIEW],
        project.previous_settings or None,
    )
    title = policy.audit.mirror
    if title is not None:
        wiring = wiring_of(settings)
        set_up_mirror(runtime, _admin(settings), project, (title, mirror), wiring)
    return made


def _put_in_force(
    runtime: Runtime, project: ConnectedProject, replacement: Replacement | None
) -> None:
    with runtime.sessions.begin() as session:
        if replacement is not None:
            _require_in_force(session, project, replacement.instead_of)
            record_act(session, replacement.act)
        _store(runtime, session, project)


def _store(runtime: Runtime, session: Session, project: ConnectedProject) -> None:
    store_policy(session, project.policy_hash, project.policy_text, runtime.now())
    regroup(session, project, runtime.now())
    store_project(session, project, runtime.now())


def _require_in_force(session: Session, project: ConnectedProject, policy_hash: str) -> None:
    lock_project(session, project.id)
    standing = active_project(session, project.id)
    if standing is None or standing.policy_hash != policy_hash:
        now = "none" if standing is None else standing.policy_hash[:12]
        raise PolicyChangedError(
            f"policy {policy_hash[:12]} is not in force any more, {now} is: look at what that one "
            "says and choose your values anew"
        )


def _take_back(
    runtime: Runtime, before: ConnectedProject, failed: str, replacement: Replacement | None
) -> None:
    """Label Studio could not be set up for it: the policy before is in force again.

    Where yet another one came into force meanwhile, that one stays.
    """
    with runtime.sessions.begin() as session:
        lock_project(session, before.id)
        standing = active_project(session, before.id)
        if standing is None or standing.policy_hash != failed:
            return
        _store(runtime, session, before)
        if replacement is not None:
            what = f"{replacement.act.what}.taken_back"
            record_act(session, replace(replacement.act, what=what, at=runtime.now()))


def _ensure_robot_token(settings: Settings) -> None:
    try:
        require_robot_token(settings)
    except SettingsError:
        store_robot_token(settings, ensure_robot(_admin(settings)).token)


def _admin(settings: Settings) -> Connection:
    return Connection(
        settings.label_studio_url,
        settings.require_label_studio_token(),
        setting="LABELGATE_LABEL_STUDIO_TOKEN",
    )
