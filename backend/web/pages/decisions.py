"""The decision explorer: the ledger searched, one decision explained, the rows as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from backend.decision_stories import story_of_decision
from backend.store.decision_conditions import Asked, Order
from backend.store.decision_search import BUDGET_S, Found, TimeBox, decided_at, search
from backend.store.ledger import LedgerEntry
from backend.store.models import all_versions
from backend.store.projects import ConnectedProject, policy_hashes
from backend.store.task_stories import Answer, answers_to, current_among
from backend.web.access import Role, needs
from backend.web.downloads import MOST_ROWS, as_csv, as_json
from backend.web.errors import RequestError
from backend.web.pages.projects import shown_project
from backend.web.searches import ROWS, Search, place_text, read_search
from backend.web.state import web
from backend.web.task_data import shown_data
from connectors.label_studio.answer_words import answer_words
from connectors.label_studio.labeling import Labeling, LabelingError, parse_labeling
from policies.decision_words import draw_words, headline
from policies.domain import Outcome, Purpose
from policies.loading import policy_if_it_loads

blueprint = Blueprint("decisions", __name__)

_MOST_CHOICES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the form offers; every field takes other values too."""

    labels: tuple[str, ...]
    tiers: tuple[str, ...]
    rules: tuple[str, ...]
    versions: tuple[str, ...]
    outcomes: tuple[str, ...] = tuple(Outcome)
    purposes: tuple[str, ...] = tuple(Purpose)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """A page of decisions: with people's answers by task, which of them hold, and where to go on.

    The links are queries, None where there is nothing to go to. ``searched_back_to`` is when the
    last entry was decided that the search looked at before its time was over.
    """

    entries: tuple[LedgerEntry, ...]
    answers: dict[int, tuple[Answer, ...]]
    current: set[int]
    older: dict[str, str] | None
    newer: dict[str, str] | None
    searched_to: int | None
    searched_back_to: datetime | None
    go_on: dict[str, str] | None


@blueprint.get("/projects/<int:project_id>/decisions")
@needs(Role.VIEWER)
def page(project_id: int) -> str | BaseResponse:
    """A page of the decisions that the query string asks for."""
    runtime = web().runtime
    given = {name: value for name, value in request.args.items() if value.strip()}
    if len(given) < len(request.args):  # a form sends empty fields too: an address has none
        return redirect(f"{url_for('decisions.page', project_id=project_id)}?{urlencode(given)}")
    with runtime.reads() as session:
        project = shown_project(session, project_id)
        asked = read_search(request.args, policy_hashes(session))
        result = _result(session, project_id, asked)
        choices = _choices(session, project)
    return render_template(
        "decisions.html",
        project=project,
        search=asked,
        result=result,
        choices=choices,
        words=_words(project),
        rows=ROWS,
        most_rows=MOST_ROWS,
        label_studio_url=runtime.settings.label_studio_pages,
        now=runtime.now(),
    )


@blueprint.get("/projects/<int:project_id>/decisions/<int:seq>")
@needs(Role.VIEWER)
def one(project_id: int, seq: int) -> str:
    """One decision: why, on what, with what result."""
    runtime = web().runtime
    with runtime.reads() as session:
        project = shown_project(session, project_id)
        story = story_of_decision(session, project, seq)
    if story is None:
        raise RequestError(
            404,
            "no_such_decision",
            f"the ledger of project {project_id} has no entry {seq}: "
            f"/projects/{project_id}/decisions searches those that it has",
        )
    decision, words = story.entry.decision, _words(project)
    label = None if decision.label is None else words(decision.label)
    return render_template(
        "decision.html",
        project=project,
        story=story,
        decision=decision,
        headline=headline(decision, label),
        drawn=draw_words(decision),
        words=words,
        data=[] if story.task is None else shown_data(story.task.data),
        label_studio_url=runtime.settings.label_studio_pages,
        now=runtime.now(),
    )


@blueprint.get("/projects/<int:project_id>/decisions.csv")
@needs(Role.VIEWER)
def csv_file(project_id: int) -> Response:
    """The decisions that the query string asks for, as CSV."""
    return _download(project_id, as_csv, "text/csv; charset=utf-8", "csv")


@blueprint.get("/projects/<int:project_id>/decisions.json")
@needs(Role.VIEWER)
def json_file(project_id: int) -> Response:
    """The same as JSON."""
    return _download(project_id, as_json, "application/json", "json")


def _download(
    project_id: int,
    rows: Callable[[Session, int, Asked], Iterator[bytes]],
    kind: str,
    ending: str,
) -> Response:
    runtime = web().runtime
    with runtime.reads() as session:
        shown_project(session, project_id)
        found = read_search(request.args, policy_hashes(session))
    if found.problems:
        said = "; ".join(f"{name}: {problem}" for name, problem in found.problems.items())
        # On the page the rest works and the field says so; a file would look complete.
        raise RequestError(422, "bad_search", said)

    def streamed() -> Iterator[bytes]:
        with runtime.reads() as session:
            yield from rows(session, project_id, found.asked)

    name = f"decisions-{project_id}.{ending}"
    return Response(
        streamed(),
        content_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _result(session: Session, project_id: int, asked: Search) -> ResultPage:
    turning = asked.asked.after or asked.asked.before
    # Later pages of what is sorted by score look at all that the first one looked at, to its end.
    whole = asked.asked.order is Order.SCORE and turning and asked.asked.wanted.first_seq
    found = search(session, project_id, asked.asked, TimeBox(seconds=None if whole else BUDGET_S))
    older, newer = _turns(asked, found)
    ids = [each.decision.task_id for each in found.entries]
    to = found.searched_to
    return ResultPage(
        entries=found.entries,
        answers=answers_to(session, project_id, ids),
        current=current_among(session, project_id, [each.seq for each in found.entries]),
        older=older,
        newer=newer,
        searched_to=to,
        searched_back_to=None if to is None else decided_at(session, project_id, to),
        go_on=None if to is None else _going_on(asked, to),
    )


def _turns(asked: Search, found: Found) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    """The queries of the next and the previous page."""
    order, backwards = asked.asked.order, asked.asked.before is not None
    if not found.entries:
        return None, asked.link() if asked.asked.after or asked.asked.before else None
    scope: dict[str, Any] = {}
    if order is Order.SCORE and found.searched_to is not None:
        scope = {"from_seq": found.searched_to}
    places = [
        place_text(each.seq, each.decision.score, order)
        for each in (found.entries[0], found.entries[-1])
    ]
    older = asked.link(**scope, after=places[1]) if found.more or backwards else None
    turned_back = found.more if backwards else asked.asked.after is not None
    newer = asked.link(**scope, before=places[0]) if turned_back else None
    return older, newer


def _going_on(asked: Search, searched_to: int) -> dict[str, str]:
    """The query that looks at what time did not do for."""
    if asked.asked.order is Order.SCORE:
        return asked.link(to_seq=searched_to - 1)
    if asked.asked.before is not None:
        return asked.link(before=searched_to)
    return asked.link(after=searched_to)


def _choices(session: Session, project: ConnectedProject) -> Choices:
    policy = policy_if_it_loads(project.policy_text)
    labeling = _labeling(project)
    routes, tiers = ((), ()) if policy is None else (policy.routes, policy.tiers)
    rules = [f"routes[{place}]" for place in range(len(routes))]
    standard = ("auto_accept", "below_threshold", "no_certificate", "control", "holdout")
    return Choices(
        labels=() if labeling is None else labeling.labels[:_MOST_CHOICES],
        tiers=tuple(each.name for each in tiers),
        rules=(*standard, *rules[:_MOST_CHOICES]),
        versions=tuple(each.version for each in reversed(all_versions(session, project.id))),
    )


def _labeling(project: ConnectedProject) -> Labeling | None:
    try:
        return parse_labeling(project.label_config)
    except LabelingError:  # told by an alert, and everything goes to people
        return None


def _words(project: ConnectedProject) -> Callable[[str], str]:
    """How an answer reads on a page of this project."""
    labeling = _labeling(project)

    def words(text: str) -> str:
        return text if labeling is None else answer_words(labeling, text)

    return words
