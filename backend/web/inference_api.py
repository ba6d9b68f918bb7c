"""What deployed models answered comes in: prove the sender, take the batch whole, then say 202."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Blueprint, Response, request

from backend.inferences.intake import (
    MOST_IN_BATCH,
    BatchKey,
    KeyTakenError,
    read_batch,
    receipt_of_known,
    take_in,
)
from backend.inferences.turns import BusyError
from backend.inferences.validation import LONGEST, InferencesError
from backend.store.projects import ConnectedProject
from backend.web.authentication import require_token
from backend.web.bodies import json_object
from backend.web.errors import RequestError, error_response, json_response
from backend.web.state import Web, web

blueprint = Blueprint("inference_api", __name__)
KEY_HEADER = "Idempotency-Key"


@blueprint.post("/v1/inferences")
def take() -> Response:
    """Keep a batch; 202 once it is on disk. The same batch again gets the same answer."""
    state = web()
    project = require_token(state.runtime)
    request.get_data(cache=True)  # a slow sender is waited for before it has its turn
    key = _key()
    with state.turns.taken():
        answer = _known(state, project, key) or _taken_in(state, project, key)
    return json_response(answer, 202)


def _known(state: Web, project: ConnectedProject, key: BatchKey | None) -> dict[str, Any] | None:
    """What the same batch was answered before."""
    with state.runtime.reads() as session:
        answer = receipt_of_known(session, project.id, key)
    if answer is not None:
        state.metrics.count_inferences(project.id, {"repeated": answer["received"]})
    return answer


def _taken_in(state: Web, project: ConnectedProject, key: BatchKey | None) -> dict[str, Any]:
    items = _items(json_object())
    try:
        inferences = read_batch(state.runtime, project, items)
    except InferencesError:
        state.metrics.count_inferences(project.id, {"refused": len(items)})
        raise
    answer = take_in(state.runtime, project, inferences, key)
    counts = {name: answer[name] for name in ("stored", "known", "conflicts")}
    state.metrics.count_inferences(project.id, counts)
    return answer


@blueprint.errorhandler(InferencesError)
def _refused(error: InferencesError) -> Response:
    """The first problems in words for people, and apart for programs."""
    told = {
        "code": "bad_inferences",
        "message": f"nothing of this batch is stored:\n{error}",
        "problems": [problem.as_json() for problem in error.problems],
        "problem_count": error.count,
    }
    return json_response({"error": told}, 400)


@blueprint.errorhandler(KeyTakenError)
def _taken(error: KeyTakenError) -> Response:
    return error_response(409, "key_taken", str(error))


@blueprint.errorhandler(BusyError)
def _busy(_error: BusyError) -> Response:
    message = "too many batches at once: send fewer side by side, this one again in a second"
    response = error_response(429, "too_busy", message)
    response.headers["Retry-After"] = "1"
    return response


def _key() -> BatchKey | None:
    name = request.headers.get(KEY_HEADER)
    if name is None:
        return None
    if not 0 < len(name) <= LONGEST or not name.isprintable():
        raise RequestError(
            400, "wrong_key", f"{KEY_HEADER} must have 1 to {LONGEST} printable characters"
        )
    return BatchKey(name=name, sha256=hashlib.sha256(request.get_data()).hexdigest())


def _items(body: dict[str, Any]) -> list[Any]:
    """The inferences of a batch, or the one that is the body itself."""
    if "inferences" not in body:
        return [body]
    unknown = sorted(body.keys() - {"inferences"})
    if unknown:
        raise RequestError(
            400, "unknown_field", f"{unknown[0][:80]!r} stands beside inferences: leave it out"
        )
    items = body["inferences"]
    if not isinstance(items, list):
        raise RequestError(
            400, "wrong_type", f"inferences must be a list, not {type(items).__name__}"
        )
    if len(items) > MOST_IN_BATCH:
        raise RequestError(
            400,
            "batch_too_large",
            f"{len(items):,} inferences: send at most {MOST_IN_BATCH:,} at once",
        )
    return items
