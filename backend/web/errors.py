"""What a caller is told of an error: ``{"error": {"code", "message"}}``, never a traceback.

A browser that opens a page gets the same message as a page, with where to go from there.
"""

from __future__ import annotations

import logging

import orjson
from flask import Flask, Response, render_template, request
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import BadHost, HTTPException, RequestEntityTooLarge

from backend.predictors.errors import ArtifactError
from backend.serving import ProjectNotConnectedError
from backend.settings import SettingsError
from backend.web.state import web
from connectors.annotation_tool import AnnotationToolError
from connectors.label_studio.labeling import LabelingError
from policies.loading import PolicyError

logger = logging.getLogger(__name__)

_CHUNK = 256 * 1024
BASIC = 'Basic realm="labelgate", charset="UTF-8"'
_TITLES = {
    403: "You may not do that",
    404: "There is nothing here",
    410: "This link is over",
    429: "Too many requests",
    500: "Something went wrong",
    503: "Not available right now",
}


class RequestError(Exception):
    """A request that is refused; ``code`` is for programs, the message names field and way out.

    ``challenge`` is what a 401 asks for, ``wait_s`` how long a 429 is to wait.
    """

    def __init__(
        self, status: int, code: str, message: str, *, challenge: str = BASIC, wait_s: int = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.challenge = challenge
        self.wait_s = wait_s


def json_response(value: object, status: int = 200) -> Response:
    """Any JSON; numbers of numpy are taken as they are."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, mimetype="application/json")


def error_response(status: int, code: str, message: str) -> Response:
    """The one shape of every error for programs."""
    return json_response({"error": {"code": code, "message": message}}, status)


def wants_page() -> bool:
    """Whether a browser asks for a page; programs, and scripts of pages, take JSON or anything.

    A page has links, and where the header ``Host`` is no name there are no addresses to link to.
    """
    if isinstance(request.routing_exception, BadHost):
        return False
    accepted = request.accept_mimetypes
    return accepted.best_match(["application/json", "text/html"]) == "text/html"


def register(app: Flask) -> None:
    """One handler per domain error; whatever is left is a 500 with a code and a log entry."""
    app.register_error_handler(RequestError, _refused)
    app.register_error_handler(ProjectNotConnectedError, _not_connected)
    app.register_error_handler(LabelingError, _labeling)
    app.register_error_handler(PolicyError, _policy)
    app.register_error_handler(ArtifactError, _artifact)
    app.register_error_handler(AnnotationToolError, _tool)
    app.register_error_handler(SettingsError, _settings)
    app.register_error_handler(OperationalError, _store)
    app.register_error_handler(PoolTimeoutError, _store)
    app.register_error_handler(InterfaceError, _store)
    app.register_error_handler(DataError, _unstorable)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _refused(error: RequestError) -> Response:
    response = _told(error.status, error.code, str(error))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = error.challenge
    if error.wait_s:
        response.headers["Retry-After"] = str(error.wait_s)
    return response


def _not_connected(error: ProjectNotConnectedError) -> Response:
    return _told(404, "project_not_connected", str(error))


def _labeling(error: LabelingError) -> Response:
    return _told(422, "labeling_not_supported", str(error))


def _policy(error: PolicyError) -> Response:
    """What a person sends is checked where it is read: this is what stands in the database."""
    return _told(
        409,
        "policy_does_not_load",
        "the policy in force does not load in this version of Labelgate: correct it and run "
        f"`labelgate policy apply`. {error}",
    )


def _artifact(error: ArtifactError) -> Response:
    logger.error("model.unreadable at=%s error=%s", _place(), error)
    return _told(
        503, "model_unreadable", "the model's file cannot be read: the server's log says why"
    )


def _tool(error: AnnotationToolError) -> Response:
    logger.error("label_studio.unavailable at=%s error=%s", _place(), error)
    return _told(
        503, "label_studio_unavailable", "an uploaded file cannot be read from Label Studio now"
    )


def _settings(error: SettingsError) -> Response:
    return _told(503, "not_configured", str(error))


def _store(error: Exception) -> Response:
    # The driver's message can hold the address of the database: it goes to the log only.
    logger.error("store.unavailable at=%s error=%s", _place(), error)
    return _told(503, "store_unavailable", "the database does not answer or is locked: try again")


def _unstorable(error: DataError) -> Response:
    """Each route checks what it is sent: this is for what a check forgot."""
    logger.error("store.unstorable at=%s error=%s", _place(), error.orig)
    return _told(
        422,
        "value_not_storable",
        "a number or a text of the request is beyond what the database holds: send a smaller one",
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
    return _told(413, "body_too_large", message)


def _http(error: HTTPException) -> Response:
    code = error.name.lower().replace(" ", "_")
    response = _told(error.code or 500, code, error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "location", "retry-after"}:
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    logger.error("request.failed at=%s", _place(), exc_info=error)
    return _told(500, "internal_error", "an unexpected error: the server's log has the details")


def _told(status: int, code: str, message: str) -> Response:
    if not wants_page():
        return error_response(status, code, message)
    title = _TITLES.get(status, _TITLES[500] if status >= 500 else "That did not work")
    page = render_template(
        "error.html",
        status=status,
        title=title,
        message=message[:1].upper() + message[1:],
        now=web().runtime.now(),
    )
    return Response(page, status, mimetype="text/html")


def _place() -> str:
    """What was asked for, by its route: an address may hold the token of a share link."""
    return request.url_rule.rule if request.url_rule is not None else "(no route)"
