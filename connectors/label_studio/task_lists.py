"""Reading lists from Label Studio: pages of tasks, the tasks of a view, checked rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from connectors.annotation_tool import AnnotationToolUnavailableError, Task
from connectors.label_studio import queries
from connectors.label_studio.connection import Connection
from connectors.label_studio.convert import ConversionError, task_of
from connectors.label_studio.queries import Filter

TASK_PAGE = 1000
ANNOTATED_PAGE = 500  # half as many rows: each carries whole annotations


def pages_by_id(
    connection: Connection,
    project_id: int,
    filters: Sequence[Filter] = (),
    *,
    after: int = 0,
    with_annotations: bool = False,
) -> Iterator[list[Task]]:
    """Pages by ascending id above ``after``.

    Each page asks for ids above the last one seen: tasks that come, go or leave the filter while
    it is read make none be skipped or repeated.
    """
    columns: tuple[str, ...] = queries.TASK_COLUMNS
    if with_annotations:
        columns += queries.ANNOTATION_COLUMNS
    size = ANNOTATED_PAGE if with_annotations else TASK_PAGE
    params = {
        "page_size": size,
        "fields": "all" if with_annotations else "task_only",
        "include": ",".join(columns),
    }
    last, more = after, True
    while more:
        query = queries.query((queries.id_above(last), *filters))
        found, _ = _task_rows(connection, project_id, params | {"query": query})
        page = tasks_of(found)
        if page:
            last = page[-1].id
            yield page
        more = len(page) == size


def unlabelled_in_view(connection: Connection, project_id: int, view_id: int) -> list[Task]:
    """The tasks that a view still hands out, in its order, without annotations."""
    view = connection.get(f"/api/dm/views/{view_id}/", {"project": project_id})
    shown = view["data"].get("filters") or {"conjunction": "and", "items": []}
    params: dict[str, Any] = {
        "page_size": TASK_PAGE,
        "fields": "task_only",
        "include": ",".join(queries.TASK_COLUMNS),
    }
    if shown["conjunction"] == "and":
        # Labelled tasks stay in the tab; leaving them out here saves reading them every time.
        ordering = view["data"].get("ordering") or queries.BY_ID
        params["query"] = queries.query([*shown["items"], queries.unlabelled()], ordering)
    else:  # a person changed the tab: "or" cannot be narrowed, only sifted below
        params["view"] = view_id
    rows: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        found, total = _task_rows(connection, project_id, params | {"page": page})
        rows += found
        page, pages = page + 1, -(-total // TASK_PAGE)
    return tasks_of([row for row in rows if not row["is_labeled"]])


def listed(connection: Connection, path: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All rows of a paged list that names its next page."""
    page: int | None = 1
    while page:
        answer = connection.get(path, params | {"page": page, "page_size": 1000})
        yield from rows_of(answer.get("results"), path)
        page = page + 1 if answer.get("next") else None


def tasks_of(rows: Sequence[dict[str, Any]]) -> list[Task]:
    """Rows as tasks; a row that is none means half an answer, or another server's."""
    try:
        return [task_of(row) for row in rows]
    except ConversionError as error:
        raise AnnotationToolUnavailableError(str(error)) from error


def rows_of(rows: Any, what: str) -> list[dict[str, Any]]:
    """The rows themselves, or an error where the answer is no list of objects."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AnnotationToolUnavailableError(f"no list of {what} from Label Studio: {rows!r:.200}")
    return rows


def _task_rows(
    connection: Connection, project_id: int, params: dict[str, Any]
) -> tuple[list[dict[str, Any]], int]:
    """The rows of one page, and how many there are on all pages."""
    answer = connection.get("/api/tasks/", params | {"project": project_id})
    match answer:
        case {"tasks": rows, "total": int(total)}:
            return rows_of(rows, "tasks"), total
    raise AnnotationToolUnavailableError(f"no task list from Label Studio: {answer!r:.200}")
