"""Automation without a model: who answers, what of it is accepted, and what a version must keep."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skops.io import dumps, loads

from backend.candidates import candidates_of
from backend.mismatches import mismatches
from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.errors import ArtifactError
from backend.predictors.model_files import Artifact
from backend.predictors.protocol import ModelInput, Predictor
from backend.predictors.rules.automation import rule_answers
from backend.predictors.rules.language import known_languages, language_of
from backend.retraining import request_if_due
from backend.routing import route
from backend.store.certificates import valid_certification
from backend.store.decisions import current_decisions
from backend.store.models import all_versions
from backend.store.training import request_training
from backend.synchronisation import synchronise
from backend.training import train
from connectors.label_studio.labeling import InputKind, Labeling, parse_labeling
from policies.domain import Candidates, Decision, Outcome, Purpose
from policies.schema import Policy
from tests.fakes.policy_documents import make_policy
from tests.fakes.predictors import asked, predictor_of
from tests.fakes.web_project import CONFIG, POLICY, task, web_project
from tests.fakes.worked_project import WorkedProject, text_of, worked_policy, worked_project

LABELING = parse_labeling(CONFIG)
HYPERTEXT = parse_labeling(CONFIG.replace("<Text ", "<HyperText "))
NOTHING: tuple[None, None] = (None, None)
BOILERPLATE = {"kind": "boilerplate", "name": "invoices", "regex": "^Invoice", "label": "B"}
IMAGES = CONFIG.replace('Text name="text" value="$text"', 'Image name="text" value="$image"')


def told(
    rules: list[dict[str, Any]], data: list[dict[str, Any]], labeling: Labeling = LABELING
) -> Any:
    policy = make_policy(automation=rules)
    found = rule_answers(policy.automation, labeling, data, NOTHING)
    return list(zip(found.names.tolist(), found.labels.tolist(), strict=True))


def test_the_first_rule_with_an_answer_gives_it() -> None:
    rules: list[dict[str, Any]] = [
        {"kind": "format", "labels": {"e-mail": "A", "url": "gone"}},
        {"kind": "boilerplate", "regex": "example|page", "label": "B"},
        {"kind": "language", "labels": {"de": "A"}, "field": "body"},
    ]
    german = "Ich habe meine Karte am Bahnhof verloren"
    data: list[dict[str, Any]] = [
        {"text": "ann@example.org", "body": german},
        {"text": "https://example.org"},
        {"text": "something", "body": german},
        {"text": "something", "body": "ok"},
        {"text": ["a page"]},
        {},
    ]
    assert told(rules, data) == [
        ("format", "A"),
        ("boilerplate", "B"),  # 'gone' is no label of the project: as if there were no answer
        ("language", "A"),
        *[(None, None)] * 3,
    ]


def test_a_page_is_read_in_its_language_without_its_tags() -> None:
    tags = '<p class="this is all of it and that is the way it was">'
    page = [{"text": f"{tags * 5}Wo ist meine Bestellung geblieben?</p>"}]
    rules = [{"kind": "language", "labels": {"de": "A", "en": "B"}}]
    assert told(rules, page, HYPERTEXT) == [("language", "A")]


def test_languages_with_their_probability_and_none_for_a_few_letters() -> None:
    found = language_of("Où est passée ma commande de la semaine dernière ?")
    assert found is not None
    assert found[0] == "fr"
    assert 0.5 <= found[1] <= 1
    assert [language_of(text) for text in ("", "ok", "12 34 567", "Hallo", "!" * 50)] == [None] * 5
    assert {"de", "en", "fr", "zh"} <= known_languages()


TEXTS = [text_of(kind, n) for kind in ("fruit", "motor") for n in range(30)]


def version_2(policy: Policy, forerunner: Predictor | None = None) -> EmbeddedPredictor:
    labels = ["A"] * 30 + ["B"] * 30
    return predictor_of(TEXTS, labels, version="v2", policy=policy, forerunner=forerunner)


def answers(
    policy: Policy,
    predictor: Predictor | None,
    texts: Sequence[str | None],
    first: int = 100,
) -> Candidates:
    data: list[dict[str, Any]] = [{"text": text} if text else {"x": 1} for text in texts]
    return candidates_of(policy, predictor, asked(LABELING, data, first))


SIGNAL_ROUTES = [
    {"kind": "novelty", "above": 0.9, "tier": "senior"},
    {"kind": "near_duplicate", "above": 0.8, "tier": "senior"},
    {"kind": "version_disagreement", "tier": "senior"},
    {"kind": "margin", "below": 0.01, "tier": "senior"},
]


def test_rules_answer_before_the_model_and_where_it_cannot() -> None:
    policy = make_policy(
        automation=[
            {"kind": "exact_duplicate"},
            {"kind": "near_duplicate", "similarity": 0.8},
            BOILERPLATE | {"field": "x", "regex": "a"},
            BOILERPLATE | {"name": "mine"},
        ],
        routes=SIGNAL_ROUTES,
    )
    texts = [text_of("fruit", 3), text_of("motor", 3) + "!", "violins answer", "Invoice 7", None]
    found = answers(policy, version_2(policy), texts)
    assert found.predictors[[0, 1, 2, 3]].tolist() == [
        "exact_duplicate",
        "near_duplicate",
        "model",
        "mine",
    ]
    assert found.labels[[0, 1, 3, 4]].tolist() == ["A", "B", "B", None]
    assert found.scores[0] == 1
    assert 0.8 <= found.scores[1] < 1
    assert [problem is None for problem in found.problems] == [True] * 4 + [False]
    assert np.isnan(found.signals["margin"]).tolist() == [True, True, False, True, True]
    assert found.signals["near_duplicate"][0] == 1
    assert found.signals["near_duplicate"][2] == 0
    assert found.signals["novelty"][0] == pytest.approx(0, abs=1e-6)
    assert 0.8 < found.signals["novelty"][2] <= 1
    assert np.isnan(found.signals["version_disagreement"]).all()  # no version served before
    data: list[dict[str, Any]] = [{"x": "a broken one"}]
    rule = candidates_of(policy, version_2(policy), asked(LABELING, data))
    assert (rule.predictors[0], rule.problems[0]) == ("invoices", None)


def test_two_versions_are_compared_where_both_can_read() -> None:
    policy = make_policy(routes=SIGNAL_ROUTES)
    before = predictor_of(TEXTS, ["B"] * 30 + ["B"] * 29 + ["A"])
    found = answers(
        policy, version_2(policy, before), [text_of("fruit", 90), text_of("motor", 90), None]
    )
    assert found.labels.tolist() == ["A", "B", None]
    assert found.signals["version_disagreement"].tolist() == pytest.approx(
        [1, 0, np.nan], nan_ok=True
    )


def test_a_version_that_cannot_tell_what_a_route_asks_is_held_back() -> None:
    policy = make_policy(routes=SIGNAL_ROUTES[:1], automation=[BOILERPLATE])
    forgetful = version_2(make_policy(routes=[]))
    found = answers(policy, forgetful, [text_of("fruit", 1), "Invoice 7"])
    assert found.labels.tolist() == [None, None]
    why = (
        "a route asks for novelty, and version v2 keeps nothing of its training examples to tell "
        "it by: it has to be trained anew"
    )
    assert found.problems.tolist() == [why, why]


def test_a_model_file_keeps_what_novelty_and_twins_are_told_by(tmp_path: Path) -> None:
    policy = make_policy(routes=SIGNAL_ROUTES, automation=[{"kind": "exact_duplicate"}])
    made = version_2(policy)
    artifact = artifacts.save(tmp_path, 1, made)
    again = artifacts.load(tmp_path, artifact, "v2", ["A", "B"])
    texts = [text_of("fruit", 3), text_of("motor", 77), "violins answer flutes"]
    one, other = (answers(policy, each, texts) for each in (made, again))
    assert one.predictors.tolist() == other.predictors.tolist()
    for name, values in one.signals.items():
        assert np.array_equal(values, other.signals[name], equal_nan=True)


def test_images_are_kept_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images: list[ModelInput] = list(rng.uniform(0, 1, (20, 768)))
    policy = make_policy(routes=SIGNAL_ROUTES, automation=[{"kind": "exact_duplicate"}])
    made = predictor_of(images, ["A", "B"] * 10, kind=InputKind.IMAGE, policy=policy)
    again = artifacts.load(tmp_path, artifacts.save(tmp_path, 1, made), "v1", ["A", "B"])
    kept = again.memory.distances
    assert kept is not None
    assert kept.novelties(images[:3], np.ones(3)).tolist() == pytest.approx([0] * 3, abs=1e-6)
    assert again.memory.twins is not None
    assert again.memory.twins.exact(([50], images[3:4])).tolist() == ["B"]


def test_a_file_of_the_form_before_and_a_broken_memory_are_refused(tmp_path: Path) -> None:
    made = version_2(make_policy(routes=[]))
    whole = loads((tmp_path / artifacts.save(tmp_path, 1, made).path).read_bytes())

    def stored(content: bytes) -> Artifact:
        path = tmp_path / "x.skops"
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return Artifact(path="x.skops", sha256=sha256)

    with pytest.raises(ArtifactError, match="an earlier Labelgate wrote it"):
        artifacts.load(tmp_path, stored(dumps(whole | {"format": 3})), "v1", ["A", "B"])
    broken = whole | {"memory": {"distances": None, "twins": {"names": []}}}
    with pytest.raises(ArtifactError, match="has no known form"):
        artifacts.load(tmp_path, stored(dumps(broken)), "v1", ["A", "B"])


def test_what_the_project_cannot_give_is_told_when_it_is_connected(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    seen = worked.server.projects[worked.project_id]
    policy = worked_policy(
        routes=[{"all": [{"kind": "region_count", "below": 2}], "tier": "senior"}],
        automation=[BOILERPLATE | {"label": "Z"}, {"kind": "language", "labels": {"xx": "A"}}],
    )
    no_regions = (
        "routes[0].all[0] looks at region_count, but a choice is one answer for the whole task and "
        "has no regions: take the route out, or route by score or margin"
    )
    assert mismatches(seen, policy, parse_labeling(seen.label_config)) == [
        no_regions,
        "automation[1].labels names the language 'xx', which cannot be told (take another code)",
        "automation[0].label names 'Z', which 'label' does not offer: 'A', 'B'",
    ]
    shown = mismatches(seen, policy, parse_labeling(IMAGES))
    assert [problem for problem in shown if "reads a text" in problem] == [
        f"automation[{place}] ({name}) reads a text, but the project shows images: give it the "
        "'field' of the task's data that holds the text"
        for place, name in enumerate(["invoices", "language"])
    ]


ACCEPT = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7}


def automated(folder: Path, **changes: Any) -> WorkedProject:
    """A model that serves, and tasks of which half begin as invoices do."""
    values: dict[str, Any] = {
        "auto_accept": ACCEPT,
        "control": {"share": 0.3},
        "audit": {"share": 0.2},
        "automation": [BOILERPLATE],
    }
    made = worked_project(folder, worked_policy(**(values | changes)))
    made.promote(certified=False)
    half = [{"text": f"Invoice of {text_of('fruit', n)}"} for n in range(150)]
    made.server.add_tasks(made.project_id, half)
    made.add(["fruit", "motor"] * 75)
    made.settle()
    return made


def truth(data: dict[str, Any]) -> str:
    return "A" if "apples" in data["text"] and "Invoice" not in data["text"] else "B"


def entries(worked: WorkedProject) -> list[Decision]:
    with worked.runtime.reads() as session:
        found = current_decisions(session, worked.project_id, labelled=False)
        return [entry.decision for entry in found]


def test_what_a_rule_accepts_has_a_certificate_of_its_own_and_is_audited(tmp_path: Path) -> None:
    worked = automated(tmp_path)
    assert {each.predictor for each in entries(worked) if not each.blind} == {"model", "invoices"}
    assert all(each.outcome is Outcome.REVIEW for each in entries(worked))  # nothing is proved yet
    for task_id in worked.with_purpose(Purpose.CONTROL):
        answer = truth(worked.server.tasks[task_id].data)
        worked.server.submit(worked.people["sue"], task_id, answer)
    worked.settle()
    with worked.runtime.reads() as session:
        stored = valid_certification(session, worked.project_id, "v1", worked.project.policy_hash)
    assert stored is not None
    certified = {each.predictor: each for each in stored.certification.certificates}
    assert certified.keys() == {"model", "invoices"}
    assert certified["invoices"].threshold is not None
    assert certified["invoices"].errors == 0
    assert certified["invoices"].confidence == pytest.approx(0.9)  # half of the budget each
    accepts = [each for each in entries(worked) if each.outcome is Outcome.ACCEPT]
    by_rule = [each for each in accepts if each.predictor == "invoices"]
    assert {each.label for each in by_rule} == {"B"}
    audited = [each for each in by_rule if each.purpose is Purpose.AUDIT]
    assert audited
    assert {each.tier for each in audited} == {"senior"}
    assert len(audited) < len(by_rule)


def test_a_rule_that_is_wrong_gets_no_certificate(tmp_path: Path) -> None:
    worked = automated(tmp_path, automation=[BOILERPLATE | {"label": "A"}])
    for task_id in worked.with_purpose(Purpose.CONTROL):
        answer = truth(worked.server.tasks[task_id].data)
        worked.server.submit(worked.people["sue"], task_id, answer)
    worked.settle()
    by_rule = [each for each in entries(worked) if each.predictor == "invoices"]
    assert by_rule
    assert all(each.outcome is Outcome.REVIEW for each in by_rule)


def test_before_a_version_rules_prelabel_and_nothing_is_accepted(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(automation=[BOILERPLATE]))
    worked.server.add_tasks(worked.project_id, [{"text": f"Invoice {n}"} for n in range(30)])
    worked.settle()
    routed = worked.with_purpose(Purpose.ROUTED)
    assert routed
    assert {rule for each in entries(worked) if not each.blind for rule in [each.rule]} == {
        "no_certificate"
    }
    assert all(("automation", True) in worked.shown(task_id) for task_id in routed)
    worked.promote()
    worked.settle()
    assert all(("automation", True) not in worked.shown(task_id) for task_id in routed)


def test_predict_shows_the_rules_answers_before_and_with_a_model(tmp_path: Path) -> None:
    project = web_project(tmp_path)
    rule = "automation: [{kind: boilerplate, regex: '^apples', label: B}]\n"
    project.connect(policy=POLICY + rule + "agreement: {share: 0}\n")
    body = {"project": "1.1", "tasks": [task(number) for number in range(1, 30)]}

    def shown() -> set[tuple[str, float, str]]:
        results = project.client().post("/predict", json=body).get_json()["results"]
        return {
            (each["result"][0]["value"]["choices"][0], each["score"], each["model_version"])
            for each in results
            if each
        }

    assert shown() == {("B", 1.0, "automation")}
    project.promote("v1")
    project.clock.forward(2)
    assert shown() == {("B", 1.0, "v1")}


@pytest.fixture
def learned(tmp_path: Path) -> WorkedProject:
    """Sixty tasks answered by people, a version trained on them, then a policy that asks more."""
    made = worked_project(tmp_path, worked_policy(retrain={"minimum_labels": 20}))
    made.add(["fruit", "motor"] * 30)
    for each in made.tasks:
        made.server.submit(made.people["ann"], each.id, truth(each.data))
    synchronise(made.runtime, made.project)
    with made.runtime.sessions.begin() as session:
        request_training(session, made.project_id, "asked", 60, made.clock())
    assert train(made.runtime, made.project)["state"] == "promoted"
    made.connect(worked_policy(retrain={"minimum_labels": 20}, routes=SIGNAL_ROUTES[:2]))
    made.add(["fruit", "motor"] * 10)
    synchronise(made.runtime, made.project)
    return made


def test_a_policy_that_asks_for_more_has_the_model_trained_anew(learned: WorkedProject) -> None:
    route(learned.runtime, learned.project)
    held = [each for each in entries(learned) if not each.blind]
    assert {each.rule for each in held} == {"problem"}
    assert request_if_due(learned.runtime, learned.project)
    assert train(learned.runtime, learned.project)["state"] == "promoted"
    assert not request_if_due(learned.runtime, learned.project)
    with learned.runtime.reads() as session:
        newest = all_versions(session, learned.project_id)[-1]
    assert newest.lineage["keeps"] == ["distances", "twins"]
    route(learned.runtime, learned.project)
    after = [each for each in entries(learned) if not each.blind]
    assert {each.rule for each in after} == {"routes[1]"}  # twins of the labelled tasks
    assert all(each.signals["near_duplicate"] > 0.8 for each in after)


def test_the_version_that_served_before_is_asked_too(learned: WorkedProject) -> None:
    learned.connect(worked_policy(routes=SIGNAL_ROUTES[2:3]))
    first = learned.promote(
        "motor", "fruit", certified=False
    )  # says the contrary of the one before
    route(learned.runtime, learned.project)
    routed = [each for each in entries(learned) if not each.blind]
    assert first == "v2"
    assert {each.rule for each in routed} == {"routes[0]"}
    assert {each.signals["version_disagreement"] for each in routed} == {1.0}
