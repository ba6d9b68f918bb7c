"""What a caller is told of an error: ``{"error": {"code", "message"}}``, never a traceback."""

from __future__ import annotations

import logging

import orjson
from flask import Flask, Response, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from backend.predictors.errors import ArtifactError
from backend.serving import ProjectNotConnectedError
from backend.settings import SettingsError
from connectors.annotation_tool import AnnotationToolError
from connectors.label_studio.labeling import LabelingError

logger = logging.getLogger(__name__)

_CHUNK = 256 * 1024
_BASIC = 'Basic realm="labelgate", charset="UTF-8"'


class RequestError(Exception):
    """A request that is refused; ``code`` is for programs, the message names field and way out.

    ``challenge`` is what a 401 asks for.
    """

    def __init__(self, status: int, code: str, message: str, *, challenge: str = _BASIC) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.challenge = challenge


def json_response(value: object, status: int = 200) -> Response:
    """Any JSON; numbers of numpy are taken as they are."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, mimetype="application/json")


def error_response(status: int, code: str, message: str) -> Response:
    """The one shape of every error."""
    return json_response({"error": {"code": code, "message": message}}, status)


def register(app: Flask) -> None:
    """One handler per domain error; whatever is left is a 500 with a code and a log entry."""
    app.register_error_handler(RequestError, _refused)
    app.register_error_handler(ProjectNotConnectedError, _not_connected)
    app.register_error_handler(LabelingError, _labeling)
    app.register_error_handler(ArtifactError, _artifact)
    app.register_error_handler(AnnotationToolError, _tool)
    app.register_error_handler(SettingsError, _settings)
    app.register_error_handler(OperationalError, _store)
    app.register_error_handler(PoolTimeoutError, _store)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _refused(error: RequestError) -> Response:
    response = error_response(error.status, error.code, str(error))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = error.challenge
    return response


def _not_connected(error: ProjectNotConnectedError) -> Response:
    return error_response(404, "project_not_connected", str(error))


def _labeling(error: LabelingError) -> Response:
    return error_response(422, "labeling_not_supported", str(error))


def _artifact(error: ArtifactError) -> Response:
    logger.error("model.unreadable path=%s error=%s", request.path, error)
    return error_response(
        503, "model_unreadable", "the model's file cannot be read: the server's log says why"
    )


def _tool(error: AnnotationToolError) -> Response:
    logger.error("label_studio.unavailable path=%s error=%s", request.path, error)
    return error_response(
        503, "label_studio_unavailable", "an uploaded file cannot be read from Label Studio now"
    )


def _settings(error: SettingsError) -> Response:
    return error_response(503, "not_configured", str(error))


def _store(error: Exception) -> Response:
    # The driver's message can hold the address of the database: it goes to the log only.
    logger.error("store.unavailable path=%s error=%s", request.path, error)
    return error_response(
        503, "store_unavailable", "the database does not answer or is locked: try again"
    )


def _too_large(_error: RequestEntityTooLarge) -> Response:
    limit = request.max_content_length or 0
    # A server that closes on a client in mid-sentence resets the connection, and the answer is
    # lost; so a body that is not many times too large is read to its end and thrown away.
    rest = request.environ["wsgi.input"]
    for _chunk in range(4 * limit // _CHUNK):
        if not rest.read(_CHUNK):
            break
    message = (
        f"the body is larger than {limit // 1_000_000} MB: send fewer tasks at once, or raise "
        "LABELGATE_MAX_BODY_MB"
    )
    return error_response(413, "body_too_large", message)


def _http(error: HTTPException) -> Response:
    code = error.name.lower().replace(" ", "_")
    response = error_response(error.code or 500, code, error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "location", "retry-after"}:
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    logger.error("request.failed path=%s", request.path, exc_info=error)
    return error_response(
        500, "internal_error", "an unexpected error: the server's log has the details"
    )
