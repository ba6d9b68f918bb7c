"""What Labelgate sets up in a Label Studio project, and takes away again.

Everything is found by its address or title and updated, so that connecting twice doubles nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.annotation_tool import AnnotationToolRefusedError
from connectors.label_studio import queries
from connectors.label_studio.connection import Connection, NotFoundError
from connectors.label_studio.events import SECRET_HEADER
from connectors.label_studio.task_lists import pages_by_id, rows_of

logger = logging.getLogger(__name__)

BACKEND_TITLE = "Labelgate"
VIEW_TITLE = "Labelgate: {}"
MARKER = "labelgate: {}"
# Marks the tasks of a confusion that people look at; no view of a tier holds this text.
CONFUSION_MARKER = "labelgate confusion {}"
# Imported before a task's marker: views order by it. No marker's text is part of it.
RANK = "labelgate #{:02d}"
# Label Studio shows a task's stored prediction in the form, and asks the backend for a task that
# has none when a person opens it; it does not ask for whole pages of tasks by itself.
PROJECT_SETTINGS = {"show_collab_predictions": True, "evaluate_predictions_automatically": False}
MIRROR_SETTINGS = {"show_collab_predictions": False, "evaluate_predictions_automatically": False}
# All that concern a project but ANNOTATIONS_CREATED: Label Studio sends it when predictions are
# turned into annotations, which Labelgate does itself, in bulk, and writes every row out for it,
# which takes longer than making them. Where a person does it, the next poll sees it.
WEBHOOK_ACTIONS = (
    "TASKS_CREATED",
    "TASKS_DELETED",
    "ANNOTATION_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "PROJECT_UPDATED",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """How Label Studio reaches Labelgate; basic authentication where both credentials are given."""

    url: str
    webhook_secret: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def webhook_url(self) -> str:
        """Where webhooks go: the address Label Studio would choose by itself."""
        return f"{self.url.rstrip('/')}/webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What stands in the project now; ``views`` maps a view's name to its id.

    ``previous`` holds the project's settings from before the first connect, for ``disconnect``.
    """

    ml_backend_id: int
    webhook_id: int
    views: dict[str, int]
    previous: dict[str, Any]


def connect(
    admin: Connection,
    project_id: int,
    wiring: Wiring,
    views: Sequence[str],
    previous: Mapping[str, Any] | None = None,
) -> Connected:
    """Set the project up: settings, webhook, ML backend, and one view for each name in ``views``.

    Labelgate must be answering at ``wiring.url``: Label Studio asks ``/health`` and ``/setup``
    before it takes a backend. ``previous`` is what an earlier connect returned, if there was one.
    Views of Labelgate that are not named any more are removed.
    """
    _require_distinct(views)
    project_path = f"/api/projects/{project_id}/"
    kept = _settings_of(admin.get(project_path)) | dict(previous or {})
    # The webhook first: a backend that finds one for its address does not make one without secret.
    webhook_id = _put_webhook(admin, project_id, wiring)
    backend_id = _put_backend(admin, project_id, wiring)
    view_ids = _put_views(admin, project_id, views)
    # The settings last: a connect that fails half-way has not changed what the next one reads.
    admin.repeatable("PATCH", project_path, PROJECT_SETTINGS)
    return Connected(ml_backend_id=backend_id, webhook_id=webhook_id, views=view_ids, previous=kept)


def disconnect(
    admin: Connection, project_id: int, previous: Mapping[str, Any] | None = None
) -> None:
    """Take away the ML backend, webhooks, views and markers, and restore the project's settings.

    Annotations stay, people's and the robot's. A task with a marker loses its other predictions
    too: Label Studio deletes a task's predictions only together.
    """
    webhooks = _webhooks(admin, project_id)
    own = [row for row in webhooks if SECRET_HEADER in (row["headers"] or {})]
    for backend in _backends(admin, project_id):
        address = f"{backend['url'].rstrip('/')}/webhook"
        own += [row for row in webhooks if row["url"] == address and row not in own]
        _delete(admin, f"/api/ml/{backend['id']}")
    for webhook in own:
        _delete(admin, f"/api/webhooks/{webhook['id']}/")
    for view in _views(admin, project_id):
        _delete(admin, f"/api/dm/views/{view['id']}/")
    _clear_markers(admin, project_id)
    if previous:
        _restore(admin, project_id, previous)


def connect_mirror(admin: Connection, project_id: int, wiring: Wiring) -> None:
    """Let a mirror project tell Labelgate of answers at once; it shows nobody's predictions.

    Refused where an ML backend is connected: its predictions would be shown to auditors.
    """
    backends = rows_of(admin.get("/api/ml/", {"project": project_id}), "ML backends")
    if backends:
        raise AnnotationToolRefusedError(
            f"project {project_id} has an ML backend ({backends[0]['url']}), whose predictions "
            "auditors would see: disconnect it there, or name another project in audit.mirror"
        )
    _put_webhook(admin, project_id, wiring)
    admin.repeatable("PATCH", f"/api/projects/{project_id}/", MIRROR_SETTINGS)


def disconnect_mirror(admin: Connection, project_id: int) -> None:
    """Take away the webhook; the project and all that people did in it stay."""
    for webhook in _webhooks(admin, project_id):
        if SECRET_HEADER in (webhook["headers"] or {}):
            _delete(admin, f"/api/webhooks/{webhook['id']}/")


def put_view(admin: Connection, project_id: int, title: str, marker: str) -> int:
    """Make the view of this title, or let the one that is there show this marker's tasks; its id.

    Its title begins as those of Labelgate's own views do: the next connect, and disconnecting,
    take it away.
    """
    body = {"project": project_id, "data": queries.marker_view(title, marker, [])}
    standing = [row["id"] for row in _views(admin, project_id) if row["data"]["title"] == title]
    for view_id in standing[1:]:
        _delete(admin, f"/api/dm/views/{view_id}/")
    if standing:
        admin.repeatable("PATCH", f"/api/dm/views/{standing[0]}/", body)
        return int(standing[0])
    return int(admin.once("POST", "/api/dm/views/", body)["id"])


def find_view(admin: Connection, project_id: int, title_or_id: str) -> int:
    """The view of this number, as a tab's address names it, or else of exactly this title."""
    rows = rows_of(admin.get("/api/dm/views/", {"project": project_id}), "views")
    views = {int(row["id"]): str(row["data"].get("title", "")) for row in rows}
    if title_or_id.isdecimal() and int(title_or_id) in views:
        return int(title_or_id)
    found = [view_id for view_id, title in views.items() if title == title_or_id]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{title!r} (number {view_id})" for view_id, title in views.items())
    if found:
        raise AnnotationToolRefusedError(
            f"{len(found)} views of project {project_id} are titled {title_or_id!r}; give the "
            f"number: {', '.join(map(str, found))}"
        )
    raise AnnotationToolRefusedError(
        f"project {project_id} has no view {title_or_id!r}; there are: {known or 'none at all'}"
    )


def _settings_of(project: Mapping[str, Any]) -> dict[str, Any]:
    return {name: project[name] for name in (*PROJECT_SETTINGS, "model_version")}


def _require_distinct(views: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for view in views:
        # Label Studio on SQLite compares model versions without regard to case.
        twin = seen.setdefault(view.lower(), view)
        if twin is not view:
            raise AnnotationToolRefusedError(
                f"the views {twin!r} and {view!r} differ by case at most: Label Studio cannot keep "
                "them apart; rename one of the tiers in the policy"
            )


def _put_webhook(admin: Connection, project_id: int, wiring: Wiring) -> int:
    """The one webhook to Labelgate; others to the same address, without its secret, are deleted."""
    body = {
        "project": project_id,
        "url": wiring.webhook_url,
        "headers": {SECRET_HEADER: wiring.webhook_secret},
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": WEBHOOK_ACTIONS,
        "is_active": True,
    }
    standing = [
        row["id"]
        for row in _webhooks(admin, project_id)
        if row["url"] == wiring.webhook_url or SECRET_HEADER in (row["headers"] or {})
    ]
    for webhook_id in standing[1:]:
        _delete(admin, f"/api/webhooks/{webhook_id}/")
    if standing:
        admin.repeatable("PATCH", f"/api/webhooks/{standing[0]}/", body)
        return int(standing[0])
    return int(admin.once("POST", "/api/webhooks/", body)["id"])


def _put_backend(admin: Connection, project_id: int, wiring: Wiring) -> int:
    body: dict[str, Any] = {
        "project": project_id,
        "url": wiring.url,
        "title": BACKEND_TITLE,
        "auth_method": "NONE",
    }
    if wiring.username and wiring.password:
        body |= {
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": wiring.username,
            "basic_auth_pass": wiring.password,
        }
    standing = [row["id"] for row in _backends(admin, project_id, wiring.url)]
    for backend_id in standing[1:]:
        _delete(admin, f"/api/ml/{backend_id}")
    if standing:
        admin.repeatable("PATCH", f"/api/ml/{standing[0]}", body)
        return int(standing[0])
    return int(admin.once("POST", "/api/ml/", body)["id"])


def _put_views(admin: Connection, project_id: int, names: Sequence[str]) -> dict[str, int]:
    standing: dict[str, list[int]] = {}
    for row in _views(admin, project_id):
        standing.setdefault(row["data"]["title"], []).append(row["id"])
    markers = [MARKER.format(name) for name in names]
    ids: dict[str, int] = {}
    for name, marker in zip(names, markers, strict=True):
        title = VIEW_TITLE.format(name)
        body = {"project": project_id, "data": queries.marker_view(title, marker, markers)}
        found = standing.get(title, [])
        if found:
            ids[name] = found.pop(0)
            admin.repeatable("PATCH", f"/api/dm/views/{ids[name]}/", body)
        else:
            ids[name] = int(admin.once("POST", "/api/dm/views/", body)["id"])
    for view_id in (view_id for left in standing.values() for view_id in left):
        _delete(admin, f"/api/dm/views/{view_id}/")
    return ids


def _clear_markers(admin: Connection, project_id: int) -> None:
    path = f"/api/dm/actions?id=delete_tasks_predictions&project={project_id}"
    pages = (
        page
        for marker in (MARKER, CONFUSION_MARKER)
        for page in pages_by_id(admin, project_id, (queries.has_version(marker.format("")),))
    )
    for page in pages:
        admin.repeatable("POST", path, queries.selected([task.id for task in page]))


def _restore(admin: Connection, project_id: int, previous: Mapping[str, Any]) -> None:
    path = f"/api/projects/{project_id}/"
    settings = dict(previous)
    model_version = settings.pop("model_version", "")
    admin.repeatable("PATCH", path, settings)
    try:
        admin.repeatable("PATCH", path, {"model_version": model_version})
    except AnnotationToolRefusedError:  # its predictions are gone, so nothing can be shown of it
        logger.info("disconnect.model_version_gone project=%s", project_id)
        admin.repeatable("PATCH", path, {"model_version": ""})


def _webhooks(admin: Connection, project_id: int) -> list[dict[str, Any]]:
    return rows_of(admin.get("/api/webhooks/", {"project": project_id}), "webhooks")


def _backends(admin: Connection, project_id: int, url: str | None = None) -> list[dict[str, Any]]:
    """Labelgate's ML backends: of its title, or at its address whatever they are called."""
    rows = rows_of(admin.get("/api/ml/", {"project": project_id}), "ML backends")
    return [row for row in rows if row["title"] == BACKEND_TITLE or row["url"] == url]


def _views(admin: Connection, project_id: int) -> list[dict[str, Any]]:
    rows = rows_of(admin.get("/api/dm/views/", {"project": project_id}), "views")
    prefix = VIEW_TITLE.format("")
    return [row for row in rows if str(row["data"].get("title", "")).startswith(prefix)]


def _delete(admin: Connection, path: str) -> None:
    with contextlib.suppress(NotFoundError):  # gone already, or deleted by a repeated request
        admin.repeatable("DELETE", path)
