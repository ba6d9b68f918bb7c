"""Amazon A2I's human-loop activation conditions, read and checked.

The form is that of ``HumanLoopActivationConditions`` in Amazon's developer guide: conditions of a
type with parameters, combined by And, Or and Not. Every problem is found at once, with its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import decoder, scanner
from typing import Any

from policies.problems import Path, PolicyError, Problem, dotted, nearest, shown

LARGEST_FILE = 100_000  # bytes; Amazon takes at most 10,240 characters
_DEEPEST = 20

SAMPLING = "Sampling"
MODERATION_LABEL = "ModerationLabelConfidenceCheck"
FORM_KEY = "ImportantFormKeyConfidenceCheck"
MISSING_FORM_KEY = "MissingImportantFormKey"
# The guide's tables say LessThanEquals, its examples LessThanOrEqual: both are taken.
COMPARISONS = {
    "Equals": "equals",
    "LessThan": "below",
    "LessThanEquals": "at_most",
    "LessThanOrEqual": "at_most",
    "GreaterThan": "above",
    "GreaterThanEquals": "at_least",
    "GreaterThanOrEqual": "at_least",
}
_FORM_KEYS = ("ImportantFormKey", "ImportantFormKeyAliases")
_PARAMETERS = {
    SAMPLING: ("RandomSamplingPercentage",),
    MODERATION_LABEL: ("ModerationLabelName", *(f"Confidence{name}" for name in COMPARISONS)),
    FORM_KEY: (
        *_FORM_KEYS,
        *(
            f"{block}BlockConfidence{name}"
            for block in ("KeyValue", "Word")
            for name in COMPARISONS
        ),
    ),
    MISSING_FORM_KEY: _FORM_KEYS,
}
_REQUIRED = {
    SAMPLING: "RandomSamplingPercentage",
    MODERATION_LABEL: "ModerationLabelName",
    FORM_KEY: "ImportantFormKey",
    MISSING_FORM_KEY: "ImportantFormKey",
}
_HALF = re.compile("[\ud800-\udfff]")  # of a character, which no file can hold
_FORMS = ("ConditionType", "And", "Or", "Not")
_BESIDE = ("ConditionParameters", "EvaluationResult")  # the latter stands in A2I's own output


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition: its type, its parameters as Amazon names them, its place in the file."""

    type: str
    parameters: Mapping[str, Any]
    path: Path

    @property
    def place(self) -> str:
        """The place as people write it."""
        return dotted(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Conditions combined by ``And``, ``Or`` or ``Not`` (which has one part)."""

    operator: str
    parts: tuple[Check | Group, ...]
    path: Path

    @property
    def place(self) -> str:
        """The place as people write it."""
        return dotted(self.path)


def read_conditions(raw: bytes, source: str) -> tuple[Check | Group, ...]:
    """The conditions of a JSON text, any one of which starts a human loop.

    Raises
        PolicyError: names every problem with file, line, path, value and way out.
    """
    document = _document(raw, source)
    reader = _Reader()
    conditions = reader.top(document)
    if reader.problems:
        raise PolicyError(source, sorted(reader.problems, key=lambda each: each.line or 0))
    return conditions


class _Object(dict[str, Any]):
    """A JSON object that knows its line."""

    line = 1


class _Decoder(json.JSONDecoder):
    """JSON with a line for each object, and neither repeated keys nor NaN."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_unrepeated, parse_constant=_no_number)
        self.parse_object = self._object
        self.scan_once = scanner.py_make_scanner(self)  # type: ignore[attr-defined]  # not in the stubs

    def _object(self, start: tuple[str, int], *rest: Any) -> tuple[_Object, int]:
        text, place = start
        found, end = decoder.JSONObject(start, *rest)  # type: ignore[attr-defined]  # not in the stubs
        found.line = text.count("\n", 0, place) + 1
        return found, end


def _unrepeated(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object()
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        if _HALF.search(key):
            raise ValueError(f"the key {key!r} holds half of a character")
        found[key] = value
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _document(raw: bytes, source: str) -> Any:
    if len(raw) > LARGEST_FILE:
        raise _refused(source, None, "is larger than 100 kB", "Amazon takes at most 10 kB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _refused(source, line, "is not UTF-8 text", "save it as UTF-8") from error
    deep = _too_deep(text)
    if deep is not None:
        raise _refused(source, deep, f"is nested deeper than {_DEEPEST} levels")
    try:
        return _Decoder().decode(text)
    except json.JSONDecodeError as error:
        raise _refused(source, error.lineno, f"is not JSON: {error.msg}") from error
    except ValueError as error:
        raise _refused(source, None, f"is not JSON: {error}") from error


def _too_deep(text: str) -> int | None:
    """The line where brackets outside of strings are nested too deep, if there is one."""
    depth, quoted, escaped = 0, False, False
    for place, character in enumerate(text):
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        if depth > _DEEPEST:
            return text.count("\n", 0, place) + 1
    return None


def _refused(source: str, line: int | None, message: str, hint: str | None = None) -> PolicyError:
    problem = Problem(line=line, path="", value=None, message=message, hint=hint)
    return PolicyError(source, [problem])


class _Reader:
    """Turns JSON into conditions and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._line = 1

    def top(self, document: Any) -> tuple[Check | Group, ...]:
        if not isinstance(document, dict) or "Conditions" not in document:
            hint = "give the value of HumanLoopActivationConditions, as JSON of its own"
            self._wrong(("Conditions",), None, "is missing", hint)
            return ()
        for key in document.keys() - {"Conditions"}:
            self._wrong((key,), None, "is not a known key", nearest(key, ["Conditions"]))
        return tuple(self._parts(document["Conditions"], ("Conditions",)))

    def _parts(self, value: Any, path: Path) -> Iterator[Check | Group]:
        if not isinstance(value, list) or not value:
            self._wrong(path, value, "must be a list of at least one condition")
            return
        for index, part in enumerate(value):
            found = self._condition(part, (*path, index))
            if found is not None:
                yield found

    def _condition(self, value: Any, path: Path) -> Check | Group | None:
        if not isinstance(value, _Object):
            self._wrong(path, value, "must be a condition: an object")
            return None
        outer, self._line = self._line, value.line
        try:
            return self._formed(value, path)
        finally:
            self._line = outer

    def _formed(self, value: _Object, path: Path) -> Check | Group | None:
        for key in sorted(value.keys() - {*_FORMS, *_BESIDE}):
            self._wrong((*path, key), None, "is not a known key", nearest(key, [*_FORMS, *_BESIDE]))
        forms = [form for form in _FORMS if form in value]
        if len(forms) != 1:
            has = " and ".join(forms) or "none"
            self._wrong(path, None, f"needs one of {', '.join(_FORMS)}, and has {has}")
            return None
        (form,) = forms
        if form == "ConditionType":
            return self._check(value, path)
        inner = value[form]
        parts = [inner] if form == "Not" and not isinstance(inner, list) else inner
        found = tuple(self._parts(parts, (*path, form)))
        if form == "Not" and len(found) > 1:
            self._wrong((*path, form), None, "takes one condition", "combine them with And or Or")
        return Group(operator=form, parts=found, path=path)

    def _check(self, value: _Object, path: Path) -> Check | None:
        kind, parameters = value["ConditionType"], value.get("ConditionParameters", {})
        inside = (*path, "ConditionParameters")
        if not isinstance(kind, str):
            self._wrong((*path, "ConditionType"), kind, "must be text")
            return None
        if not isinstance(parameters, _Object) and parameters != {}:
            self._wrong(inside, parameters, "must be an object")
            return None
        known = _PARAMETERS.get(kind)
        if known is not None:
            if _REQUIRED[kind] not in parameters:
                self._wrong((*inside, _REQUIRED[kind]), None, f"is missing: {kind} needs it")
            for name, parameter in parameters.items():
                self._parameter(name, parameter, known, inside)
        return Check(type=kind, parameters=parameters, path=path)

    def _parameter(self, name: str, value: Any, known: tuple[str, ...], inside: Path) -> None:
        path = (*inside, name)
        if name not in known:
            self._wrong(path, None, "is not a known parameter", nearest(name, known))
        elif name == "ImportantFormKeyAliases":
            if not isinstance(value, list) or not all(map(_is_text, value)):
                self._wrong(path, value, "must be a list of texts")
        elif name in ("ImportantFormKey", "ModerationLabelName"):
            if not _is_text(value):
                self._wrong(path, value, "must be a text that is not empty")
        elif not _is_percentage(value):
            self._wrong(path, value, "must be a number from 0 to 100: a percentage")

    def _wrong(self, path: Path, value: Any, message: str, hint: str | None = None) -> None:
        seen = None if value is None else shown(value)
        self.problems.append(
            Problem(line=self._line, path=dotted(path), value=seen, message=message, hint=hint)
        )


def _is_text(value: Any) -> bool:
    """Text that can be written to a file: JSON can hold halves of a character."""
    return isinstance(value, str) and value != "" and not _HALF.search(value)


def _is_percentage(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value <= 100
