"""What stands on the pages: their blocks, and the commands that somebody may type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.reference import PAGES as GENERATED

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "benchmarks" / "README.md"]
    + [
        page
        for page in (ROOT / "docs").rglob("*.md")
        if page.relative_to(ROOT / "docs").as_posix() not in GENERATED
    ]
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(labelgate [a-z][^`]+)`(?!`)")
# What a shell line begins with: other indented lines are no commands.
_WORDS = ("labelgate", "make", "export", "curl", "docker", "python3", "pip", "git")
_LINE = re.compile(
    rf"^(?:\$ )?((?:[A-Z_]+=\S+ )*(?:\S*/)?(?:{'|'.join(_WORDS)}|label-studio)\b.*)$"
)
_SAID = re.compile(r"\s{2,}\S.*$|\s+#.*$|\s*>\s*\S+$")  # what it does, a comment, where it goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A block or a command, with the page it stands on."""

    page: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.strip().splitlines()[0]}"


def blocks(kind: str) -> list[Written]:
    """Every fenced block of that language."""
    return [
        Written(page=name_of(page), kind=kind, text=text)
        for page in PAGES
        for found, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
        if found == kind
    ]


def commands() -> list[Written]:
    """Every command in a block or an indented line, each as it is typed, without what it prints."""
    return [found for page in PAGES for found in _commands_of(page)]


def mentions() -> list[Written]:
    """Every ``labelgate ...`` in the middle of a sentence."""
    return [
        Written(page=name_of(page), kind="inline", text=" ".join(text.split()))
        for page in PAGES
        for text in _INLINE.findall(_BLOCK.sub("", page.read_text(encoding="utf-8")))
    ]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _commands_of(page: Path) -> Iterator[Written]:
    text = page.read_text(encoding="utf-8")
    typed = [body for kind, body in _BLOCK.findall(text) if kind in {"sh", "console", "text", ""}]
    indented = re.findall(r"^ {4,}(\S.*)$", _BLOCK.sub("", text), re.MULTILINE)
    for body in [*typed, *indented]:
        for line in re.sub(r"\\\n\s*", "", body).splitlines():
            found = _LINE.match(line)
            if found is not None:
                ours = re.match(r"(?:[A-Z_]+=\S+ )*labelgate\b", found[1])
                text = _SAID.sub("", _SAID.sub("", found[1])) if ours else found[1]
                yield Written(page=name_of(page), kind="sh", text=text)
