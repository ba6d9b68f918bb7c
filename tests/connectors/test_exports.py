"""A JSON export: who answered what, and one clear message for every file that is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.converter.brush import mask2rle

from connectors.answers import Kind, Region, Span
from connectors.label_studio.exports import ExportError, parse_export, read_export


def span(start: int, end: int, text: str, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": text, "labels": ["PER"]}
    return {"id": "r", "from_name": "ner", "to_name": "t", "type": "labels", "value": value} | more


def choice(label: str) -> dict[str, Any]:
    value = {"choices": [label]}
    return {"id": "x", "from_name": "topic", "to_name": "t", "type": "choices", "value": value}


def annotation(user: Any, *result: Any, **more: Any) -> dict[str, Any]:
    return {"id": 7, "completed_by": user, "result": list(result)} | more


def task(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"text": "Ada met Bob"}, "annotations": list(annotations)} | more


def test_answers_stand_by_control_task_and_annotator() -> None:
    rows = [
        task(annotation(2, span(0, 3, "Ada"), choice("a")), annotation(1, choice("b"))),
        task(annotation({"id": 2, "email": ""}, choice("a")), id=9, agreement=66.5),
    ]
    export = parse_export(rows)
    assert (export.tasks, export.annotators, export.annotated) == (("1", "9"), ("1", "2"), (1, 2))
    ner, topic = export.controls
    ada = (Region(shape=Span(start=0, end=3), labels=("PER",)),)
    # Nothing marked is an answer, nothing chosen is none.
    assert [(each.task, each.annotator, each.value) for each in ner.answers] == [
        (0, 1, ada),
        (0, 0, ()),
        (1, 1, ()),
    ]
    assert [(each.task, each.annotator, each.value) for each in topic.answers] == [
        (0, 1, ("a",)),
        (0, 0, ("b",)),
        (1, 1, ("a",)),
    ]
    assert (ner.kind, ner.texts) == (Kind.REGIONS, {0: "Ada met Bob", 1: "Ada met Bob"})
    assert export.tool_agreement == {1: 66.5}
    assert export.problems == ()


def test_skipped_tasks_drafts_and_second_annotations_do_not_count() -> None:
    row = task(
        annotation(1, choice("a")),
        annotation(1, choice("b")),
        annotation(2, choice("c"), was_cancelled=True),
        annotation(None, choice("d")),
        drafts=[annotation(3, choice("e"))],
        predictions=[{"result": [choice("f")]}],
    )
    export = parse_export([row])
    [topic] = export.controls
    assert [each.value for each in topic.answers] == [("a",)]
    assert (export.cancelled, export.repeated) == (1, 1)
    assert [problem.message for problem in export.problems] == [
        "1 has annotated this task before; the first annotation counts",
        "nobody is named in completed_by; it is left out",
    ]


def test_an_answer_that_cannot_be_read_is_left_out_with_a_message() -> None:
    broken = span(0, 3, "Ada")
    broken["value"]["start"] = float("nan")
    export = parse_export([task(annotation(1, broken), annotation(2, span(0, 3, "Ada")))])
    [ner] = export.controls
    assert [each.annotator for each in ner.answers] == [1]
    [problem] = export.problems
    assert problem.as_json() == {
        "task": "1",
        "annotation": "7",
        "control": "ner",
        "message": "region r: its start is nan, not a finite number",
    }


def test_one_name_with_answers_of_several_types_is_several_controls() -> None:
    rows = [task(annotation(1, choice("a"), span(0, 3, "Ada", from_name="topic", id="q")))]
    names = [control.name for control in parse_export(rows).controls]
    assert sorted(names) == ["topic (choices)", "topic (labels)"]


def painted(width: int, height: int) -> dict[str, Any]:
    rle = mask2rle(np.full((height, width), 255, dtype=np.uint8))  # type: ignore[no-untyped-call] # as published
    return {
        "id": "m",
        "from_name": "mask",
        "type": "brushlabels",
        "value": {"format": "rle", "rle": rle, "brushlabels": ["Sky"]},
        "original_width": width,
        "original_height": height,
    }


def test_masks_of_images_of_another_size_are_left_out() -> None:
    row = task(
        annotation(1, painted(3, 2)), annotation(2, painted(2, 3)), annotation(3, painted(3, 2))
    )
    export = parse_export([row])
    [mask] = export.controls
    assert [each.annotator for each in mask.answers] == [0, 2]
    [problem] = export.problems
    assert (
        problem.message == "its image has 2 x 3 pixels, another annotation's 3 x 2; it is left out"
    )


def test_boxes_on_images_of_another_size_are_compared_in_per_cent() -> None:
    value = {"x": 1, "y": 1, "width": 5, "height": 5}
    box = {"id": "b", "from_name": "box", "type": "rectanglelabels", "value": value}
    sizes = [{"original_width": width, "original_height": 10} for width in (10, 20)]
    export = parse_export([task(*(annotation(i, box | size) for i, size in enumerate(sizes)))])
    assert len(export.controls[0].answers) == 2
    assert "compared in per cent" in export.problems[0].message


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"tasks": []}, "an object, not a list of tasks"),
        ("text", "a text, not a list of tasks"),
        (None, "null, not a list of tasks"),
        ([7], r"\[0\] is 7, not a task"),
        ([{"id": 1, "text": "json min"}], r"\[0\] has no annotations; export the project as JSON"),
        ([task(), {"annotations": {}}], r"\[1\] has annotations that are no list"),
        ([{"annotations": [7]}], r"\[0\]\.annotations\[0\] has no result that is a list"),
        ([{"annotations": [{"result": "x"}]}], r"\[0\]\.annotations\[0\] has no result"),
    ],
)
def test_what_is_no_export_is_refused(rows: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        parse_export(rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"id,label\n1,a\n", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\x1f\x8b\x08broken", "broken gzip file"),
        (gzip.compress(b"[]", mtime=0)[:-6], "broken gzip file"),
        (b"{}", "not a list of tasks"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(content)
    with pytest.raises(ExportError, match=message) as raised:
        read_export(file)
    assert str(file) in str(raised.value)


def test_gzipped_and_plain_are_the_same(tmp_path: Path) -> None:
    content = json.dumps([task(annotation(1, choice("a")))]).encode()
    plain, packed = tmp_path / "a.json", tmp_path / "a.json.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    assert read_export(plain) == read_export(packed)


def test_an_empty_export_has_nothing() -> None:
    export = parse_export([])
    assert (export.tasks, export.annotators, export.controls) == ((), (), ())
