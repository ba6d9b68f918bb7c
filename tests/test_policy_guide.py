"""Every example of docs/policy.md does what the page says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from labelgate import main
from policies.explanations import run_tests
from policies.loading import load_policy, parse_policy, policy_hash
from policies.monitoring import Fetch, Monitoring, MonitoringRule
from policies.preferences import Preferences

PAGE = Path(__file__).parents[1] / "docs" / "policy.md"
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
YAML = [text for kind, text in BLOCKS if kind == "yaml"]
FILES = {text.split("\n")[0].removeprefix("# "): text for text in YAML if text.startswith("# ")}
SECTIONS = [text for text in YAML if not text.startswith("# ")]


def commands() -> Iterator[tuple[str, str]]:
    """Each command with the output that the page shows below it."""
    for kind, text in BLOCKS:
        if kind == "console":
            for shown in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = shown.partition("\n")
                yield command, output


def test_the_page_has_examples_of_each_sort() -> None:
    assert set(FILES) == {"mail.yaml", "broken.yaml"}
    assert len(SECTIONS) >= 4
    assert len(list(commands())) >= 4
    assert {kind for kind, _ in BLOCKS} == {"yaml", "console"}


@pytest.mark.parametrize(("command", "output"), list(commands()))
def test_commands_print_what_the_page_shows(
    command: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    words = shlex.split(command)
    assert words[0] == "labelgate"
    digest = policy_hash(load_policy(tmp_path / "mail.yaml"))[:12]
    assert CliRunner().invoke(main, words[1:]).output == output.replace(
        "hash ...", f"hash {digest}"
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_right_in_the_first_policy(section: str) -> None:
    document = {**yaml.safe_load(FILES["mail.yaml"]), "tests": [], **yaml.safe_load(section)}
    policy = parse_policy(yaml.safe_dump(document))
    assert [tried.wrong for tried in run_tests(policy)] == [()] * len(policy.tests)


@pytest.mark.parametrize("section", ["monitoring", "preferences"])
def test_every_key_of_a_section_is_shown(section: str) -> None:
    of_section = {"monitoring": (Monitoring, Fetch, MonitoringRule), "preferences": (Preferences,)}
    shown = [yaml.safe_load(text).get(section, {}) for text in SECTIONS]
    keys = {key for values in shown for key in values}
    nested = [values.get("fetch", {}) for values in shown]
    rules = [rule for values in shown for rule in values.get("rules", ())]
    keys |= {key for values in (*nested, *rules) for key in values}
    assert keys == {key for model in of_section[section] for key in model.model_fields}
