"""The threat model names tests that exist, and each file of this folder stands in it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "security.md"
_NAMED = re.compile(r"`([\w/]*\.py)?::(test_\w+)`")


def named() -> list[tuple[str, str]]:
    """File and name of each test; without a file it is that of the test before it."""
    found, file = [], ""
    for each in _NAMED.finditer(PAGE.read_text("utf-8")):
        file = each[1] or file
        found.append((file, each[2]))
    return found


def test_every_test_that_is_named_exists() -> None:
    assert len(named()) > 40
    missing = [
        f"{file}::{name}"
        for file, name in named()
        if not (TESTS / file).is_file() or f"def {name}(" not in (TESTS / file).read_text("utf-8")
    ]
    assert missing == []


def test_every_file_of_this_folder_is_named() -> None:
    files = {f"security/{each.name}" for each in (TESTS / "security").glob("test_*.py")}
    assert files - {file for file, _ in named()} == {"security/test_threat_model.py"}


def test_every_threat_names_a_test() -> None:
    rows = PAGE.read_text("utf-8").split("## Threats")[1].split("## What is not")[0].splitlines()
    threats = [each for each in rows if each.startswith("| ") and not each.startswith("| threat")]
    assert len(threats) > 25
    assert [each for each in threats if "::test_" not in each] == []
