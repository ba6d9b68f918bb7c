"""Request bodies: JSON whatever the content type says, and the project that it names."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import orjson
from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from backend.web.errors import RequestError
from backend.web.numbers import LARGEST_PROJECT_ID


class _Task(msgspec.Struct):
    data: msgspec.Raw
    id: Any = None


class _Asked(msgspec.Struct):
    tasks: list[_Task]
    project: Any = None
    label_config: Any = None


_ASKED = msgspec.json.Decoder(_Asked)
_PROJECT = re.compile(r"([0-9]{1,10})(\.[0-9]{1,20})?")  # "ID.CREATED", as Label Studio names it


def json_object() -> dict[str, Any]:
    """The body as a JSON object.

    Raises ``RequestError`` (400) where it is none, ``RequestEntityTooLarge`` (413) where it is
    larger than ``LABELGATE_MAX_BODY_MB``.
    """
    return _object(_content())


def asked_of_model() -> dict[str, Any]:
    """The same of a request to a model: of each task nothing but its id and data.

    Label Studio sends twenty fields a task. What nobody reads need not be made: a batch of a
    thousand is read in two thirds of the time so. A body that is not as Label Studio sends it is
    read whole, so that it is refused, or answered in part, with the same words as any other.
    """
    body = _content()
    try:
        asked = _ASKED.decode(body)
        tasks = [
            {"id": task.id, "data": orjson.loads(memoryview(task.data))} for task in asked.tasks
        ]
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _object(body)
    return {"tasks": tasks, "project": asked.project, "label_config": asked.label_config}


def _content() -> bytes:
    body = request.get_data(cache=False)
    limit = request.max_content_length or 0
    if request.content_length is None and len(body) >= limit:
        raise RequestEntityTooLarge  # sent in chunks, and cut off at the limit
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = _with_lone_surrogates(body, error)
    if not isinstance(value, dict):
        raise RequestError(
            400, "wrong_type", f"the body must be a JSON object, not {type(value).__name__}"
        )
    return value


def project_id(value: object) -> int:
    """Label Studio's project id from "2.1795344018", "2" or 2. Raises ``RequestError`` (400)."""
    if value is None:
        raise RequestError(400, "missing_field", "project is missing: send the project's id")
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    match = _PROJECT.fullmatch(text)
    if match is None or int(match[1]) > LARGEST_PROJECT_ID:
        raise RequestError(
            400, "wrong_type", f"project = {text[:40]!r} is no project id: send one like 2"
        )
    return int(match[1])


def optional_text(body: dict[str, Any], field: str) -> str | None:
    """A text or nothing. Raises ``RequestError`` (400) on any other type."""
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        raise RequestError(400, "wrong_type", f"{field} must be a text, not {type(value).__name__}")
    return value


def _with_lone_surrogates(body: bytes, error: orjson.JSONDecodeError) -> Any:
    r"""JSON in which half a character pair (``"\ud83d"``) stands.

    Label Studio stores such texts and sends them on, and the strict parser refuses the whole batch
    for one of them; ``backend.predictors.inputs`` knows how to read them.
    """
    refusal = RequestError(400, "malformed_json", f"the body is no JSON: {error}")
    if rb"\ud" not in body.lower():
        raise refusal
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise refusal from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
