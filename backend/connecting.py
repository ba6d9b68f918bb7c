"""Use case: connect a Label Studio project to its policy, and take everything away again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from backend.breakers.rearming import regroup
from backend.delivery import AUDIT_VIEW, CONTROL_VIEW
from backend.errors import ConnectError
from backend.mirrors.projects import find_mirror, leave_mirror, set_up_mirror
from backend.mismatches import mismatches
from backend.preference_mismatches import unordered
from backend.runtime import Runtime
from backend.settings import Settings, SettingsError
from backend.store.projects import (
    ConnectedProject,
    active_project,
    mark_disconnected,
    store_policy,
    store_project,
)
from connectors.annotation_tool import AnnotationToolError, Project
from connectors.label_studio import provisioning
from connectors.label_studio.accounts import ensure_robot
from connectors.label_studio.connection import Connection
from connectors.label_studio.labeling import parse_labeling
from policies.loading import load_policy, policy_hash
from policies.schema import Policy


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
    settings = runtime.settings
    policy = load_policy(policy_file)
    text = policy_file.read_text(encoding="utf-8")
    _ensure_robot_token(settings)
    tool = runtime.tool()
    seen = tool.project(title_or_id)
    wanted = _Wanted(seen=seen, policy=policy, text=text, hash=policy_hash(policy))
    labeling = parse_labeling(seen.label_config)
    problems = mismatches(seen, policy, labeling)
    if policy.preferences is not None:
        first = next(iter(tool.tasks_after(seen.id, 0)), [])
        problems += unordered(policy, labeling, first)
    if problems:
        raise ConnectError("\n".join(f"{policy_file}: {problem}" for problem in problems))

    title = policy.audit.mirror
    mirror = None if title is None else find_mirror(runtime, seen.id, title)
    with runtime.reads() as session:
        before = active_project(session, seen.id)
    draft = _stored(wanted, before, tool.robot_id())
    _store(runtime, draft)
    try:
        made = provisioning.connect(
            _admin(settings),
            seen.id,
            wiring_of(settings),
            [*policy.tier_names, CONTROL_VIEW, AUDIT_VIEW],
            draft.previous_settings or None,
        )
        if title is not None:
            wiring = wiring_of(settings)
            set_up_mirror(runtime, _admin(settings), draft, (title, mirror), wiring)
    except AnnotationToolError:
        if before is None:
            with runtime.sessions.begin() as session:
                mark_disconnected(session, seen.id, runtime.now())
        else:
            _store(runtime, before)
        raise
    project = replace(
        draft,
        ml_backend_id=made.ml_backend_id,
        webhook_id=made.webhook_id,
        views=made.views,
        previous_settings=made.previous,
    )
    _store(runtime, project)
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
        url=settings.own_url,
        webhook_secret=settings.require_webhook_secret(),
        username=username,
        password=password,
    )


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


def _store(runtime: Runtime, project: ConnectedProject) -> None:
    with runtime.sessions.begin() as session:
        store_policy(session, project.policy_hash, project.policy_text, runtime.now())
        regroup(session, project, runtime.now())
        store_project(session, project, runtime.now())


def _ensure_robot_token(settings: Settings) -> None:
    try:
        settings.require_robot_token()
    except SettingsError:
        settings.store_robot_token(ensure_robot(_admin(settings)).token)


def _admin(settings: Settings) -> Connection:
    return Connection(
        settings.label_studio_url,
        settings.require_label_studio_token(),
        setting="LABELGATE_LABEL_STUDIO_TOKEN",
    )
