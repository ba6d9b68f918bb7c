"""When an answer with parts passes: by the policy's measure, everything else must be the same."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from audit_jobs.audits.command import audit
from audit_jobs.audits.passing import EvaluatedExport, evaluate_export, passes
from connectors.label_studio.exports import ExportError
from policies.audits import Passing

Items = list[dict[str, Any]]


def choice(*labels: str, name: str = "label") -> Items:
    return [
        {
            "id": "c",
            "from_name": name,
            "to_name": "text",
            "type": "choices",
            "value": {"choices": list(labels)},
        }
    ]


def text(*said: str) -> Items:
    return [
        {
            "id": "t",
            "from_name": "said",
            "to_name": "audio",
            "type": "textarea",
            "value": {"text": list(said)},
        }
    ]


def box(x: float, label: str = "car", width: float = 20.0) -> dict[str, Any]:
    return {
        "id": f"box {x} {label}",
        "from_name": "boxes",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 100,
        "original_height": 100,
        "image_rotation": 0,
        "value": {
            "x": x,
            "y": 10.0,
            "width": width,
            "height": 20.0,
            "rotation": 0,
            "rectanglelabels": [label],
        },
    }


def span(start: int, end: int, label: str = "PER") -> dict[str, Any]:
    return {
        "id": f"span {start} {end}",
        "from_name": "spans",
        "to_name": "text",
        "type": "labels",
        "value": {"start": start, "end": end, "text": "x" * (end - start), "labels": [label]},
    }


def by(measure: str, at_least: float = 1.0) -> Passing:
    return Passing.model_validate({"measure": measure, "at_least": at_least})


@pytest.mark.parametrize(
    ("accepted", "auditors", "passing", "passed"),
    [
        (choice("A"), choice("A"), by("exact"), True),
        (choice("A"), choice("B"), by("exact"), False),
        (choice("A", "B"), choice("B", "A"), by("exact"), True),
        (choice("A"), [], by("exact"), False),
        (choice("A", "B", "C"), choice("A", "B"), by("jaccard", 0.6), True),
        (choice("A", "B", "C"), choice("A"), by("jaccard", 0.6), False),
        (text("the cat sat"), text("the cat sat"), by("exact"), True),
        (text("the cat sat"), text("the cat sat."), by("exact"), False),
        (text("the cat sat"), text("the cat sat."), by("similarity", 0.9), True),
        (text("the cat sat"), text("a dog ran"), by("similarity", 0.9), False),
        ([box(10)], [box(10)], by("exact"), True),
        ([box(10)], [box(11)], by("exact"), False),
        ([box(10)], [box(11)], by("iou", 0.75), True),  # 19 of 21
        ([box(10)], [box(15)], by("iou", 0.75), False),  # 15 of 25
        ([box(10)], [box(10, "bus")], by("iou", 0.75), False),
        ([box(10)], [box(10), box(60)], by("iou", 0.75), False),  # one of two is missing
        ([box(10)], [box(10), box(60)], by("iou", 0.5), True),
        ([box(10)], [], by("iou", 0.1), False),
        ([span(0, 3)], [span(0, 3)], by("span_f1"), True),
        ([span(0, 3), span(5, 9)], [span(0, 3), span(5, 8)], by("span_f1", 0.5), True),
        ([span(0, 3), span(5, 9)], [span(0, 3), span(5, 8)], by("span_f1", 0.6), False),
        ([span(0, 3)], [span(0, 3, "ORG")], by("span_f1", 0.5), False),
        # Nobody's prediction says anything of the remark.
        (choice("A"), [*choice("A"), *text("unsure")], by("exact"), True),
        # The measure is for boxes: the class beside them must be the same.
        ([box(10), *choice("day")], [box(11), *choice("day")], by("iou", 0.75), True),
        ([box(10), *choice("day")], [box(11), *choice("night")], by("iou", 0.75), False),
    ],
)
def test_a_result_passes_by_the_policys_measure(
    accepted: Items, auditors: Items, passing: Passing, *, passed: bool
) -> None:
    assert passes(accepted, auditors, passing) is passed


def test_an_empty_prediction_passes_where_there_is_nothing() -> None:
    assert passes([], [], by("exact"))
    assert not passes([], [box(10)], by("iou", 0.1))
    assert not passes([], choice("A"), by("exact"))


def written(folder: Path, rows: Any, name: str = "export.json") -> Path:
    path = folder / name
    content = json.dumps(rows).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def row(number: int, predicted: Items | None, said: Items | None, **more: Any) -> dict[str, Any]:
    predictions = [] if predicted is None else [{"id": 1, "result": predicted}]
    annotations = [] if said is None else [{"id": 1, "completed_by": 1, "result": said}]
    return {
        "id": number,
        "data": {"text": "x"},
        "annotations": annotations,
        "predictions": predictions,
    } | more


def evaluated(folder: Path, rows: Any, measure: str = "exact", at: float = 1.0) -> EvaluatedExport:
    return evaluate_export(written(folder, rows), measure, at)


def test_an_export_is_compared_task_by_task(tmp_path: Path) -> None:
    found = evaluated(
        tmp_path,
        [
            row(7, [box(10)], [box(11)]),
            row(8, [box(10), box(60, "bus")], [box(11)]),
            row(9, [], [box(11)]),
            row(10, [], []),
            row(11, None, [box(11)]),
            row(12, [box(10)], None),
        ],
        "iou",
        0.75,
    )
    assert [(each.id, each.label, each.passed) for each in found.tasks] == [
        ("7", "car", True),
        ("8", "bus, car", False),
        ("9", "(nothing)", False),
        ("10", "(nothing)", True),
    ]
    assert {each.inclusion_probability for each in found.tasks} == {1.0}
    assert (found.without_prediction, found.without_annotation) == (1, 1)


def test_the_last_prediction_and_the_ground_truth_count(tmp_path: Path) -> None:
    predictions = [
        {"model_version": "v1", "result": choice("B")},
        {"model_version": "v2", "result": choice("A")},
        {"model_version": "labelgate: senior", "result": []},
        17,
    ]
    annotations = [
        {"completed_by": 1, "result": choice("B")},
        {"completed_by": 2, "result": choice("C"), "was_cancelled": True, "ground_truth": True},
        {"completed_by": 3, "result": choice("A"), "ground_truth": True},
    ]
    (task,) = evaluated(
        tmp_path, [row(1, None, None, predictions=predictions, annotations=annotations)]
    ).tasks
    assert (task.label, task.passed) == ("A", True)


def test_the_prediction_that_an_annotation_began_with_is_enough(tmp_path: Path) -> None:
    annotations = [
        {"completed_by": 1, "result": choice("B"), "prediction": {"result": choice("A")}}
    ]
    (task,) = evaluated(
        tmp_path, [row(1, None, None, predictions=[4], annotations=annotations)]
    ).tasks
    assert (task.label, task.passed) == ("A", False)


def test_gzip_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1, choice("A"), choice("A"))], "export.json.gz")
    assert evaluate_export(path, "exact", 1.0).tasks[0].passed


@pytest.mark.parametrize(
    ("rows", "measure", "says"),
    [
        ({}, "exact", "no list of tasks"),
        ([1], "exact", "no list of tasks"),
        ([], "exact", "no task has an annotation"),
        ([row(1, choice("A"), None)], "exact", "no task has an annotation"),
        ([row(1, None, choice("A"))], "exact", "none of them a prediction"),
        ([row(1, choice("A"), choice("A"))], "iou", "--measure iou compares none"),
        ([row(1, [box(1)], [box(1)])], "span_f1", "boxes has none: take iou"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, rows: Any, measure: str, says: str
) -> None:
    with pytest.raises(ExportError, match=says):
        evaluated(tmp_path, rows, measure)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text("id,label\n")
    with pytest.raises(ExportError, match="not JSON"):
        evaluate_export(path, "exact", 1.0)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(audit, ["evaluate", *map(str, arguments)])


def test_the_command_reports_an_export_as_it_reports_a_table(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        [
            row(1, [box(10)], [box(11)]),
            row(2, [box(10)], [box(30)]),
            row(3, None, [box(30)]),
        ],
    )
    found = command(path, "--measure", "iou", "--at-least", "0.75", "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.output)
    assert report["pass_rate"]["value"] == 0.5
    assert report["by_label"]["car"]["n"] == report["effective_n"] == 2
    assert (report["without_prediction"], report["without_annotation"]) == (1, 0)
    said = command(path, "--measure", "iou", "--at-least", "0.75")
    assert "1 tasks without prediction are left out" in said.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--measure", "dice"), "'dice' is not one of"),
        (("--at-least", "0"), "0"),
        (("--at-least", "1.1"), "1.1"),
        (("--measure", "jaccard"), "--measure jaccard compares none"),
    ],
)
def test_the_command_refuses_what_it_cannot_measure(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    found = command(written(tmp_path, [row(1, [box(10)], [box(11)])]), *arguments)
    assert found.exit_code != 0
    assert says in found.output


def test_a_table_of_audits_takes_no_measure(tmp_path: Path) -> None:
    path = tmp_path / "audits.csv"
    path.write_text("id,label,passed,inclusion_probability\n1,A,1,0.1\n")
    assert command(path, "--json").exit_code == 0
    found = command(path, "--measure", "iou")
    assert found.exit_code == 2
    assert "a CSV says what passed" in found.output


def test_many_tasks_are_compared_in_columns(tmp_path: Path) -> None:
    rows = [row(n, [box(10)], [box(10 + n % 2 * 5)]) for n in range(5_000)]
    found = evaluated(tmp_path, rows, "iou", 0.75)
    assert sum(each.passed for each in found.tasks) == 2_500
