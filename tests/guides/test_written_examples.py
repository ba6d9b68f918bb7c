"""Every example on the pages is what it seems: policies load, JSON parses, Python compiles."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from policies.loading import parse_policy
from policies.problems import PolicyError
from tests.guides.written import ROOT, Written, blocks

# The one policy that is wrong on purpose: its page shows what is said of it.
BROKEN = "# broken.yaml"
(FIRST,) = (
    yaml.safe_load(block.text) for block in blocks("yaml") if block.text.startswith("# mail.yaml\n")
)
# Sections that need others than the first policy has.
WITH: dict[str, dict[str, Any]] = {
    "preferences": {"auto_accept": "never", "agreement": {"share": 0.5, "overlap": 2}},
}


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_every_policy_loads_whole_or_as_a_part_of_one(block: Written) -> None:
    if block.text.startswith(BROKEN):
        with pytest.raises(PolicyError):
            parse_policy(block.text)
        return
    part = yaml.safe_load(block.text)
    if "project" in part:
        parse_policy(block.text)
        return
    more = {key: value for name in part for key, value in WITH.get(name, {}).items()}
    parse_policy(yaml.safe_dump({**FIRST, "tests": [], **more, **part}))


def test_every_yaml_is_a_policy() -> None:
    pages = {block.page for block in blocks("yaml")}
    assert len(pages) > 10
    kinds = {kind for kind in ("yml", "YAML") if blocks(kind)}
    assert not kinds, f"write ```yaml, not {kinds}"


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_every_json_is_json(block: Written) -> None:
    for line in json_values(block.text):
        json.loads(line)


def json_values(text: str) -> list[str]:
    """The block, or each line of it where it is lines of JSON."""
    lines = text.strip().splitlines()
    each = all(line.startswith("{") and line.endswith("}") for line in lines)
    return lines if each else [text]


@pytest.mark.parametrize("block", blocks("xml"), ids=str)
def test_every_labelling_config_is_xml(block: Written) -> None:
    assert ET.fromstring(block.text).tag == "View"  # noqa: S314 - our own page


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_every_python_compiles(block: Written) -> None:
    compile(block.text, block.page, "exec")


def test_every_example_in_the_shell_of_python_stands_on_a_page_that_runs_it() -> None:
    assert {block.page.split("/")[1] for block in blocks("pycon")} == {"explanation"}


def test_no_block_is_of_a_language_that_nobody_checks() -> None:
    checked = {"yaml", "json", "xml", "python", "pycon", "sh", "console", "csv", "text", ""}
    for page in (ROOT / "docs").rglob("*.md"):
        found = re.findall(r"^```(\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(found) <= checked, page
