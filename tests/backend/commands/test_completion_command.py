"""What the shell is offered of what the database holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.commands.completion import quickly
from tests.fakes.worked_project import worked_project


def _offered(args: list[str], incomplete: str = "") -> list[str] | None:
    found = quickly(args, incomplete, {("jobs", "run"): ("sync", "figures")})
    return None if found is None else [each.value for each in found]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    worked = worked_project(tmp_path)
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(worked.runtime.settings.data_dir))
    return worked.project_id


def test_projects_are_offered_by_number_and_by_title(project: int) -> None:
    assert _offered(["train", "--project"]) == [str(project)]
    assert _offered(["train", "--project"], str(project)) == [str(project)]
    assert _offered(["certificates"], "work") == [str(project)]
    assert _offered(["certificates"], "nobody") == []


def test_versions_are_offered_where_one_is_due(project: int) -> None:
    offered = _offered(["models", "show"])

    assert offered is not None
    assert _offered(["models", "diff", "--project", str(project), "one"]) == offered
    assert _offered(["models", "show"], "--") is None


def test_jobs_are_offered_and_what_is_nobodys_is_left_to_the_command() -> None:
    assert _offered(["jobs", "run"], "fi") == ["figures"]
    assert _offered(["report"]) is None
