"""The client: batches, the same key again, and the server's own words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connectors.inference_client import (
    InferenceClient,
    InferencesNotSentError,
    InferencesRefusedError,
    Sent,
)
from connectors.inference_data import data_sha256
from tests.fakes.failing_server import Answer, FailingServer, running

JSON = "application/json"
TOKEN = "lgi_token"
BUSY: Answer = (503, JSON, '{"error": {"code": "store_unavailable", "message": "locked"}}')


def taken(number: int, **more: object) -> Answer:
    told = {"received": number, "stored": number, "known": 0, "conflicts": 0, "conflicting": []}
    return 202, JSON, json.dumps(told | more)


@pytest.fixture
def server() -> Iterator[FailingServer]:
    server = FailingServer()
    thread = running(server)
    yield server
    server.stop(thread)
    server.server_close()


def client_of(server: FailingServer, **options: Any) -> InferenceClient:
    return InferenceClient(server.url, TOKEN, **{"backoff_s": 0.001, **options})


def add(client: InferenceClient, *ids: str) -> None:
    for each in ids:
        client.add(each, "A", model_version="v1", data={"text": each})


def sent_ids(server: FailingServer) -> list[list[str]]:
    return [[each["id"] for each in json.loads(body)["inferences"]] for body in server.bodies]


def test_what_is_gathered_goes_out_in_batches_with_the_token(server: FailingServer) -> None:
    server.tell(taken(2), taken(2), taken(1, conflicts=1, conflicting=["e"], stored=0))
    with client_of(server, batch=2) as client:
        add(client, "a", "b", "c")
        assert len(client) == 1
        add(client, "d", "e")
        assert client.send() == Sent(received=1, conflicts=1, conflicting=("e",))
        assert len(client) == 0
    assert sent_ids(server) == [["a", "b"], ["c", "d"], ["e"]]
    assert set(server.asked) == {("POST", "/v1/inferences", f"Bearer {TOKEN}")}


def test_the_end_of_the_block_sends_what_is_left(server: FailingServer) -> None:
    server.tell(taken(1))

    def fail() -> None:
        with client_of(server) as client:
            add(client, "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sent_ids(server) == [["a"]]


def test_an_inference_is_sent_field_by_field(server: FailingServer) -> None:
    server.tell(taken(1))
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    with client_of(server) as client:
        data = {"text": "é"}
        client.add(7, ["A"], model_version="v1", data=data, score=0.5, at=at)
        data["text"] = "changed later"
    (body,) = server.bodies
    assert json.loads(body)["inferences"] == [
        {
            "id": 7,
            "predicted": ["A"],
            "model_version": "v1",
            "score": 0.5,
            "at": "2026-03-01T10:00:00+00:00",
            "data": {"text": "é"},
        }
    ]


def test_data_that_may_not_leave_is_sent_as_its_hash(server: FailingServer) -> None:
    server.tell(taken(1))
    with client_of(server, send_data=False) as client:
        add(client, "secret")
    (body,) = server.bodies
    (inference,) = json.loads(body)["inferences"]
    assert inference["data_sha256"] == data_sha256({"text": "secret"})
    assert "data" not in inference


def keys_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    keys: list[str] = []
    post = httpx.Client.post

    def noted(self: httpx.Client, url: str, **given: Any) -> httpx.Response:
        keys.append(given["headers"]["Idempotency-Key"])
        return post(self, url, **given)

    monkeypatch.setattr(httpx.Client, "post", noted)
    return keys


@pytest.mark.parametrize(
    "failure",
    [
        BUSY,
        (429, JSON, "{}"),
        (500, "text/plain", "?"),
        (202, "text/html", "<p>"),
        (202, JSON, "cut"),
    ],
    ids=str,
)
def test_what_passes_is_sent_again_under_the_same_key(
    server: FailingServer, monkeypatch: pytest.MonkeyPatch, failure: Answer
) -> None:
    keys = keys_of(monkeypatch)
    server.tell(failure, failure, taken(1), taken(1))
    with client_of(server) as client:
        add(client, "a")
        client.send()
        add(client, "b")
    assert sent_ids(server) == [["a"]] * 3 + [["b"]]
    assert len(server.bodies) == 4
    assert server.bodies[0] == server.bodies[1] == server.bodies[2]
    assert len(set(keys)) == 2
    assert len(set(keys[:3])) == 1


def test_what_was_not_sent_is_kept_under_its_key(
    server: FailingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keys_of(monkeypatch)
    server.tell(BUSY)
    with client_of(server, attempts=2) as client:
        add(client, "a")
        with pytest.raises(InferencesNotSentError, match="answered 503: locked"):
            client.send()
        assert len(client) == 1
        server.tell(taken(1))
        add(client, "b")
        assert client.send().received == 2
    assert sent_ids(server) == [["a"], ["a"], ["a"], ["b"]]
    # A connection that the server has closed may cost one more try, under the same key too.
    assert len(set(keys)) == 2
    assert len(set(keys[:3])) == 1


def test_nobody_there_is_told_and_nothing_is_lost() -> None:
    server = FailingServer()
    server.server_close()
    client = client_of(server, attempts=2)
    add(client, "a")
    with pytest.raises(InferencesNotSentError, match="cannot be reached: ConnectError"):
        client.send()
    assert len(client) == 1
    with pytest.raises(InferencesNotSentError), client:
        pass


def test_a_refused_batch_is_handed_back_with_the_words(server: FailingServer) -> None:
    words = "nothing of this batch is stored:\\ninferences[0].score = 7 must be"
    server.tell((400, JSON, f'{{"error": {{"code": "x", "message": "{words}"}}}}'), taken(1))
    with client_of(server, batch=1) as client:
        with pytest.raises(
            InferencesRefusedError, match=r"answered 400: nothing of .*\n.*= 7"
        ) as no:
            add(client, "a")
        assert [each["id"] for each in no.value.inferences] == ["a"]
        assert len(client) == 0
        add(client, "b")
    assert sent_ids(server) == [["a"], ["b"]]


def test_a_token_that_is_not_taken_loses_nothing(server: FailingServer) -> None:
    server.tell((401, "text/plain", "who are you?"), taken(1))
    with client_of(server) as client:
        add(client, "a")
        with pytest.raises(InferencesNotSentError, match=r"answered 401: who are you\?"):
            client.send()
        assert len(client) == 1
    assert len(server.bodies) == 2


def test_the_token_is_not_carried_to_another_server(server: FailingServer) -> None:
    server.tell((302, f"{server.url}/elsewhere", ""))
    client = client_of(server)
    add(client, "a")
    with pytest.raises(InferencesNotSentError, match="answered 302"):
        client.send()
    assert [path for _, path, _ in server.asked] == ["/v1/inferences"]
    client._http.close()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"data": {"x": float("nan")}}, "not JSON compliant"),
        ({"score": float("inf")}, "not JSON compliant"),
        ({"at": datetime(2026, 3, 1)}, "2026-03-01T00:00:00 has no zone"),  # noqa: DTZ001 - is refused
    ],
    ids=["data", "score", "at"],
)
def test_what_cannot_be_sent_is_told_at_once(
    server: FailingServer, changed: dict[str, Any], words: str
) -> None:
    with client_of(server) as client:
        with pytest.raises(ValueError, match=words):
            client.add("a", "A", model_version="v", **changed)
        assert len(client) == 0


@pytest.mark.parametrize("batch", [0, 10_001])
def test_a_batch_has_a_size_that_is_taken(batch: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 10,000"):
        InferenceClient("http://127.0.0.1:1", TOKEN, batch=batch)
