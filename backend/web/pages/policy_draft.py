"""A draft of the policy with chosen values: to download, to review, and for admins to apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from backend.applying import DraftFailsError, apply_draft
from backend.connecting import PolicyChangedError, PolicyFile
from backend.errors import ConnectError
from backend.runtime import Runtime
from backend.settings import SettingsError
from backend.store.acts import Act
from backend.store.projects import ConnectedProject
from backend.web.access import Role, needs, visitor
from backend.web.errors import RequestError
from backend.web.pages.policy_page import policy_of
from backend.web.policy_text import difference_of
from backend.web.state import web
from backend.what_if.values import Chosen, chosen
from connectors.annotation_tool import AnnotationToolError
from policies.drafting import DraftError, changed_text, number_text
from policies.explanations import run_tests
from policies.loading import parse_policy
from policies.problems import at, dotted
from policies.schema import Policy

blueprint = Blueprint("policy_draft", __name__)

APPLIED = "policy.applied"
_LONGEST_REASON = 1_000
# What the form holds beside the values.
_OF_THE_FORM = frozenset({"csrf", "instead_of", "reason", "confirmed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text that the loader takes, with where it comes from in a comment at its head."""

    project: ConnectedProject
    values: Chosen
    text: str
    changed: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"policy-{self.project.id}-draft.yaml"

    @property
    def file(self) -> PolicyFile:
        """The policy with its text."""
        return PolicyFile(name=self.name, policy=parse_policy(self.text), text=self.text)


@blueprint.get("/projects/<int:project_id>/policy/draft.yaml")
@needs(Role.VIEWER)
def draft(project_id: int) -> Response:
    """The file with the chosen values."""
    made = _draft(web().runtime, project_id, dict(request.args.lists()))
    response = Response(made.text, mimetype="application/yaml")
    response.headers["Content-Disposition"] = f'attachment; filename="{made.name}"'
    return response


@blueprint.get("/projects/<int:project_id>/policy/draft")
@needs(Role.ADMIN)
def review(project_id: int) -> str:
    """What the draft changes, line by line, and the form that puts it in force."""
    made = _draft(web().runtime, project_id, dict(request.args.lists()))
    return _shown(made, problem=None)


@blueprint.post("/projects/<int:project_id>/policy/draft")
@needs(Role.ADMIN)
def apply(project_id: int) -> AnyResponse | tuple[str, int]:
    """Put the draft in force, if the policy that it was made from still is."""
    form = request.form
    given = {name: each for name, each in form.lists() if name not in _OF_THE_FORM}
    runtime = web().runtime
    project, _ = policy_of(runtime, project_id)
    if form.get("instead_of") != project.policy_hash:
        return _conflict(project, PolicyChangedError(_CHANGED))
    made = _draft(runtime, project_id, given)
    reason = " ".join(form.get("reason", "").split())
    problem = _missing(made, reason, confirmed=form.get("confirmed") == "yes")
    if problem is not None:
        return _shown(made, problem=problem, reason=reason), 422
    act = Act(
        project_id=project_id,
        who=visitor().name,
        what=APPLIED,
        detail={
            "reason": reason,
            "before": project.policy_hash,
            "changed": list(made.changed),
        },
        at=runtime.now(),
    )
    try:
        apply_draft(runtime, made.project, made.file, act)
    except PolicyChangedError as error:
        return _conflict(project, error)
    except (DraftFailsError, ConnectError) as error:
        return _shown(made, problem=str(error), reason=reason), 422
    except (AnnotationToolError, SettingsError) as error:
        told = f"nothing is applied: Label Studio could not be set up for it: {error}"
        return _shown(made, problem=told, reason=reason), 503
    return redirect(url_for("policy_page.page", project_id=project_id), code=303)


_CHANGED = (
    "another policy came into force since you looked at this draft, and nothing is applied: look "
    "at what that one says and choose your values anew"
)


def _missing(made: Draft, reason: str, *, confirmed: bool) -> str | None:
    """What the form still lacks."""
    if not made.values.changes:
        return "the draft changes nothing: choose a value that differs"
    if not reason:
        return "say why: the reason stands in the trail beside your name"
    if len(reason) > _LONGEST_REASON:
        return f"the reason has {len(reason):,} characters: {_LONGEST_REASON:,} at most"
    if not confirmed:
        return "tick the box that you have looked at the changes"
    return None


def _draft(runtime: Runtime, project_id: int, asked: Mapping[str, list[str]]) -> Draft:
    """Raises RequestError (422) with all that is wrong with the values."""
    project, policy = policy_of(runtime, project_id)
    values = chosen(policy, asked)
    if values.wrong:
        told = "; ".join(f"{each.name} {each.message}".strip() for each in values.wrong)
        raise RequestError(422, "wrong_values", told)
    try:
        text = changed_text(project.policy_text, values.changes)
    except DraftError as error:
        raise RequestError(422, "cannot_be_drafted", str(error)) from error
    changed = tuple(_changes(policy, values))
    comment = _comment(runtime, project, changed)
    bom = "\ufeff" if text.startswith("\ufeff") else ""
    return Draft(
        project=project,
        values=values,
        text=f"{bom}{comment}{text.removeprefix(bom)}",
        changed=changed,
    )


def _changes(policy: Policy, values: Chosen) -> list[str]:
    before = policy.model_dump(mode="json", by_alias=True)
    told = []
    for path, number in values.changes.items():
        old = at(before, path)
        was = "nothing" if old is None else number_text(old)
        told.append(f"{dotted(path)}: {was} -> {number_text(number)}")
    return told


def _comment(runtime: Runtime, project: ConnectedProject, changed: tuple[str, ...]) -> str:
    """Where the draft comes from; on one line each, whatever a title or a name holds."""
    title, name = (_plain(text) for text in (project.title, visitor().name))
    lines = [
        f"Draft made on the policy page of project {project.id} ({title}) by {name},",
        f"{runtime.now():%Y-%m-%d %H:%M} UTC, from policy {project.policy_hash[:12]}. Changed:",
        *(f"  {each}" for each in changed or ("nothing",)),
    ]
    return "".join(f"# {line}\n" for line in lines)


def _plain(text: str) -> str:
    """What a comment in YAML may hold."""
    return "".join(each if each.isprintable() else " " for each in text)


def _shown(made: Draft, *, problem: str | None, reason: str = "") -> str:
    runtime = web().runtime
    failed = [tried for tried in run_tests(made.file.policy) if tried.wrong]
    return render_template(
        "policy_draft.html",
        draft=made,
        project=made.project,
        lines=difference_of(made.project.policy_text, made.text),
        failed=failed,
        problem=problem,
        reason=reason,
        label_studio_url=runtime.settings.label_studio_pages,
        now=runtime.now(),
    )


def _conflict(project: ConnectedProject, error: PolicyChangedError) -> tuple[str, int]:
    runtime = web().runtime
    made = render_template(
        "policy_changed.html",
        project=project,
        problem=str(error),
        label_studio_url=runtime.settings.label_studio_pages,
        now=runtime.now(),
    )
    return made, 409
