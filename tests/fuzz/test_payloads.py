"""What others send, nearly right: webhooks, inferences, task data, people's and models' answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import strategies as st

from backend.inferences.validation import InferencesError, intake_rules, read_inferences
from backend.predictors.foreign.questions import (
    UnreadableAnswerError,
    not_asked,
    probability_of,
    question_of,
    read_answer,
)
from backend.predictors.foreign.results import read_entry
from backend.predictors.inputs import read_inputs
from backend.web.task_data import shown_data
from connectors.annotation_tool import AnnotationToolRefusedError
from connectors.json_values import writable
from connectors.label_studio.answers import answer_of, scored_answer_of
from connectors.label_studio.convert import ConversionError, task_of
from connectors.label_studio.events import EventError, parse_event
from connectors.label_studio.labeling import Labeling, parse_labeling
from connectors.label_studio.results import parse_result
from connectors.model_servers.server import ModelServerError
from connectors.model_servers.upstream import entries_of, version_text
from policies.models import Llm
from tests.fuzz.campaign import Campaign, refused
from tests.fuzz.corpus import CONFIGS, EVENTS, INFERENCES, POLICIES, RESULT, TASK, TASK_DATA
from tests.fuzz.mutations import TEXTS, VALUES, mutated
from tests.fuzz.shares import forms

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_LABELINGS = tuple(parse_labeling(config) for config in CONFIGS)
_MONITORED = (
    "",
    "{keep: data, mask: [text], slices: [source]}",
    "{keep: ids, slices: [text, source, id]}",
)
_SAID = ("A", 4, ["A", "b"], "Food / Fruit", RESULT, "left", {"good": ["1"]}, "[]")
_LLM = Llm.model_validate({"kind": "llm", "model": "m"})


@pytest.mark.parametrize("cases", forms("events"))
def test_any_webhook(request: pytest.FixtureRequest, cases: int) -> None:
    campaign = Campaign("events")
    campaign.explore(mutated(EVENTS), _read_event, cases)
    campaign.close(request)


def _read_event(body: Any) -> str:
    try:
        event = parse_event(body)
    except EventError as error:
        return refused(error)
    ids = (*event.task_ids, *event.annotation_ids, event.project_id or 1)
    assert all(0 < each < 2**63 for each in ids)
    return "read"


@pytest.mark.parametrize("cases", forms("inferences"))
def test_any_inferences(request: pytest.FixtureRequest, cases: int) -> None:
    campaign = Campaign("inferences")
    batches = st.tuples(
        st.sampled_from(CONFIGS),
        st.sampled_from(_MONITORED),
        mutated([[{**INFERENCES[0], "predicted": said, "data": TASK_DATA}] for said in _SAID]),
    )
    campaign.explore(batches, _read_batch, cases)
    campaign.close(request)


def _read_batch(case: tuple[str, str, Any]) -> str:
    config, monitoring, items = case
    rules = intake_rules(f"{POLICIES[0]}monitoring: {monitoring or '{}'}\n", config)
    try:
        found = read_inferences(items if isinstance(items, list) else [items], rules, _NOW)
    except InferencesError as error:
        orjson.dumps([each.as_json() for each in error.problems])
        return refused(error, error.count)
    for each in found:
        orjson.dumps([each.data, each.slices, each.predicted, each.inference_id])
        assert each.score is None or 0 <= each.score <= 1
    return "read"


@pytest.mark.parametrize("cases", forms("task data"))
def test_any_task_data(request: pytest.FixtureRequest, cases: int) -> None:
    campaign = Campaign("task data")
    tasks = st.tuples(st.sampled_from(_LABELINGS), mutated([TASK_DATA]))
    campaign.explore(tasks, _read_data, cases)
    campaign.close(request)


def _read_data(case: tuple[Labeling, Any]) -> str:
    labeling, data = case
    if not isinstance(data, dict):
        return "no data"
    for each in shown_data(writable(data)):  # as it is stored
        orjson.dumps([each.key, each.text, each.href])
    read = [
        read_inputs(control, [data], _no_download, fields)
        for control in labeling.controls
        for fields in ((), ("source", "text"))
    ]
    for inputs in read:
        orjson.dumps(inputs.problems)
        assert [value is None for value in inputs.values] == [
            problem is not None for problem in inputs.problems
        ]
    if not_asked(labeling) is None:
        question_of(_LLM, labeling, data)
    return "read" if any(each.problems == [None] for each in read) else "unreadable"


def _no_download(path: str) -> bytes:
    raise AnnotationToolRefusedError(f"no such file: {path}")


@pytest.mark.parametrize("cases", forms("results"))
def test_any_result(request: pytest.FixtureRequest, cases: int) -> None:
    campaign = Campaign("results")
    said = st.fixed_dictionaries(
        {
            "labeling": st.sampled_from(_LABELINGS),
            "task": mutated([TASK]),
            "result": mutated([RESULT]),
            "words": mutated([{"c": "A", "n": 4, "label": "A", "tree": ["Food"]}]).map(json.dumps)
            | TEXTS,
            "version": VALUES,
        }
    )
    campaign.explore(said, _read_result, cases)
    campaign.close(request)


def _read_result(case: dict[str, Any]) -> str:
    labeling, result = case["labeling"], case["result"]
    outcome = _read_task(case["task"])
    _read_words(labeling, case["words"])
    version_text(case["version"])
    if isinstance(result, list):
        parse_result(result)
        answer_of(labeling, result)
        scored_answer_of(labeling, result)
    for entry in (result, {"result": result, "score": 0.5}, [{"result": result}]):
        read_entry(entry, labeling, "lowest")
        read_entry(entry, labeling, "product")
    try:
        entries_of({"results": result}, 1)
    except ModelServerError:
        return outcome
    return f"{outcome}, one entry"


def _read_task(row: Any) -> str:
    try:
        task = task_of(row)
    except ConversionError:
        return "no task"
    orjson.dumps([task.data, *(each.result for each in task.annotations)])
    return "task"


def _read_words(labeling: Labeling, words: str) -> None:
    try:
        answer = read_answer(labeling, words)
    except UnreadableAnswerError:
        return
    assert answer.text.encode()
    assert 0 <= probability_of(words, [(words.encode(errors="replace"), -0.1)], answer) <= 1
