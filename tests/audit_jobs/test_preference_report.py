"""``labelgate preferences report``: PandaLM's published figures, every part of JSON, messages."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from audit_jobs.preferences.report import preference_report
from backend.synchronisation import synchronise
from connectors.preference_files import read_pairs
from labelgate import main
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

PARTS = {
    "pairs",
    "judges",
    "agreement",
    "krippendorff_alpha",
    "ties",
    "position_bias",
    "judges_detail",
    "intransitivity",
    "length_bias",
    "criteria",
}
ESTIMATE = {"value", "low", "high", "n"}
PANDALM = "pandalm_preferences.jsonl.gz"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["preferences", "report", *map(str, arguments)])


def report(*arguments: str | Path) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


def shown(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def refused(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code != 0
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def record(at: int, **more: Any) -> dict[str, Any]:
    plain = {
        "id": f"p{at}",
        "prompt": f"Question {at // 3}?",
        "response_a": f"answer {'xyx'[at % 3]}",
        "response_b": f"another {'yzz'[at % 3]}",
    }
    return plain | {"judgments": {"ann:ab": "a", "bob:ba": "b" if at % 3 else "a"}} | more


def written(folder: Path, *records: dict[str, Any], name: str = "pairs.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    return file


def test_pandalm_gives_its_published_kappas_and_alpha(data_folder: Path) -> None:
    found = report(data_folder / PANDALM)
    assert set(found) == PARTS
    assert (found["pairs"], found["judges"]) == (999, 3)
    kappas = {
        tuple(each["raters"]): round(each["cohen_kappa"]["value"], 2)
        for each in found["agreement"]["pairs"]
    }
    assert kappas == {
        ("annotator1", "annotator2"): 0.85,
        ("annotator1", "annotator3"): 0.88,
        ("annotator2", "annotator3"): 0.86,
    }
    alpha = found["krippendorff_alpha"]
    assert set(alpha) == ESTIMATE
    assert alpha["value"] == pytest.approx(0.8642, abs=5e-5)
    assert (alpha["n"], 0.83 < alpha["low"] < 0.85) == (999, True)
    assert found["ties"]["share"]["value"] == pytest.approx(326 / 2_997)
    assert found["position_bias"] is None
    assert {each["accuracy"] for each in found["judges_detail"].values()} == {None}
    assert found["intransitivity"]["cycles"] == 1
    assert found["intransitivity"]["p_fewer"] < 0.001
    assert found["length_bias"]["found"]
    assert found["length_bias"]["per_doubling"]["value"] == pytest.approx(0.466, abs=2e-3)


def test_judges_are_measured_by_gold_place_ties_and_the_others(tmp_path: Path) -> None:
    records = [record(at, gold="a" if at < 60 else None) for at in range(90)]
    records[0]["judgments"] = {"ann:ab": "tie", "bob:ba": "none"}
    found = report(written(tmp_path, *records))
    ann, bob = (found["judges_detail"][name] for name in ("ann", "bob"))
    assert (ann["judgments"], ann["none"], bob["judgments"], bob["none"]) == (90, 0, 89, 1)
    # A tie is wrong where one answer is right; who says nothing is not asked.
    assert (ann["accuracy"]["value"], ann["accuracy"]["n"]) == (59 / 60, 60)
    assert (bob["accuracy"]["value"], bob["accuracy"]["n"]) == (19 / 59, 59)
    assert (ann["ties"]["value"], ann["position_bias"]["value"]) == (1 / 90, 1.0)
    assert ann["position_bias"]["adjusted"] >= ann["position_bias"]["p_value"]
    assert set(bob["agreement"]) == ESTIMATE
    assert found["ties"]["none"]["value"] == 1 / 180
    bias = found["position_bias"]
    assert set(bias) > ESTIMATE
    assert set(bias["effect"]) == set(bias["first"]) == ESTIMATE
    assert (bias["n"], bias["one_order"], bias["swapped"]) == (178, False, None)
    assert found["agreement"]["consensus"]["accuracy"]["n"] == 60


def test_who_only_ever_says_nothing_is_listed_with_undefined_figures(tmp_path: Path) -> None:
    records = [record(at, judgments={"ann": "a", "bob": "b", "mute": "none"}) for at in range(9)]
    mute = report(written(tmp_path, *records))["judges_detail"]["mute"]
    assert (mute["judgments"], mute["none"], mute["accuracy"], mute["quality"]) == (
        0,
        9,
        None,
        None,
    )
    assert mute["agreement"] == {"value": None, "low": None, "high": None, "n": 0}


def test_repeats_tell_who_keeps_the_answer_and_who_the_place(tmp_path: Path) -> None:
    firsts = [record(at) for at in range(20)]
    repeats = [
        record(at)
        | {
            "id": f"r{at}",
            "repeat_of": f"p{at}",
            "response_a": record(at)["response_b"],
            "response_b": record(at)["response_a"],
            # Ann keeps the first place, bob his answer.
            "judgments": {"ann:ab": "a", "bob:ba": "a" if at % 3 else "b"},
        }
        for at in range(20)
    ]
    found = report(written(tmp_path, *firsts, *repeats))
    assert found["pairs"] == 40
    swapped = found["position_bias"]["swapped"]
    assert (swapped["first_twice"], swapped["second_twice"]) == (20, 0)
    assert swapped["answer_kept"]["value"] == swapped["place_kept"]["value"] == 0.5
    assert found["judges_detail"]["ann"]["repeated"]["value"] == 0.0
    assert found["judges_detail"]["bob"]["repeated"]["value"] == 1.0
    assert found["agreement"]["repeated"]["n"] == 40
    assert found["krippendorff_alpha"]["n"] == 20  # a question is one, however often it is asked


def test_every_criterion_has_figures_of_its_own(tmp_path: Path) -> None:
    criteria = {"safe": {"ann": "b", "bob": "b"}, "style": {"ann": "a", "bob": "tie"}}
    found = report(written(tmp_path, *(record(at, criteria=criteria) for at in range(30))))
    assert set(found["criteria"]) == {"safe", "style"}
    safe, style = found["criteria"]["safe"], found["criteria"]["style"]
    assert (safe["judges"], safe["judgments"]) == (2, 60)
    assert (safe["agreement"]["raw"]["value"], style["agreement"]["raw"]["value"]) == (1.0, 0.0)
    assert style["ties"]["share"]["value"] == 0.5
    # Ann prefers a and finds b safer; bob prefers b twice in three times.
    assert safe["with_preference"]["value"] == pytest.approx(20 / 60)
    assert style["with_preference"] == {**style["with_preference"], "value": 1.0, "n": 30}
    assert safe["position_bias"]["n"] == 60  # seen in the order of the pair


def test_the_same_seed_prints_the_same(tmp_path: Path) -> None:
    file = written(tmp_path, *(record(at) for at in range(60)))
    assert report(file) == report(file)


def test_a_file_without_judgements_has_undefined_figures(tmp_path: Path) -> None:
    file = written(tmp_path, record(0, judgments={}))
    found = report(file)
    assert (found["pairs"], found["judges"], found["judges_detail"]) == (1, 0, {})
    assert found["krippendorff_alpha"]["value"] is None
    assert [found[name] for name in ("position_bias", "intransitivity", "length_bias")] == [
        None
    ] * 3
    assert "1 pairs, 0 judges" in shown(file)


def test_one_judge_has_nobody_to_agree_with(tmp_path: Path) -> None:
    file = written(tmp_path, *(record(at, judgments={"ann:ab": "a"}) for at in range(5)))
    (note,) = report(file)["agreement"]["notes"]
    assert note == "one judge only, 'ann': nobody to agree with"
    assert "all pairs were shown in one order" in shown(file)


def test_people_see_tables_and_what_they_mean(tmp_path: Path, data_folder: Path) -> None:
    said = shown(data_folder / PANDALM)
    for part in (
        "999 pairs, 3 judges",
        "Krippendorff's alpha 0.8642",
        "annotator1 and annotator2 0.8520",
        "no judgement says which answer stood first",
        "Length: found",
        "Guessing makes 25 % cyclic",
        "Judges with an order who differ as these do make",
    ):
        assert part in said
    criteria = {"[bold]": {"ann": "a"}}
    records = [record(at, gold="a", criteria=criteria) for at in range(60)]
    said = shown(written(tmp_path, *records))
    for part in ("Position bias: found", "Judges by gold", "Criterion [bold]", "ann (p 0.000)"):
        assert part in said


def test_the_consensus_of_each_pair_is_written(tmp_path: Path, data_folder: Path) -> None:
    out = tmp_path / "consensus.csv.gz"
    report(data_folder / PANDALM, "--consensus", out)
    with gzip.open(out, "rt", encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert list(rows[0]) == ["id", "choice", "confidence", "judges", "a", "b", "tie"]
    assert len(rows) == 999
    said = {pair.id: pair for pair in read_pairs(data_folder / PANDALM)}
    for row in rows:
        votes = [each.choice.value for each in said[row["id"]].judgments]
        assert [int(row[name]) for name in ("a", "b", "tie")] == [
            votes.count(name) for name in ("a", "b", "tie")
        ]
        if len(set(votes)) == 1:
            assert row["choice"] == votes[0]
            assert float(row["confidence"]) > 0.9


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give a FILE, or --project"),
        (("pairs.jsonl", "--project", "1"), "give a FILE, or --project"),
        (("pairs.jsonl", "--seed", "-1"), "-1 is not in the range"),
        (("missing.jsonl",), "missing.jsonl cannot be read: No such file"),
        (("pairs.jsonl", "--consensus", "pairs.jsonl"), "is the file to be read"),
        (("pairs.jsonl", "--consensus", "nowhere/out.csv"), "nowhere/out.csv cannot be written"),
        (("broken.jsonl",), 'broken.jsonl:2 judgments.ann:ab = "left" is no choice'),
    ],
)
def test_what_cannot_be_measured_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, record(0))
    broken = record(1, judgments={"ann:ab": "left"})
    written(tmp_path, record(0), broken, name="broken.jsonl")
    assert says in refused(*arguments)


def compared(folder: Path) -> WorkedProject:
    """A pairwise project whose two people have compared six pairs, and agree."""
    worked = worked_project(folder)
    seen = worked.server.projects[worked.project_id]
    texts = "".join(
        f'<Text name="{each}" value="${each}"/>' for each in ("prompt", "left", "right")
    )
    config = f'<View>{texts}<Pairwise name="better" toName="left,right"/></View>'
    worked.server.projects[worked.project_id] = replace(seen, label_config=config)
    worked.connect(worked_policy(routes=[], auto_accept="never"))
    tasks = [
        {"id": f"p{at}", "prompt": "Why?", "left": "one", "right": f"other {at}", "order": order}
        for at, order in enumerate(("ab", "ba") * 3)
    ]
    worked.server.add_tasks(worked.project_id, tasks)
    for task in worked.tasks:
        for name in ("ann", "bob"):
            worked.server.submit(worked.people[name], task.id, "left")
    synchronise(worked.runtime, worked.project)
    return worked


def test_a_connected_projects_judges_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = compared(tmp_path)
    for name, value in worked.runtime.settings.process_environment().items():
        monkeypatch.setenv(name, value)
    found = report("--project", str(worked.project_id))
    assert (found["pairs"], found["judges"]) == (6, 2)
    assert set(found["judges_detail"]) == {str(worked.people[name]) for name in ("ann", "bob")}
    assert found["agreement"]["raw"]["value"] == 1.0
    assert found["position_bias"]["first"]["value"] == 1.0
    assert "6 pairs, 2 judges" in shown("--project", "worked")


def test_the_report_takes_pairs_as_they_are(data_folder: Path) -> None:
    """What an export's card states is the same as what the command prints."""
    pairs = read_pairs(data_folder / PANDALM)
    assert orjson.loads(orjson.dumps(preference_report(pairs))) == report(data_folder / PANDALM)
