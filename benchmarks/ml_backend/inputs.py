"""Requests that go wrong, as Label Studio, a person with curl or a proxy may send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.predict import CONFIG, request_body

PROJECT = "1.1795358297"
PEOPLE_ONLY = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="other" toName="text"><Choice value="x"/><Choice value="y"/></Choices></View>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A request, and the status that Labelgate must answer with."""

    name: str
    body: bytes
    status: int
    path: str = "/predict"
    method: str = "POST"
    content_type: str = "application/json"


def changed(**fields: Any) -> bytes:
    """A right ``/predict`` of three tasks with these fields instead."""
    return orjson.dumps(orjson.loads(request_body([1, 2, 3])) | fields)


def without(field: str) -> bytes:
    """The same without a field."""
    body = orjson.loads(request_body([1, 2, 3]))
    del body[field]
    return orjson.dumps(body)


def tasks_of(texts: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Tasks with these values as their text."""
    return [{"id": place, "data": {"text": text}} for place, text in enumerate(texts, start=1)]


def texts(*values: Any) -> bytes:
    """A ``/predict`` of tasks with these texts."""
    return changed(tasks=tasks_of(values))


SURROGATE = changed(tasks=tasks_of(["half a pair: SURROGATE"])).replace(b"SURROGATE", rb"\ud83d")
INPUTS = (
    Input(name="malformed JSON", body=b'{"tasks": [', status=400),
    Input(
        name="JSON sent as plain text",
        body=changed(),
        status=200,
        content_type="text/plain",
    ),
    Input(name="an empty body", body=b"", status=400),
    Input(name="a list as body", body=b"[]", status=400),
    Input(name="null as body", body=b"null", status=400),
    Input(name="no tasks", body=without("tasks"), status=400),
    Input(name="tasks: null", body=changed(tasks=None), status=400),
    Input(name="tasks: a text", body=changed(tasks="x"), status=400),
    Input(name="tasks: an empty list", body=changed(tasks=[]), status=200),
    Input(name="a task that is a number", body=changed(tasks=[7]), status=200),
    Input(name="a task without data", body=changed(tasks=[{"id": 1}]), status=200),
    Input(name="a task of data as a list", body=changed(tasks=[{"id": 1, "data": []}]), status=200),
    Input(name="a text that is a number", body=texts("a word", 7), status=200),
    Input(name="a text that is null", body=texts("a word", None), status=200),
    Input(name="a text that is empty", body=texts("a word", ""), status=200),
    Input(name="a text with NUL", body=texts("a \x00 word"), status=200),
    Input(name="half a surrogate pair", body=SURROGATE, status=200),
    Input(name="a text like an address", body=texts("http://127.0.0.1:9/never"), status=200),
    Input(name="a text that is a path", body=texts("/etc/hostname"), status=200),
    Input(name="no project", body=without("project"), status=400),
    Input(name="project: null", body=changed(project=None), status=400),
    Input(name="a project that is not connected", body=changed(project="77.1"), status=404),
    Input(name="a project that is a path", body=changed(project="../../etc"), status=400),
    Input(name="no label config", body=without("label_config"), status=200),
    Input(name="a config that is no XML", body=changed(label_config="<View"), status=422),
    Input(name="a config of other labels", body=changed(label_config=PEOPLE_ONLY), status=200),
    Input(name="params: null", body=changed(params=None), status=200),
    Input(name="params: a list", body=changed(params=[1]), status=200),
    Input(name="deep nesting", body=b"[" * 100_000, status=400),
    Input(name="GET /predict", body=b"", status=405, method="GET"),
    Input(name="an unknown route", body=b"{}", status=404, path="/nowhere"),
    Input(name="/setup without a schema", body=b'{"project": "1.1"}', status=200, path="/setup"),
    Input(
        name="/setup with a schema that is no XML",
        body=orjson.dumps({"project": "1.1", "schema": "<View"}),
        status=422,
        path="/setup",
    ),
    Input(name="GET /versions", body=b"", status=200, path="/versions", method="GET"),
    Input(
        name="/webhook, no action",
        body=b'{"project": {}}',
        status=400,
        path="/webhook",
    ),
    Input(name="/webhook that is a list", body=b"[]", status=400, path="/webhook"),
)
assert CONFIG in changed().decode().replace('\\"', '"')
