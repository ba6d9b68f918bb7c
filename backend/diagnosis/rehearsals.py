"""With --deep: whether everything works in a throw-away project of Label Studio's."""

from __future__ import annotations

from backend.diagnosis import deliveries
from backend.diagnosis.findings import Finding, Topic
from backend.runtime import Runtime
from connectors.annotation_tool import AnnotationToolError
from connectors.label_studio.connection import Connection
from connectors.label_studio.rehearsal import Step, rehearse, throw_away_project

TOPIC = Topic("rehearsal")
PATIENCE_S = 20.0  # with Redis, Label Studio hands webhooks to a queue


def look(
    runtime: Runtime,
    admin: Connection,
    robot: Connection | None,
    secret: str,
    patience_s: float = PATIENCE_S,
) -> list[Finding]:
    """Do it all in a project that is deleted again, and wait for the webhook of its task."""
    word, since = deliveries.new_word(), runtime.now()
    url = f"{runtime.settings.called_url}/webhook"
    try:
        with throw_away_project(admin) as project_id:
            headers = deliveries.headers(secret, word)
            steps = rehearse(admin, robot, project_id, url, headers)
            found = [judge(step) for step in steps]
            if all(step.problem is None for step in steps[:3]):  # webhook, view, task
                after = deliveries.arrival(runtime, word, since, patience_s)
                found.append(delivered(url, after, patience_s))
    except AnnotationToolError as error:
        fix = "use the token of an administrator; delete 'Labelgate doctor' projects by hand"
        return [TOPIC.failed("throw-away project", str(error), fix)]
    return [*found, TOPIC.ok("throw-away project", "made, and deleted again")]


def judge(step: Step) -> Finding:
    """Whether a step was done."""
    if step.problem is None:
        return TOPIC.ok(step.name, "done")
    fix = "give the token's user a role that may do this (Administrator or Manager)"
    if "network address" in step.problem:
        fix = "start Label Studio with SSRF_PROTECTION_ENABLED=false and ML_BLOCK_LOCAL_IP=false"
    return TOPIC.failed(step.name, step.problem, fix)


def delivered(url: str, after_s: float | None, patience_s: float) -> Finding:
    """Whether Label Studio's own webhook came through to the store."""
    check = "webhook of Label Studio"
    if after_s is not None:
        return TOPIC.ok(check, f"delivered to {url}, and its row is in the database")
    return TOPIC.failed(
        check,
        f"a task was made, and its webhook did not come to {url} within {patience_s:g} s; Label "
        "Studio gives it one second, and tries once",
        "see that Label Studio's machine can open that address (curl -i "
        f"{url.removesuffix('/webhook')}/health there), and that `labelgate serve` uses this "
        "database; else export LABELGATE_PUBLIC_URL",
    )
