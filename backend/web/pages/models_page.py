"""The model versions: which one serves, where each comes from, and the way back to another."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from backend.promotion import Confirmed, PromotionError, promote, roll_back
from backend.runtime import Runtime
from backend.store.models import ModelVersion, champion, version_named
from backend.store.projects import ConnectedProject
from backend.store.promotions import promotions, replaced_by
from backend.version_histories import change_to, history_of, version_story
from backend.web.access import Role, needs, visitor
from backend.web.errors import RequestError
from backend.web.pages.projects import shown_project
from backend.web.state import web

blueprint = Blueprint("models_page", __name__)

_LONGEST_REASON = 2_000
_PROMOTIONS_SHOWN = 5
Answer = str | Response | tuple[str, int]


@blueprint.get("/projects/<int:project_id>/models")
@needs(Role.VIEWER)
def page(project_id: int) -> str:
    """All versions, the newest first, and the trail of what served."""
    runtime = web().runtime
    with runtime.reads() as session:
        project = shown_project(session, project_id)
        history = history_of(runtime, session, project)
    return _render("models.html", runtime, project, history=history)


@blueprint.get("/projects/<int:project_id>/models/<version>")
@needs(Role.VIEWER)
def one(project_id: int, version: str) -> str:
    """One version: what it was made of, how good it is, when it served."""
    runtime = web().runtime
    project, model = _named(runtime, project_id, version)
    found = version_story(runtime, project, model)
    return _render("model.html", runtime, project, found=found, model=model)


@blueprint.get("/projects/<int:project_id>/models/<version>/promote")
@needs(Role.ADMIN)
def ask_to_promote(project_id: int, version: str) -> Answer:
    """What would happen if this version served; nothing happens yet."""
    runtime = web().runtime
    project, model = _named(runtime, project_id, version)
    return _confirmation(runtime, project, model, back=False)


@blueprint.post("/projects/<int:project_id>/models/<version>/promote")
@needs(Role.ADMIN)
def promoted(project_id: int, version: str) -> Answer:
    """Let the version serve, if what serves is still what was shown."""
    runtime = web().runtime
    project, model = _named(runtime, project_id, version)
    return _change(runtime, project, model, back=False)


@blueprint.get("/projects/<int:project_id>/rollback")
@needs(Role.ADMIN)
def ask_to_roll_back(project_id: int) -> Answer:
    """What would happen if the version before served again; nothing happens yet."""
    runtime = web().runtime
    project, model = _version_before(runtime, project_id)
    if model is None:
        why = "nothing served before the version that serves: there is no way back"
        return _refused(runtime, project, why)
    return _confirmation(runtime, project, model, back=True)


@blueprint.post("/projects/<int:project_id>/rollback")
@needs(Role.ADMIN)
def rolled_back(project_id: int) -> Answer:
    """Let the version before serve again, if it is still the one that was shown."""
    runtime = web().runtime
    project, model = _named(runtime, project_id, request.form.get("version", ""))
    return _change(runtime, project, model, back=True)


def _named(
    runtime: Runtime, project_id: int, version: str
) -> tuple[ConnectedProject, ModelVersion]:
    with runtime.reads() as session:
        project = shown_project(session, project_id)
        model = version_named(session, project_id, version)
    if model is None:
        raise RequestError(
            404,
            "no_such_version",
            f"project {project_id} has no such version: /projects/{project_id}/models lists those "
            "that it has",
        )
    return project, model


def _version_before(
    runtime: Runtime, project_id: int
) -> tuple[ConnectedProject, ModelVersion | None]:
    with runtime.reads() as session:
        project = shown_project(session, project_id)
        serving = champion(session, project_id)
        before = None if serving is None else replaced_by(session, project_id, serving.version)
        return project, None if before is None else version_named(session, project_id, before)


def _confirmation(
    runtime: Runtime,
    project: ConnectedProject,
    model: ModelVersion,
    *,
    back: bool,
    problem: str | None = None,
) -> Answer:
    with runtime.reads() as session:
        change = change_to(runtime, session, project, model)
    if change.serving is not None and change.serving.version == model.version:
        return _refused(runtime, project, f"{model.version} serves already")
    shown = _render(
        "model_change.html", runtime, project, change=change, back=back, problem=problem
    )
    return shown if problem is None else (shown, 422)


def _change(
    runtime: Runtime, project: ConnectedProject, model: ModelVersion, *, back: bool
) -> Answer:
    why = request.form.get("why", "").strip()
    if not why or len(why) > _LONGEST_REASON:
        problem = f"Say why, in at most {_LONGEST_REASON:,} characters: the trail keeps it."
        return _confirmation(runtime, project, model, back=back, problem=problem)
    confirmed = Confirmed(
        who=visitor().name,
        serving=request.form.get("serving") or None,
        version=model.version,
    )
    try:
        if back:
            roll_back(runtime, project, why, confirmed)
        else:
            promote(runtime, project, model.version, why, confirmed)
    except PromotionError as error:
        return _refused(runtime, project, str(error))
    return redirect(url_for("models_page.page", project_id=project.id), 303)


def _refused(runtime: Runtime, project: ConnectedProject, why: str) -> tuple[str, int]:
    """Nothing was changed: why, and what changed before."""
    with runtime.reads() as session:
        made = promotions(session, project.id)[: -_PROMOTIONS_SHOWN - 1 : -1]
    return _render("model_refused.html", runtime, project, why=why, made=made), 409


def _render(template: str, runtime: Runtime, project: ConnectedProject, **shown: object) -> str:
    return render_template(
        template,
        project=project,
        label_studio_url=runtime.settings.label_studio_pages,
        now=runtime.now(),
        **shown,
    )
