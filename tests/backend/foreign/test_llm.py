"""A chat model as a source of answers, against an OpenAI-compatible server on loopback."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.predictors.foreign.llm import LlmSource
from backend.predictors.foreign.questions import (
    UnreadableAnswerError,
    not_asked,
    probability_of,
    question_of,
    read_answer,
)
from backend.predictors.protocol import Predicted
from connectors.label_studio.labeling import Control, ControlKind, InputKind, Labeling
from connectors.model_servers.chat import ChatEndpoint, Usage
from connectors.model_servers.server import ModelServer
from policies.models import Llm
from tests.fakes.foreign_questions import asked, rows
from tests.fakes.model_servers import JSON, LOOPBACK, Reply, Request, chat, chat_reply, reply

TOKENS = [('{"', -0.7), ("label", -0.5), ('":"', -0.1), ("A", math.log(0.8)), ('"}', -0.3)]


def model(**changes: Any) -> Llm:
    return Llm.model_validate({"kind": "llm", "model": "small"} | changes)


def answers(
    answering: Callable[[Request], Reply], texts: list[Any], **changes: Any
) -> tuple[Predicted, Usage]:
    spent: list[Usage] = []
    with chat(answering) as server:
        made = model(**changes)
        endpoint = ChatEndpoint(
            server=ModelServer(f"{server.url}/v1", "key-1", destinations=LOOPBACK, backoff_s=0.001),
            model=made.model,
            timeout_s=made.timeout_s,
        )
        source = LlmSource(model=made, endpoint=endpoint, spent=spent.append)
        return source.answers(asked(texts)), sum(spent, Usage())


def test_the_probability_of_the_label_and_its_end_is_the_score() -> None:
    words = "".join(text for text, _ in TOKENS)
    found, usage = answers(lambda _: chat_reply(words, TOKENS), ["x", "y"])
    assert rows(found) == [("A", round(0.8 * math.exp(-0.3), 9), None)] * 2
    assert usage == Usage(questions=2, input_tokens=200, output_tokens=20)


def test_the_question_holds_the_answer_to_the_labels() -> None:
    got: list[Request] = []

    def answering(request: Request) -> Reply:
        got.append(request)
        return chat_reply('{"label":"A"}', [('{"label":"A"}', -0.1)])

    answers(answering, ["Call my lawyer."], instruction="A is praise.", max_tokens=7)
    body = got[0].body
    system, user = body["messages"]
    assert json.loads(user["content"]) == {"text": "Call my lawyer."}
    assert "A is praise." in system["content"]
    assert 'exactly one of "A", "B"' in system["content"]
    assert body["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": ["A", "B"]}},
        "required": ["label"],
        "additionalProperties": False,
    }
    assert (body["model"], body["temperature"], body["logprobs"]) == ("small", 0.0, True)
    assert body["max_tokens"] == 7
    assert got[0].headers["Authorization"] == "Bearer key-1"


def test_an_endpoint_without_schemas_is_asked_by_the_prompt_alone() -> None:
    got: list[Request] = []

    def answering(request: Request) -> Reply:
        got.append(request)
        return chat_reply('Sure! {"label": "B"} fits.', [('Sure! {"label": "B"} fits.', -0.5)])

    found, _ = answers(answering, ["x"], output="prompt")
    assert rows(found) == [("B", round(math.exp(-0.5), 9), None)]
    assert "response_format" not in got[0].body


def test_repeated_answers_are_scored_by_how_often_they_agree() -> None:
    lock, words = threading.Lock(), iter(["A", "B", "A", "A", "C"])

    def answering(request: Request) -> Reply:
        assert request.body["temperature"] == 1.0
        assert "logprobs" not in request.body
        with lock:
            return chat_reply(json.dumps({"label": next(words)}))

    found, usage = answers(answering, ["x"], samples=5)
    assert rows(found) == [("A", 0.6, None)]
    assert usage.questions == 5


def test_too_few_usable_samples_are_no_answer() -> None:
    found, usage = answers(lambda _: chat_reply("I cannot."), ["x"], samples=4)
    assert rows(found) == [(None, None, "the chat model small: its answer holds no JSON object")]
    assert usage.output_tokens == 40  # it cost all the same


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (
            chat_reply('{"label":"A"}'),
            (
                "the chat model small gave no log-probabilities of its tokens: set model.samples "
                "in the policy"
            ),
        ),
        (
            chat_reply('{"label":"C"}', [("x", -0.1)]),
            "the chat model small: its answer to 'label' is none of the labels",
        ),
        (
            chat_reply('{"topic":"A"}', [("x", -0.1)]),
            "the chat model small: its answer has no 'label'",
        ),
        (
            chat_reply('{"label":"A', finish_reason="length"),
            "the chat model small its answer was cut at max_tokens",
        ),
        (reply({"choices": []}), "the chat model small answered without a message"),
        (
            reply({"choices": [{"message": {"content": None, "refusal": "No."}}]}),
            "the chat model small the model declined to answer",
        ),
        (reply([]), "the chat model small answered with a JSON list, not with an object"),
        (
            reply({"error": {"message": "no such model"}}, 404),
            'the chat model small answered 404: {"error": {"message": "no such model"}}',
        ),
        (
            Reply(b"bad key-1 given", 401, "text/plain"),
            "the chat model small answered 401",
        ),
        (
            Reply(b"<html></html>", kind="text/html"),
            "the chat model small answered with 'text/html', not with JSON",
        ),
    ],
)
def test_what_is_no_answer_says_why(answer: Reply, problem: str) -> None:
    found, _ = answers(lambda _: answer, ["x"])
    assert rows(found) == [(None, None, problem)]


def test_a_task_without_the_text_is_not_asked_about() -> None:
    found, usage = answers(lambda _: chat_reply('{"label":"A"}', [("x", -0.1)]), [None, "x"])
    assert found.problems.tolist() == ["the task's data have no 'text'", None]
    assert usage.questions == 1


def test_an_endpoint_that_is_down_costs_three_questions_and_no_more() -> None:
    calls: list[Request] = []

    def answering(request: Request) -> Reply:
        calls.append(request)
        return Reply(b"", 503)

    found, usage = answers(answering, ["x"] * 40, parallel=1, samples=5)
    assert len(calls) == 9  # each with three attempts
    assert "is not asked for now, after 3 failures in a row" in str(found.problems[39])
    assert usage == Usage()


def labeling(*controls: tuple[str, ControlKind, tuple[str, ...]]) -> Labeling:
    return Labeling(
        controls=tuple(
            Control(
                name=name,
                tag="x",
                kind=kind,
                to_names=("t",),
                labels=labels,
                input_kind=InputKind.TEXT,
                data_keys=("text",),
            )
            for name, kind, labels in controls
        )
    )


SEVERAL = labeling(
    ("topics", ControlKind.CHOICES, ("A", "B")),
    ("stars", ControlKind.RATING, ("1", "2", "3")),
    ("sum", ControlKind.NUMBER, ()),
)


def test_several_controls_are_one_answer() -> None:
    words = '{"topics": ["B", "A"], "stars": 3, "sum": 4.0}'
    found = read_answer(SEVERAL, words)
    assert found.text == '{"stars":"3","sum":"4","topics":"[\\"A\\",\\"B\\"]"}'
    assert [words[start:end] for start, end in found.places] == ['["B", "A"]', "3", "4.0"]


@pytest.mark.parametrize(
    "words",
    [
        '{"topics": "A", "stars": 3, "sum": 4}',
        '{"topics": ["C"], "stars": 3, "sum": 4}',
        '{"topics": [], "stars": true, "sum": 4}',
        '{"topics": [], "stars": 3, "sum": NaN}',
        '{"topics": [], "stars": 3, "sum": 1e400}',
        '{"topics": [], "stars": 3}',
        '{"topics": [], "stars": 3, "sum": 4',
    ],
)
def test_an_answer_that_is_not_of_the_labels_is_none(words: str) -> None:
    with pytest.raises(UnreadableAnswerError):
        read_answer(SEVERAL, words)


def test_what_a_chat_model_cannot_mark_is_refused() -> None:
    spans = labeling(("names", ControlKind.SPANS, ("PER",)))
    assert not_asked(SEVERAL) is None
    assert not_asked(spans) == (
        "a chat model answers choices, taxonomies, ratings, pairs and numbers, and 'names' asks "
        "for spans"
    )


@given(st.text(max_size=60))
@settings(deadline=None)
def test_whatever_it_says_is_an_answer_or_a_problem(words: str) -> None:
    try:
        found = read_answer(SEVERAL, words)
    except UnreadableAnswerError:
        return
    assert found.text


@given(
    st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=8),
    st.sampled_from(["A", "B"]),
)
@settings(deadline=None)
def test_tokens_around_the_value_never_count(around: list[str], label: str) -> None:
    config = labeling(("label", ControlKind.CHOICE, ("A", "B")))
    before = "".join(around).replace("{", "")
    words = f'{before}{{"label": "{label}"}}'
    tokens = [(before.encode(errors="replace"), -9.0), (b'{"label": ', -2.0)]
    tokens += [(f'"{label}"'.encode(), -0.5), (b"}", -3.0)]
    answer = read_answer(config, words)
    assert probability_of(words, tokens, answer) == pytest.approx(math.exp(-0.5))


def test_tokens_that_do_not_spell_the_words_all_count() -> None:
    config = labeling(("label", ControlKind.CHOICE, ("A", "B")))
    words = '{"label":"A"}'
    score = probability_of(words, [(b"other", -1.0), (b"words", -1.0)], read_answer(config, words))
    assert score == pytest.approx(math.exp(-2))


def test_long_texts_are_cut_and_surrogates_are_no_crash() -> None:
    config = labeling(("label", ControlKind.CHOICE, ("A", "B")))
    found = question_of(model(), config, {"text": "\ud800" + "x" * 200_000})
    assert not isinstance(found, str)
    assert len(found.text) < 100_100


_LABEL_A = {"message": {"content": '{"label": "A"}'}}
_NOT_A_NUMBER = {"content": [{"token": "x", "logprob": float("nan")}]}
_BODIES = st.binary(max_size=100) | st.sampled_from(
    [
        {"choices": [_LABEL_A | {"logprobs": _NOT_A_NUMBER}], "usage": {"prompt_tokens": -1}},
        {
            "choices": [
                _LABEL_A | {"logprobs": {"content": [{"token": "x", "logprob": -(10**400)}]}}
            ]
        },
        {"choices": [{"message": {"content": "{"}}], "usage": []},
        {
            "choices": [{"message": {"content": '{"label": [[]]}'}}],
            "usage": {"prompt_tokens": 1e99},
        },
        {"choices": 1},
    ]
).map(lambda body: json.dumps(body).encode())


@given(_BODIES)
@settings(max_examples=40, deadline=None)
def test_whatever_bytes_come_back_every_task_has_an_answer_or_a_problem(body: bytes) -> None:
    found, _ = answers(lambda _: Reply(body, 200, JSON), ["x"])
    for text, score, problem in rows(found):
        assert (text is None) == (score is None) == (problem is not None)
