"""What the explanations reckon is what the code says."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs" / "explanation").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_examples_are_right(page: Path) -> None:
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted
    assert not result.failed


def test_there_is_one_for_each_idea() -> None:
    assert {page.stem for page in PAGES} == {
        *("promise", "control-slice", "audits", "breaker", "agreement")
    }
