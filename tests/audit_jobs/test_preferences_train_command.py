from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from audit_jobs.measures.preferences.reward_models import HeldOut, calibration, pair_accuracy, ties
from audit_jobs.preferences.command import preferences
from backend.predictors.rewards.comparisons import Answers
from backend.reward_files import read_reward

WORDS = ("clear", "kind", "correct"), ("rude", "wrong", "vague")


def written(folder: Path, rows: int = 120, *, judged: bool = True, packed: bool = False) -> Path:
    """Pairs of one good answer and one bad one; three judges, the third of whom errs at times."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(rows):
        good, bad = (" ".join(rng.choice(words, 4)) for words in WORDS)
        right = "a" if number % 2 else "b"
        third = ("tie", "a", "b")[number % 3]
        lines.append(
            json.dumps(
                {
                    "id": f"p{number}",
                    "prompt": f"Say something, {number % 30}",
                    "response_a": good if right == "a" else bad,
                    "response_b": bad if right == "a" else good,
                    "judgments": {"x:ab": right, "y:ba": right, "z:ab": third} if judged else {},
                }
            )
        )
    path = folder / ("pairs.jsonl.gz" if packed else f"pairs{judged}.jsonl")
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(preferences, [str(each) for each in arguments])


def told(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_file_is_trained_on_and_measured_by_prompts_that_were_held_out(tmp_path: Path) -> None:
    found = told("train", written(tmp_path))
    assert found["pairs"] == 120
    training, holdout = found["training"], found["holdout"]
    assert training["pairs"] + holdout["pairs"] == 120
    assert training["prompts"] + holdout["prompts"] == 30  # no prompt on both sides
    assert 2 <= holdout["prompts"] <= 12
    assert (holdout["share"], holdout["seed"]) == (0.2, 0)
    assert found["holdout_accuracy"]["value"] > 0.95
    assert found["holdout_accuracy"]["n"] == holdout["pairs"]
    assert found["calibration"]["brier"] < 0.15
    assert found["ties"]["observed"] == pytest.approx(found["ties"]["expected"], abs=0.1)
    assert set(found["length_effect"]) == {"alone", "beside_style"}
    assert found["position_effect"] is not None
    assert found["file"] is None


def test_answers_that_are_all_of_one_style_are_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "alike.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {
                    "id": number,
                    "prompt": f"Say something, {number % 10}",
                    "response_a": "good tea" if number % 2 else "poor tea",
                    "response_b": "poor tea" if number % 2 else "good tea",
                    "judgments": {"x": "a" if number % 2 else "b"},
                }
            )
            + "\n"
            for number in range(40)
        )
    )
    found = told("train", path)
    assert found["holdout_accuracy"]["value"] == 1.0
    assert found["length_effect"]["alone"]["value"] is None
    assert found["position_effect"] is None


def test_the_same_file_and_seed_give_the_same_version_and_another_seed_another(
    tmp_path: Path,
) -> None:
    plain, packed = written(tmp_path), written(tmp_path, packed=True)
    first, again = told("train", plain), told("train", packed)
    assert first == again
    assert told("train", plain, "--seed", 1)["version"] != first["version"]


def test_a_written_model_scores_as_the_one_that_was_measured(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "model.skops"
    found = told("train", written(tmp_path), "--out", out)
    kept = read_reward(out)
    assert kept.version == found["version"]
    good, bad = kept.model.worths(
        Answers(prompts=["Say something"] * 2, responses=["clear and kind", "rude and vague"])
    )
    assert good > bad
    assert told("train", written(tmp_path), "--out", out)["version"] == found["version"]


def test_a_file_or_a_project_is_needed(tmp_path: Path) -> None:
    for arguments in ([], [written(tmp_path), "--project", "1"]):
        result = run("train", *arguments)
        assert result.exit_code == 2
        assert "give a FILE, or --project" in result.output


def test_people_are_shown_tables(tmp_path: Path) -> None:
    result = run("train", written(tmp_path))
    assert result.exit_code == 0, result.output
    for said in ("held-out pairs right", "shown first", "Brier", "not written"):
        assert said in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ('{"id": 1}', (), "prompt"),
        ("", (), "no pairs"),
        (
            '{"id":"1","prompt":"p","response_a":"x","response_b":"y","judgments":{}}',
            (),
            "nobody judged any of the pairs",
        ),
        (
            '{"id":"1","prompt":"p","response_a":"x","response_b":"y","judgments":{"k":"tie"}}',
            (),
            "of no pair one answer was preferred",
        ),
        ("", ("--out", "model.pkl"), "ends in .skops"),
        ("", ("--embeddings", "./nowhere"), "no folder"),
    ],
)
def test_what_cannot_be_trained_is_said(
    tmp_path: Path, content: str, arguments: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(content or " ")
    if "--embeddings" in arguments:
        path = written(tmp_path)
    result = run("train", path, *arguments)
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_pairs_that_nobody_judged_are_picked_by_what_they_tell(tmp_path: Path) -> None:
    out = tmp_path / "model.skops"
    told("train", written(tmp_path), "--out", out)
    found = told("select", written(tmp_path, judged=False), "--model", out, "--count", 5)
    assert found["candidates"] == 120
    information = [each["information"] for each in found["selected"]]
    assert len(information) == 5
    assert information == sorted(information, reverse=True)
    assert len({each["id"] for each in found["selected"]}) == 5
    table = run("select", written(tmp_path, judged=False), "--model", out, "--count", 2)
    assert "information" in table.stdout
    judged = run("select", written(tmp_path), "--model", out, "--count", 5)
    assert "every pair is judged already" in judged.output
    missing = run("select", written(tmp_path, judged=False), "--model", "no.skops", "--count", 5)
    assert "cannot be read" in missing.output


def test_accuracy_is_over_prompts_and_leaves_ties_out() -> None:
    said = np.array([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0], [0, 0, 1.0], [2 / 3, 1 / 3, 0]])
    likely = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.9, 0.1, 0], [0.9, 0.1, 0], [0.4, 0.4, 0.2]])
    pairs = HeldOut(said=said, likely=likely, groups=np.array([0, 0, 1, 1, 2]))
    found = pair_accuracy(pairs)
    assert found.n == 3
    assert found.value == pytest.approx(0.5)  # right, wrong, and half
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    assert ties(pairs)["observed"] == pytest.approx(0.2)
    assert calibration(pairs)["brier"] == pytest.approx((0.01 + 0.64 + 0.25) / 3)


def test_nothing_held_out_is_undefined_not_zero() -> None:
    nothing = HeldOut(said=np.empty((0, 3)), likely=np.empty((0, 3)), groups=np.empty(0, np.int64))
    assert pair_accuracy(nothing).value is None
    assert calibration(nothing) == {"brier": None, "ece": None, "reliability": []}
    assert ties(nothing) == {"observed": None, "expected": None}
