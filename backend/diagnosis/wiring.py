"""Whether each connected project still has our ML backend and our webhook."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.diagnosis.findings import Finding, Topic
from backend.store.projects import ConnectedProject
from connectors.label_studio.inspection import StandingWiring
from connectors.label_studio.provisioning import WEBHOOK_ACTIONS

TOPIC = Topic("connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedWiring:
    """What should stand in a project."""

    url: str
    secret: str = field(repr=False)


def judge(project: ConnectedProject, seen: StandingWiring, wanted: WantedWiring) -> list[Finding]:
    """Compare what stands in a project with what `labelgate connect` puts there."""
    if seen.is_gone:
        return [
            TOPIC.failed(
                f"project {project.id}",
                f"{project.title!r} is connected here, and Label Studio has no such project",
                f"labelgate disconnect --project {project.id}",
            )
        ]
    again = f"labelgate connect --project {project.id} --policy FILE"
    return [_backend(project, seen, wanted, again), _webhook(project, seen, wanted, again)]


def _backend(
    project: ConnectedProject, seen: StandingWiring, wanted: WantedWiring, again: str
) -> Finding:
    check = f"ML backend of project {project.id}"
    ours = [each for each in seen.backends if each.url == wanted.url]
    if not ours and seen.backends:
        at = ", ".join(each.url for each in seen.backends)
        return TOPIC.failed(check, f"it stands at {at}, Labelgate is at {wanted.url}", again)
    if not ours:
        return TOPIC.failed(check, "none is registered: nobody asks for pre-labels", again)
    state, error = ours[0].state, ours[0].error
    if state not in {"Connected", "Training", "Predicting"}:
        return TOPIC.failed(
            check,
            f"Label Studio says {state}{': ' if error else ''}{error[:200]}: it does not reach "
            f"{wanted.url}",
            "labelgate serve, and see that Label Studio's machine can open "
            f"{wanted.url}/health; else export LABELGATE_PUBLIC_URL",
        )
    return TOPIC.ok(check, f"{ours[0].url}, and Label Studio reaches it ({state})")


def _webhook(
    project: ConnectedProject, seen: StandingWiring, wanted: WantedWiring, again: str
) -> Finding:
    check = f"webhook of project {project.id}"
    address = f"{wanted.url}/webhook"
    ours = [each for each in seen.webhooks if each.url == address]
    if not ours and seen.webhooks:
        at = ", ".join(each.url for each in seen.webhooks)
        return TOPIC.failed(check, f"it goes to {at}, Labelgate takes them at {address}", again)
    if not ours:
        slow = "none is registered: answers are seen by the next poll only"
        return TOPIC.failed(check, slow, again)
    hook = ours[0]
    if hook.secret != wanted.secret:
        wrong = "its secret is not the present one, so every delivery is refused"
        return TOPIC.failed(check, wrong, again)
    if not hook.is_active:
        return TOPIC.failed(check, "somebody has switched it off in Label Studio", again)
    missing = sorted({*WEBHOOK_ACTIONS} - hook.actions)
    if missing:
        return TOPIC.warning(check, f"it does not tell of {', '.join(missing)}", again)
    return TOPIC.ok(check, f"{address}, with the present secret")
