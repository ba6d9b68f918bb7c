"""What must hold within and between the rules of automation, beyond the types of their fields.

As in ``policies.consistency``, the rules read the document as YAML gave it and skip what is
malformed, because wrong types are reported elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies import patterns
from policies.domain import MODEL
from policies.problems import Issue, dotted


def automation_issues(document: Mapping[str, Any]) -> Iterator[Issue]:
    """Every rule of this module that the document breaks."""
    rules = document.get("automation")
    first: dict[str, int] = {}
    for index, rule in enumerate(rules if isinstance(rules, (list, tuple)) else ()):
        if not isinstance(rule, Mapping):
            continue
        name = rule.get("name")
        if isinstance(name, str):
            yield from _name(name, index, first)
            first.setdefault(name.lower(), index)
        pattern = rule.get("regex")
        wrong = patterns.problem_of(pattern) if isinstance(pattern, str) else None
        if wrong is not None:
            yield Issue(("automation", index, "regex"), wrong)


def _name(name: str, index: int, first: Mapping[str, int]) -> Iterator[Issue]:
    path = ("automation", index, "name")
    if name.lower() == MODEL:
        yield Issue(path, "is reserved: so the model's own answers are named", "take another name")
    elif name.lower() in first:
        other = dotted(("automation", first[name.lower()], "name"))
        hint = "a rule without a name is named by its kind: give each of them a name"
        yield Issue(path, f"is the name of {other} too: each is certified on its own", hint)
