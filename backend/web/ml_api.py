"""The ML backend contract, as Label Studio 1.23.2 calls it.

Label Studio waits 1 s for ``/health``, 3 s for ``/setup`` and 100 s for ``/predict``, and skips
tasks that already hold a prediction of the version that ``/setup`` named: so both name the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import OperationalError

from backend.answers import Answers, Standing, answer
from backend.store.decisions import StandingDecision, decisions_of
from backend.store.models import champion
from backend.store.projects import all_projects
from backend.web.access import Role, needs
from backend.web.bodies import asked_of_model, json_object, optional_text, project_id
from backend.web.errors import RequestError, json_response
from backend.web.state import web
from connectors.label_studio.labeling import parse_labeling

logger = logging.getLogger(__name__)
blueprint = Blueprint("ml_api", __name__)


@blueprint.route("/health", methods=["GET", "POST"])
def health() -> Response:
    """Alive; asks nobody, so that a slow database does not disconnect the backend."""
    return json_response({"status": "UP", "model_class": "Labelgate"})


@blueprint.post("/setup")
def setup() -> Response:
    """The model version that serves. The access token that comes along is not kept."""
    body = json_object()
    snapshot = web().snapshots.get(project_id(body.get("project")))
    schema = optional_text(body, "schema")
    if schema is not None:
        parse_labeling(schema)  # a config that nothing can be predicted for is said at once
    return json_response({"model_version": snapshot.model_version})


@blueprint.post("/predict")
def predict() -> Response:
    """One entry a task: a prediction, or ``[]``, for which Label Studio stores nothing."""
    state = web()
    body = asked_of_model()
    snapshot = state.snapshots.get(project_id(body.get("project")))
    config = optional_text(body, "label_config")
    labeling = snapshot.labeling if config is None else parse_labeling(config)
    answers = answer(snapshot, labeling, _tasks(body), _download, _standing(snapshot.project.id))
    state.metrics.count(answers)
    _log(snapshot.project.id, answers)
    return json_response(_rendered(answers, snapshot.model_version))


@blueprint.get("/versions")
def versions() -> Response:
    """The versions that serve now. Label Studio asks without naming a project: all of them."""
    with web().runtime.reads() as session:
        champions = [champion(session, project.id) for project in all_projects(session)]
    names = sorted({model.version for model in champions if model is not None})
    return json_response({"versions": names})


@blueprint.get("/metrics")
@needs(Role.VIEWER)
def metrics() -> Response:
    """Figures for Prometheus."""
    return Response(generate_latest(web().metrics.registry), content_type=CONTENT_TYPE_LATEST)


def _tasks(body: dict[str, Any]) -> list[Any]:
    tasks = body.get("tasks")
    if tasks is None:
        raise RequestError(400, "missing_field", "tasks is missing: send a list of tasks")
    if not isinstance(tasks, list):
        raise RequestError(400, "wrong_type", f"tasks must be a list, not {type(tasks).__name__}")
    return tasks


def _download(path: str) -> bytes:
    return web().runtime.tool().download(path)


def _standing(project: int) -> Standing:
    """Reads the decisions that hold; none where the database does not answer: less is shown."""

    def read(task_ids: Sequence[int]) -> Mapping[int, StandingDecision]:
        try:
            with web().lone_reads.connect() as connection:
                return decisions_of(connection, project, task_ids)
        except OperationalError as error:
            logger.warning("predict.no_decisions project=%d error=%s", project, error)
            return {}

    return read


def _rendered(answers: Answers, model_version: str) -> dict[str, Any]:
    """``problems`` is for people who look: Label Studio drops keys that it does not know."""
    rendered: dict[str, Any] = {"results": answers.results, "model_version": model_version}
    if answers.problems:
        rendered["problems"] = [
            {"index": problem.index, "task": problem.task_id, "message": problem.message}
            for problem in answers.problems
        ]
    return rendered


def _log(project: int, answers: Answers) -> None:
    if answers.problems:
        logger.warning(
            "predict.problems project=%d tasks=%d first_task=%s",
            project,
            len(answers.problems),
            answers.problems[0].task_id,
        )
