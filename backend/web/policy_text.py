"""A policy's text on a page: highlighted line by line, and against another one."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import YamlLexer

_CONTEXT = 3


@lru_cache(maxsize=16)  # of 10,000 lines it takes a quarter of a second
def code_lines(text: str) -> tuple[Markup, ...]:
    """Each line of a YAML text as HTML: spans with the short classes of pygments, all escaped."""
    lexer = YamlLexer(stripnl=False, ensurenl=False)
    made = highlight(text.removeprefix("\ufeff"), lexer, HtmlFormatter(nowrap=True))
    lines = made.removesuffix("\n").split("\n")
    return tuple(Markup(line) for line in lines)  # noqa: S704 - pygments has escaped it


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """A line of a unified diff with its number in either text, None where it is not there.

    ``mark`` is "+", "-" or " "; "@" stands for what is left out in between.
    """

    mark: str
    before: int | None
    after: int | None
    text: str

    @property
    def word(self) -> str:
        """What the mark means, for who does not see it."""
        return {"+": "added", "-": "removed", "@": "lines left out"}.get(self.mark, "")


def difference_of(before: str, after: str) -> list[DiffLine]:
    """A unified diff of two texts; empty where they are equal, but for their line breaks."""
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new)
    found: list[DiffLine] = []
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        if all(tag == "equal" for tag, *_ in group):
            continue
        if found or group[0][1] > 0:
            found.append(DiffLine(mark="@", before=None, after=None, text=""))
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                found += _same(old, start, end, new_start)
                continue
            found += [
                DiffLine(mark="-", before=place + 1, after=None, text=old[place])
                for place in range(start, end)
            ]
            found += [
                DiffLine(mark="+", before=None, after=place + 1, text=new[place])
                for place in range(new_start, new_end)
            ]
    return found


def _same(old: list[str], start: int, end: int, new_start: int) -> list[DiffLine]:
    shift = new_start - start
    return [
        DiffLine(mark=" ", before=place + 1, after=place + shift + 1, text=old[place])
        for place in range(start, end)
    ]
