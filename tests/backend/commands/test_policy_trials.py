"""``labelgate policy explain``, ``test`` and ``schema``, as they are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs are pinned

import policies as policies_package
from backend.commands.policy import policy
from policies.loading import dump_policy
from tests.fakes.policy_documents import make_policy, policy_document

PRESETS = sorted((Path(policies_package.__path__[0]) / "presets").glob("*.yaml"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    test = {
        "name": "press goes to general",
        "task": {"source": "press"},
        "prediction": {"label": "cat", "score": 0.99},
        "expect": {"outcome": "review", "tier": "general"},
    }
    file = tmp_path / "policy.yaml"
    file.write_text(dump_policy(make_policy(tests=[test])), encoding="utf-8")
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(policy, [str(argument) for argument in arguments])


def test_explain_in_words(file: Path) -> None:
    result = run("explain", file, "--prediction", '{"label": "cat", "score": 0.75}')
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "accept: score 0.750 reaches the certified threshold 0.700"
    assert lines[1] == "Taken to be certified: 0.700, the policy's floor"
    assert lines[-1].split() == ["fires", "auto_accept", *lines[0].split()[1:]]


def test_explain_as_json_with_a_task_from_a_file(file: Path, tmp_path: Path) -> None:
    task = tmp_path / "task.json"
    task.write_text('{"data": {"source": "press"}, "id": null}', encoding="utf-8")
    prediction = '{"label": "cat", "score": 0.75}'
    result = run("explain", file, "--task", f"@{task}", "--prediction", prediction, "--json")
    found = json.loads(result.stdout)
    assert found["decision"]["rule"] == "routes[1]"
    assert found["decision"]["task_id"] is None
    assert [step["rule"] for step in found["steps"] if step["fired"]] == ["routes[1]"]
    assert found["threshold"] == 0.7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prediction", "{"], "is not JSON"),
        (["--prediction", "[1]"], "must be a JSON object, not list"),
        (["--prediction", '{"lable": "cat"}'], "lable: Extra inputs are not permitted (known: la"),
        (["--task", "@nowhere.json"], "nowhere.json cannot be read: No such file or directory"),
        (["--task", '{"id": true, "data": {}}'], "id must be a whole number above 0"),
    ],
)
def test_explain_says_what_is_wrong_with_its_input(
    file: Path, arguments: list[str], message: str
) -> None:
    result = run("explain", file, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_the_tests_of_a_file_pass_or_fail_the_command(file: Path) -> None:
    passed = run("test", file)
    assert passed.exit_code == 0
    assert passed.stdout == f"ok    press goes to general\n{file}  1 of 1 tests passed\n"
    text = file.read_text(encoding="utf-8").replace("source: press", "source: radio")
    file.write_text(text, encoding="utf-8")
    failed = run("test", file, "--json")
    assert failed.exit_code == 1
    report = json.loads(failed.stdout)
    assert (report["passed"], report["failed"]) == (0, 1)
    assert report["tests"][0]["wrong"] == [
        "outcome is accept, not review",
        "tier is None, not general",
    ]
    assert "FAIL  press goes to general: outcome is accept" in run("test", file).stdout


def test_a_file_with_problems_is_told_like_by_check(tmp_path: Path) -> None:
    for command in ("test", "explain"):
        result = run(command, tmp_path / "none.yaml")
        assert result.exit_code == 1
        assert "none.yaml  cannot be read: No such file or directory" in result.stderr


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(run("schema").stdout)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda file: file.stem)
def test_the_json_schema_takes_every_preset(validator: Any, preset: Path) -> None:
    document = yaml.safe_load(preset.read_text(encoding="utf-8"))
    assert list(validator.iter_errors(document)) == []


def test_every_key_of_every_section_says_what_it_is_for() -> None:
    """Editors show it; conditions of routes and the parts of tests are told by their names."""
    schema = json.loads(run("schema").stdout)
    told = {"TrialPrediction", "Expectation", "PolicyTest", "Range"}
    sections = {"Policy": schema} | {
        name: section
        for name, section in schema["$defs"].items()
        if name not in told and "kind" not in section.get("properties", ["kind"])
    }
    rules = {"ExactDuplicate", "NearDuplicate", "Language", "Format", "Boilerplate"}
    sections |= {name: schema["$defs"][name] for name in rules}
    silent = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, value in section["properties"].items()
        if key != "kind" and not {"description", "$ref"} & set(value)
    ]
    unnamed = {name for name, section in schema["$defs"].items() if "description" not in section}
    assert silent == []
    assert unnamed == {"JsonValue"}  # of pydantic: whatever JSON can say


NESTED = {"all": [{"kind": "score", "below": 0.9}, {"not": {"kind": "source", "in": ["a"]}}]}


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({"routes": [NESTED | {"tier": "senior"}]}, True),
        ({"routes": [NESTED]}, False),
        ({"routes": [{"kind": "score", "below": 1.4, "tier": "senior"}]}, False),
        ({"routes": [{"kind": "scores", "below": 0.4, "tier": "senior"}]}, False),
        ({"routes": [{"any": [{"kind": "score", "belov": 0.4}], "tier": "senior"}]}, False),
        ({"stakes": "lo"}, False),
        ({"auto_accept": "newer"}, False),
        ({"audits": {}}, False),
        ({"monitoring": {"share": 0.2}, "prices": {"compute_per_training": 3}}, True),
        ({"monitoring": {"share": 2}}, False),
        ({"prices": {"tooling": 1}}, False),
        ({"simulation": {"error_rate": {"general": 0.1}, "confusion": "neighbour"}}, True),
        ({"simulation": {"error_rate": {"general": 1}}}, False),
        ({"escalation": {"minimum_consensus": 0.5}}, False),
        ({"sampling": {"by": "guess"}}, False),
        ({"automation": [{"kind": "language", "labels": {"en": "English"}}]}, True),
        ({"automation": [{"kind": "language", "labels": {"english": "English"}}]}, False),
        ({"automation": [{"kind": "format", "labels": {"jsn": "code"}}]}, False),
        ({"automation": [{"kind": "near_duplicate", "similarity": 0.2}]}, False),
    ],
)
def test_the_json_schema_refuses_what_check_refuses(
    validator: Any,
    changes: dict[str, Any],
    valid: bool,  # noqa: FBT001 - one column of the table
) -> None:
    assert validator.is_valid(policy_document(**changes)) is valid


@pytest.mark.parametrize("preset", PRESETS, ids=lambda file: file.stem)
def test_the_tests_of_every_preset_pass(preset: Path) -> None:
    result = run("test", preset, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["passed"] >= 1
