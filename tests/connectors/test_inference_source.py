"""A team's server that is asked for data by ids: what it may answer, and what is said otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.inference_source import fetch_data
from connectors.model_servers.server import ModelServer, ModelServerDownError, ModelServerError
from tests.fakes.model_servers import LOOPBACK, ModelServerOnLoopback, Reply, reply, serving


@pytest.fixture
def loopback() -> Iterator[ModelServerOnLoopback]:
    with serving(ModelServerOnLoopback({})) as server:
        yield server


def asked(loopback: ModelServerOnLoopback, answer: Reply, *ids: str) -> dict[str, Any]:
    loopback.answers["/data"] = lambda _: answer
    server = ModelServer(f"{loopback.url}/data", destinations=LOOPBACK, backoff_s=0.001)
    return fetch_data(server, ids, 5)


def test_data_comes_by_id_and_unknown_ones_are_left_out(loopback: ModelServerOnLoopback) -> None:
    data = {"a": {"text": "x"}, "b": None, "strange": {"text": "y"}}
    assert asked(loopback, reply({"data": data}), "a", "b", "c") == {"a": {"text": "x"}}
    (request,) = loopback.asked("/data")
    assert (request.method, request.body) == ("POST", {"ids": ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply([]), "answered with a JSON list, not with an object"),
        (
            reply({"a": {"text": "x"}}),
            'answered without the data: {"data": {"ID": {...}, ...}} is expected',
        ),
        (reply({"data": [{"text": "x"}]}), "answered without the data"),
        (reply({"data": {"a": "x"}}), "gave a JSON str as the data of 'a', not an object"),
        (reply({"error": "who are you"}, 403), "answered 403"),
        (Reply(b"<html>", kind="text/html"), "answered with 'text/html', not with JSON"),
    ],
)
def test_an_answer_that_cannot_be_used_is_said(
    loopback: ModelServerOnLoopback, answer: Reply, message: str
) -> None:
    with pytest.raises(ModelServerError) as caught:
        asked(loopback, answer, "a")
    assert message in str(caught.value)


def test_nobody_there_is_worth_another_try() -> None:
    with serving(ModelServerOnLoopback({})) as server:
        url = server.url
    with pytest.raises(ModelServerDownError, match="cannot be reached"):
        fetch_data(ModelServer(url, destinations=LOOPBACK, backoff_s=0.001), ["a"], 1)
