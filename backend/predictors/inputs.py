"""Task data -> what a model can read. A bad task is a problem of its own, never of the batch."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from backend.predictors.images.decoding import ImageError, read_image
from backend.predictors.protocol import Listed, ModelInput
from backend.predictors.tables.rows import RowError, row_of, row_of_table
from connectors.annotation_tool import AnnotationToolRefusedError
from connectors.label_studio.comparisons import Comparison, answers_shown
from connectors.label_studio.labeling import Control, InputKind

MAX_CHARACTERS = 1_000_000

Download = Callable[[str], bytes]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# One uploaded file, as Label Studio writes it into task data.
_UPLOADED_FILE = re.compile(r"/data/upload/\d+/([^/?#\\]+)")
# Every branch ends at the next "<" and never looks back (*+), so time grows linearly; the standard
# library's HTMLParser (3.11) is quadratic: 100,000 characters of "<!--" take it 5 s.
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)[^<>]*+>|<[!?/][^<>]*+>")
# No character has so high a number, and int() refuses to read one of more than 4,300 digits.
_IMPOSSIBLE_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}+;?")
_UNREAD_ELEMENTS = frozenset({"script", "style"})


class _UnreadableError(ValueError):
    """This task's data cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """One entry per task: either a value that a model can read, or the problem that forbids it."""

    values: list[ModelInput | None]
    problems: list[str | None]


def read_inputs(
    control: Control,
    data: Sequence[Mapping[str, Any]],
    download: Download,
    fields: Sequence[str] = (),
) -> Inputs:
    """Read what a control's object shows, task by task; with ``fields`` those of the data instead.

    A text is taken as it stands (a number as its digits), a hypertext without its tags, an image
    as an array of pixels (``backend.predictors.images.decoding``), a table as the columns of its
    row, a pair as its two texts, a list as its items, both with the prompt that
    ``embedded.with_prompt`` adds. Nothing is ever fetched but files that were uploaded to Label
    Studio, through ``download``: other addresses are a problem.

    Problems are safe to print and to send as JSON.

    Raises
        AnnotationToolUnavailableError: Label Studio is down, which is no fault of a task.
    """
    if control.input_kind is InputKind.TEXT and not fields:
        plain = _plain_texts(control.data_keys[0], data)
        if plain is not None:
            return Inputs(values=plain, problems=[None] * len(plain))
    values: list[ModelInput | None] = []
    problems: list[str | None] = []
    for task_data in data:
        try:
            value = row_of(task_data, fields) if fields else _read(control, task_data, download)
        except (_UnreadableError, ImageError, RowError, AnnotationToolRefusedError) as error:
            values.append(None)
            problems.append(_printable(str(error)))
        else:
            values.append(value)
            problems.append(None)
    return Inputs(values=values, problems=problems)


def _plain_texts(key: str, data: Sequence[Mapping[str, Any]]) -> list[ModelInput | None] | None:
    """The texts where each is one that needs nothing done; None where one of them is not.

    What a thousand tasks bring is nearly always this, and told by three looks at each.
    """
    texts: list[ModelInput | None] = []
    for task_data in data:
        text = task_data.get(key)
        if type(text) is not str or not text.isascii() or len(text) > MAX_CHARACTERS:
            return None
        if text[:1] <= " " and not text.strip("\0 \t\r\n"):
            return None
        texts.append(text)
    return texts


def _read(control: Control, task_data: Mapping[str, Any], download: Download) -> ModelInput:
    key = control.data_keys[0]
    value = _value(task_data, key)
    match control.input_kind:
        case InputKind.TEXT:
            return _readable(_text(key, value), key)
        case InputKind.HYPERTEXT:
            return _readable(without_tags(_text(key, value)), key)
        case InputKind.IMAGE:
            return read_image(_image_bytes(key, value, download))
        case InputKind.TABLE:
            return row_of_table(task_data, key)
        case InputKind.PAIR:
            left, right, *prompt = (
                _readable(_text(each, _value(task_data, each)), each) for each in control.data_keys
            )
            return (left, right, prompt[0]) if prompt else (left, right)
        case InputKind.LIST:
            return _listed(control, task_data)
        case kind:
            raise _UnreadableError(f"data[{key!r}]: no model reads what shows a {kind.value}")


def _listed(control: Control, task_data: Mapping[str, Any]) -> Listed:
    """The items of a list, and the prompt that ``embedded.with_prompt`` adds."""
    key, *prompt = control.data_keys
    _value(task_data, key)
    shown = answers_shown(Comparison(criterion="", controls=(control,)), task_data)
    if len(shown) < 2:
        raise _UnreadableError(f"data[{key!r}] must be a list of two items or more, each a text")
    return Listed(
        items={name: _readable(_text(key, text), key) for name, text in shown.items()},
        prompt="".join(_readable(_text(each, _value(task_data, each)), each) for each in prompt),
    )


def _value(task_data: Mapping[str, Any], key: str) -> Any:
    if key not in task_data:
        present = ", ".join(map(repr, sorted(map(str, task_data))[:20])) or "no keys at all"
        raise _UnreadableError(f"the task's data has no key {key!r} (it has: {present})")
    return task_data[key]


def _text(key: str, value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _UnreadableError(f"data[{key!r}] must be a text, not {_type_name(value)}")
    if len(value) > MAX_CHARACTERS:
        raise _UnreadableError(
            f"data[{key!r}] has {len(value):,} characters; at most {MAX_CHARACTERS:,} are read"
        )
    return value


def _readable(text: str, key: str) -> str:
    """The text in valid Unicode; one without any character to see is a problem, not a guess."""
    if not text.strip("\0 \t\r\n"):
        raise _UnreadableError(f"data[{key!r}] is an empty text")
    return text if text.isascii() else _printable(text)


def _printable(text: str) -> str:
    """Lone surrogates, which no encoder takes, become the replacement character."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def without_tags(text: str) -> str:
    """What a browser would show, near enough for a bag of words: no tags, scripts or styles."""
    shown: list[str] = []
    position, unread = 0, ""
    for tag in _TAG.finditer(text):
        if not unread:
            shown.append(text[position : tag.start()])
        position = tag.end()
        closing, name = tag[1], (tag[2] or "").lower()
        if unread:
            unread = "" if closing and name == unread else unread
        elif not closing and name in _UNREAD_ELEMENTS:
            unread = name
    if not unread:
        shown.append(text[position:])
    return html.unescape(_IMPOSSIBLE_REFERENCE.sub(" ", " ".join(shown)))


def _image_bytes(key: str, value: Any, download: Download) -> bytes:
    if not isinstance(value, str):
        raise _UnreadableError(f"data[{key!r}] must be an image address, not {_type_name(value)}")
    if value[:5].lower() == "data:":
        return _data_uri_bytes(key, value)
    uploaded = _UPLOADED_FILE.fullmatch(value)
    # An encoded "/" or ".." would lead the download, which carries a token, somewhere else.
    name = unquote(uploaded[1]) if uploaded else ""
    if name in {"", ".", ".."} or "/" in name or "\\" in name:
        raise _UnreadableError(
            f"data[{key!r}]: only data URIs and files uploaded to Label Studio are read, "
            f"not {value[:100]!r}"
        )
    return download(value)


def _data_uri_bytes(key: str, value: str) -> bytes:
    header, comma, payload = value.partition(",")
    if not comma or not header.lower().endswith(";base64"):
        raise _UnreadableError(
            f"data[{key!r}]: a data URI must read data:image/png;base64,..., not {header[:60]!r}"
        )
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _UnreadableError(f"data[{key!r}]: the data URI is not base64 ({error})") from error


def _type_name(value: Any) -> str:
    names = {type(None): "null", bool: "a truth value", list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")
