"""A batch of inferences as it was sent -> as it is kept, or everything that is wrong with it. Pure.

A batch is taken whole or refused whole: what is half taken is asked about for ever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from backend.inferences.answer_forms import answer_text
from backend.inferences.masking import masked, slice_values
from backend.store.inferences import Inference
from connectors.inference_data import data_sha256
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.loading import parse_policy
from policies.monitoring import Monitoring
from policies.problems import nearest, shown

LONGEST = 200  # characters of an id, of a version's name
FIELDS = ("id", "data", "data_sha256", "predicted", "score", "model_version", "at")
_MOST_LISTED = 10
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_MOST_AHEAD = timedelta(days=1)  # clocks differ, and some are set to the wrong zone
_LARGEST_ID = 2**63
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Ids are listed a line each, versions stand in tables on terminals.
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceProblem:
    """What is wrong with one field of one inference; ``index`` is its place in the batch."""

    index: int
    id: str | None
    field: str
    message: str

    def as_json(self) -> dict[str, str | int | None]:
        """The four under their names."""
        return {"index": self.index, "id": self.id, "field": self.field, "message": self.message}

    def __str__(self) -> str:
        place = f"inferences[{self.index}]"
        return f"{place}.{self.field} {self.message}" if self.field else f"{place} {self.message}"


class InferencesError(ValueError):
    """A batch that is not taken; ``problems`` are the first ten of ``count``."""

    def __init__(self, problems: Sequence[InferenceProblem], count: int) -> None:
        self.problems = tuple(problems)
        self.count = count
        lines = [*map(str, self.problems)]
        if count > len(self.problems):
            lines.append(f"and {count - len(self.problems):,} more like these")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeRules:
    """What a project takes: the answers its labelling config offers, and what its policy keeps.

    ``labels`` are the answers that need no second look: where one is one label of a list, all.
    """

    labeling: Labeling
    monitoring: Monitoring
    labels: frozenset[str]


@lru_cache(maxsize=64)
def intake_rules(policy_text: str, label_config: str) -> IntakeRules:
    """The rules of this policy and config; kept, because every batch asks for them.

    Raises ``PolicyError`` and ``LabelingError``.
    """
    labeling = parse_labeling(label_config)
    labels = frozenset(labeling.labels if labeling.is_list else ())
    monitoring = parse_policy(policy_text).monitoring
    return IntakeRules(labeling=labeling, monitoring=monitoring, labels=labels)


def read_inferences(items: Sequence[Any], rules: IntakeRules, now: datetime) -> list[Inference]:
    """The batch as it is kept: answers in their one form, data masked, hashed, or left out.

    Raises ``InferencesError`` with every problem counted and the first ten in words.
    """
    found: list[Inference] = []
    problems: list[InferenceProblem] = []
    count = 0
    for index, item in enumerate(items):
        reader = _Reader(item, rules, now)
        inference = reader.read()
        if inference is not None:
            found.append(inference)
            continue
        count += len(reader.problems)
        problems += [
            InferenceProblem(
                index=index, id=reader.id, field=_sendable(name), message=_sendable(message)
            )
            for name, message in reader.problems[: _MOST_LISTED - len(problems)]
        ]
    if count:
        raise InferencesError(problems, count)
    return found


class _Reader:
    """Reads one inference field by field, and gathers what is wrong."""

    __slots__ = ("_item", "_now", "_rules", "id", "problems")

    def __init__(self, item: Any, rules: IntakeRules, now: datetime) -> None:
        self._rules = rules
        self._now = now
        self.id: str | None = None
        self.problems: list[tuple[str, str]] = []
        self._item: Mapping[str, Any] = item if isinstance(item, dict) else {}
        if not isinstance(item, dict):
            self.problems.append(("", f"is a {type(item).__name__}, not an object"))

    def read(self) -> Inference | None:
        """The inference; None where something is wrong with it."""
        if self.problems:
            return None
        item, monitoring = self._item, self._rules.monitoring
        if not _KNOWN.issuperset(item):
            self._unknown()
        self.id = self._name("id", self._id())
        version = self._name("model_version", item.get("model_version"))
        predicted = self._predicted()
        score = self._score()
        at = self._at()
        data, sha256 = self._data()
        if self.problems or self.id is None or version is None or predicted is None:
            return None
        kept = masked(data, monitoring.mask) if data and monitoring.mask else data
        if kept is not None and kept is not data and monitoring.keep == "data":
            # Beside all other fields, a hash of what was sent would tell a blanked one to whoever
            # tries the few values that it can have. What is kept needs none of the rest.
            sha256 = data_sha256(kept)
        return Inference(
            inference_id=self.id,
            model_version=version,
            predicted=predicted,
            score=score,
            data=kept if monitoring.keep == "data" else None,
            data_sha256=sha256,
            slices=slice_values(kept, monitoring.slices) if kept and monitoring.slices else None,
            at=at,
        )

    def _wrong(self, name: str, message: str) -> None:
        value = shown(self._item.get(name))
        self.problems.append((name, message if value is None else f"= {value} {message}"))

    def _unknown(self) -> None:
        for name in self._item:
            if name not in _KNOWN:
                short = str(name)[:LONGEST]
                self.problems.append((short, f"is unknown: {_hint(short)}"))

    def _id(self) -> Any:
        value = self._item.get("id")
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_ID:
            return str(value)
        return value

    def _name(self, name: str, value: Any) -> str | None:
        if isinstance(value, str) and 0 < len(value) <= LONGEST and _is_storable(value):
            if _CONTROL.search(value) is None:
                return value
            self._wrong(name, "holds a line break or another control character")
            return None
        if value is None or value == "":
            self.problems.append((name, "is missing"))
        elif not isinstance(value, str):
            kinds = "a text or a whole number" if name == "id" else "a text"
            self._wrong(name, f"must be {kinds}, not {type(value).__name__}")
        elif len(value) > LONGEST:
            self._wrong(name, f"has {len(value):,} characters: {LONGEST} are the most")
        else:
            self._wrong(name, "holds a zero byte or half a character pair")
        return None

    def _predicted(self) -> str | None:
        value = self._item.get("predicted")
        if isinstance(value, str) and value in self._rules.labels:
            return value
        if value is None:
            self.problems.append(("predicted", "is missing: send what the model answered"))
            return None
        try:
            text = answer_text(self._rules.labeling, value)
        except ValueError as error:
            self._wrong("predicted", f"cannot be taken: {error}")
            return None
        if not _is_storable(text):
            self._wrong("predicted", "holds a zero byte or half a character pair")
            return None
        return text

    def _score(self) -> float | None:
        value = self._item.get("score")
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if 0 <= value <= 1:
                return float(value)
            # A whole number may be larger than any float, which is all that isnan takes.
            nothing = isinstance(value, float) and math.isnan(value)
            said = "is no number" if nothing else "must be between 0 and 1"
            self._wrong("score", f"{said}, or null where the model gives none")
        else:
            self._wrong("score", f"must be a number or null, not {type(value).__name__}")
        return None

    def _at(self) -> datetime | None:
        value = self._item.get("at")
        if value is None:
            return None
        example = "send a time such as 2026-03-01T12:00:00Z, or leave it out for now"
        try:
            time = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            self._wrong("at", f"is no ISO time: {example}")
            return None
        if time.tzinfo is None:
            self._wrong("at", f"has no zone: {example}")
        elif time < _EARLIEST:
            self._wrong("at", f"is before 1970: {example}")
        elif time > self._now + _MOST_AHEAD:
            self._wrong("at", f"is more than a day ahead of this server's clock: {example}")
        else:
            return time.astimezone(UTC)
        return None

    def _data(self) -> tuple[dict[str, Any] | None, str | None]:
        data, given = self._item.get("data"), self._item.get("data_sha256")
        if given is not None and not (isinstance(given, str) and _SHA256.fullmatch(given)):
            self._wrong("data_sha256", "must be the 64 hexadecimal digits of a SHA-256")
            return None, None
        if data is None:
            if self._rules.monitoring.keep == "data":
                message = "is missing: people need it, because the policy says keep: data"
                self.problems.append(("data", message))
            return None, given
        if not isinstance(data, dict):
            self.problems.append(("data", f"must be an object, not {type(data).__name__}"))
            return None, None
        try:
            sha256 = data_sha256(data)
            orjson.dumps(data)  # what is stored later
        except (TypeError, ValueError, RecursionError) as error:
            self.problems.append(("data", f"cannot be stored: {error}"))
            return None, None
        if given not in (None, sha256):
            self._wrong("data_sha256", f"is not that of the data, which is {sha256}")
        return data, sha256


_KNOWN = frozenset(FIELDS)


@lru_cache(maxsize=256)
def _hint(name: str) -> str:
    return nearest(name, FIELDS) or f"the fields are {', '.join(FIELDS)}"


def _is_storable(text: str) -> bool:
    """Whether every database takes it."""
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _sendable(text: str) -> str:
    """The text with half character pairs, which no answer can carry, as question marks."""
    return text.encode("utf-8", "replace").decode()
