from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.commands.policy import policy
from policies.loading import dump_policy, policy_hash
from tests.fakes.policy_documents import make_policy


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    good, bad, missing = (tmp_path / f"{name}.yaml" for name in ("good", "bad", "missing"))
    good.write_text(dump_policy(make_policy()), encoding="utf-8")
    text = good.read_text(encoding="utf-8").replace("stakes: low", "stakes: lo")
    bad.write_text(text.replace("salt:", "sallt:"), encoding="utf-8")
    return good, bad, missing


def test_a_good_policy(files: tuple[Path, Path, Path]) -> None:
    result = CliRunner().invoke(policy, ["check", str(files[0])])
    assert result.exit_code == 0
    digest = policy_hash(make_policy())[:12]
    assert result.stdout == (
        f"{files[0]}  is fine: low stakes, tiers general, senior, 2 routes, hash {digest}\n"
    )
    assert result.stderr == ""


def test_every_problem_of_every_file(files: tuple[Path, Path, Path]) -> None:
    good, bad, missing = files
    result = CliRunner().invoke(policy, ["check", str(bad), str(missing), str(good)])
    assert result.exit_code == 1
    assert result.stderr == (
        f"{bad}:2  stakes = 'lo'  is not one of low, sensitive, regulated (did you mean 'low'?)\n"
        f"{bad}:3  sallt  is not a known key (did you mean 'salt'?)\n"
        f"{missing}  cannot be read: No such file or directory\n"
    )
    assert result.stdout.startswith(f"{good}  is fine")


def test_the_same_as_json(files: tuple[Path, Path, Path]) -> None:
    good, bad, _ = files
    result = CliRunner().invoke(policy, ["check", "--json", str(good), str(bad)])
    assert result.exit_code == 1
    assert result.stderr == ""
    first, second = json.loads(result.stdout)["files"]
    assert first == {
        "file": str(good),
        "valid": True,
        "policy_hash": policy_hash(make_policy()),
        "problems": [],
    }
    assert second["valid"] is False
    assert second["problems"][0] == {
        "line": 2,
        "path": "stakes",
        "value": "'lo'",
        "message": "is not one of low, sensitive, regulated",
        "hint": "did you mean 'low'?",
    }


def test_no_file_at_all() -> None:
    result = CliRunner().invoke(policy, ["check"])
    assert result.exit_code == 2
    assert "FILE..." in result.stderr
