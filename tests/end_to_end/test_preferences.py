"""Which answers people prefer: from prompts to pairs, judges, a reward model and data for trl."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import yaml
from click.testing import CliRunner

from backend.store.ledger_check import verify_ledger
from backend.store.models import CHAMPION, all_versions
from backend.store.training import KEPT, PROMOTED, open_requests, recent_requests
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling
from labelgate import main
from policies.domain import Purpose
from tests.end_to_end.policies_on_stage import emails_of
from tests.end_to_end.sides_of_stage import STRANGERS, ask, is_answer, serving
from tests.end_to_end.stage import Stage, make_stage
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

PRESET = Path(__file__).parents[2] / "policies" / "presets" / "preference.yaml"
SENIORS = ("ann", "bob", "cyd")
LEANS, LEANING = "cyd", 0.6  # how often he takes the left answer without having read any
NOISE = 0.08
GOOD = ("exact", "clear", "patient", "sound", "honest", "careful", "tested", "complete")
BAD = ("vague", "rude", "hasty", "wrong", "boastful", "careless", "guessed", "broken")
WORDS = 6  # of an answer; how many of them are good is its level
OF_THREE, OF_TWO = 10, 14  # prompts with so many answers
REPEATS = 0.1
MINIMUM = 30  # labels


def test_what_seniors_prefer_becomes_a_reward_model_and_a_data_set(
    label_studio: RunningLabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_stage(label_studio, tmp_path, 1) as first:
        first.tokens[LEANS] = label_studio.new_user(LEANS)[1]
        tasks, config = pairs_are_made(first, tmp_path)
        stage = replace(first, project_id=label_studio.project("preferences", config))
        pairs_are_imported_once(stage, tmp_path, tasks)
        policy = write_policy(stage, tmp_path / "policy.yaml")
        log = tmp_path / "serve.log"
        with stage.running("serve", log):
            until(stage.healthy, "labelgate serve answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
            until(lambda: len(queued(stage)) == len(tasks), "all pairs are queued")
            seniors_judge(stage, config)
            the_last_word_is_the_adjudicators(stage, config)
            a_reward_model_is_trained_by_the_queue(stage)
            nobody_sees_what_it_thinks(stage, config)
            it_ranks_what_it_never_saw(stage)
            another_version_passes_the_gate_or_not(stage)
            judges_are_measured(stage, len(tasks))
            the_same_pairs_train_offline(stage, tmp_path)
        assert "Traceback" not in log.read_text("utf-8")
        with stage.runtime.reads() as session:
            assert verify_ledger(session, stage.project_id).broken_seq is None
        exports_are_read_back(stage, tmp_path, monkeypatch)


def said(stage: Stage, *words: str) -> str:
    """What a command prints; in this process, for ten starts would take a while."""
    result = CliRunner().invoke(main, words, env=stage.settings.process_environment())
    assert result.exit_code == 0, result.output
    return result.stdout


def told(stage: Stage, *words: str) -> Any:
    """The same of a command that says it as JSON."""
    return orjson.loads(said(stage, *words, "--json"))


def answer_of_level(name: str, level: int) -> str:
    """An answer with so many good words; ``name`` draws which."""
    chance = random.Random(name)  # noqa: S311 - words, not a secret
    words = [*chance.sample(GOOD, level), *chance.sample(BAD, WORDS - level)]
    chance.shuffle(words)
    return f"It is {' '.join(words)}."


def level_of(answer: str) -> int:
    return len(set(GOOD) & set(answer.removesuffix(".").split()))


def pairs_are_made(stage: Stage, folder: Path) -> tuple[list[dict[str, Any]], str]:
    """As tasks in a file, and the labelling config that is printed with them."""
    rows = []
    for place in range(OF_THREE + OF_TWO):
        levels = [1, 3, 5] if place < OF_THREE else [1, 5]
        random.Random(place).shuffle(levels)  # noqa: S311 - an order, not a secret
        answers = [answer_of_level(f"{place} {level}", level) for level in levels]
        rows.append({"id": f"p{place}", "prompt": f"What of case {place}?", "responses": answers})
    (folder / "prompts.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    made = told(stage, *pairing(folder))
    pairs = OF_THREE * 3 + OF_TWO
    repeats = round(REPEATS * pairs)
    assert (made["prompts"], made["pairs"], made["repeats"]) == (len(rows), pairs, repeats)
    tasks = [orjson.loads(line) for line in (folder / "tasks.jsonl").read_bytes().splitlines()]
    assert len(tasks) == made["tasks"] == pairs + repeats
    assert 0.3 < made["orders"]["ab"] / len(tasks) < 0.7
    return tasks, made["label_config"]


def pairing(folder: Path) -> list[str]:
    files = [str(folder / "prompts.jsonl"), "--out", str(folder / "tasks.jsonl")]
    return ["preferences", "pair", *files, "--repeats", str(REPEATS)]


def pairs_are_imported_once(stage: Stage, folder: Path, tasks: Sequence[dict[str, Any]]) -> None:
    project = ("--project", str(stage.project_id))
    assert told(stage, *pairing(folder), *project)["imported"] == len(tasks)
    assert told(stage, *pairing(folder), *project)["imported"] == 0
    assert sorted(each["data"]["id"] for each in stage.tasks()) == sorted(e["id"] for e in tasks)


def write_policy(stage: Stage, file: Path) -> Path:
    """The preset with these people, and less to wait for."""
    document = yaml.safe_load(PRESET.read_text("utf-8"))
    emails = emails_of(stage)
    domain, senior = document["tiers"]
    domain["reviewers"] = [emails[person] for person in SENIORS]
    senior["reviewers"] = [emails["sen"]]
    document["project"] = stage.project_id
    document["control"]["share"] = document["holdout"]["share"] = 0.05
    document["retrain"] = {"after_annotations": MINIMUM, "minimum_labels": MINIMUM}
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return file


def queued(stage: Stage) -> set[int]:
    """What the seniors are handed out: their tier's queue, and the slices that measure."""
    return {*stage.view("domain"), *stage.view("Control")}


def preferred(person: str, data: dict[str, Any]) -> str:
    """The side that a person picks: the better one, but for noise, and for one who leans."""
    chance = random.Random(f"{person} {data['id']}")  # noqa: S311 - people's errors, not a secret
    if person == LEANS and chance.random() < LEANING:
        return "left"
    better = "left" if level_of(data["left"]) > level_of(data["right"]) else "right"
    other = "right" if better == "left" else "left"
    return other if chance.random() < NOISE else better


def seniors_judge(stage: Stage, config: str) -> None:
    """Each works down the view, until it hands out nothing any more; one task is skipped."""
    labeling = parse_labeling(config)
    data = {task["id"]: task["data"] for task in stage.tasks()}
    decisions = stage.decisions()
    purposes = {each.purpose for each in decisions.values()}
    assert purposes <= {Purpose.AGREEMENT, Purpose.CONTROL, Purpose.HOLDOUT}
    asked_of_three = {
        task_id for task_id, each in decisions.items() if each.purpose is Purpose.AGREEMENT
    }
    assert len(asked_of_three) > 0.7 * len(decisions)
    for number, person in enumerate(SENIORS):
        view = queued(stage)
        assert asked_of_three <= view, f"those who answered: {SENIORS[:number]}"
        for task_id in sorted(view):
            if task_id == min(asked_of_three) and person == SENIORS[-1]:
                stage.skip(person, task_id)
            else:
                side = preferred(person, data[task_id])
                stage.submit(person, task_id, result_of(labeling, side, data=data[task_id]))
    until(lambda: not queued(stage), "the seniors' views are empty")


def the_last_word_is_the_adjudicators(stage: Stage, config: str) -> None:
    """Two of three who agree settle a pair; what one of them could not decide goes up."""
    (task_id,) = until(lambda: stage.view("senior"), "the skipped pair goes to the last tier")
    data = stage.task(task_id)["data"]
    side = preferred("sen", data)
    stage.submit("sen", task_id, result_of(parse_labeling(config), side, data=data))
    until(lambda: not stage.view("senior"), "it is adjudicated")


def a_reward_model_is_trained_by_the_queue(stage: Stage) -> None:
    until(lambda: serving(stage), "a reward model serves")
    until(lambda: not training(stage), "no training is under way")
    with stage.runtime.reads() as session:
        request = recent_requests(session, stage.project_id, 5)[-1]
    assert (request.state, request.model_version) == (PROMOTED, "v1")
    assert all(reason.endswith("new human labels") for reason in stage.trainings_asked_for())


def training(stage: Stage) -> bool:
    with stage.runtime.reads() as session:
        return bool(open_requests(session, stage.project_id))


def nobody_sees_what_it_thinks(stage: Stage, config: str) -> None:
    """Neither in Label Studio nor from ``/predict``: the policy does not let it rank beforehand."""
    tasks = stage.tasks()
    assert not [each for task in tasks for each in task["predictions"] if is_answer(each)]
    assert not [each for task in tasks for each in task["predictions"] if each["result"]]
    body = ask(stage, config, [task["data"] for task in tasks[: len(STRANGERS)]])
    assert body["results"] == [[]] * len(STRANGERS)
    robot = stage.project.robot_id
    assert robot not in {each["completed_by"] for task in tasks for each in task["annotations"]}


def it_ranks_what_it_never_saw(stage: Stage) -> None:
    """Of unseen answers to unseen prompts the better one is worth more, nearly always."""
    prompts = [f"How about trial {place}?" for place in range(40)]
    answers = [[answer_of_level(f"{each} {level}", level) for level in (5, 1)] for each in prompts]
    items = [
        {"prompt": prompt, "response": answer}
        for prompt, both in zip(prompts, answers, strict=True)
        for answer in both
    ]
    response = httpx.post(
        f"{stage.settings.own_url}/v1/reward",
        json={"project": stage.project_id, "items": items},
        timeout=60,
    )
    assert response.status_code == 200, response.text
    body = response.json()
    version = serving(stage)
    assert version is not None
    assert body["model_version"] == version.version
    rewards = body["rewards"]
    right = sum(good > bad for good, bad in zip(rewards[::2], rewards[1::2], strict=True))
    assert right >= 0.85 * len(prompts), f"{right} of {len(prompts)}"


def another_version_passes_the_gate_or_not(stage: Stage) -> None:
    """People ask for one more: it is measured against the one that serves, as every version is."""
    before = len(stage.trainings_asked_for())
    said(stage, "train", "--project", str(stage.project_id))
    until(lambda: not training(stage), "the training that was asked for ends")
    assert len(stage.trainings_asked_for()) > before
    with stage.runtime.reads() as session:
        requests = recent_requests(session, stage.project_id, 5)
        versions = all_versions(session, stage.project_id)
    assert {each.state for each in requests} <= {PROMOTED, KEPT}
    assert len(versions) == len(requests)
    assert all(version.verdict["reason"] for version in versions)
    assert [each.state for each in versions].count(CHAMPION) == 1


def judges_are_measured(stage: Stage, tasks: int) -> None:
    report = told(stage, "preferences", "report", "--project", str(stage.project_id))
    assert (report["pairs"], report["judges"]) == (tasks, len(SENIORS) + 1)
    alpha = report["krippendorff_alpha"]
    assert 0.1 < alpha["low"] < alpha["value"] < alpha["high"] < 0.95
    ids = {person: str(user) for person, user in ids_of(stage).items()}
    details = {person: report["judges_detail"][ids[person]] for person in (*SENIORS, "sen")}
    firsts = {person: details[person]["position_bias"] for person in SENIORS}
    assert firsts[LEANS]["adjusted"] < 0.05
    assert firsts[LEANS]["low"] > 0.5
    assert all(firsts[LEANS]["value"] > firsts[each]["value"] for each in SENIORS[:2])
    agreeing = {person: details[person]["agreement"]["value"] for person in SENIORS}
    assert min(agreeing, key=lambda person: agreeing[person]) == LEANS
    assert report["position_bias"]["first"]["value"] > 0.5
    assert report["position_bias"]["swapped"] is not None
    rings = report["intransitivity"]
    assert 0 < rings["triples"] <= OF_THREE
    assert rings["cycles"] <= 0.25 * rings["triples"]  # guessing makes so many


def ids_of(stage: Stage) -> dict[str, int]:
    """Person -> the number by which Label Studio knows them."""
    emails = {email: person for person, email in emails_of(stage).items()}
    return {
        emails[row["email"]]: row["id"] for row in stage.get("/api/users") if row["email"] in emails
    }


def the_same_pairs_train_offline(stage: Stage, folder: Path) -> None:
    out = str(folder / "reward.skops")
    project = ("--project", str(stage.project_id))
    found = told(stage, "preferences", "train", *project, "--out", out, "--holdout", "0.4")
    assert Path(out).exists()
    assert found["training"]["prompts"] + found["holdout"]["prompts"] == OF_THREE + OF_TWO
    accuracy = found["holdout_accuracy"]
    assert accuracy["n"] > 10
    assert accuracy["value"] >= 0.65
    assert found["position_effect"]["value"] > 0


def exports_are_read_back(stage: Stage, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By ``datasets`` without a network, and as plain JSON: the better answer is chosen."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(folder / "home"))
    datasets = import_module("datasets")  # after the switches are set: it reads them once
    for form in ("trl", "trl-conversational", "unpaired"):
        out = folder / form
        words = ("--project", str(stage.project_id), "--format", form, "--out", str(out))
        made = told(stage, "preferences", "export", *words)
        assert made["judges"] == len(SENIORS) + 1
        files = {split: str(out / f"{split}.jsonl") for split in ("train", "test")}
        data = datasets.load_dataset("json", data_files=files, cache_dir=str(folder / "cache"))
        rows = {split: read_lines(Path(file)) for split, file in files.items()}
        assert {split: list(data[split]) for split in rows} == rows
        assert (len(rows["train"]), len(rows["test"])) == (made["train"], made["test"])
        every = [*rows["train"], *rows["test"]]
        right = list(better_chosen(form, every))
        assert sum(right) >= 0.8 * len(right)
        if form != "unpaired":
            pairs = OF_THREE * 3 + OF_TWO  # repeats ask no question of their own
            assert len(every) == pairs - sum(made["left_out"].values())
            assert len(every) >= 0.8 * pairs  # nobody could say tie: nearly all are decided
        card = (out / "README.md").read_text("utf-8")
        assert "3 domain, 1 senior" in card
        assert not [email for email in emails_of(stage).values() if email in card]


def read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def better_chosen(form: str, rows: Iterable[dict[str, Any]]) -> Iterable[bool]:
    for row in rows:
        if form == "unpaired":
            level = level_of(row["completion"])
            if level != WORDS // 2:
                yield row["label"] == (level > WORDS // 2)
        elif form == "trl":
            yield level_of(row["chosen"]) > level_of(row["rejected"])
        else:
            ((asked,), (chosen,), (rejected,)) = row["prompt"], row["chosen"], row["rejected"]
            assert (asked["role"], chosen["role"]) == ("user", "assistant")
            yield level_of(chosen["content"]) > level_of(rejected["content"])
