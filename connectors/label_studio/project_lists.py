"""Which projects there are in Label Studio, found by number or title."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Sequence
from typing import Any

from connectors.annotation_tool import (
    AnnotationToolRefusedError,
    AnnotationToolUnavailableError,
    Project,
)
from connectors.label_studio.connection import Connection, NotFoundError
from connectors.label_studio.task_lists import listed


def find_project(admin: Connection, title_or_id: str) -> Project:
    """The project of this id, or else of exactly this title."""
    if title_or_id.isdecimal():
        with contextlib.suppress(NotFoundError):  # a title may be a number
            return _read(admin, int(title_or_id))
    rows = _rows(admin)
    ids = [row["id"] for row in rows if row["title"] == title_or_id]
    if len(ids) == 1:
        return _read(admin, ids[0])
    if ids:
        raise AnnotationToolRefusedError(
            f"{len(ids)} projects of Label Studio at {admin.url} are titled "
            f"{title_or_id!r}; give the id: {', '.join(map(str, ids))}"
        )
    raise AnnotationToolRefusedError(_unknown_project(title_or_id, rows, admin.url))


def titled(admin: Connection, title: str) -> list[Project]:
    """Every project of exactly this title."""
    return [_read(admin, row["id"]) for row in _rows(admin) if row["title"] == title]


def create_project(admin: Connection, title: str, label_config: str) -> Project:
    """A new project that shows nobody's predictions."""
    unshown = {"show_collab_predictions": False, "evaluate_predictions_automatically": False}
    body = {"title": title, "label_config": label_config, **unshown}
    return _project(admin.once("POST", "/api/projects/", body))


def _rows(admin: Connection) -> list[dict[str, Any]]:
    return list(listed(admin, "/api/projects/", {"include": "id,title"}))


def _read(admin: Connection, project_id: int) -> Project:
    return _project(admin.get(f"/api/projects/{project_id}/"))


def _project(answer: Any) -> Project:
    match answer:
        case {"id": int(number), "title": str(title), "label_config": str(config)}:
            version = answer.get("model_version") or ""
            return Project(id=number, title=title, label_config=config, model_version=version)
    raise AnnotationToolUnavailableError(f"no project from Label Studio: {answer!r:.200}")


def _unknown_project(wanted: str, rows: Sequence[dict[str, Any]], url: str) -> str:
    near = difflib.get_close_matches(wanted, [row["title"] for row in rows], n=5, cutoff=0.4)
    shown = [row for row in rows if row["title"] in near] or rows[:5]
    known = ", ".join(f"{row['title']!r} (id {row['id']})" for row in shown)
    return (
        f"no project of Label Studio at {url} has the title or id {wanted!r}; "
        f"{'nearest' if near else 'there are'}: {known or 'none at all'}"
    )
