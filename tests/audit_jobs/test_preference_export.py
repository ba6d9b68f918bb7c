"""What is exported is what most judges prefer, split by prompt, and reads back as trl documents."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_jobs.preferences.export import (
    NothingToExportError,
    Source,
    Wish,
    preference_export,
)
from audit_jobs.preferences.preferred import (
    EQUAL,
    TIES,
    UNDECIDED,
    UNDER_MINIMUM,
    UNJUDGED,
    Found,
    held_out,
    preferred_pairs,
)
from connectors.trl import Format
from labelgate import main
from policies.judgments import Choice, Judgment, Order, PreferencePair

# "Dataset formats and types" in the documentation of trl.
COLUMNS: dict[Format, dict[str, type[Any]]] = {
    Format.PREFERENCE: {"prompt": str, "chosen": str, "rejected": str},
    Format.CONVERSATIONAL: {"prompt": list, "chosen": list, "rejected": list},
    Format.UNPAIRED: {"prompt": str, "completion": str, "label": bool},
}


def pair(name: str, said: str, **more: Any) -> PreferencePair:
    """``said`` has a letter for each judge: a, b, t(ie) or n(one)."""
    words = {"a": Choice.A, "b": Choice.B, "t": Choice.TIE, "n": Choice.NONE}
    judgments = [
        Judgment(judge=f"judge {place}", choice=words[letter], order=more.get("order"))
        for place, letter in enumerate(said)
    ]
    values = {
        "id": name,
        "prompt": f"prompt of {name}",
        "response_a": f"A of {name}",
        "response_b": f"B of {name}",
        "judgments": tuple(judgments),
    }
    return PreferencePair(**(values | {key: more[key] for key in more if key != "order"}))


def left_out(found: Found) -> dict[str, int]:
    return {reason: count for reason, count in found.left_out.items() if count}


def test_the_choice_with_the_most_judges_is_preferred_and_all_others_are_counted() -> None:
    clear = [pair(f"c{number}", "aaa") for number in range(6)]
    pairs = [
        *clear,
        pair("b", "bba"),
        pair("tie", "tta"),
        pair("even", "ab"),
        pair("three ways", "abt"),
        pair("silent", "nnn"),
        pair("nobody", ""),
        pair("same", "aaa", response_a="x", response_b="x"),
    ]
    found = preferred_pairs(pairs)
    assert left_out(found) == {EQUAL: 1, UNJUDGED: 2, TIES: 1, UNDECIDED: 2}
    assert found.questions == len(pairs) == len(found.preferred) + sum(found.left_out.values())
    (turned,) = [each for each in found.preferred if each.pair_id == "b"]
    assert (turned.chosen, turned.rejected, turned.votes) == ("B of b", "A of b", (2, 1, 0))
    assert turned.agreement == pytest.approx(2 / 3)
    assert turned.confidence is not None
    assert 0.5 < turned.confidence < 1


def test_a_minimum_of_agreement_counts_ties_against() -> None:
    pairs = [pair("all", "aaa"), pair("most", "aab"), pair("tied", "aat"), pair("alone", "a")]
    assert len(preferred_pairs(pairs, 2 / 3).preferred) == 4
    found = preferred_pairs(pairs, 0.9)
    assert [each.pair_id for each in found.preferred] == ["all", "alone"]
    assert left_out(found) == {UNDER_MINIMUM: 2}


def test_what_is_known_to_be_right_outweighs_the_judges() -> None:
    pairs = [
        pair("wrong", "aaa", gold=Choice.B),
        pair("unjudged", "", gold=Choice.A),
        pair("alike", "aaa", gold=Choice.TIE),
    ]
    found = preferred_pairs(pairs, minimum_agreement=1.0)
    assert [(each.chosen, each.known, each.confidence) for each in found.preferred] == [
        ("B of wrong", True, 1.0),
        ("A of unjudged", True, 1.0),
    ]
    assert left_out(found) == {TIES: 1}


def test_a_repeat_is_its_first_pair_and_no_second_row() -> None:
    first = pair("p", "aab", order=Order.AB)
    swapped = {"response_a": first.response_b, "response_b": first.response_a}
    again = pair("p:again", "bbb", prompt=first.prompt, repeat_of="p", **swapped)
    (only,) = preferred_pairs([first, again]).preferred
    assert (only.pair_id, only.chosen, only.votes) == ("p", first.response_a, (2, 1, 0))


def test_criteria_are_no_votes() -> None:
    tone = Judgment(judge="judge 1", choice=Choice.B, criterion="tone")
    plain = pair("p", "a")
    judged = pair("p", "", judgments=(*plain.judgments, tone, tone))
    assert preferred_pairs([judged]).preferred[0].chosen == plain.response_a


@given(st.sets(st.text(max_size=6), min_size=1), st.floats(0, 0.999), st.integers())
@settings(deadline=None)
def test_both_sides_have_prompts_where_there_are_two(
    prompts: set[str], share: float, seed: int
) -> None:
    apart = held_out(prompts, share, seed)
    assert apart <= prompts
    distinct = {" ".join(prompt.casefold().split()) for prompt in prompts}
    if share and len(distinct) > 1:
        assert 0 < len(apart) < len(prompts)
    else:
        assert not apart


def test_a_prompt_stays_on_its_side_and_with_its_like() -> None:
    few = [f"prompt {number}" for number in range(200)]
    more = [*few, *(f"another {number}" for number in range(800))]
    apart = held_out(few, 0.2)
    assert apart == held_out(more, 0.2) & set(few)
    assert 20 < len(apart) < 60
    assert held_out(more, 0.2, seed=1) != held_out(more, 0.2)
    upper = held_out([prompt.upper() + "  " for prompt in more], 0.2)
    assert {prompt.strip().lower() for prompt in upper} == held_out(more, 0.2)


def record(number: int, said: dict[str, str], **more: Any) -> dict[str, Any]:
    """A line of a file of preferences."""
    return {
        "id": f"p{number}",
        "prompt": f"prompt {number % 20}",
        "response_a": f"first {number} 😀",
        "response_b": f"second {number} é",
        "judgments": said,
        **more,
    }


def records(count: int = 60) -> list[dict[str, Any]]:
    made = []
    for number in range(count):
        one, other = ("a", "b") if number % 3 else ("b", "a")
        order = "ab" if number % 2 else "ba"
        said = {f"ann@example.com:{order}": one, f"bob@example.com:{order}": one}
        third = "tie" if number % 10 == 0 else other if number % 4 == 0 else one
        made.append(record(number, said | {f"cy@example.com:{order}": third}))
    made.append(record(count, {"ann@example.com:ab": "tie", "bob@example.com:ab": "tie"}))
    made.append(record(count + 1, {"ann@example.com:ab": "a", "bob@example.com:ab": "b"}))
    return made


def run(
    folder: Path, form: str, *options: str, lines: list[dict[str, Any]] | None = None
) -> Result:
    file = folder / "judged.jsonl"
    text = "".join(f"{json.dumps(line)}\n" for line in (records() if lines is None else lines))
    file.write_text(text, encoding="utf-8")
    out = ["--format", form, "--out", str(folder / "out"), *options]
    return CliRunner().invoke(main, ["preferences", "export", str(file), *out])


def rows_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("form", Format)
def test_datasets_reads_back_what_trl_documents(
    tmp_path: Path, form: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = offline(monkeypatch, tmp_path)
    result = run(tmp_path, form.value, "--holdout", "0.3")
    assert result.exit_code == 0, result.output
    files = {split: str(tmp_path / "out" / f"{split}.jsonl") for split in ("train", "test")}
    cache = str(tmp_path / "cache")
    data = datasets.load_dataset("json", data_files=files, cache_dir=cache)
    for split in ("train", "test"):
        rows = rows_in(Path(files[split]))
        assert list(data[split]) == rows
        for row in rows:
            assert {name: type(row[name]) for name in COLUMNS[form]} == COLUMNS[form]
    if form is Format.CONVERSATIONAL:
        said = [
            [(name, each["role"]) for name in COLUMNS[form] for each in row[name]] for row in rows
        ]
        assert {tuple(roles) for roles in said} == {
            (("prompt", "user"), ("chosen", "assistant"), ("rejected", "assistant"))
        }
    prompts = [{json.dumps(row["prompt"]) for row in data[split]} for split in ("train", "test")]
    assert not prompts[0] & prompts[1]
    # The card's front matter leads to the same files.
    by_card = datasets.load_dataset(str(tmp_path / "out"), cache_dir=cache)
    assert {name: len(by_card[name]) for name in by_card} == {
        name: len(data[name]) for name in data
    }


def offline(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(folder / "home"))
    return import_module("datasets")  # after the switches are set: it reads them once


def test_the_command_tells_the_counts(tmp_path: Path) -> None:
    result = run(tmp_path, "trl", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    rows = {split: rows_in(tmp_path / "out" / f"{split}.jsonl") for split in ("train", "test")}
    assert (told["train"], told["test"]) == (len(rows["train"]), len(rows["test"]))
    assert told["train"] + told["test"] == 60
    assert told["prompts"]["train"] + told["prompts"]["test"] == 20
    assert told["left_out"] == {
        "equal_answers": 0,
        "unjudged": 0,
        "ties": 1,
        "undecided": 1,
        "under_minimum_agreement": 0,
    }
    assert (told["pairs"], told["judges"], told["evenly_matched"]) == (62, 3, 0)
    assert told["files"] == ["README.md", "test.jsonl", "train.jsonl"]
    assert set(told["krippendorff_alpha"]) == {"value", "low", "high", "n"}
    first = next(row for row in rows["train"] + rows["test"] if row["pair_id"] == "p0")
    assert (first["chosen"], first["rejected"]) == ("second 0 é", "first 0 😀")
    assert (first["judges"], first["votes_tie"]) == (3, 1)
    fewer = json.loads(
        run(tmp_path, "trl", "--json", "--replace", "--minimum-agreement", "1").output
    )
    assert fewer["left_out"]["under_minimum_agreement"] > 0


def test_the_card_says_what_there_is_to_know_and_names_nobody(tmp_path: Path) -> None:
    assert run(tmp_path, "trl").exit_code == 0
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    folder = "".join(each.read_text("utf-8") for each in (tmp_path / "out").iterdir())
    assert not re.search(r"ann|bob|cy@|example\.com", folder)
    assert "3 judges gave 184 judgements" in card
    assert "whether its judges are people is not known here" in card
    assert not re.search(r"people('s)? (gave|prefer|like)|People's", card)
    assert re.search(r"Krippendorff's alpha, beyond chance: 0\.\d{3} \(", card)
    assert re.search(r"- place: the answer shown first is preferred in 0\.\d{3}", card)
    assert "- 1 ties: both answers are as good" in card
    assert "SHA-256" in card
    assert "10% of the prompts were held out" in card
    assert "RewardTrainer takes `margin`" in card


def test_a_name_of_a_file_is_no_markdown_of_the_card(tmp_path: Path) -> None:
    file = tmp_path / "x\n# <img src=x> [a](b).jsonl"
    file.write_text(json.dumps(record(1, {"ann": "a"})) + "\n")
    out = ["--format", "trl", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(main, ["preferences", "export", str(file), *out]).exit_code == 0
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert not re.search(r"(?<!\\)<img|^# <|(?<!\\)\[a", card, re.MULTILINE)


def test_the_same_judgements_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        assert run(tmp_path / name, "unpaired").exit_code == 0
    for file in (tmp_path / "one" / "out").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / "out" / file.name).read_bytes()


def test_without_a_holdout_there_is_no_empty_file(tmp_path: Path) -> None:
    result = run(tmp_path, "trl", "--holdout", "0")
    assert "60 rows to train on and 0 to test on" in result.output
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [
        "README.md",
        "train.jsonl",
    ]
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "split: test" not in card
    assert "| test | none | 0 | 0 |" in card


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ([record(1, {"ann": "tie"})], (), "no pair has a preferred answer (1 ties)"),
        ([record(1, {"ann": "a"}, prompt=" ")], (), "1 pairs, such as 'p1', have no prompt"),
        ([record(1, {"ann": "c"})], (), "judged.jsonl:1  judgments.ann"),
        ([], ("--project", "x"), "one of them"),
        ([], ("--holdout", "1"), "1.0 is not in the range"),
    ],
)
def test_what_cannot_be_exported_says_why_and_writes_nothing(
    tmp_path: Path, lines: list[dict[str, Any]], options: tuple[str, ...], said: str
) -> None:
    result = run(tmp_path, "trl", *options, lines=lines)
    assert result.exit_code != 0
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_refused_unless_it_is_an_export(tmp_path: Path) -> None:
    assert run(tmp_path, "trl").exit_code == 0
    again = run(tmp_path, "trl-conversational")
    assert again.exit_code == 1
    assert "is not empty: name a new folder, or say --replace" in again.output
    assert isinstance(rows_in(tmp_path / "out" / "train.jsonl")[0]["prompt"], str)
    assert run(tmp_path, "trl-conversational", "--replace").exit_code == 0
    assert isinstance(rows_in(tmp_path / "out" / "train.jsonl")[0]["prompt"], list)


def test_the_file_that_is_read_is_not_replaced_by_an_export(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    file = folder / "train.jsonl"
    file.write_text(json.dumps(record(1, {"ann": "a"})) + "\n")
    out = ["--format", "trl", "--out", str(folder), "--replace"]
    result = CliRunner().invoke(main, ["preferences", "export", str(file), *out])
    assert result.exit_code == 2
    assert "name another folder" in result.output
    assert "judgments" in file.read_text()


def test_completions_that_win_as_often_as_they_lose_make_no_empty_set() -> None:
    ring = [("x", "y"), ("y", "z"), ("z", "x")]
    pairs = [
        pair(str(place), "aaa", prompt="p", response_a=better, response_b=worse)
        for place, (better, worse) in enumerate(ring)
    ]
    source = Source(title="t", words="w")
    with pytest.raises(NothingToExportError, match="as often as rejected"):
        preference_export(pairs, Wish(form=Format.UNPAIRED), source)
    rows = preference_export(pairs, Wish(form=Format.PREFERENCE), source)
    assert rows.facts.rows == (3, 0)


def test_pandalm_s_pairs_are_exported_but_for_the_ties(tmp_path: Path, data_folder: Path) -> None:
    file = data_folder / "pandalm_preferences.jsonl.gz"
    out = ["--format", "trl", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(main, ["preferences", "export", str(file), *out])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    # 999 pairs, each with a majority; that of 105 is a tie.
    assert told["left_out"]["ties"] == 105
    assert told["train"] + told["test"] == 894
    assert told["krippendorff_alpha"]["value"] == pytest.approx(0.8642, abs=5e-5)
