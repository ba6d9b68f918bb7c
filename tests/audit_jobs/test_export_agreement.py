"""Exports as a whole: real ones, and one in which everything is broken."""

from __future__ import annotations

import gzip
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from scipy.optimize import linear_sum_assignment

from audit_jobs.agreement.exports import export_report
from connectors.label_studio.exports import ExportError


def flat(report: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    return {
        name: {measure: estimate["value"] for measure, estimate in control["measures"].items()}
        for name, control in report["controls"].items()
    }


@pytest.mark.parametrize(
    ("team", "own", "annotators"),
    [("3", 79.09, [130, 130, 130]), ("4", 72.50, [130, 128, 101])],
)
def test_leoka_exports_beside_label_studios_own_figure(
    data_folder: Path, team: str, own: float, annotators: list[int]
) -> None:
    report = export_report(data_folder / f"ls_export_leoka_team{team}.json.gz", "nominal")
    assert report["tasks"] == 130
    assert sorted((each["tasks"] for each in report["annotators"]), reverse=True) == annotators
    assert report["label_studio_agreement"]["mean"]["value"] == pytest.approx(own, abs=5e-3)
    assert report["label_studio_agreement"]["mean"]["n"] == 130
    assert [control["type"] for control in report["controls"].values()] == ["labels", "taxonomy"]
    figures = flat(report)
    spans, category = figures["label"], figures["Category"]
    assert 0.4 < spans["f1_exact"] < spans["mean_iou"] < spans["f1_overlap"] < 1  # type: ignore[operator] # all defined
    assert 0.6 < spans["krippendorff_alpha"] < spans["mean_iou"]  # type: ignore[operator] # all defined
    # Label Studio knows no chance: the paths alone agree far less than it says.
    assert category["krippendorff_alpha"] < category["krippendorff_alpha_hierarchical"] < own / 100  # type: ignore[operator] # all defined
    for control in report["controls"].values():
        assert len(control["pairs"]) == 3
        for estimate in control["measures"].values():
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
            assert estimate["n"] >= 129
    assert report["problems"] == []


def test_skipped_annotations_of_an_export_are_counted(data_folder: Path) -> None:
    report = export_report(data_folder / "ls_export_leoka_team4.json.gz", "nominal")
    assert (report["cancelled"], report["repeated"]) == (2, 0)


def test_the_bounding_boxes_of_road_images(data_folder: Path) -> None:
    report = export_report(data_folder / "ls_export_bbox_road.json.gz", "nominal")
    assert (report["tasks"], len(report["annotators"])) == (5, 3)
    assert report["label_studio_agreement"] is None
    figures = flat(report)["label"]
    # The plain loop over shapely boxes, matched by scipy, gives the same.
    assert figures["mean_iou_any_label"] == pytest.approx(shapely_mean(data_folder), abs=1e-9)
    assert figures["f1_75"] < figures["f1_50"]  # type: ignore[operator] # both defined


def shapely_mean(data_folder: Path) -> float:
    rows = json.loads(gzip.decompress((data_folder / "ls_export_bbox_road.json.gz").read_bytes()))
    found = []
    for row in rows:
        drawn = [
            [
                shapely.box(v["x"], v["y"], v["x"] + v["width"], v["y"] + v["height"])
                for v in (each["value"] for each in annotation["result"])
            ]
            for annotation in row["annotations"]
        ]
        for one, other in combinations(drawn, 2):
            table = np.array(
                [[a.intersection(b).area / a.union(b).area for b in other] for a in one]
            )
            at = linear_sum_assignment(table, maximize=True)
            regions = len(one) + len(other) - (table[at] > 0).sum()
            found.append(table[at].sum() / regions)
    return float(np.mean(found))


def answer(kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": kind, "from_name": kind, "to_name": "o", "type": kind, "value": value} | more


IMAGE = {"original_width": 4, "original_height": 2}
GOOD = [
    answer("labels", {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}),
    answer("choices", {"choices": ["a"]}),
    answer("taxonomy", {"taxonomy": [["a", "b"]]}),
    answer("rating", {"rating": 3}),
    answer("number", {"number": 1.5}),
    answer("datetime", {"datetime": "2026-01-01"}),
    answer("textarea", {"text": ["hello"]}),
    answer("pairwise", {"selected": "left"}),
    answer("ranker", {"ranker": {"rank": ["a", "b"]}}),
    answer("timeserieslabels", {"start": 1, "end": 2, "timeserieslabels": ["Up"]}),
    answer("timelinelabels", {"ranges": [{"start": 1, "end": 2}], "timelinelabels": ["Up"]}),
    answer("rectanglelabels", {"x": 1, "y": 1, "width": 9, "height": 9, "rotation": 5}, **IMAGE),
    answer("ellipselabels", {"x": 9, "y": 9, "radiusX": 5, "radiusY": 3}, **IMAGE),
    answer("polygonlabels", {"points": [[0, 0], [4, 4], [4, 0], [0, 4]]}, **IMAGE),
    answer("keypointlabels", {"x": 5, "y": 5, "keypointlabels": ["Nose"]}, **IMAGE),
    answer(
        "videorectangle",
        {
            "framesCount": 9,
            "sequence": [
                {
                    "frame": 1,
                    "x": 1,
                    "y": 1,
                    "width": 9,
                    "height": 9,
                    "rotation": 0,
                    "enabled": True,
                }
            ],
        },
    ),
    answer("vectorlabels", {"vertices": []}),
    {"type": "relation", "from_id": "labels", "to_id": "timeserieslabels", "direction": "right"},
]
BROKEN = [
    answer("labels", {"start": 3, "end": 3, "text": ""}),
    answer("choices", {"choices": 7}),
    answer("taxonomy", {"taxonomy": [7]}),
    answer("rating", {"rating": None}),
    answer("number", {"number": float("nan")}),
    answer("datetime", {"datetime": "never"}),
    answer("textarea", {"text": 7}),
    answer("pairwise", {}),
    answer("ranker", {"ranker": 7}),
    answer("timeserieslabels", {"start": 2, "end": 1}),
    answer("timelinelabels", {"ranges": []}),
    answer("rectanglelabels", {"x": float("nan"), "y": 1, "width": 9, "height": 9}),
    answer("ellipselabels", {"x": 9, "y": 9, "radiusX": 0, "radiusY": 3}),
    answer("polygonlabels", {"points": [[0, 0], [1, float("inf")], [4, 0]]}),
    answer("keypointlabels", {"x": 5, "y": "?"}),
    answer("brushlabels", {"rle": [1, 2, 3]}, **IMAGE),
    answer("videorectangle", {"sequence": [{}]}),
    "no answer at all",
]


def export_file(folder: Path, *tasks: list[list[Any]]) -> Path:
    rows = [
        {
            "id": place,
            "data": {"text": "Ada met Bob"},
            "annotations": [
                {"id": 10 * place + user, "completed_by": user, "result": result}
                for user, result in enumerate(results)
            ],
        }
        for place, results in enumerate(tasks)
    ]
    file = folder / "export.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    return file


def test_equal_answers_to_every_control_agree_fully(tmp_path: Path) -> None:
    report = export_report(export_file(tmp_path, [GOOD, GOOD], [GOOD, GOOD]), "nominal")
    named = {each.get("from_name", "relations") for each in GOOD}
    assert set(report["controls"]) == named
    without = {"krippendorff_alpha", "fleiss_kappa", "gwet_ac1", "character_alpha"}  # chance is all
    zero = {"word_error_rate", "mean_absolute_difference"}
    for name, figures in flat(report).items():
        assert figures or name == "vectorlabels"
        for measure, value in figures.items():
            if measure in zero:
                assert value == 0, (name, measure)
            elif not measure.startswith((*without, "icc")) and measure != "label_agreement":
                assert value == pytest.approx(1), (name, measure)
    note = "there is no measure for answers of the type 'vectorlabels'"
    assert report["controls"]["vectorlabels"]["note"] == note
    assert {problem["message"] for problem in report["problems"]} == {
        "region polygonlabels: its outline crosses itself and was repaired"
    }


def test_broken_answers_are_unknown_and_never_0(tmp_path: Path) -> None:
    file = export_file(tmp_path, [GOOD, GOOD], [GOOD, GOOD, BROKEN])
    clean = export_report(export_file(tmp_path, [GOOD, GOOD], [GOOD, GOOD]), "nominal")
    export_file(tmp_path, [GOOD, GOOD], [GOOD, GOOD, BROKEN])
    report = export_report(file, "nominal")
    nothing_marked = {"labels", "timelinelabels", "ellipselabels", "relations"}
    for name, figures in flat(clean).items():
        if name not in nothing_marked:
            assert flat(report)[name] == pytest.approx(figures), name
    broken = {problem["control"] for problem in report["problems"] if problem["annotation"] == "12"}
    assert broken == {each["from_name"] for each in BROKEN if isinstance(each, dict)} | {""}
    assert report["controls"]["brushlabels"]["measures"]["mean_iou"]["n"] == 2
    json.dumps(report, allow_nan=False)


def test_one_annotator_only_measures_nothing_and_says_so(tmp_path: Path) -> None:
    report = export_report(export_file(tmp_path, [GOOD]), "nominal")
    for control in report["controls"].values():
        assert control["measures"] == {}
        assert control["note"]


def test_a_level_can_be_asked_for(tmp_path: Path) -> None:
    rows = [
        [[answer("rating", {"rating": value})] for value in pair]
        for pair in ((1, 2), (5, 4), (3, 3))
    ]
    file = export_file(tmp_path, *rows)
    ordinal, interval, ratio = (
        flat(export_report(file, level))["rating"]["krippendorff_alpha"]
        for level in ("ordinal", "interval", "ratio")
    )
    assert len({ordinal, interval, ratio}) == 3
    assert flat(export_report(file, "nominal"))["rating"]["krippendorff_alpha"] == ordinal


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text("item,worker,label\n", encoding="utf-8")
    with pytest.raises(ExportError, match="not JSON"):
        export_report(file, "nominal")
