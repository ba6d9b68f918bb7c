"""The start page: a card a project."""

from __future__ import annotations

from flask import Blueprint, render_template

from backend.store.projects import all_projects
from backend.web.access import Role, needs, visitor
from backend.web.state import web

blueprint = Blueprint("overview", __name__)


@blueprint.get("/")
@needs(Role.VIEWER, for_all=True)
def page() -> str:
    """Every connected project that the visitor may see."""
    runtime = web().runtime
    with runtime.reads() as session:
        projects = [each for each in all_projects(session) if visitor().sees(each.id)]
    return render_template("overview.html", projects=projects, now=runtime.now())
