"""Whether the two tokens are taken, whose they are, and whether they may do what they must."""

from __future__ import annotations

from backend.diagnosis.findings import Finding, Topic
from connectors.label_studio.inspection import Bearer, TokenKind

TOPIC = Topic("tokens")
ADMIN, ROBOT = "admin token", "robot token"
SETTING = {ADMIN: "LABELGATE_LABEL_STUDIO_TOKEN", ROBOT: "LABELGATE_ROBOT_TOKEN"}
# What connecting and delivering do, in the words that Label Studio has for its permissions.
_NEEDED = {
    ADMIN: (
        "projects.view",
        "projects.change",
        "tasks.view",
        "tasks.change",
        "annotations.delete",
        "actions.perform",
        "predictions.any",
        "webhooks.change",
        "views.create",
    ),
    ROBOT: ("tasks.view", "annotations.create", "actions.perform"),
}


def judge(name: str, seen: Bearer) -> Finding:
    """Whether a token is taken, and whose it is."""
    setting = SETTING[name]
    if seen.unanswered is not None:
        return TOPIC.not_checked(name, seen.unanswered)
    if seen.refused is None:
        return TOPIC.ok(name, f"{setting} is a {seen.kind.value} of {_user(seen)}")
    if "legacy token authentication has been disabled" in seen.refused:
        return TOPIC.failed(
            name,
            f"{setting} is a legacy token, and the organization has legacy tokens turned off",
            f"export {setting}=a token from Account & Settings > Personal Access Token, or turn "
            "legacy tokens on: Organization > API Tokens Settings",
        )
    return TOPIC.failed(
        name,
        f"{setting} ({seen.kind.value}) is refused: {_detail(seen.refused)}",
        f"export {setting}=a token copied anew from Account & Settings > Access Token",
    )


def _user(seen: Bearer) -> str:
    return f"{seen.email} (user {seen.user_id})"


def _detail(refused: str) -> str:
    """What Label Studio itself said."""
    return refused.split(": ", 2)[-1].split("; set it", maxsplit=1)[0]


def absent(name: str) -> Finding:
    """No such token is set."""
    setting = SETTING[name]
    if name == ROBOT:
        return TOPIC.warning(
            name,
            f"{setting} is not set, and the data folder has no robot.token",
            "labelgate connect --project PROJECT --policy FILE, which makes the robot user",
        )
    return TOPIC.failed(
        name,
        f"{setting} is not set",
        f"export {setting}=a token from Label Studio's Account & Settings > Access Token",
    )


def legacy_rule(bearers: list[Bearer], *, allowed: bool | None) -> Finding:
    """Judge the organisation's rule of legacy tokens; ``allowed`` is None where it is unknown."""
    used = any(each.kind is TokenKind.LEGACY for each in bearers)
    if allowed is None:
        return TOPIC.not_checked("legacy tokens", "Label Studio does not tell this user its rule")
    if not allowed:
        return TOPIC.ok("legacy tokens", "turned off, and none is used here")
    if used:
        return TOPIC.ok("legacy tokens", "turned on, and used here: leave them on, or set others")
    return TOPIC.ok("legacy tokens", "turned on, though none is used here")


def two_users(admin: Bearer, robot: Bearer) -> Finding | None:
    """Whether the robot is a user of its own; None where either is unknown."""
    if admin.user_id is None or robot.user_id is None:
        return None
    if admin.user_id != robot.user_id:
        return TOPIC.ok("robot is its own user", f"{robot.email} is not {admin.email}")
    return TOPIC.failed(
        "robot is its own user",
        f"both tokens are of {_user(admin)}: what this person labels would count as accepted by "
        "the robot, and never as a person's answer",
        "unset LABELGATE_ROBOT_TOKEN, then labelgate connect, which makes a user of its own; or "
        "invite another user in Label Studio and export LABELGATE_ROBOT_TOKEN=its token",
    )


def rights(name: str, seen: Bearer, unlistable: str | None) -> Finding:
    """Judge what Label Studio lists of a user's permissions; ``unlistable`` from trying to read."""
    check = f"rights of the {name.split(maxsplit=1)[0]}"
    if unlistable is not None:
        fix = f"let {seen.email} into the projects' workspace, or use another user's token"
        return TOPIC.failed(check, f"cannot list projects: {unlistable}", fix)
    if not seen.permissions:
        return TOPIC.not_checked(
            check, "Label Studio lists no permissions", "labelgate doctor --deep, which tries them"
        )
    missing = [each for each in _NEEDED[name] if each not in seen.permissions]
    if missing:
        return TOPIC.failed(
            check,
            f"{seen.email} lacks {', '.join(missing)}",
            f"give {seen.email} a role that has them (Administrator or Manager), or use another "
            "user's token",
        )
    return TOPIC.ok(check, f"{', '.join(_NEEDED[name])}: all there")
