"""The guide's example is what the command prints."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from labelgate import main
from policies.loading import parse_policy

GUIDE = Path(__file__).parents[1] / "docs" / "how-to-migrate-from-a2i.md"


def blocks(language: str) -> list[str]:
    text = GUIDE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_example_of_the_a2i_guide(tmp_path: Path) -> None:
    (conditions,) = blocks("json")
    (routes,) = blocks("yaml")
    file = tmp_path / "conditions.json"
    file.write_text(conditions, encoding="utf-8")
    result = CliRunner().invoke(main, ["import", "a2i", str(file)])
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"\n{routes}")
    policy = tmp_path / "policy.yaml"
    policy.write_text(result.stdout, encoding="utf-8")
    assert CliRunner().invoke(main, ["policy", "check", str(policy)]).exit_code == 0
    assert len(parse_policy(result.stdout).routes) == 2
