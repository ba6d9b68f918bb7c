"""Validation errors in our words: the field, its range, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic_core import ErrorDetails

from policies.document import Document
from policies.problems import Path, Problem, at, dotted, nearest, shown
from policies.schema import INCONSISTENT, Policy

_PLAIN = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "union_tag_not_found": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "too_short": "must have at least one entry",
}
_RANGE_ERRORS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
_PATTERNS = {
    "name": "must be 1 to 50 characters on one line, without space at its ends",
    "reviewers": "is not an e-mail address",
    "labels": "is no language: must be its ISO 639-1 code in small letters, such as en",
    "url": "must be an http:// or https:// address of a host, without user, password, ? and #",
    "credentials": "must be a name of small letters, digits, - and _",
    "function": "must be module:name",
    "class": "must be module:Name",
}
_MISSING_HINTS = {
    "auto_accept": "'never', or max_error_rate and confidence",
    "stakes": "low, sensitive or regulated",
    "kind": "what the condition looks at, such as predicted_label, score or task_field",
}
_KINDS: dict[str | int, str] = {
    "automation": "exact_duplicate, near_duplicate, language, format or boilerplate",
    "model": "upstream, python, llm or label-studio-ml",
}
# How pydantic marks an error that is about a key of a mapping, not about its value.
_OF_A_KEY = "[key]"
_ACCEPT_FORMS = "must be 'never' or a mapping with max_error_rate and confidence"


def problems_of(errors: list[ErrorDetails], document: Document) -> list[Problem]:
    """One problem for each validation error of ``Policy``, with its line in the document."""
    problems = []
    for error in errors:
        path = _path_in(error["loc"], document)
        value = path[-1] if _is_about_a_key(error) else at(document.values, path)
        follows_from_another = error["type"] == "too_short" and value
        if error["type"] != INCONSISTENT and not follows_from_another:
            problems.append(_problem(error, path, value, document))
    return problems


def _problem(error: ErrorDetails, path: Path, value: Any, document: Document) -> Problem:
    kind = error["type"]
    quoted = None if _is_about_a_key(error) else shown(value)
    if kind == "union_tag_not_found" and isinstance(value, Mapping):
        kind, path = "missing", (*path, "kind")
    elif kind == "union_tag_invalid":
        path = (*path, "kind")
        quoted = shown(at(document.values, path))
    if kind in {"missing", "extra_forbidden"}:
        quoted = None
    message, hint = _words(kind, error, path, value)
    return Problem(
        line=document.line(path), path=dotted(path), value=quoted, message=message, hint=hint
    )


def _words(  # noqa: PLR0911 - one return for each kind of error
    kind: str, error: ErrorDetails, path: Path, value: Any
) -> tuple[str, str | None]:
    if kind == "missing":
        hints = _KINDS if path[-1] == "kind" else {}
        return "is missing", hints.get(path[0], _MISSING_HINTS.get(str(path[-1])))
    if kind == "extra_forbidden":
        known = _schema_at(error["loc"][:-1]).get("properties", {})
        return "is not a known key", nearest(str(path[-1]), known) or f"known: {', '.join(known)}"
    if kind in _RANGE_ERRORS:
        schema = _schema_at(error["loc"])
        return f"must be {_range(schema)}", _meant_share(value, schema)
    if kind in {"literal_error", "model_type"} and path == ("auto_accept",):
        return _ACCEPT_FORMS, nearest(value, ["never"]) if isinstance(value, str) else None
    if kind in {"enum", "union_tag_invalid", "literal_error"}:
        known = _choices(error)
        return f"is not one of {', '.join(known)}", nearest(
            str(error.get("ctx", {}).get("tag", value)).strip("()"), known
        )
    if kind == "string_pattern_mismatch":
        return next(_PATTERNS[str(part)] for part in reversed(path) if part in _PATTERNS), None
    if kind == "string_type":
        return "must be text", "put it in quotes" if isinstance(value, (int, float)) else None
    return _PLAIN.get(kind, error["msg"]), None


def _choices(error: ErrorDetails) -> list[str]:
    context = error.get("ctx", {})
    listed = str(context.get("expected_tags") or context.get("expected"))
    return [part.strip(" '()") for part in listed.replace(" or ", ", ").split(",")]


def _path_in(loc: tuple[str | int, ...], document: Document) -> Path:
    """The error's place in the document, without the union branches it went through."""
    path: Path = ()
    for part in loc:
        branch = str(part).startswith("(") and not _is_key(part, at(document.values, path))
        if not branch and part != _OF_A_KEY:
            path = (*path, part)
    return path


def _is_key(part: str | int, value: Any) -> bool:
    """Whether it stands there: a label, or a key that nobody knows, may begin with a bracket."""
    return isinstance(value, Mapping) and part in value


def _is_about_a_key(error: ErrorDetails) -> bool:
    return error["loc"][-1:] == (_OF_A_KEY,)


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"between {low:g} and {high:g}"
    parts = [
        f"{word} {bound:g}"
        for word, bound in (
            ("at least", low),
            ("above", above),
            ("at most", high),
            ("below", below),
        )
        if bound is not None
    ]
    return " and ".join(parts)


def _meant_share(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Whoever writes 5 where a share is wanted means 5 %."""
    highest = schema.get("maximum", schema.get("exclusiveMaximum"))
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    if highest is None or highest > 1 or not value > 1:
        return None
    return f"did you mean {value / 100:g}?" if lowest < value / 100 < highest else None


@cache
def _policy_schema() -> dict[str, Any]:
    return Policy.model_json_schema()


def _schema_at(loc: tuple[str | int, ...]) -> dict[str, Any]:
    """The part of the JSON Schema that an error's place belongs to."""
    node = _policy_schema()
    for part in loc:
        node = _resolved(_step(node, part))
    return node


def _step(node: dict[str, Any], part: str | int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(part, int):
        found = node.get("items", {})
    elif part in node.get("properties", {}):
        found = node["properties"][part]
    elif isinstance(node.get("additionalProperties"), dict):
        found = node["additionalProperties"]
    elif (
        "oneOf" in node
    ):  # a kind of route by its tag, or the branch of auto_accept that is no text
        options = [_resolved(option) for option in node["oneOf"] if "$ref" in option]
        kinds = [option["properties"].get("kind", {}).get("const") for option in options]
        found = options[kinds.index(part.strip("()")) if part != "(rule)" else 0]
    return found


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        node = options[0]
    if "$ref" in node:
        found: dict[str, Any] = _policy_schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        return found
    return node
