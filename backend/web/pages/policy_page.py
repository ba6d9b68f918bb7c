"""The policy of a project: its text, what is to be said of it, and what other values would do.

The page changes nothing: what it makes is a draft of the file, for review; see ``policy_draft``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, current_app, render_template, request
from flask.blueprints import BlueprintSetupState

from backend.policy_remarks import Remark, Weight, remarks_of
from backend.runtime import Runtime
from backend.store.ledger import newest_seq
from backend.store.models import champion
from backend.store.policies_in_force import PolicyInForce, earlier_policy, policies_in_force
from backend.store.projects import ConnectedProject
from backend.web.access import Role, needs
from backend.web.comparison import Comparison, comparison
from backend.web.errors import RequestError
from backend.web.pages.projects import shown_project
from backend.web.policy_text import code_lines, difference_of
from backend.web.state import web
from backend.what_if.gathering import gather
from backend.what_if.kept import KeptSamples, rounded
from backend.what_if.replay import Baseline, baseline, replay
from backend.what_if.values import Chosen, can_open, chosen
from policies.loading import parse_policy, policy_if_it_loads
from policies.promises import AutoAccept
from policies.schema import Policy

blueprint = Blueprint("policy_page", __name__)

_KEPT = "labelgate.what_if"
_MOST_KEPT = 8
_EARLIER_SHOWN = 50
_MOST_REMARKS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPage:
    """What the page shows beside the what-if; ``policy`` is None where the text does not load."""

    project: ConnectedProject
    policy: Policy | None
    remarks: tuple[Remark, ...]
    in_force: PolicyInForce | None
    earlier: tuple[PolicyInForce, ...]

    def marks(self) -> Mapping[int, Weight]:
        """What each line is marked with: the heaviest remark about it, notes aside."""
        marks: dict[int, Weight] = {}
        for each in self.remarks:
            if each.weight is not Weight.NOTE and marks.get(each.line) is not Weight.ERROR:
                marks[each.line] = each.weight
        return marks

    def count(self, weight: str) -> int:
        """How many remarks of this weight there are."""
        return sum(1 for each in self.remarks if each.weight == weight)

    @property
    def accepts(self) -> bool:
        """Whether the policy accepts anything without a person."""
        return self.policy is not None and isinstance(self.policy.auto_accept, AutoAccept)


@blueprint.record_once
def _keep(state: BlueprintSetupState) -> None:
    state.app.extensions[_KEPT] = KeptSamples[Baseline](_MOST_KEPT)


@blueprint.get("/projects/<int:project_id>/policy")
@needs(Role.VIEWER)
def page(project_id: int) -> tuple[str, int]:
    """The text with its remarks; figures too where the request has values, for want of scripts."""
    runtime = web().runtime
    shown = _page_of(runtime, project_id)
    asked = _asked() if shown.policy is not None else {}
    values = None if shown.policy is None else chosen(shown.policy, asked)
    figures = None
    if shown.policy is not None and values is not None and request.args and not values.wrong:
        figures = figures_of(runtime, shown.project, shown.policy, values)
    made = render_template(
        "policy.html",
        page=shown,
        project=shown.project,
        lines=code_lines(shown.project.policy_text),
        marks=shown.marks(),
        most_remarks=_MOST_REMARKS,
        values=values,
        can_open=shown.policy is not None and can_open(shown.policy),
        figures=figures,
        asked=bool(request.args),
        label_studio_url=runtime.settings.label_studio_pages,
        now=runtime.now(),
    )
    return made, 422 if values is not None and values.wrong else 200


@blueprint.get("/projects/<int:project_id>/policy/what-if")
@needs(Role.VIEWER)
def what_if(project_id: int) -> tuple[str, int]:
    """The figures alone, for the script; what is wrong with the values in their place."""
    runtime = web().runtime
    project, policy = policy_of(runtime, project_id)
    values = chosen(policy, _asked())
    figures = None if values.wrong else figures_of(runtime, project, policy, values)
    made = render_template("what_if.html", project=project, values=values, figures=figures)
    return made, 422 if values.wrong else 200


@blueprint.get("/projects/<int:project_id>/policy/earlier/<digest>")
@needs(Role.VIEWER)
def earlier(project_id: int, digest: str) -> str:
    """An earlier policy against the one in force."""
    runtime = web().runtime
    with runtime.reads() as session:
        project = shown_project(session, project_id)
        found = earlier_policy(session, project_id, digest)
    if found is None:
        raise RequestError(
            404,
            "no_such_policy",
            f"project {project_id} was never under a policy {digest[:12]!r}: its policy page lists "
            "those that it was under",
        )
    return render_template(
        "policy_earlier.html",
        project=project,
        earlier=found,
        lines=difference_of(found.text, project.policy_text),
        label_studio_url=runtime.settings.label_studio_pages,
        now=runtime.now(),
    )


def policy_of(runtime: Runtime, project_id: int) -> tuple[ConnectedProject, Policy]:
    """A project with the policy in force. Raises PolicyError where its text does not load."""
    with runtime.reads() as session:
        project = shown_project(session, project_id)
    return project, parse_policy(project.policy_text)


def figures_of(
    runtime: Runtime, project: ConnectedProject, policy: Policy, values: Chosen
) -> Comparison:
    """What the chosen values would do, beside the policy in force, on the kept sample."""
    base = _baseline(runtime, project, policy)
    wanted = policy if values.policy is None else values.policy
    return comparison(base, replay(base, wanted), moved=bool(values.changes))


def _baseline(runtime: Runtime, project: ConnectedProject, policy: Policy) -> Baseline:
    """The sample with what the policy in force does; gathered once, whoever asks first."""
    with runtime.reads() as session:
        serving = champion(session, project.id)
        entries = newest_seq(session, project.id)
    version = None if serving is None else serving.version
    key = (project.id, project.policy_hash, project.label_config, version, rounded(entries))
    kept: KeptSamples[Baseline] = current_app.extensions[_KEPT]
    return kept.get(key, lambda: baseline(gather(runtime, project, policy), policy))


def _page_of(runtime: Runtime, project_id: int) -> PolicyPage:
    with runtime.reads() as session:
        project = shown_project(session, project_id)
        periods = policies_in_force(session, project_id, _EARLIER_SHOWN)
    return PolicyPage(
        project=project,
        policy=policy_if_it_loads(project.policy_text),  # what is wrong is among the remarks
        remarks=remarks_of(project.policy_text, project.title, project.id, project.label_config),
        in_force=periods[0] if periods else None,
        earlier=_others(periods, project.policy_hash),
    )


def _others(periods: list[PolicyInForce], in_force: str) -> tuple[PolicyInForce, ...]:
    """Each policy that was in force before once, with the last time that it came into force."""
    newest: dict[str, PolicyInForce] = {}
    for each in periods:
        newest.setdefault(each.policy_hash, each)
    return tuple(each for digest, each in newest.items() if digest != in_force)


def _asked() -> dict[str, list[str]]:
    return dict(request.args.lists())
