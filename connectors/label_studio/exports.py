"""Label Studio's JSON export -> everybody's answers to every control. Reads one file."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.answers import Answer, Control, Kind, Mask
from connectors.label_studio.results import Name, Result, parse_result

GZIP_MAGIC = b"\x1f\x8b"
_WAY_OUT = (
    "export the project as JSON (not JSON_MIN, CSV or COCO): a list of tasks with annotations"
)


class ExportError(ValueError):
    """A file that is no JSON export of Label Studio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What could not be counted as it stands, and whose it is."""

    task: str
    annotation: str
    control: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Under the names of the fields."""
        return {
            "task": self.task,
            "annotation": self.annotation,
            "control": self.control,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The answers of an export; ``Answer.task`` and ``Answer.annotator`` are places in its names.

    ``annotated`` says how many tasks each annotator annotated, ``tool_agreement`` what Label Studio
    Enterprise wrote as a task's ``agreement``, 0 to 100. ``cancelled`` annotations (skipped tasks)
    are left out; drafts stand elsewhere in the file and are never read. ``repeated`` annotations
    are a person's second ones on a task: the first counts.
    """

    tasks: tuple[str, ...]
    annotators: tuple[str, ...]
    annotated: tuple[int, ...]
    controls: tuple[Control, ...]
    problems: tuple[Problem, ...]
    tool_agreement: dict[int, float]
    cancelled: int
    repeated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Submitted:
    """One annotation that counts."""

    task: int
    annotator: str
    annotation: str
    result: Result


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What has been read so far."""

    tasks: list[str] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    submitted: list[_Submitted] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    tool_agreement: dict[int, float] = field(default_factory=dict)
    cancelled: int = 0
    repeated: int = 0


def read_export(path: Path) -> Export:
    """The answers in a JSON(.gz) export; raises ``ExportError`` for a file that is none."""
    rows = read_rows(path)
    try:
        return parse_export(rows)
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error


def read_rows(path: Path) -> Any:
    """What a JSON(.gz) file holds, as it stands; raises ``ExportError`` where it is no JSON."""
    content = path.read_bytes()
    try:
        if content.startswith(GZIP_MAGIC):
            content = gzip.decompress(content)
        return json.loads(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ExportError(f"{path}: broken gzip file: {error}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ExportError(f"{path}: not JSON: {error}; {_WAY_OUT}") from error


def parse_export(rows: Any) -> Export:
    """The answers of an export's tasks."""
    if not isinstance(rows, list):
        raise ExportError(f"the file holds {_named(rows)}, not a list of tasks; {_WAY_OUT}")
    return parse_tasks(rows)


def parse_tasks(rows: Iterable[Any]) -> Export:
    """The same of tasks that come one by one: their JSON is not held, what it says is."""
    reading = _Reading()
    for place, row in enumerate(rows):
        _read_task(reading, place, row)

    annotated = Counter(each.annotator for each in reading.submitted)
    annotators = tuple(sorted(annotated))
    controls = _controls(reading, annotators)
    return Export(
        tasks=tuple(reading.tasks),
        annotators=annotators,
        annotated=tuple(annotated[name] for name in annotators),
        controls=controls,
        problems=tuple(reading.problems),
        tool_agreement=reading.tool_agreement,
        cancelled=reading.cancelled,
        repeated=reading.repeated,
    )


def _named(value: Any) -> str:
    names = {dict: "an object", str: "a text", type(None): "null", list: "a list"}
    return names.get(type(value), f"{value!r}")


def _read_task(reading: _Reading, place: int, row: Any) -> None:
    where = f"[{place}]"
    if not isinstance(row, dict):
        raise ExportError(f"{where} is {_named(row)}, not a task; {_WAY_OUT}")
    annotations = row.get("annotations")
    if not isinstance(annotations, list):
        found = "has no annotations" if annotations is None else "has annotations that are no list"
        raise ExportError(f"{where} {found}; {_WAY_OUT}")
    task = str(row.get("id", place))
    reading.tasks.append(task)
    reading.data.append(row["data"] if isinstance(row.get("data"), dict) else {})
    agreement = row.get("agreement")
    if isinstance(agreement, int | float) and 0 <= agreement <= 100:
        reading.tool_agreement[place] = float(agreement)
    seen: set[str] = set()
    for number, annotation in enumerate(annotations):
        if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
            raise ExportError(
                f"{where}.annotations[{number}] has no result that is a list; {_WAY_OUT}"
            )
        _read_annotation(reading, seen, annotation)


def _read_annotation(reading: _Reading, seen: set[str], annotation: dict[str, Any]) -> None:
    if annotation.get("was_cancelled"):
        reading.cancelled += 1
        return
    task = len(reading.tasks) - 1
    number = str(annotation.get("id", ""))

    def problem(control: str, message: str) -> None:
        reading.problems.append(
            Problem(task=reading.tasks[task], annotation=number, control=control, message=message)
        )

    annotator = _annotator(annotation.get("completed_by"))
    if annotator is None:
        problem("", "nobody is named in completed_by; it is left out")
        return
    if annotator in seen:
        reading.repeated += 1
        problem("", f"{annotator} has annotated this task before; the first annotation counts")
        return
    seen.add(annotator)
    result = parse_result(annotation["result"])
    for control, message in result.problems:
        problem(control, message)
    reading.submitted.append(
        _Submitted(task=task, annotator=annotator, annotation=number, result=result)
    )


def _annotator(completed_by: Any) -> str | None:
    match completed_by:
        case {"email": str(email)} if email:
            return email
        case {"id": int(number)}:
            return str(number)
        case bool():
            return None
        case int() | str() if completed_by != "":
            return str(completed_by)
    return None


def _controls(reading: _Reading, annotators: tuple[str, ...]) -> tuple[Control, ...]:
    places = {name: place for place, name in enumerate(annotators)}
    names = dict.fromkeys(
        name
        for each in reading.submitted
        for name in (*each.result.values, *each.result.unreadable)
    )
    shared = Counter(name.control for name in names)
    return tuple(
        Control(
            name=_title(name, alone=shared[name.control] == 1),
            type=name.type,
            kind=name.kind,
            per_region=name.per_region,
            answers=tuple(
                Answer(task=each.task, annotator=places[each.annotator], value=_value(name, each))
                for each in _answering(name, reading)
            ),
            texts=_texts(name, reading),
        )
        for name in names
    )


def _title(name: Name, *, alone: bool) -> str:
    """The control's name; with its type where one name has answers of several types."""
    if alone:
        return name.control
    return f"{name.control} ({name.type}{', per region' if name.per_region else ''})"


def _value(name: Name, each: _Submitted) -> Any:
    """The answer; regions, relations and attributes that nobody drew are an empty answer."""
    return each.result.values.get(name, ())


def _answering(name: Name, reading: _Reading) -> list[_Submitted]:
    """The annotations that say something to this control, or that marked nothing for it."""
    drawn = name.kind in {Kind.REGIONS, Kind.RELATIONS} or name.per_region
    found = [
        each
        for each in reading.submitted
        if name not in each.result.unreadable and (drawn or name in each.result.values)
    ]
    return _of_one_size(name, found, reading)


def _of_one_size(name: Name, submitted: list[_Submitted], reading: _Reading) -> list[_Submitted]:
    """Says where people saw images of different sizes; masks of them cannot be compared."""
    sizes: dict[int, tuple[int, int]] = {}
    kept = []
    for each in submitted:
        size = each.result.sizes.get(name)
        first = sizes.setdefault(each.task, size) if size else size
        if size == first:
            kept.append(each)
            continue
        painted = any(isinstance(region.shape, Mask) for region in each.result.values[name])
        note = "it is left out" if painted else "they are compared in per cent of their size"
        message = f"its image has {_by(size)} pixels, another annotation's {_by(first)}; {note}"
        reading.problems.append(
            Problem(
                task=reading.tasks[each.task],
                annotation=each.annotation,
                control=name.control,
                message=message,
            )
        )
        if not painted:
            kept.append(each)
    return kept


def _by(size: tuple[int, int] | None) -> str:
    return "unknown" if size is None else f"{size[0]} x {size[1]}"


def _texts(name: Name, reading: _Reading) -> dict[int, str]:
    """The text that spans are marked in: the field of the task in which the marked words stand."""
    votes: Counter[str] = Counter()
    marked: dict[int, bool] = defaultdict(bool)
    for each in reading.submitted:
        quote = each.result.quotes.get(name)
        if quote is None or marked[each.task]:
            continue
        start, text = quote
        for key, value in reading.data[each.task].items():
            if isinstance(value, str) and value[start : start + len(text)] == text:
                votes[key] += 1
                marked[each.task] = True
    if not votes:
        return {}
    field_name = votes.most_common(1)[0][0]
    texts = ((task, data.get(field_name)) for task, data in enumerate(reading.data))
    return {task: text for task, text in texts if isinstance(text, str)}
