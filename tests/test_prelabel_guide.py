"""The guide to pre-labelling: its commands can be typed, and what it says is what is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from audit_jobs.prelabelling.command import prelabel, said_of
from audit_jobs.prelabelling.run import MOST_FAILURES
from backend.delivery import CHUNK
from backend.store.prelabels import PrelabelCounts

GUIDE = Path(__file__).parents[1] / "docs" / "how-to-prelabel-a-project.md"
TEXT = GUIDE.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    labelgate prelabel (.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_one(words: str) -> None:
    prelabel.make_context("prelabel", shlex.split(words))  # a usage error where an option is none


def test_what_it_says_at_the_end() -> None:
    (shown,) = re.findall(r"^```\n(.*)\n```$", TEXT, re.MULTILINE)
    found = PrelabelCounts(shown=96_412, answered=2_510, blind=1_066, unanswered=12)
    assert shown == said_of(found, "broken image")
    assert COMMANDS


def test_the_numbers_of_the_guide_are_those_of_the_code() -> None:
    assert f"After {MOST_FAILURES} passes in a row" in TEXT
    assert CHUNK == 1_000
