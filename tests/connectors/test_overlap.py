"""Opening a labelled task while its last answer comes in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from connectors.label_studio.client import LabelStudioTool


@contextmanager
def one_task(people: list[list[int]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server with one labelled task: before each change, so many people have answered it."""
    changes: list[dict[str, Any]] = []
    task: dict[str, Any] = {"is_labeled": True}

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            change = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answered = people[min(len(changes), len(people) - 1)]
            changes.append(change)
            task.update(change)
            answers = [{"completed_by": each, "was_cancelled": False} for each in answered]
            body = json.dumps(task | {"annotations": answers}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", changes
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("people", "labelled"),
    [
        ([[1]], False),  # one of two: open again
        ([[1], [1, 2]], True),  # the second answer came in between
        ([[1, 2]], None),  # both are there: nothing to change
        ([[1], [1, 1]], False),  # twice the same person is one
    ],
)
def test_a_task_is_open_while_answers_are_missing(
    people: list[list[int]],
    labelled: bool | None,  # noqa: FBT001 - a parameter of the test
) -> None:
    with one_task(people) as (url, changes):
        LabelStudioTool(url, "a" * 40).set_overlap(7, 2)
    assert changes[0] == {"overlap": 2}
    said = [change["is_labeled"] for change in changes[1:]]
    assert (said[-1] if said else None) is labelled
