"""A policy with a few of its numbers changed, as a policy and in the very text of its file.

In the text the numbers alone are replaced: comments, order and spelling of everything else stay,
so that a review shows what was changed and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from policies.document import Document, composed
from policies.loading import consistency_problems, parse_policy
from policies.messages import problems_of
from policies.problems import Path, PolicyError, dotted
from policies.promises import AutoAccept
from policies.schema import Policy

# Where a number stands in the file, as ("auto_accept", "max_error_rate"), and the new one.
Changes = Mapping[Path, float | int]
_RULE = "auto_accept"


class DraftError(Exception):
    """The text is written in a way in which the number cannot be changed by itself."""


def changed_policy(policy: Policy, changes: Changes) -> Policy:
    """The policy with these numbers in the place of its own; all its rules are asked again.

    A number under ``auto_accept`` turns a policy that accepts nothing into one that accepts: then
    ``max_error_rate`` and ``confidence`` are both needed.
    Raises PolicyError with all problems at once; their lines are those of no file.
    """
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not isinstance(policy.auto_accept, AutoAccept) and _accepting(changes):
        document[_RULE] = {}
    for path, number in changes.items():
        _put(document, path, number)
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        read = Document(values=document, lines={})
        problems = problems_of(error.errors(include_url=False), read)
        raise PolicyError("draft", problems + consistency_problems(read)) from error


def changed_text(text: str, changes: Changes) -> str:
    """The text of a policy file with these numbers in the place of its own.

    A number that the text leaves to its default is written where its section begins; a section
    that the text does not have is added at the end.
    Raises DraftError where the text that comes out would not be exactly the policy with these
    numbers, PolicyError where that is no policy.
    """
    wanted = changed_policy(parse_policy(text), changes)
    bom = "\ufeff" if text.startswith("\ufeff") else ""
    plain = text.removeprefix(bom)
    edits = _edits(plain, composed(plain), changes)
    for start, end, replacement in sorted(edits, reverse=True):
        plain = plain[:start] + replacement + plain[end:]
    made = bom + plain
    if not _says(made, wanted):
        raise DraftError(
            f"the file is written in a way in which {', '.join(map(dotted, changes))} cannot be "
            "changed without touching anything else: change it by hand"
        )
    return made


def number_text(number: float) -> str:
    """A number as a policy file writes it.

    >>> number_text(0.03), number_text(600), number_text(5.0)
    ('0.03', '600', '5.0')
    """
    return repr(number)


def _says(text: str, wanted: Policy) -> bool:
    try:
        return parse_policy(text) == wanted
    except PolicyError:
        return False


def _accepting(changes: Changes) -> bool:
    return any(path[0] == _RULE for path in changes)


def _put(document: dict[str, Any], path: Path, number: float) -> None:
    inner: Any = document
    for step in path[:-1]:
        inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
    inner[path[-1]] = number


def _edits(text: str, root: yaml.MappingNode, changes: Changes) -> list[tuple[int, int, str]]:
    """What to replace from where to where; nothing overlaps."""
    edits: list[tuple[int, int, str]] = []
    missing: dict[Path, dict[str, str]] = {}
    for path, number in changes.items():
        node, rest = _followed(root, path)
        if not rest:
            edits.append(_replaced(text, node, number_text(number)))
        elif isinstance(node, yaml.ScalarNode) and len(rest) == 1:  # auto_accept: never
            at = path[: -len(rest)]
            missing.setdefault(at, {})[str(rest[0])] = number_text(number)
        else:
            missing.setdefault(path[:-1], {})[str(path[-1])] = number_text(number)
    for path, values in missing.items():
        node, rest = _followed(root, path)
        flow = "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"
        if isinstance(node, yaml.ScalarNode):
            edits.append(_replaced(text, node, flow))
        elif rest:
            edits.append(_added(text, root, f"{rest[-1]}: {flow}"))
        else:
            written = [f"{key}: {value}" for key, value in values.items()]
            edits.append(_inserted(text, node, written))
    return edits


def _followed(root: yaml.MappingNode, path: Path) -> tuple[yaml.Node, Path]:
    """The node that the path leads to, as far as the text has it, and what is left of the path."""
    node: yaml.Node = root
    for place, step in enumerate(path):
        found = _child(node, step)
        if found is None:
            return node, path[place:]
        node = found
    return node, ()


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    return None


def _replaced(text: str, node: yaml.Node, words: str) -> tuple[int, int, str]:
    start, end = node.start_mark.index, node.end_mark.index
    # A block scalar ends where the next line begins.
    line_end = text[start:end][len(text[start:end].rstrip("\r\n")) :]
    return start, end, words + line_end


def _inserted(text: str, node: yaml.Node, written: Sequence[str]) -> tuple[int, int, str]:
    """The new keys of a section that the text has: they stand before its first one."""
    if not isinstance(node, yaml.MappingNode):
        raise DraftError("a number is to be changed in what is no mapping: change it by hand")
    start = node.start_mark.index
    if node.flow_style:
        more = ", " if node.value else ""
        return start + 1, start + 1, ", ".join(written) + more
    indent = " " * node.start_mark.column
    added = "".join(f"{each}{_line_break(text)}{indent}" for each in written)
    return start, start, added


def _added(text: str, root: yaml.MappingNode, section: str) -> tuple[int, int, str]:
    """A new section: at the end of the file."""
    if root.flow_style:
        return _inserted(text, root, [section])
    end = root.end_mark.index
    line = _line_break(text)
    before = "" if text[:end].endswith(("\n", "\r")) else line
    return end, end, f"{before}{' ' * root.start_mark.column}{section}{line}"


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
