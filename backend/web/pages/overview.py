"""The start page: a card a project, those with trouble first."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, render_template, request

from backend.loop_states import loop_states
from backend.store.job_runs import RunsAsked, alive_among, recent_runs
from backend.store.projects import all_projects
from backend.web.access import Role, needs, visitor
from backend.web.state import web

blueprint = Blueprint("overview", __name__)

_CARDS = 60  # of more projects the others stand in a table under them: nobody reads so many cards


@blueprint.get("/")
@needs(Role.VIEWER, for_all=True)
def page() -> str:
    """Every connected project that the visitor may see; of many those whose title holds a text."""
    runtime = web().runtime
    now = runtime.now()
    wanted = request.args.get("find", "").strip()
    with runtime.reads() as session:
        seen = [each for each in all_projects(session) if visitor().sees(each.id)]
        shown = [each for each in seen if wanted.casefold() in each.title.casefold()]
        states = loop_states(session, runtime.settings, shown, now)
        last = recent_runs(session, 1, RunsAsked(projects=visitor().projects))
        working = bool(alive_among(session, last, datetime.now(UTC)))
    return render_template(
        "overview.html",
        states=states,
        cards=_CARDS,
        connected=len(seen),
        find=wanted,
        last=last[0] if last else None,
        stopped=bool(states) and not working and all(each.silent for each in states),
        now=now,
        label_studio_url=runtime.settings.label_studio_pages,
    )
