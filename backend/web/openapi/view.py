"""The document, for programs that read it."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from backend.web.access import Role, needs
from backend.web.errors import json_response
from backend.web.openapi.document import document_of

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
@needs(Role.VIEWER)
def show() -> Response:
    """What programs can ask, as OpenAPI 3.1."""
    return json_response(document_of(current_app))
