"""The comparison: every cell that claims something has its source, and every source is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in re.findall(r"^\|.+\|$", TEXT, re.MULTILINE)
]
SOURCES = dict(re.findall(r"^\[\^([\w-]+)\]: (.+)$", TEXT, re.MULTILINE))
CELLS = [
    (row[0], maker, cell)
    for row in ROWS[2:]
    for maker, cell in zip(ROWS[0][1:], row[1:], strict=True)
    if cell
]


def test_it_is_one_table_with_the_same_columns_throughout() -> None:
    assert ROWS[0][1:] == [
        *("Labelgate", "Label Studio Enterprise", "Ground Truth, A2I"),
        *("Argilla", "Prodigy", "CVAT"),
    ]
    assert {len(row) for row in ROWS} == {7}


@pytest.mark.parametrize(("capability", "maker", "cell"), CELLS)
def test_every_claim_has_a_source(capability: str, maker: str, cell: str) -> None:
    if cell in {"not found", "not looked up"} or (maker == "Labelgate" and "[^" not in cell):
        # Of Labelgate itself only what it lacks, and what is on the first line of its licence.
        assert maker != "Labelgate" or cell.startswith(("**no**", "yes", "open")), capability
        return
    named = re.findall(r"\[\^([\w-]+)\]", cell)
    assert named, f"{capability}, {maker}: {cell!r} has no source"
    assert set(named) <= SOURCES.keys()


def test_every_source_is_used_and_leads_somewhere() -> None:
    used = {name for _, _, cell in CELLS for name in re.findall(r"\[\^([\w-]+)\]", cell)}
    assert used == SOURCES.keys()
    assert all(re.search(r"\]\(\S+\)", source) for source in SOURCES.values())


def test_it_says_what_others_have_and_labelgate_has_not() -> None:
    lacking = [row[0] for row in ROWS[2:] if row[1].startswith("**no**")]
    assert len(lacking) >= 5
