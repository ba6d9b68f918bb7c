"""Trainings of a project, for programs: how they stand, one more, none after all."""

from __future__ import annotations

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from backend.retraining import ask_visibly, standing, standings
from backend.serving import ProjectNotConnectedError
from backend.store.projects import ConnectedProject, active_project
from backend.store.training import REFUSED, cancel_training
from backend.web.access import Role, needs, visitor
from backend.web.errors import RequestError, json_response
from backend.web.state import web
from policies.loading import parse_policy

blueprint = Blueprint("training_api", __name__, url_prefix="/v1/projects/<int:project_id>/training")
_SHOWN = 20


@blueprint.get("")
@needs(Role.VIEWER)
def show(project_id: int) -> Response:
    """The newest requests, newest first."""
    with web().runtime.reads() as session:
        project = _connected(session, project_id)
        found = standings(session, project.id, _SHOWN)
    return json_response({"project": project_id, "requests": [each.as_json() for each in found]})


@blueprint.post("")
@needs(Role.ADMIN)
def ask(project_id: int) -> Response:
    """Queue a training, or join the queued one: 202. A wish that cannot be met: 409, with why."""
    runtime = web().runtime
    with runtime.sessions.begin() as session:
        project = _connected(session, project_id)
        policy = parse_policy(project.policy_text)
        reason = f"asked for by {_caller()}"
        wish = ask_visibly(session, project, policy, reason, runtime.now())
        body = standing(session, wish.id).as_json()
    if wish.state == REFUSED:  # recorded, so that the page shows it too
        raise RequestError(409, "too_few_labels", wish.outcome or "")
    return json_response(body, 202)


@blueprint.delete("")
@needs(Role.ADMIN)
def cancel(project_id: int) -> Response:
    """Take back what is queued and stop what is running; asking twice is no error."""
    runtime = web().runtime
    with runtime.sessions.begin() as session:
        project = _connected(session, project_id)
        closed = cancel_training(session, project.id, _caller(), runtime.now())
        body = [standing(session, each.id).as_json() for each in closed]
    return json_response({"project": project_id, "cancelled": body})


def _connected(session: Session, project_id: int) -> ConnectedProject:
    project = active_project(session, project_id)
    if project is None:
        raise ProjectNotConnectedError(
            f"project {project_id} is not connected: run "
            f"`labelgate connect --project {project_id} --policy FILE`"
        )
    return project


def _caller() -> str:
    """Who asks, as far as is known: the account, the name of the password, or a program."""
    if visitor().account is not None:
        return visitor().name
    given = request.authorization
    return ((given.username if given is not None else None) or "a program")[:80]
