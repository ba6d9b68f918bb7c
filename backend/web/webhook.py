"""Webhook intake: prove the sender, write one row, answer. Jobs do the work.

Label Studio waits one second inside the annotator's own request, sends once, and signs nothing.
"""

from __future__ import annotations

import re

from flask import Blueprint, Response, request

from backend.store.events import add_event, add_rehearsal
from backend.store.mirrors import mirrored_project
from backend.store.projects import active_project
from backend.web.authentication import require_sender
from backend.web.bodies import json_object
from backend.web.errors import RequestError, json_response
from backend.web.metrics import action_name
from backend.web.numbers import LARGEST_PROJECT_ID
from backend.web.state import web
from connectors.label_studio.events import (
    REHEARSAL_HEADER,
    SECRET_HEADER,
    Event,
    EventError,
    parse_event,
)

blueprint = Blueprint("webhook", __name__)
_WORD = re.compile(r"[0-9a-f]{16,64}")


@blueprint.post("/webhook")
def receive() -> Response:
    """Keep what Label Studio says happened; 201 once it is on disk."""
    state = web()
    trusted = require_sender(state.runtime.settings)
    word = request.headers.get(REHEARSAL_HEADER)
    if trusted and word is not None:
        _store_rehearsal(word)
        return json_response({"status": "rehearsed"}, 201)
    event = _event()
    if not trusted and not event.is_training:
        # "Start training" comes without the webhook's header and only asks for what would be
        # asked for anyway; without a password this server listens to its own machine alone.
        raise RequestError(
            401, "secret_missing", f"send the webhook secret in the header {SECRET_HEADER}"
        )
    _store(event)
    state.metrics.events.labels(action_name(event.action)).inc()
    return json_response({"status": "stored"}, 201)


def _store_rehearsal(word: str) -> None:
    """`labelgate doctor` waits for its word in the store; nothing else comes of it."""
    if not _WORD.fullmatch(word):
        raise RequestError(400, "malformed_word", f"{REHEARSAL_HEADER} must be 16 to 64 hex digits")
    runtime = web().runtime
    with runtime.sessions.begin() as session:
        add_rehearsal(session, word, runtime.now())


def _event() -> Event:
    try:
        event = parse_event(json_object())
    except EventError as error:
        raise RequestError(400, "malformed_event", str(error)) from error
    if event.project_id is None or event.project_id > LARGEST_PROJECT_ID:
        raise RequestError(400, "missing_field", "project must be an object with the project's id")
    return event


def _store(event: Event) -> None:
    """One row, ids only: the body also carries people's answers and a token."""
    runtime = web().runtime
    detail = {"task_ids": event.task_ids, "annotation_ids": event.annotation_ids}
    with runtime.sessions.begin() as session:
        project_id = event.project_id
        if project_id is not None:  # what happens in a mirror concerns the project it mirrors
            project_id = mirrored_project(session, project_id) or project_id
        if project_id is None or active_project(session, project_id) is None:
            raise RequestError(
                404,
                "project_not_connected",
                f"project {project_id} is not connected: remove the webhook in Label Studio, or "
                "run `labelgate connect`",
            )
        add_event(session, project_id, event.action, detail, runtime.now())
