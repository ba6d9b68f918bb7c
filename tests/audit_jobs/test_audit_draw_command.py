"""``labelgate audit draw``: what it asks for, says and refuses."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from audit_jobs.audits import draw_command
from audit_jobs.audits.command import audit
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    policy = {"share": 0.05, "per_label": 0, "most": 0.05}
    made = worked_project(tmp_path, worked_policy(audit=policy))
    made.promote()
    made.add(["fruit", "motor"] * 20)
    made.settle()
    return made


@pytest.fixture
def draw(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(draw_command, "read_settings", lambda: worked.runtime.settings)
    monkeypatch.setattr(draw_command, "build_runtime", lambda _: worked.runtime)

    def run(*arguments: str) -> Result:
        call = ["draw", "--project", str(worked.project_id), *arguments]
        return CliRunner().invoke(audit, call)

    return run


def test_a_dry_run_and_the_draw_say_the_same(draw: object) -> None:
    assert callable(draw)
    told = orjson.loads(draw("--count", "4", "--dry-run", "--json").output)
    done = orjson.loads(draw("--count", "4", "--json").output)
    assert told == {**done, "dry_run": True}
    assert (done["drawn"], done["frozen"]) == (4, 0)
    assert sum(done["by_label"].values()) == 4
    again = draw("--count", "4", "--label", "A").output
    assert again.startswith("4 audits were drawn among ")
    assert "'A': 4" in again


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--count", "0"), "0 is not in the range"),
        (("--count", "2", "--label", "C"), "there is no label 'C'; there are: A, B"),
        ((), "Missing option '--count'"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw: object, arguments: tuple[str, ...], says: str) -> None:
    assert callable(draw)
    result = draw(*arguments)
    assert result.exit_code != 0
    assert says in result.output
