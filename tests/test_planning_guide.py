"""The guide's history can be read and replayed."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner

from labelgate import main
from policies.loading import dump_policy
from tests.fakes.policy_documents import make_policy

GUIDE = Path(__file__).parents[1] / "docs" / "how-to-plan-a-policy.md"


def test_the_example_history(tmp_path: Path) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    (rows,) = re.findall(r"^```csv\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    history = tmp_path / "history.csv"
    history.write_text(rows, encoding="utf-8")
    policy = tmp_path / "policy.yaml"
    policy.write_text(dump_policy(make_policy()), encoding="utf-8")
    command = ["policy", "plan", str(policy), "--history", str(history), "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert (body["tasks"], body["accepted"], sum(body["review"].values())) == (3, 0, 3)
    assert body["hours"]["senior"] is not None
    named = {name.split(".")[0] for name in re.findall(r"^\| ([\w., ]+) \|", text, re.MULTILINE)}
    known = {"figure", *(key for row in named for key in row.split(", "))}
    assert set(body) - {"tasks", "accepted_share", "saving_share"} <= known
