"""What is looked at in Label Studio, one thing after the other, as far as it lets us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backend.diagnosis import addresses, server, tokens, wiring
from backend.diagnosis.findings import Finding, Verdict
from backend.secret_files import kept_webhook_secret, require_robot_token
from backend.settings import Settings, SettingsError
from backend.store.projects import ConnectedProject
from connectors.annotation_tool import AnnotationToolError
from connectors.label_studio.connection import Connection
from connectors.label_studio.inspection import (
    Bearer,
    bearer_of,
    greet,
    guards_against,
    reads_projects,
    takes_legacy_tokens,
    wiring_in,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelStudioSeen:
    """The findings, and the connections of the tokens that were taken."""

    findings: list[Finding]
    admin: Connection | None = None
    robot: Connection | None = None


def look_at_label_studio(
    settings: Settings, projects: Sequence[ConnectedProject]
) -> LabelStudioSeen:
    """Address and version, tokens and rights, guards, and what stands in each project."""
    found = server.judge(greet(settings.label_studio_url, lambda: datetime.now(UTC)))
    if found[0].verdict is Verdict.FAILED:
        unseen = [
            topic.not_checked(check, "Label Studio cannot be reached")
            for topic, check in (
                (tokens.TOPIC, tokens.ADMIN),
                (tokens.TOPIC, tokens.ROBOT),
                (wiring.TOPIC, "projects"),
            )
        ]
        reach = addresses.reach(settings.called_url, settings.label_studio_url)
        return LabelStudioSeen(findings=[*found, *unseen, reach])
    kept = {
        tokens.ADMIN: _token(settings, tokens.ADMIN),
        tokens.ROBOT: _token(settings, tokens.ROBOT),
    }
    bearers = {
        name: bearer_of(settings.label_studio_url, token, tokens.SETTING[name])
        for name, token in kept.items()
        if token is not None
    }
    lines = {name: _line(settings, kept, bearers, name) for name in kept}
    admin, robot = lines[tokens.ADMIN], lines[tokens.ROBOT]
    found += [
        tokens.judge(name, bearers[name]) if name in bearers else tokens.absent(name)
        for name in kept
    ]
    found += _as_admin(settings, projects, admin, bearers)
    return LabelStudioSeen(findings=found, admin=admin, robot=robot)


def _token(settings: Settings, name: str) -> str | None:
    try:
        if name == tokens.ADMIN:
            return settings.require_label_studio_token()
        return require_robot_token(settings)
    except SettingsError:
        return None


def _line(
    settings: Settings, kept: dict[str, str | None], bearers: dict[str, Bearer], name: str
) -> Connection | None:
    token, bearer = kept[name], bearers.get(name)
    if token is None or bearer is None or bearer.user_id is None:
        return None
    return Connection(settings.label_studio_url, token, setting=tokens.SETTING[name], timeout_s=60)


def _as_admin(
    settings: Settings,
    projects: Sequence[ConnectedProject],
    admin: Connection | None,
    bearers: dict[str, Bearer],
) -> Iterator[Finding]:
    if admin is None:
        for topic, check in (
            (tokens.TOPIC, "legacy tokens"),
            (tokens.TOPIC, "rights of the admin"),
            (addresses.TOPIC, "webhooks allowed"),
            (wiring.TOPIC, "projects"),
        ):
            yield topic.not_checked(check, "the admin token is not taken")
        yield addresses.reach(settings.called_url, settings.label_studio_url)
        return
    yield tokens.legacy_rule(list(bearers.values()), allowed=takes_legacy_tokens(admin))
    different = None
    if tokens.ROBOT in bearers:
        different = tokens.two_users(bearers[tokens.ADMIN], bearers[tokens.ROBOT])
    yield from () if different is None else (different,)
    yield tokens.rights(tokens.ADMIN, bearers[tokens.ADMIN], reads_projects(admin))
    if tokens.ROBOT in bearers and bearers[tokens.ROBOT].user_id is not None:
        yield tokens.rights(tokens.ROBOT, bearers[tokens.ROBOT], None)
    yield addresses.reach(settings.called_url, settings.label_studio_url)
    try:
        yield from addresses.guards(settings.called_url, guards_against(admin, settings.called_url))
        yield from _wired(settings, projects, admin)
    except AnnotationToolError as error:
        yield wiring.TOPIC.not_checked("projects", str(error))


def _wired(
    settings: Settings, projects: Sequence[ConnectedProject], admin: Connection
) -> Iterator[Finding]:
    if not projects:
        fix = "labelgate connect --project PROJECT --policy FILE"
        yield wiring.TOPIC.not_checked("projects", "no project is connected", fix)
    wanted = wiring.WantedWiring(
        url=settings.called_url, secret=kept_webhook_secret(settings) or ""
    )
    for project in projects:
        yield from wiring.judge(project, wiring_in(admin, project.id), wanted)
