"""``labelgate consensus`` of Label Studio exports: labels, spans, boxes, and what has none."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from labelgate import main


def answer(control: str, kind: str, place: str = "r", **value: Any) -> dict[str, Any]:
    return {"id": place, "from_name": control, "to_name": "x", "type": kind, "value": value}


def mood(*labels: str) -> dict[str, Any]:
    return answer("mood", "choices", "m", choices=list(labels))


def span(start: int, end: int, *labels: str) -> dict[str, Any]:
    return answer("names", "labels", f"s{start}", start=start, end=end, labels=list(labels))


def box(x: float, size: float, label: str, rotation: float = 0) -> dict[str, Any]:
    corner = {"x": x, "y": x, "width": size, "height": size, "rotation": rotation}
    return answer("cars", "rectanglelabels", f"b{x}", **corner, rectanglelabels=[label])


def comment(text: str) -> dict[str, Any]:
    return answer("comment", "textarea", "c", text=[text])


def task(number: int, *results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A task with one annotation for each result, by the people 1, 2, 3 ..."""
    annotations = [
        {"id": 10 * number + person, "completed_by": person, "result": list(result)}
        for person, result in enumerate(results, start=1)
    ]
    return {"id": number, "data": {"text": "Ann saw Bob"}, "annotations": annotations}


TASKS = [
    task(
        7,
        [mood("up"), span(0, 10, "PER"), box(10, 20, "car"), comment("a")],
        [mood("up"), span(0, 11, "PER"), span(50, 60, "LOC"), box(10, 22, "car")],
        [mood("down"), span(0, 12, "ORG"), box(12, 20, "van"), box(70, 9, "car")],
    ),
    task(8, [mood("down"), span(3, 9, "PER")], [mood("down")], [mood("down")]),
    task(9, [mood("up")], [mood("down")]),
]


def written(folder: Path, tasks: Any, name: str = "export.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(tasks), encoding="utf-8")
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["consensus", *map(str, arguments)])


def report(*arguments: str | Path) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def lines_of(folder: Path, file: Path, *options: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What ``--out`` writes, by task and control."""
    out = folder / "out.jsonl"
    assert run(file, "--out", out, *options).exit_code == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    found = {(line.pop("task"), line.pop("control")): line for line in lines}
    assert len(found) == len(lines)
    return found


def test_every_control_is_named_with_its_consensus_or_with_a_note(tmp_path: Path) -> None:
    found = report(written(tmp_path, TASKS))
    assert found.keys() == {"method", "tasks", "controls"}
    assert (found["method"], found["tasks"]) == ("majority", 3)
    assert found["controls"] == {
        "mood": {
            "type": "choices",
            "units": 3,
            "regions": None,
            "note": "tied tasks: 1, the first label in order stands",
        },
        "names": {"type": "labels", "units": 3, "regions": 1, "note": None},
        "cars": {"type": "rectanglelabels", "units": 3, "regions": 1, "note": None},
        "comment": {
            "type": "textarea",
            "units": 0,
            "regions": None,
            "note": "it has no consensus: only single labels, text spans and upright boxes can "
            "have one",
        },
    }


def test_out_has_a_line_for_each_task_and_control(tmp_path: Path) -> None:
    found = lines_of(tmp_path, written(tmp_path, TASKS))
    two_of_three = pytest.approx(2 / 3)
    assert found["7", "mood"] == {"label": "up", "confidence": two_of_three}
    assert found["8", "mood"] == {"label": "down", "confidence": 1.0}
    assert found["9", "mood"] == {"label": "down", "confidence": 0.5}
    assert found["7", "names"] == {
        "regions": [{"start": 0, "end": 11, "label": "PER", "confidence": two_of_three}],
        "confidence": two_of_three,
    }
    kept = {"x": 10.0, "y": 10.0, "width": 22.0, "height": 22.0, "label": "car"}
    assert found["7", "cars"]["regions"] == [kept | {"confidence": two_of_three}]
    # One of three marked a name: most found nothing.
    assert found["8", "names"] == {"regions": [], "confidence": None}
    assert {control for _, control in found} == {"mood", "names", "cars"}
    assert len(found) == 3 * 3


@pytest.mark.parametrize("method", ["majority", "weighted", "one-coin", "dawid-skene"])
def test_labels_go_through_the_chosen_method_as_votes_do(tmp_path: Path, method: str) -> None:
    tasks = [
        task(number, *([mood("up" if number % (2 + person) else "down")] for person in range(3)))
        for number in range(1, 13)
    ]
    votes = tmp_path / "votes.csv"
    rows = [
        f"{each['id']},{one['completed_by']},{one['result'][0]['value']['choices'][0]}"
        for each in tasks
        for one in each["annotations"]
    ]
    votes.write_text("\n".join(["item,worker,label", *rows]), encoding="utf-8")
    labels = tmp_path / "labels.csv"
    assert run(votes, "--method", method, "--out", labels).exit_code == 0
    found = lines_of(tmp_path, written(tmp_path, tasks), "--method", method)
    as_votes = [
        f"{number},{line['label']},{line['confidence']:.6f}" for (number, _), line in found.items()
    ]
    assert labels.read_text(encoding="utf-8").splitlines()[1:] == as_votes


def test_the_side_that_was_picked_is_a_label(tmp_path: Path) -> None:
    picks = [[answer("better", "pairwise", selected=side)] for side in ("left", "right", "right")]
    found = lines_of(tmp_path, written(tmp_path, [task(1, *picks)]))
    assert found["1", "better"] == {"label": "right", "confidence": pytest.approx(2 / 3)}


def test_spans_of_different_paragraphs_are_never_one(tmp_path: Path) -> None:
    def said(paragraph: str) -> list[dict[str, Any]]:
        place: dict[str, Any] = {"start": paragraph, "end": paragraph}
        place |= {"startOffset": 0, "endOffset": 4, "paragraphlabels": ["A"]}
        return [answer("who", "paragraphlabels", **place)]

    found = lines_of(tmp_path, written(tmp_path, [task(1, said("0"), said("3"), said("3"))]))
    (region,) = found["1", "who"]["regions"]
    assert (region["container"], region["start"], region["end"]) == ("3", 0, 4)
    assert region["confidence"] == pytest.approx(2 / 3)


def test_regions_without_a_label_are_kept_without_one(tmp_path: Path) -> None:
    plain = [answer("where", "rectangle", x=1, y=1, width=5, height=5)]
    (line,) = lines_of(tmp_path, written(tmp_path, [task(1, plain, plain)])).values()
    assert line["regions"][0]["label"] is None
    assert line["confidence"] == 1


def test_a_tied_label_of_a_region_is_noted(tmp_path: Path) -> None:
    file = written(tmp_path, [task(1, [span(0, 9, "PER")], [span(0, 9, "LOC")])])
    assert lines_of(tmp_path, file)["1", "names"]["regions"] == [
        {"start": 0, "end": 9, "label": "LOC", "confidence": 0.5}
    ]
    assert report(file)["controls"]["names"]["note"] == (
        "regions whose label is tied: 1, the first in order stands"
    )


@pytest.mark.parametrize(
    ("results", "note"),
    [
        ([[mood("up", "down")], [mood("up")]], "1 of 2 answers choose several labels at once"),
        ([[mood()], [mood()]], "nobody chose a label"),
        ([[span(0, 4, "A", "B")], [span(0, 4, "A")]], "1 of 2 regions have several labels at once"),
        (
            [[box(1, 5, "car"), box(9, 5, "car")], [box(1, 5, "car", rotation=30)]],
            "1 of 3 regions are no upright boxes",
        ),
        (
            [[answer("k", "keypointlabels", x=1, y=1, width=1, keypointlabels=["A"])]],
            "1 of 1 regions are no text spans or upright boxes",
        ),
        ([[box(1, 0, "car")]], "none of its regions can be read"),
        (
            [[box(1, 5, "car"), answer("old", "choices", "b1", choices=["yes"])]],
            "its answers are about single regions",
        ),
        ([[answer("stars", "rating", rating=4)]], "only single labels, text spans and upright"),
    ],
)
def test_what_has_no_consensus_says_why(
    tmp_path: Path, results: list[list[dict[str, Any]]], note: str
) -> None:
    file = written(tmp_path, [task(1, *results)])
    (control, *_) = [each for each in report(file)["controls"].values() if not each["units"]]
    assert control["regions"] is None
    assert control["note"].startswith("it has no consensus: ")
    assert note in control["note"]
    assert note in " ".join(run(file).stdout.split())


def test_answers_of_one_person_alone_are_said_to_be_so(tmp_path: Path) -> None:
    file = written(tmp_path, [task(1, [mood("up"), span(0, 4, "PER")])])
    for control in report(file)["controls"].values():
        assert control["units"] == 1
        assert "each answer is one person's" in control["note"]


def test_what_does_not_count_is_said_beside_the_report(tmp_path: Path) -> None:
    tasks = [task(1, [mood("up")], [mood("up")], [mood("down")])]
    tasks[0]["annotations"][1]["completed_by"] = 1
    tasks[0]["annotations"][2]["was_cancelled"] = True
    result = run(written(tmp_path, tasks), "--json")
    assert json.loads(result.stdout)["controls"]["mood"]["units"] == 1
    assert "the first annotation counts" in result.stderr
    assert "skipped annotations left out: 1" in result.stderr


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_out_takes_the_place_of_an_older_file_and_leaves_nothing_else(
    tmp_path: Path, name: str
) -> None:
    packed = tmp_path / "export.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(TASKS).encode()))
    out = tmp_path / name
    contents = set()
    for _ in range(2):
        assert run(packed, "--out", out).exit_code == 0
        contents.add(out.read_bytes())
    (content,) = contents
    text = gzip.decompress(content) if name.endswith(".gz") else content
    assert len(text.splitlines()) == 9
    assert {each.name for each in tmp_path.iterdir()} == {"export.json.gz", name}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gold", "gold.csv"], "are for a CSV of votes"),
        (["--method", "crowdlab"], "are for a CSV of votes"),
        (["--method", "crowdlab", "--probabilities", "p.csv"], "are for a CSV of votes"),
        (["--out", "labels.csv"], "name it .jsonl or .jsonl.gz"),
    ],
)
def test_options_that_an_export_cannot_have_are_refused(
    tmp_path: Path, options: list[str], message: str
) -> None:
    result = run(written(tmp_path, TASKS), *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_out_never_takes_the_place_of_the_export(tmp_path: Path) -> None:
    file = written(tmp_path, TASKS, "export.jsonl")
    before = file.read_bytes()
    assert run(file, "--out", file).exit_code == 2
    assert file.read_bytes() == before


@pytest.mark.parametrize("folder", ["none", "export.json"])
def test_out_that_cannot_be_written_is_named(tmp_path: Path, folder: str) -> None:
    result = run(written(tmp_path, TASKS), "--out", tmp_path / folder / "out.jsonl")
    assert result.exit_code == 1
    assert "out.jsonl  cannot be written" in result.stderr
    assert "Traceback" not in result.output
    assert {each.name for each in tmp_path.iterdir()} == {"export.json"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "[0] is 1, not a task"),
        ("{}", "the file holds an object, not a list of tasks"),
        ("[{", "not JSON"),
    ],
)
def test_json_that_is_no_export_is_refused_with_a_way_out(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "export.json"
    file.write_text(content, encoding="utf-8")
    result = run(file)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "export the project as JSON" in result.stderr


@pytest.mark.parametrize(
    ("name", "tasks", "drawn"),
    [("leoka_team3", 130, 3_512), ("leoka_team4", 130, 3_093), ("bbox_road", 5, 91)],
)
def test_real_exports_keep_what_most_of_three_people_marked(
    data_folder: Path, tmp_path: Path, name: str, tasks: int, drawn: int
) -> None:
    file = data_folder / f"ls_export_{name}.json.gz"
    label = report(file)["controls"]["label"]
    found = lines_of(tmp_path, file)
    assert label["units"] == len(found) == tasks
    regions = [region for line in found.values() for region in line["regions"]]
    # Each kept region stands for two drawn ones or more, or for one where one person answered.
    assert 0 < label["regions"] == len(regions) < drawn / 2
    for line in found.values():
        assert all(0 < region["confidence"] <= 1 for region in line["regions"])
        places = [tuple(sorted(region.items())) for region in line["regions"]]
        assert len(places) == len(set(places))
    if name != "bbox_road":
        assert all(region["start"] < region["end"] for region in regions)
        category = report(file)["controls"]["Category"]
        assert category["units"] == 0
        assert category["note"].startswith("it has no consensus")


def test_agreement_prints_label_studios_own_figure_beside_ours(data_folder: Path) -> None:
    def tables(name: str) -> str:
        file = str(data_folder / f"ls_export_{name}.json.gz")
        return CliRunner().invoke(main, ["agreement", file]).stdout

    shown = tables("leoka_team3")
    assert "Label Studio's own agreement, 0 to 100" in shown
    assert "79.09" in shown
    assert "Label Studio's own" not in tables("bbox_road")
