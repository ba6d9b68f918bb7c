"""``/ready``: whether a load balancer should send requests here."""

from __future__ import annotations

from flask import Blueprint, Response

from backend.web.errors import error_response, json_response
from backend.web.state import web

blueprint = Blueprint("readiness", __name__)


@blueprint.get("/ready")
def show() -> Response:
    """Ready for requests: the database answers, at the schema that this program works with.

    Open to all, as probes bring no password; it says nothing of the data.
    """
    seen = web().lookout.now()
    if seen.problem is not None:
        return error_response(503, "not_ready", seen.problem)
    return json_response({"status": "READY", "schema": seen.schema})
