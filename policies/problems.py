"""What is wrong with a policy file, in words that an admin can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]

_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to change: where it stands, what is there, what is wrong, the way out.

    ``line`` is None only where there is no text (a missing file); ``path`` is empty where the
    whole file is meant, and ``value`` is None where showing it would not help.
    """

    line: int | None
    path: str
    value: str | None
    message: str
    hint: str | None = None

    def as_json(self) -> dict[str, str | int | None]:
        """The five parts under their names."""
        return {
            "line": self.line,
            "path": self.path,
            "value": self.value,
            "message": self.message,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Issue:
    """One broken rule between fields: where, what is wrong, and the way out where there is one."""

    path: Path
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{dotted(self.path)} {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


class PolicyError(Exception):
    """A policy file that cannot be used; the text has one line for each problem."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        return "\n".join(_one_line(self.source, problem) for problem in self.problems)


def _one_line(source: str, problem: Problem) -> str:
    where = source if problem.line is None else f"{source}:{problem.line}"
    what = problem.path if problem.value is None else f"{problem.path} = {problem.value}"
    said = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    return "  ".join(part for part in (where, what, said) if part)


def dotted(path: Path) -> str:
    """A path as people write it.

    >>> dotted(("routes", 2, "tier"))
    'routes[2].tier'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the known word that is meant, or None where none is near.

    >>> nearest("seniour", ["general", "senior"])
    "did you mean 'senior'?"
    """
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[close[0]]!r}?" if close else None


def at(document: Any, path: Path) -> Any:
    """The value at a path, or None where the document has none."""
    value = document
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, (list, tuple)) and part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def shown(value: Any) -> str | None:
    """A value as a message quotes it; None for lists and mappings, which would fill the screen."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            text = repr(value)
            cut = len(text) > _LONGEST_VALUE
            return f"{text[: _LONGEST_VALUE - 3]}..." if cut else text
        case _:
            return None
