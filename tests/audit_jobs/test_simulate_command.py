from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from audit_jobs.simulation.command import simulate
from audit_jobs.simulation.loop import play
from audit_jobs.simulation.world import world_of
from policies.loading import load_policy

WORDS = {"fruit": "apple pear plum grape", "motor": "engine wheel brake clutch", "sea": "wave tide"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """600 tasks of three classes; one in thirty says the words of another class."""
    rng = np.random.default_rng(0)
    names = list(WORDS)
    lines = ["id,text,label,source"]
    for number in range(600):
        label = names[rng.integers(3)]
        spoken = names[rng.integers(3)] if number % 30 == 0 else label
        words = rng.choice([*WORDS[spoken].split(), "and", "the", "old"], 6)
        lines.append(f"t{number},{' '.join(words)},{label},{'press' if number % 10 else 'scan'}")
    file = tmp_path / "data.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def policy_file(folder: Path, **changes: Any) -> Path:
    document = {
        "project": "Simulated",
        "stakes": "low",
        "tiers": [
            {
                "name": "general",
                "reviewers": ["a@x.org", "b@x.org"],
                "cost_per_label": 0.1,
                "daily_capacity": 60,
            },
            {"name": "senior", "reviewers": ["c@x.org"], "cost_per_label": 1, "daily_capacity": 30},
        ],
        "auto_accept": {"max_error_rate": 0.2, "confidence": 0.8},
        "control": {"share": 0.2},
        "agreement": {"share": 0.1, "overlap": 2},
        "retrain": {"after_annotations": 60, "minimum_labels": 30},
    }
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump(document | changes), encoding="utf-8")
    return file


def run(data: Path, policy: Path, *options: str) -> Result:
    return CliRunner().invoke(simulate, [str(data), "--policy", str(policy), *options])


def report(data: Path, policy: Path, *options: str) -> dict[str, Any]:
    result = run(data, policy, "--json", *options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_whole_loop(data: Path, tmp_path: Path) -> None:
    found = report(data, policy_file(tmp_path))
    assert list(found) == [
        "tasks",
        "human_labels",
        "accepted",
        "accepted_error",
        "max_error_rate",
        "promise_held",
        "human_error",
        "label_saving",
        "cost",
        "cost_items",
        "cost_all_manual",
        "cycles",
    ]
    assert (found["tasks"], found["max_error_rate"], found["promise_held"]) == (600, 0.2, True)
    assert found["accepted"] > 150
    assert found["accepted_error"] <= 0.2
    assert found["label_saving"] == 1 - found["human_labels"] / 600
    assert found["cost_all_manual"] == pytest.approx(60)
    assert found["human_error"] == 0
    assert found["cost_items"] == {"labour": found["cost"], "tooling": 0, "compute": 0}
    # Senior looks at the slices and at audits, for ten times the price.
    assert found["human_labels"] * 0.1 < found["cost"] < found["human_labels"] * 1.0


def test_every_look_is_counted_and_every_task_gets_its_label(data: Path, tmp_path: Path) -> None:
    alone = report(data, policy_file(tmp_path, agreement={"share": 0.0, "overlap": 2}))
    assert alone["human_labels"] + alone["accepted"] == 600
    twice = report(data, policy_file(tmp_path, agreement={"share": 1.0, "overlap": 2}))
    assert twice["human_labels"] + twice["accepted"] > 650


def test_the_bill(data: Path, tmp_path: Path) -> None:
    prices = {"tooling_per_label": 0.5, "compute_per_prediction": 0.25, "compute_per_training": 10}
    policy = policy_file(tmp_path, prices=prices, routes=[], auto_accept="never")
    found = report(data, policy)
    items, looks = found["cost_items"], found["human_labels"]
    assert items["tooling"] == pytest.approx(0.5 * looks)
    assert found["cost"] == pytest.approx(sum(items.values()))
    assert found["cost_all_manual"] == pytest.approx(600 * (0.1 + 0.5))
    trainings = len(found["cycles"]) - 1  # a cycle for each training, and one at the end
    answers, rest = divmod(items["compute"] - 10 * trainings, 0.25)
    assert rest == 0
    assert 0 < answers < 600 * trainings  # a task that people labelled asks no later version


def test_cycles_tell_how_it_went(data: Path, tmp_path: Path) -> None:
    found = report(data, policy_file(tmp_path))
    cycles = found["cycles"]
    assert list(cycles[0]) == ["human_labels", "accepted", "accepted_error", "holdout_accuracy"]
    looks = [cycle["human_labels"] for cycle in cycles]
    assert looks == sorted(looks)
    assert (cycles[0]["accepted"], cycles[0]["accepted_error"]) == (0, None)
    last = {name: found[name] for name in ("human_labels", "accepted", "accepted_error")}
    assert {**last, "holdout_accuracy": cycles[-1]["holdout_accuracy"]} == cycles[-1]
    assert cycles[-1]["holdout_accuracy"] > 0.8


def test_a_seed_is_one_draw(data: Path, tmp_path: Path) -> None:
    policy = policy_file(tmp_path)
    first = report(data, policy, "--seed", "1")
    assert report(data, policy, "--seed", "1") == first
    assert report(data, policy, "--seed", "2") != first


def test_a_part_of_the_file(data: Path, tmp_path: Path) -> None:
    found = report(data, policy_file(tmp_path), "--max-tasks", "40")
    assert found["tasks"] == 40
    assert found["accepted"] == 0  # eight control answers prove nothing
    assert found["promise_held"] is True


def test_another_promise(data: Path, tmp_path: Path) -> None:
    policy = policy_file(tmp_path)
    found = report(data, policy, "--max-error", "0.02", "--confidence", "0.99")
    assert (found["max_error_rate"], found["accepted"]) == (0.02, 0)


def test_a_stream_exports_what_it_accepts(data: Path, tmp_path: Path) -> None:
    found = report(data, policy_file(tmp_path), "--mode", "stream")
    assert found["accepted"] > 50
    accepted = [cycle["accepted"] for cycle in found["cycles"]]
    assert accepted == sorted(accepted)
    pool = report(data, policy_file(tmp_path))
    assert found["human_labels"] > pool["human_labels"]


def test_all_that_a_stream_accepts_was_frozen(data: Path, tmp_path: Path) -> None:
    world = world_of(load_policy(policy_file(tmp_path)), data, seed=0, max_tasks=None)
    state = play(world, stream=True, tell=lambda _: None)
    assert state.final == state.accepted()
    assert len(state.final) > 50
    assert not state.final.keys() & state.answers.keys()
    # At most one look an evening; those of a version wait for new tasks or more answers.
    assert 1 <= len(state.freezes.looks) <= 600 / 90 + 1


def test_a_policy_that_never_accepts(data: Path, tmp_path: Path) -> None:
    policy = policy_file(tmp_path, auto_accept="never", agreement={"share": 0.0, "overlap": 2})
    found = report(data, policy)
    assert (found["human_labels"], found["accepted"], found["max_error_rate"]) == (600, 0, None)
    refused = run(data, policy, "--max-error", "0.1")
    assert refused.exit_code == 2
    assert "there is no promise to change" in refused.stderr


def test_routes_see_columns_and_examples(data: Path, tmp_path: Path) -> None:
    routes: Sequence[dict[str, Any]] = [
        {"kind": "task_field", "field": "source", "equals": "scan", "tier": "general"},
        {"kind": "class_support", "below": 1000, "tier": "general"},
    ]
    all_but_scans = policy_file(tmp_path, routes=[*routes[:1]])
    assert 0 < report(data, all_but_scans)["accepted"] <= 540
    # Control answers to what a route takes to people have no say, and the others are too few.
    all_but_press = policy_file(tmp_path, routes=[routes[0] | {"equals": "press"}])
    assert report(data, all_but_press)["accepted"] == 0
    unsupported = policy_file(tmp_path, routes=[*routes[1:]])
    assert report(data, unsupported)["accepted"] == 0


def test_the_table(data: Path, tmp_path: Path) -> None:
    result = run(data, policy_file(tmp_path))
    assert result.exit_code == 0
    assert "labels saved" in result.stdout
    assert "looks" in result.stderr  # on the way
    assert "Nothing is accepted" not in result.stdout


def test_the_table_says_why_nothing_is_accepted(data: Path, tmp_path: Path) -> None:
    def said(*options: str, **changes: Any) -> str:
        return run(data, policy_file(tmp_path, **changes), *options).stdout

    assert "too few control answers" in said("--max-tasks", "50")
    assert "made no model" in said("--max-tasks", "20")
    assert "a person confirm every label" in said("--max-tasks", "20", auto_accept="never")
    strict = said("--max-error", "0.04", "--confidence", "0.8")
    assert "nothing: no threshold could be certified on 120 control answers" in strict


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,text\n1,a\n", "FILE:1  has no column 'label'"),
        ("id,text,label\n", "FILE  has no rows"),
        ("id,text,label\n1,a,x\n2, ,y\n", "FILE:3  text is empty: give each task its text"),
        ("id,text,label\n1,a,x\n2,b,y\n1,c,x\n", "FILE:4  id = '1'  stands in line 2 too"),
    ],
)
def test_bad_data(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content, encoding="utf-8")
    result = run(file, policy_file(tmp_path))
    assert result.exit_code == 1
    assert f"Error: {message.replace('FILE', str(file))}" in result.stderr


def test_a_bad_policy(data: Path, tmp_path: Path) -> None:
    result = run(data, policy_file(tmp_path, stakes="lo"))
    assert result.exit_code == 1
    assert "is not one of low, sensitive, regulated" in result.stderr


def test_one_class_teaches_nothing_and_people_label_all(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    lines = [f"{number},text {number},same" for number in range(80)]
    file.write_text("\n".join(["id,text,label", *lines]), encoding="utf-8")
    policy = policy_file(tmp_path, agreement={"share": 0.0, "overlap": 2})
    assert report(file, policy)["human_labels"] == 80


def noisy(folder: Path, **simulation: Any) -> Path:
    return policy_file(folder, simulation=simulation)


def test_people_err_at_their_tiers_rate(data: Path, tmp_path: Path) -> None:
    nobody_twice = {"agreement": {"share": 0.0, "overlap": 2}, "auto_accept": "never"}
    simulation = {"error_rate": {"general": 0.3}}
    policy = policy_file(tmp_path, simulation=simulation, control={"share": 0.5}, **nobody_twice)
    assert report(data, policy)["human_error"] == pytest.approx(0.4 * 0.3, abs=0.04)
    everybody = {"error_rate": {"general": 0.3, "senior": 0.1}}
    policy = policy_file(tmp_path, simulation=everybody, control={"share": 0.5}, **nobody_twice)
    found = report(data, policy)
    assert found["human_error"] == pytest.approx(0.4 * 0.3 + 0.6 * 0.1, abs=0.04)
    assert (found["human_labels"], found["accepted_error"]) == (600, None)
    assert report(data, policy) == found
    assert report(data, policy, "--seed", "3") != found


def test_of_three_answers_the_majority_stands(data: Path, tmp_path: Path) -> None:
    people = ["a@x.org", "b@x.org", "c@x.org"]
    tiers = [
        {"name": "all", "reviewers": people, "cost_per_label": 0.1, "daily_capacity": 200},
    ]
    simulation = {"error_rate": {"all": 0.3}, "confusion": "neighbour"}
    changes = {"tiers": tiers, "simulation": simulation, "auto_accept": "never"}
    few = {"control": {"share": 0.05}, "holdout": {"share": 0.05}}
    once = report(data, policy_file(tmp_path, agreement={"share": 0.0}, **changes, **few))
    thrice = {"share": 1.0, "overlap": 3}
    three = report(data, policy_file(tmp_path, agreement=thrice, **changes, **few))
    assert once["human_error"] == pytest.approx(0.3, abs=0.05)
    # Two of three wrong: 3 * 0.3^2 * 0.7 + 0.3^3 = 0.216; one tenth is answered once.
    assert three["human_error"] == pytest.approx(0.9 * 0.216 + 0.1 * 0.3, abs=0.05)


FEW: dict[str, Any] = {
    "control": {"share": 0.05},
    "holdout": {"share": 0.05},
    "auto_accept": "never",
}


def test_disagreement_goes_to_the_tier_above(data: Path, tmp_path: Path) -> None:
    twice = {"share": 1.0, "overlap": 2}
    simulation = {"error_rate": {"general": 0.3}}
    policy = policy_file(tmp_path, agreement=twice, simulation=simulation, **FEW)
    found = report(data, policy)
    slices = report(data, policy_file(tmp_path, agreement={"share": 0.0}, **FEW))
    looked_at_twice = report(data, policy_file(tmp_path, agreement=twice, **FEW))["human_labels"]
    assert slices["human_labels"] == 600
    # Two people differ unless both are right (0.49) or both wrong in the same way (0.045).
    assert found["human_labels"] - looked_at_twice == pytest.approx(0.465 * 540, rel=0.15)
    assert found["human_error"] == pytest.approx(0.9 * 0.045, abs=0.03)  # seniors never err
    senior = (found["cost"] - 0.1 * found["human_labels"]) / 0.9
    assert senior == pytest.approx(600 * 0.1 + 0.465 * 540, rel=0.15)


def test_what_a_tier_may_not_decide_goes_up(data: Path, tmp_path: Path) -> None:
    general, senior = yaml.safe_load(policy_file(tmp_path).read_text("utf-8"))["tiers"]
    tiers = [general | {"labels": ["fruit", "motor"]}, senior]
    once = {"agreement": {"share": 0.0}, **FEW}
    found = report(data, policy_file(tmp_path, tiers=tiers, **once))
    # A third of the tasks is about the sea; where the model has said so they never reach general.
    assert 600 < found["human_labels"] < 800
    assert found["human_error"] == 0


@pytest.mark.simulation
@pytest.mark.parametrize("confusion", ["uniform", "neighbour"])
def test_wrong_control_answers_make_the_promise_stricter(
    data: Path, tmp_path: Path, confusion: str
) -> None:
    """Less is accepted the more the control people err, and what is accepted stays as promised."""
    accepted = []
    for rate in (0.0, 0.08, 0.25):
        policy = noisy(tmp_path, error_rate={"senior": rate}, confusion=confusion)
        found = [report(data, policy, "--seed", str(seed)) for seed in range(3)]
        assert all(each["promise_held"] for each in found)
        accepted.append(sum(each["accepted"] for each in found))
    assert accepted[0] > accepted[1] > accepted[2] == 0


def test_rules_of_automation_label_in_the_simulation_too(data: Path, tmp_path: Path) -> None:
    rules = [{"kind": "near_duplicate", "similarity": 0.8}]
    rules += [{"kind": "boilerplate", "regex": "wave|tide", "label": "sea"}]
    routes = [
        {"kind": "novelty", "above": 0.999, "tier": "senior"},
        {"kind": "version_disagreement", "tier": "senior"},
    ]
    policy = policy_file(tmp_path, automation=rules, routes=routes)
    result = run(data, policy, "--seed", "1", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert report["accepted"] > 0
    assert report["promise_held"] is True


def test_a_route_on_regions_is_refused_for_choices(data: Path, tmp_path: Path) -> None:
    routes = [{"kind": "lowest_region_score", "below": 0.5, "tier": "senior"}]
    result = run(data, policy_file(tmp_path, routes=routes))
    assert result.exit_code == 1
    assert "routes[0] looks at lowest_region_score, but a choice is" in result.output
