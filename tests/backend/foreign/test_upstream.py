"""A server that speaks the ML backend contract: what it is asked, and what its answers are."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.predictors.foreign.predictor import ForeignPredictor
from backend.predictors.foreign.recalibration import Calibration
from backend.predictors.foreign.upstream import UpstreamSource
from backend.predictors.protocol import Predicted
from connectors.model_servers.circuit import FAILURES_TO_OPEN
from connectors.model_servers.server import ModelServer
from policies.models import Upstream
from tests.fakes.foreign_questions import LABEL_CONFIG, asked, rows
from tests.fakes.model_servers import (
    JSON,
    LOOPBACK,
    Answering,
    Backend,
    ModelServerOnLoopback,
    Reply,
    backend,
    choice,
    reply,
    said,
)

PROJECT_ID = 7


def predictor(server: ModelServerOnLoopback, **changes: Any) -> ForeignPredictor:
    model = Upstream.model_validate({"kind": "upstream", "url": server.url} | changes)
    source = UpstreamSource(
        model=model,
        server=ModelServer(server.url, destinations=LOOPBACK, backoff_s=0.001),
        project_id=PROJECT_ID,
        hostname="http://label-studio",
    )
    return ForeignPredictor(version="v1", labels=("A", "B"), source=source, reported="mv-1")


def answers(made: Backend, texts: Sequence[str], **changes: Any) -> Predicted:
    with backend(made) as server:
        return predictor(server, **changes).predict(asked(texts))


def problems(made: Backend, texts: Sequence[str] = ("aaa",), **changes: Any) -> list[str | None]:
    """The problems, without the name of the server."""
    told = answers(made, texts, **changes).problems.tolist()
    return [None if each is None else re.sub(r"^the model server \S+ ", "", each) for each in told]


def test_answers_come_as_label_studio_would_get_them() -> None:
    assert rows(answers(Backend(), ["aaa", "xy", "a" * 40])) == [
        ("A", 0.56, None),
        ("B", 0.54, None),
        ("A", 0.99, None),
    ]


def test_it_is_asked_as_label_studio_asks_but_for_tokens_and_human_answers() -> None:
    with backend() as server:
        predictor(server, batch=2).predict(asked(["aaa", "b", "a"]))
        asked_for = [request.path for request in server.got]
        setup, first, last = server.asked("/setup")[0], *server.asked("/predict")
    assert asked_for == [
        *("/health", "/setup", "/predict", "/predict", "/health", "/setup"),
    ]
    assert setup.body == {
        "project": "7.0",
        "schema": LABEL_CONFIG,
        "hostname": "http://label-studio",
        "access_token": "",
    }
    assert [task["id"] for task in first.body["tasks"]] == [1, 2]
    assert [task["data"] for task in last.body["tasks"]] == [{"text": "a"}]
    assert {key: first.body[key] for key in ("project", "label_config")} == {
        "project": "7.0",
        "label_config": LABEL_CONFIG,
    }
    for task in (*first.body["tasks"], *last.body["tasks"]):
        assert (task["annotations"], task["predictions"]) == ([], [])
        assert task["is_labeled"] is False


def test_nothing_is_asked_about_no_tasks() -> None:
    with backend() as server:
        assert rows(predictor(server).predict(asked([]))) == []
        assert server.got == []


@pytest.mark.parametrize(
    "body",
    [
        [said({"data": {"text": "aaa"}})],
        {"predictions": [said({"data": {"text": "aaa"}})], "model_version": "mv-1"},
        {"results": {"model_version": "mv-1", "predictions": [choice("A", 0.56)]}},
        {"results": [[choice("B", 0.2), choice("A", 0.56)]]},
    ],
    ids=["list", "model response", "model response inside", "several predictions a task"],
)
def test_every_form_of_answers_is_read(body: Any) -> None:
    made = Backend(predict=lambda _: reply(body))
    assert rows(answers(made, ["aaa"])) == [("A", 0.56, None)]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (None, "it gave no answer"),
        ({}, "it gave no answer"),
        ([], "it gave no answer"),
        ("A", "its answer is no prediction"),
        ({"result": "A", "score": 1}, "its answer is no prediction"),
        ({"result": [], "score": 1}, "its answer says nothing for what the labelling config asks"),
        (choice("C"), "label 'C' is not a choice of 'label': A, B"),
        (choice(["A"]), "its answer says nothing for what the labelling config asks"),
        (choice("A", None), "it gave no score: nothing says how sure it is"),
        (choice("A", float("nan")), "its score is nan, not from 0 to 1"),
        (choice("A", float("inf")), "its score is inf, not from 0 to 1"),
        (choice("A", -0.1), "its score is -0.1, not from 0 to 1"),
        (choice("A", 97), "its score is 97, not from 0 to 1"),
        (choice("A", "0.9"), "its score is a JSON str, no number"),
        (choice("A", score=True), "its score is a JSON bool, no number"),
        (
            {"result": [{"from_name": "topic", "value": {"choices": ["A"]}}], "score": 1},
            "it answers for 'topic', which the labelling config does not ask",
        ),
    ],
)
def test_one_bad_answer_costs_no_other_task_its_own(entry: Any, problem: str) -> None:
    made = Backend(entry=lambda task: entry if task["id"] == 2 else said(task))
    found = answers(made, ["aaa", "bad", "xy"])
    assert found.texts.tolist() == ["A", None, "B"]
    assert str(found.problems[1]).endswith(f": {problem}")
    assert np.isnan(found.scores[1])


def always(answer: Reply) -> Answering:
    return lambda _: answer


def region(score: Any, name: str | None = None) -> dict[str, Any]:
    item: dict[str, Any] = choice("A")["result"][0] | {"score": score}
    return item if name is None else item | {"id": name}


@pytest.mark.parametrize(("rule", "score"), [("lowest", 0.5), ("mean", 0.7), ("product", 0.45)])
def test_scores_of_regions_make_the_tasks_score_by_the_rule(rule: str, score: float) -> None:
    other = region(0.9) | {"value": {"note": "of another kind"}}
    made = Backend(entry=lambda _: {"result": [region(0.5), other], "score": 0.1})
    assert rows(answers(made, ["x"], region_score=rule)) == [("A", score, None)]


def test_several_items_of_one_region_are_one() -> None:
    items = [region(0.8, "r"), region(0.4, "r") | {"value": {}}, region(0.9, "s") | {"value": {}}]
    made = Backend(entry=lambda _: {"result": items})
    assert rows(answers(made, ["x"], region_score="product")) == [("A", 0.36, None)]


def test_where_a_region_has_no_score_the_predictions_own_counts() -> None:
    items = [region(0.5), {"from_name": "label", "value": {}}]
    made = Backend(entry=lambda _: {"result": items, "score": 0.3})
    assert rows(answers(made, ["x"])) == [("A", 0.3, None)]
    bad = Backend(entry=lambda _: {"result": [region(float("nan"))], "score": 0.3})
    assert problems(bad) == ["its score is nan, not from 0 to 1"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (
            Reply(b"<html>Sign in</html>", kind="text/html"),
            "answered with 'text/html', not with JSON",
        ),
        (Reply(b'{"results": []}', kind="text/plain"), "answered with 'text/plain', not with JSON"),
        (Reply(b"Traceback ...", 500, "text/plain"), "answered 500: Traceback ..."),
        (Reply(b"", 503), "answered 503"),
        (reply({"results": []}), "gave 0 answers to 1 tasks"),
        (reply({"results": [choice("A")] * 3}), "gave 3 answers to 1 tasks"),
        (reply({"results": {"a": 1}}), "answered without a list of results"),
        (reply({"message": "no"}), "answered without a list of results"),
        (reply(None), "answered without a list of results"),
        (reply(7), "answered without a list of results"),
    ],
)
def test_a_bad_batch_is_a_problem_of_its_tasks(answer: Reply, problem: str) -> None:
    assert problems(Backend(predict=lambda _: answer)) == [problem]


def test_a_server_that_never_answers_is_waited_for_a_few_times_and_then_left_alone() -> None:
    done = threading.Event()

    def predict(_: Any) -> Reply:
        done.wait(30)
        return reply({})

    with backend(Backend(predict=predict)) as server:
        found = predictor(server, timeout_s=0.2, batch=1).predict(asked(["a"] * 50))
        assert len(server.asked("/predict")) == FAILURES_TO_OPEN
        done.set()
    words = [str(problem) for problem in found.problems]
    assert all("did not answer within 0.2 s" in each for each in words)
    assert sum("is not asked for now" in each for each in words) == 50 - FAILURES_TO_OPEN


def test_a_server_that_dies_between_batches_costs_the_later_ones_alone() -> None:
    calls: list[int] = []

    def predict(request: Any) -> Reply:
        calls.append(1)
        if len(calls) > 2:
            return Reply(b"", 503)
        return reply({"results": [said(task) for task in request.body["tasks"]]})

    found = answers(Backend(predict=predict), ["a"] * 50, batch=5)
    assert [text is not None for text in found.texts] == [True] * 10 + [False] * 40
    assert "answered 503" in str(found.problems[10])
    assert "is not asked for now, after 3 failures in a row" in str(found.problems[49])
    assert len(calls) == 2 + 3 * FAILURES_TO_OPEN  # each failure has three attempts


def test_tasks_at_fault_are_found_in_a_batch_that_fails_as_a_whole() -> None:
    def predict(request: Any) -> Reply:
        tasks = request.body["tasks"]
        if any(task["data"]["text"] == "broken" for task in tasks):
            return Reply(b"cannot open image", 500, "text/plain")
        return reply({"results": [said(task) for task in tasks]})

    texts = ["aaa"] * 64
    texts[0] = texts[40] = texts[41] = "broken"
    found = answers(Backend(predict=predict), texts, batch=64)
    assert [text is None for text in found.texts] == [text == "broken" for text in texts]
    assert str(found.problems[40]).endswith("answered 500: cannot open image")


def test_a_server_that_fails_at_everything_is_not_asked_task_by_task() -> None:
    with backend(Backend(predict=lambda _: Reply(b"", 500))) as server:
        found = predictor(server, batch=100).predict(asked(["a"] * 1000))
        assert len(server.asked("/predict")) < 40
    assert len([each for each in found.problems if each is not None]) == 1000


def test_wrong_lengths_are_asked_again_in_parts() -> None:
    def predict(request: Any) -> Reply:
        """Answers one task at a time, whatever it is asked."""
        return reply({"results": [said(request.body["tasks"][0])]})

    assert rows(answers(Backend(predict=predict), ["aaa", "xy"])) == [
        ("A", 0.56, None),
        ("B", 0.54, None),
    ]


def test_answers_of_another_version_do_not_count() -> None:
    found = answers(Backend(version="mv-2"), ["a"])
    assert rows(found) == [
        (
            None,
            None,
            (
                "the model upstream answers as version 'mv-2' now, and v1 stands for 'mv-1': the "
                "next round takes the new one up"
            ),
        )
    ]


def test_a_version_that_changes_under_the_answers_spoils_them() -> None:
    made = Backend()

    def predict(request: Any) -> Reply:
        made.version = "mv-2"
        return reply({"results": [said(task) for task in request.body["tasks"]]})

    made.predict = predict
    assert "'mv-2'" in str(answers(made, ["a"]).problems[0])


@pytest.mark.parametrize(
    ("others", "version"),
    [
        ({"/setup": reply({})}, "unversioned"),
        ({"/setup": reply({}), "/versions": reply({"versions": ["x", "y"]})}, "y"),
        (
            {"/setup": reply({"model_version": ""}), "/versions": reply({"versions": 3})},
            "unversioned",
        ),
        ({"/setup": reply({"model_version": 20240501})}, "20240501"),
        ({"/setup": reply({"model_version": "a\nb" + "c" * 999})}, "a b" + "c" * 97),
    ],
)
def test_a_version_is_found_where_there_is_one(others: dict[str, Reply], version: str) -> None:
    made = Backend(others={path: always(each) for path, each in others.items()})
    with backend(made) as server:
        assert predictor(server).source.reported(LABEL_CONFIG) == version


def test_a_server_out_of_health_is_asked_for_nothing() -> None:
    with backend(Backend(others={"/health": lambda _: Reply(b"", 500)})) as server:
        found = predictor(server).predict(asked(["a", "b"]))
        assert server.asked("/predict") == []
    assert [str(each).split(" ", 4)[-1] for each in found.problems] == ["answered 500"] * 2


def test_calibrated_scores_keep_their_order() -> None:
    with backend() as server:
        raw = predictor(server)
        calibrated = ForeignPredictor(
            version="v1",
            labels=raw.labels,
            source=raw.source,
            reported="mv-1",
            calibration=Calibration(slope=0.5, intercept=-0.2, answers=100),
        )
        texts = ["a" * length for length in range(1, 24)]
        before, after = raw.predict(asked(texts)), calibrated.predict(asked(texts))
    assert (np.diff(after.scores) > 0).all()
    assert not np.allclose(before.scores, after.scores)


def test_a_server_trains_when_it_is_told() -> None:
    with backend() as server:
        source = predictor(server).source
        assert isinstance(source, UpstreamSource)
        source.train(LABEL_CONFIG)
        assert server.asked("/webhook")[0].body == {
            "action": "START_TRAINING",
            "project": {"id": PROJECT_ID, "label_config": LABEL_CONFIG},
        }


@pytest.fixture(scope="module")
def anything() -> Iterator[ModelServerOnLoopback]:
    with backend() as server:
        yield server


_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["results", "result", "score", "value", "choices", "from_name", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_nearly = st.fixed_dictionaries(
    {
        "from_name": st.just("label") | _leaves,
        "value": st.fixed_dictionaries({"choices": st.lists(st.just("A") | _leaves, max_size=2)}),
    },
    optional={"score": _leaves, "id": _leaves},
)
_entries = st.fixed_dictionaries(
    {"result": st.lists(_nearly | _values, max_size=3)},
    optional={"score": st.floats(0, 1) | _leaves},
)
_bodies = (
    st.binary(max_size=200)
    | _values.map(lambda value: json.dumps(value).encode())
    | st.lists(_entries | _values, min_size=2, max_size=2).map(
        lambda entries: json.dumps({"results": entries}).encode()
    )
)


@given(
    body=_bodies,
    status=st.sampled_from([200, 200, 200, 201, 204, 301, 400, 404, 500]),
    kind=st.sampled_from([JSON, JSON, "text/html", "application/json; charset=utf-16", "x"]),
)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_it_answers_every_task_has_an_answer_or_a_problem(
    anything: ModelServerOnLoopback, body: bytes, status: int, kind: str
) -> None:
    anything.answers["/predict"] = lambda _: Reply(body, status, kind)
    found = predictor(anything).predict(asked(["aaa", "xy"]))
    assert len(found.texts) == len(found.scores) == len(found.problems) == 2
    for text, score, problem in rows(found):
        assert (text is None) == (score is None) == (problem is not None)
        assert text in {None, "A", "B"}
        assert score is None or 0 <= score <= 1
        assert problem is None or problem.encode()
