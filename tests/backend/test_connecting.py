"""Connecting: policy and project must fit, and a failure leaves nothing half connected."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from backend.connecting import connect_project
from backend.errors import ConnectError
from backend.mismatches import mismatches
from backend.store.projects import active_project
from connectors.annotation_tool import AnnotationToolUnavailableError
from connectors.label_studio.labeling import parse_labeling
from policies.schema import Policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

ROUTES = [{"kind": "predicted_label", "in": ["A", "Z"], "tier": "senior"}]


def problems(worked: WorkedProject, policy: Policy) -> list[str]:
    project = worked.server.projects[worked.project_id]
    return mismatches(project, policy, parse_labeling(project.label_config))


def policy_file(folder: Path, policy: Policy) -> Path:
    path = folder / "policy.yaml"
    path.write_text(
        yaml.safe_dump(policy.model_dump(mode="json", by_alias=True, exclude_none=True)),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Label Studio's own address leads nowhere: provisioning fails."""
    made = worked_project(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nowhere = {
        "data_dir": tmp_path,
        "label_studio_url": f"http://127.0.0.1:{port}",
        "label_studio_token": "a" * 40,
        "robot_token": "b" * 40,
        "webhook_secret": "the secret",
    }
    settings = type(made.runtime.settings).model_validate(nowhere)
    object.__setattr__(made.runtime, "settings", settings)
    return made


def test_a_policy_that_fits_has_no_mismatch(worked: WorkedProject) -> None:
    assert problems(worked, worked_policy()) == []
    assert problems(worked, worked_policy(project=worked.project_id)) == []


def test_every_mismatch_is_named_at_once(worked: WorkedProject) -> None:
    accept = {"max_error_rate": 0.05, "confidence": 0.95, "never": ["B", "Q"]}
    policy = worked_policy(project="another", routes=ROUTES, auto_accept=accept)
    assert problems(worked, policy) == [
        "project = 'another' is not the project asked for, 'worked' (number 1)",
        "routes[0].in names 'Z', which 'label' does not offer: 'A', 'B'",
        "auto_accept.never names 'Q', which 'label' does not offer: 'A', 'B'",
    ]


def test_a_rule_of_monitoring_names_labels_that_are_offered(worked: WorkedProject) -> None:
    when = {"any": [{"kind": "predicted_label", "in": ["A", "Y"]}, {"kind": "score", "below": 0.5}]}
    policy = worked_policy(monitoring={"rules": [{"when": when, "share": 0.1}]})
    assert problems(worked, policy) == [
        "monitoring.rules[0].when names 'Y', which 'label' does not offer: 'A', 'B'"
    ]


def test_a_policy_that_does_not_fit_changes_nothing(worked: WorkedProject, tmp_path: Path) -> None:
    before = worked.project
    path = policy_file(tmp_path, worked_policy(routes=ROUTES))
    with pytest.raises(ConnectError, match=r"policy\.yaml: routes\[0\]\.in names 'Z'"):
        connect_project(worked.runtime, "worked", path)
    assert worked.project == before


def test_a_failed_first_connect_leaves_the_project_unconnected(
    worked: WorkedProject, tmp_path: Path
) -> None:
    other = worked.server.add_project("other", worked.project.label_config)
    path = policy_file(tmp_path, worked_policy(project="other"))
    with pytest.raises(AnnotationToolUnavailableError, match="does not answer"):
        connect_project(worked.runtime, "other", path)
    with worked.runtime.reads() as session:
        assert active_project(session, other) is None


def test_a_failed_reconnect_keeps_the_policy_that_was_in_force(
    worked: WorkedProject, tmp_path: Path
) -> None:
    before = worked.project
    path = policy_file(tmp_path, worked_policy(7))
    with pytest.raises(AnnotationToolUnavailableError, match="does not answer"):
        connect_project(worked.runtime, "worked", path)
    assert worked.project == before


TEXT = '<Text name="text" value="$text"/>'
TREE = (
    '<Taxonomy name="tree" toName="text" leafsOnly="true"><Choice value="Food">'
    '<Choice value="Fruit"/></Choice><Choice value="Tools"/></Taxonomy>'
)


def found(worked: WorkedProject, controls: str, **policy: object) -> list[str]:
    project = worked.server.projects[worked.project_id]
    labeling = parse_labeling(f"<View>{TEXT}{controls}</View>")
    return mismatches(project, worked_policy(**policy), labeling)  # type: ignore[arg-type]  # no capacity


def test_a_promise_for_one_label_needs_answers_that_are_one_label(worked: WorkedProject) -> None:
    promise = {"max_error_rate": 0.05, "confidence": 0.95}
    (each,) = found(worked, TREE, auto_accept=promise | {"each_label": True})
    assert each.startswith("auto_accept.each_label proves each label on its own, but an answer")
    (own,) = found(worked, TREE, auto_accept=promise | {"labels": {"Tools": {}}})
    assert own.startswith("auto_accept.labels gives labels a promise of their own, but an answer")
    assert found(worked, TREE, auto_accept=promise) == []
    stars = '<Rating name="stars" toName="text"/>'
    assert found(worked, stars, auto_accept=promise | {"each_label": True}) == []


def test_a_node_above_a_path_may_be_named(worked: WorkedProject) -> None:
    never = {"max_error_rate": 0.05, "confidence": 0.95, "never": ["Food", "Food / Fruit"]}
    assert found(worked, TREE, auto_accept=never) == []
    (other,) = found(worked, TREE, auto_accept=never | {"never": ["Fruit"]})
    assert "'Fruit', which 'tree' does not offer: 'Food / Fruit', 'Tools'" in other


def test_what_people_judge_by_is_not_masked(worked: WorkedProject) -> None:
    assert problems(worked, worked_policy(monitoring={"mask": ["name"]})) == []
    (problem,) = problems(worked, worked_policy(monitoring={"mask": ["name", "text"]}))
    assert problem == (
        "monitoring.mask names 'text', which the labelling config shows: people would judge what "
        "they cannot see; take it out of the mask, or show another field"
    )


ROW = '<Table name="row" value="$row"/><Choices name="c" toName="row"><Choice value="A"/>'
NEW = [{"kind": "novelty", "above": 0.9, "tier": "senior"}]
COPY = [{"kind": "near_duplicate", "above": 0.9, "tier": "senior"}]


def test_nothing_is_asked_of_examples_that_no_version_keeps(worked: WorkedProject) -> None:
    """Every answer would be held back, for ever."""
    project = worked.server.projects[worked.project_id]
    table = parse_labeling(f'<View>{ROW}<Choice value="B"/></Choices></View>')
    (rows,) = mismatches(project, worked_policy(routes=NEW), table)
    assert rows == (
        "routes[0] looks at novelty, but distances are told between texts or between images, not "
        "between rows of fields: take the route out, or route by score or margin"
    )
    assert mismatches(project, worked_policy(routes=COPY), table) == []
    assert found(worked, TREE, routes=NEW) == []
    (fields,) = found(worked, TREE, routes=NEW, model={"fields": ["price"]})
    assert fields == rows
    elsewhere = {"kind": "upstream", "url": "http://127.0.0.1:9"}
    told = found(worked, TREE, routes=NEW + COPY, model=elsewhere)
    assert [each.split(" has")[0] for each in told] == [
        "routes[0] (novelty)",
        "routes[1] (near_duplicate)",
    ]


def test_routes_look_at_what_the_answers_come_with(worked: WorkedProject) -> None:
    regions = [{"kind": "region_count", "above": 5, "tier": "senior"}]
    width = [{"kind": "interval_width", "above": 2, "tier": "senior"}]
    number = '<Number name="n" toName="text"/>'
    assert found(worked, TREE, routes=regions) == []
    assert found(worked, number, routes=width) == []
    assert found(worked, TREE + number, routes=regions + width) == []
    (count,) = found(worked, number, routes=regions)
    assert "a number is one answer for the whole task and has no regions" in count
    (wide,) = found(worked, TREE, routes=width)
    assert "looks at interval_width, but a taxonomy is no number" in wide


def test_a_rule_that_gives_one_label_is_refused_where_answers_are_more(
    worked: WorkedProject,
) -> None:
    rule = {"kind": "boilerplate", "regex": "^x$", "label": "Tools"}
    (told,) = found(worked, TREE, automation=[rule])
    assert "answers with one label, but an answer to this project is not one label" in told
