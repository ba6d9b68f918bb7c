"""The tutorial: its commands are typed after a small demo, and its figures are the README's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.guides.shell import Shell
from tests.guides.written import ROOT

TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.strip().splitlines()
]
# The whole demo and one on a file of one's own: `make demo` is run by test_demo, word for word.
DEMOS = re.compile(r'make demo ARGS="(.*)"')


def rows(page: str) -> list[list[str]]:
    """The rows of cycles in the one table that has them."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        re.split(r" *\| *", row)
        for row in re.findall(r"^\| (\d \| \d+ .*) \|$", text, re.MULTILINE)
    ]


def test_its_figures_are_those_of_the_readme() -> None:
    shown, told = rows("docs/tutorial.md"), rows("README.md")
    assert len(shown) == len(told) == 4
    for short, long in zip(shown, told, strict=True):
        assert short == [*long[:6], long[7]]  # without agreement


@pytest.mark.label_studio
def test_its_commands_are_typed_in_their_order(tmp_path: Path) -> None:
    shell = Shell(folder=tmp_path)
    first, path, *rest, last = LINES
    folder, own = DEMOS.fullmatch(first), DEMOS.fullmatch(last)
    assert folder is not None
    assert own is not None
    assert path == 'export PATH="$PWD/.venv/bin:$PATH"'  # the tests call it by its module
    shell.type(f"labelgate demo {folder[1]} --tasks 120 --budget 0.9 --exit")
    for line in rest:
        said = shell.type(line)
        assert said or line.startswith("export "), line
