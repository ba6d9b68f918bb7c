"""YAML text to plain values with a line number for every path.

A small, safe part of YAML: no anchors, aliases or tags (so nothing can expand or be constructed),
one document, limited depth. Plain words are read as in YAML 1.2: ``yes``, ``no``, ``on``, dates and
``010`` are text, because labels often look like that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from policies.problems import Path, PolicyError, Problem, dotted

LARGEST_FILE = 1_000_000  # bytes; a policy of a thousand routes has a tenth of it
_DEEPEST = 20
_MOST_PARTS = 50_000  # keys, values, lists, mappings; a thousand routes have a third of it

_NULL, _BOOL, _INT, _FLOAT = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")
)
# Tag, what it looks like, with which characters it can start.
PLAIN_WORDS: tuple[tuple[str, re.Pattern[str], list[str]], ...] = (
    (_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    (_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    (_INT, re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,17})$"), list("-+0123456789")),
    (
        _FLOAT,
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]{0,17})(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+.0123456789"),
    ),
)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_READERS: dict[str, Callable[[str], Any]] = {
    _NULL: lambda _: None,
    _BOOL: lambda text: text.lower() == "true",
    _INT: int,
    _FLOAT: _float,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The values of a policy file, the line of each path, and what is wrong with the text."""

    values: dict[str, Any]
    lines: dict[Path, int]
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a path; that of the part around it where the path is not in the text."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def plain_value(text: str) -> Any:
    """What a policy file means by this word without quotes: null, a truth value, a number, text.

    >>> plain_value("3"), plain_value("true"), plain_value("010")
    (3, True, '010')
    """
    word = text.strip()
    tags = (tag for tag, pattern, _ in PLAIN_WORDS if pattern.match(word))
    return _READERS.get(next(tags, ""), str)(word)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the base class declares it so


for _tag, _pattern, _first in PLAIN_WORDS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)


@lru_cache(maxsize=4)  # a text of 10,000 lines takes a second, and nothing changes a document
def read_document(text: str, source: str) -> Document:
    """Parse ``text``; PolicyError where it is no YAML mapping of the kind we take."""
    node = composed(text.removeprefix("\ufeff"), source)
    document = Document(values={}, lines={(): node.start_mark.line + 1})
    document.values.update(_mapping(node, (), document))
    return document


def composed(text: str, source: str = "policy.yaml") -> yaml.MappingNode:
    """The text as YAML's nodes, each with where it begins and ends in it.

    Raises PolicyError as ``read_document`` does.
    """
    if len(text) > LARGEST_FILE:
        raise _refused(source, 1, "is larger than 1 MB", "a policy is a short file")
    try:
        _check_events(text, source)
        node = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f"{error.context}, " if error.context else ""
        message = f"is not valid YAML: {context}{error.problem}"
        raise _refused(source, mark.line + 1 if mark else 1, message) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"holds the character {text[error.position]!r}, which YAML does not allow"
        raise _refused(source, line, message) from error
    if node is None:
        raise _refused(source, 1, "is empty", "start from a preset in policies/presets")
    if not isinstance(node, yaml.MappingNode):
        found = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        message = f"must be a mapping of keys to values, and is {found}"
        raise _refused(source, node.start_mark.line + 1, message)
    return node


def _refused(source: str, line: int, message: str, hint: str | None = None) -> PolicyError:
    return PolicyError(
        source, [Problem(line=line, path="", value=None, message=message, hint=hint)]
    )


def _check_events(text: str, source: str) -> None:
    """Refuse what could expand, construct or nest, before any of it is built."""
    depth = documents = parts = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if getattr(event, "anchor", None):
            raise _refused(
                source, line, "uses a YAML anchor or alias, which a policy may not", "write it out"
            )
        if getattr(event, "tag", None) not in (None, "!"):
            raise _refused(source, line, "uses a YAML tag, which a policy may not", "leave it out")
        parts += isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent))
        if parts > _MOST_PARTS:
            message = f"has more than {_MOST_PARTS:,} keys and values"
            raise _refused(source, line, message, "a policy is a short file")
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise _refused(source, line, "holds a second document", "one policy a file")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _refused(source, line, f"is nested deeper than {_DEEPEST} levels")


def _mapping(node: yaml.MappingNode, path: Path, document: Document) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            _add(document, line, path, "has a list or mapping for a key")
            continue
        key = key_node.value
        here = (*path, key)
        if key in values:
            _add(document, line, here, f"is given twice, first on line {document.lines[here]}")
            continue
        document.lines[here] = line
        values[key] = _value(value_node, here, document)
    return values


def _value(node: yaml.Node, path: Path, document: Document) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            here = (*path, index)
            document.lines[here] = item.start_mark.line + 1
            items.append(_value(item, here, document))
        return items
    text = str(node.value)
    return _READERS.get(node.tag, str)(text)


def _add(document: Document, line: int, path: Path, message: str) -> None:
    document.problems.append(Problem(line=line, path=dotted(path), value=None, message=message))
