"""Use case: connect a Label Studio project to its policy, and take everything away again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from backend.breakers.rearming import regroup
from backend.delivery import AUDIT_VIEW, CONTROL_VIEW
from backend.mirrors.projects import find_mirror, leave_mirror, set_up_mirror
from backend.predictors.language import known_languages
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
from connectors.label_studio.controls import OF_PARTS
from connectors.label_studio.labeling import ControlKind, InputKind, Labeling, parse_labeling
from policies.answer_texts import path_text
from policies.automation import Boilerplate, Format, Language
from policies.conditions import INTERVAL_WIDTH, REGION_SIGNALS, PredictedLabel
from policies.loading import load_policy, policy_hash
from policies.problems import nearest
from policies.promises import AutoAccept
from policies.routes import leaves
from policies.schema import Policy

_NUMERIC = (ControlKind.NUMBER, ControlKind.RATING)


class ConnectError(Exception):
    """Policy and project do not fit together; the message says what to change."""


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
    problems = mismatches(seen, policy, parse_labeling(seen.label_config))
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


def mismatches(seen: Project, policy: Policy, labeling: Labeling) -> list[str]:
    """What in the policy does not fit the project, in words."""
    problems = []
    if str(policy.project) not in (seen.title, str(seen.id)):
        problems.append(
            f"project = {policy.project!r} is not the project asked for, {seen.title!r} "
            f"(number {seen.id})"
        )
    problems += untellable(policy, [control.kind for control in labeling.controls])
    problems += _unlisted(policy, labeling)
    problems += _fieldless(policy, labeling)
    problems += _unknown_languages(policy)
    nameable = nameable_labels(labeling)
    for place, labels in _labels_named(policy):
        unknown = [label for label in labels if label not in nameable]
        if unknown:
            names = " and ".join(repr(control.name) for control in labeling.controls)
            do = "does" if len(labeling.controls) == 1 else "do"
            problems.append(
                f"{place} names {', '.join(map(repr, unknown))}, which {names} {do} "
                f"not offer: {', '.join(map(repr, labeling.labels)) or 'no labels at all'}"
            )
    return problems


def untellable(policy: Policy, kinds: Collection[ControlKind]) -> list[str]:
    """The routes that look at what answers of these kinds do not come with."""
    problems = []
    for place, condition in leaves(policy.routes):
        if condition.kind in REGION_SIGNALS and not any(kind in OF_PARTS for kind in kinds):
            problems.append(
                f"{place} looks at {condition.kind}, but a {_said(kinds)} is one answer for the "
                "whole task and has no regions: take the route out, or route by score or margin"
            )
        if condition.kind == INTERVAL_WIDTH and not any(kind in _NUMERIC for kind in kinds):
            problems.append(
                f"{place} looks at {condition.kind}, but a {_said(kinds)} is no number: take the "
                "route out, or route by score"
            )
    return problems


def _said(kinds: Collection[ControlKind]) -> str:
    return " or ".join(dict.fromkeys(kind.value for kind in kinds))


def _unlisted(policy: Policy, labeling: Labeling) -> list[str]:
    """What speaks of one label as of a whole answer, where answers are more than one label."""
    if labeling.is_list:
        return []
    because = (
        "but an answer to this project is not one label of a list: a promise can only be proved "
        "for all answers together"
    )
    problems = []
    rule = policy.auto_accept
    if isinstance(rule, AutoAccept) and rule.each_label:
        problems.append(f"auto_accept.each_label proves each label on its own, {because}")
    if isinstance(rule, AutoAccept) and rule.labels:
        problems.append(f"auto_accept.labels gives labels a promise of their own, {because}")
    problems += [
        f"automation[{place}] ({rule.name}) answers with one label, but an answer to this project "
        "is not one label of a list: take the rule out"
        for place, rule in enumerate(policy.automation)
        if isinstance(rule, (Language, Format, Boilerplate))
    ]
    return problems


def nameable_labels(labeling: Labeling) -> frozenset[str]:
    """The labels that a policy may name: those that are offered, and the nodes above a path."""
    above = {
        path_text(path[:end])
        for control in labeling.controls
        for path in control.paths
        for end in range(1, len(path))
    }
    return frozenset(labeling.labels) | above


def _fieldless(policy: Policy, labeling: Labeling) -> list[str]:
    """The rules of automation that would read an image as text."""
    if labeling.input_kind is not InputKind.IMAGE:
        return []
    return [
        f"automation[{place}] ({rule.name}) reads a text, but the project shows images: give it "
        "the 'field' of the task's data that holds the text"
        for place, rule in enumerate(policy.automation)
        if isinstance(rule, (Language, Format, Boilerplate)) and rule.field is None
    ]


def _unknown_languages(policy: Policy) -> list[str]:
    """The languages that no text would ever be told to be in."""
    return [
        f"automation[{place}].labels names the language {code!r}, which cannot be told "
        f"({nearest(code, known_languages()) or 'take another code'})"
        for place, rule in enumerate(policy.automation)
        if isinstance(rule, Language)
        for code in rule.labels
        if code not in known_languages()
    ]


def wiring_of(settings: Settings) -> provisioning.Wiring:
    """How Label Studio reaches this server."""
    username, password = settings.credentials or (None, None)
    return provisioning.Wiring(
        url=settings.own_url,
        webhook_secret=settings.require_webhook_secret(),
        username=username,
        password=password,
    )


def _labels_named(policy: Policy) -> list[tuple[str, tuple[str, ...]]]:
    named = [
        (f"{place}.in", condition.labels)
        for place, condition in leaves(policy.routes)
        if isinstance(condition, PredictedLabel)
    ]
    for place, rule in enumerate(policy.automation):
        match rule:
            case Language() | Format():
                named.append((f"automation[{place}].labels", tuple(rule.labels.values())))
            case Boilerplate():
                named.append((f"automation[{place}].label", (rule.label,)))
    if isinstance(policy.auto_accept, AutoAccept):
        named.append(("auto_accept.never", policy.auto_accept.never))
    return named


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
