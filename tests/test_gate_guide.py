"""The guide to versions and the gate: its policy is one, and its commands are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from backend.commands.models import models
from labelgate import main
from policies.accuracy_trend import Standing
from policies.schema import Policy
from tests.fakes.policy_documents import policy_document

GUIDE = Path(__file__).parents[1] / "docs" / "models-and-gate.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def test_the_policy_is_one() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    policy = Policy.model_validate(policy_document(**yaml.safe_load(block)))
    assert policy.retrain.protected == {"legal": 0.0, "complaint": 0.05}
    assert policy.retrain.shadow is not None
    assert (policy.retrain.shadow.tasks, policy.retrain.shadow.days) == (500, 7)


def test_every_command_of_the_guide_is_there() -> None:
    named = set(re.findall(r"labelgate models (\w+)", TEXT))
    assert named == set(models.commands)
    for name in sorted(named):
        result = CliRunner().invoke(main, ["models", name, "--help"])
        assert result.exit_code == 0
        for option in re.findall(rf"labelgate models {name}[^`\n]*?(--\w+)", TEXT):
            assert option in result.output


@pytest.mark.parametrize("standing", list(Standing))
def test_all_four_words_are_explained(standing: Standing) -> None:
    assert f"**{standing.value}**" in TEXT
