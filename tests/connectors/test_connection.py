"""What a failing server turns into; the server is a local one that fails as told."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from connectors.annotation_tool import AnnotationToolRefusedError, AnnotationToolUnavailableError
from connectors.label_studio.client import LabelStudioTool
from connectors.label_studio.connection import Connection, NotFoundError
from connectors.label_studio.project_lists import find_project
from tests.fakes.failing_server import Answer, FailingServer, running

JSON = "application/json"
PAST, FUTURE = 946_684_800, 4_102_444_800  # the years 2000 and 2100


@pytest.fixture
def server() -> Iterator[FailingServer]:
    with FailingServer() as failing:
        thread = running(failing)
        yield failing
        failing.stop(thread)


@pytest.fixture
def connection(server: FailingServer) -> Connection:
    return Connection(server.url, "t" * 40, setting="LABELGATE_ROBOT_TOKEN", backoff_s=0.001)


GOOD: Answer = (200, JSON, '{"good": true}')
BAD: list[Answer] = [
    (500, JSON, '{"detail": "broken"}'),
    (503, "text/html", "<html>down</html>"),
    (404, "text/html", "<html>not found</html>"),
    (200, "text/html", "<html>log in</html>"),
    (200, JSON, '{"tasks": [{"id": 1, "da'),
    (200, JSON, "cut"),
    (429, JSON, '{"detail": "slow down"}'),
]


@pytest.mark.parametrize("bad", BAD)
def test_a_read_is_tried_again_and_then_given_up(
    server: FailingServer, connection: Connection, bad: Answer
) -> None:
    server.tell(bad, bad, GOOD)
    assert connection.get("/x") == {"good": True}
    server.tell(bad)
    with pytest.raises(AnnotationToolUnavailableError, match=r"http://127\.0\.0\.1"):
        connection.get("/x")
    assert len(server.asked) == 6


@pytest.mark.parametrize("answer", ["[]", "{}", '"no"', '{"id": 1, "title": "a"}', '{"id": "1"}'])
def test_what_is_no_project_is_told(
    server: FailingServer, connection: Connection, answer: str
) -> None:
    server.tell((200, JSON, answer))
    with pytest.raises(AnnotationToolUnavailableError, match="no project from Label Studio"):
        find_project(connection, "1")


@pytest.mark.parametrize("bad", BAD)
def test_a_write_that_would_double_is_not_repeated(
    server: FailingServer, connection: Connection, bad: Answer
) -> None:
    server.tell(bad, GOOD)
    with pytest.raises(AnnotationToolUnavailableError):
        connection.once("POST", "/x", [1])
    assert len(server.asked) == 1
    server.tell(bad, GOOD)
    assert connection.repeatable("POST", "/x", [1]) == {"good": True}


def test_a_slow_server_is_unavailable_and_a_slow_write_is_not_repeated(
    server: FailingServer,
) -> None:
    connection = Connection(server.url, "t", setting="X", timeout_s=0.2, backoff_s=0.001)
    server.tell((200, JSON, "hold"))
    with pytest.raises(AnnotationToolUnavailableError, match="ReadTimeout"):
        connection.once("POST", "/x")
    assert len(server.asked) == 1


def test_nobody_listening_is_unavailable() -> None:
    nobody = Connection("http://127.0.0.1:9", "t", setting="X", backoff_s=0.001)
    with pytest.raises(AnnotationToolUnavailableError, match=r"127\.0\.0\.1:9 does not answer"):
        nobody.once("POST", "/x")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_one_line_that_names_the_variable_and_not_the_token(
    server: FailingServer, connection: Connection, status: int
) -> None:
    server.tell((status, JSON, '{"detail": "legacy token authentication has been disabled"}'))
    with pytest.raises(
        AnnotationToolRefusedError, match=r"LABELGATE_ROBOT_TOKEN: .*legacy"
    ) as caught:
        connection.get("/x")
    assert "\n" not in str(caught.value)
    assert "t" * 40 not in str(caught.value)
    assert len(server.asked) == 1


def test_what_label_studio_refuses_is_said_with_its_reason(
    server: FailingServer, connection: Connection
) -> None:
    server.tell((400, JSON, '{"validation_errors": {"title": ["is too short", "is odd"]}}'))
    with pytest.raises(AnnotationToolRefusedError, match="title: is too short, is odd"):
        connection.once("POST", "/x")
    server.tell((404, JSON, '{"detail": "No Project matches"}'))
    with pytest.raises(NotFoundError, match="No Project matches"):
        connection.get("/x")
    server.tell((403, JSON, '{"detail": "URL resolves to a reserved network address"}'))
    with pytest.raises(AnnotationToolRefusedError, match="ML_BLOCK_LOCAL_IP=false"):
        connection.once("POST", "/x")


def test_a_redirect_is_not_followed_with_the_token(
    server: FailingServer, connection: Connection
) -> None:
    server.tell((302, "http://elsewhere.example/login", ""))
    with pytest.raises(
        AnnotationToolRefusedError, match=r"elsewhere\.example.*LABELGATE_LABEL_STU"
    ):
        connection.get("/x")
    with pytest.raises(AnnotationToolRefusedError, match=r"elsewhere\.example"):
        connection.download("/data/upload/1/a.png")
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "path",
    [
        "http://elsewhere.example/data/upload/1/a.png",
        "//elsewhere.example/data/a.png",
        "/api/users/",
        "/data/../api/users/",
        "/data/%2e%2e/api/users/",
        "/data/..%5capi",
        "file:///etc/passwd",
        "s3://bucket/data/a.png",
    ],
)
def test_only_files_of_label_studio_itself_are_fetched(
    server: FailingServer, connection: Connection, path: str
) -> None:
    server.tell((200, "image/png", "png"))
    with pytest.raises(AnnotationToolRefusedError, match="is not a file of Label Studio"):
        connection.download(path)
    assert server.asked == []


def test_a_file_is_fetched_with_the_token(server: FailingServer, connection: Connection) -> None:
    server.tell((200, "image/png", b"\x89PNG\0"))
    assert connection.download("/data/upload/1/a%20b.png") == b"\x89PNG\0"
    assert connection.download(f"{server.url}/tasks/1/resolve/?fileuri=eA==") == b"\x89PNG\0"
    assert [token for _, _, token in server.asked] == ["Token " + "t" * 40] * 2


@pytest.mark.filterwarnings("ignore:The `parse_obj` method:DeprecationWarning")  # the SDK's own
def test_a_personal_access_token_is_exchanged_and_renewed(server: FailingServer) -> None:
    expired, fresh = _jwt("access", PAST), _jwt("access", FUTURE)
    server.tell(
        (200, JSON, json.dumps({"access": expired})), GOOD,
        (200, JSON, json.dumps({"access": fresh})), GOOD,
    )  # fmt: skip
    connection = Connection(server.url, _jwt("refresh", FUTURE), setting="X", backoff_s=0.001)
    connection.get("/x")
    connection.get("/x")
    assert [(path, token) for _, path, token in server.asked if path == "/x"] == [
        ("/x", f"Bearer {expired}"),
        ("/x", f"Bearer {fresh}"),
    ]


def test_an_expired_personal_access_token_names_the_variable(server: FailingServer) -> None:
    with pytest.raises(AnnotationToolRefusedError, match=r"LABELGATE_LABEL_STUDIO_TOKEN.*expired"):
        LabelStudioTool(server.url, _jwt("refresh", PAST))
    server.tell((401, JSON, '{"detail": "Token is blacklisted"}'))
    tool = LabelStudioTool(server.url, _jwt("refresh", FUTURE))
    with pytest.raises(
        AnnotationToolRefusedError, match=r"LABELGATE_LABEL_STUDIO_TOKEN.*blacklist"
    ):
        tool.users()


def test_without_a_robot_token_accepting_says_what_to_set(server: FailingServer) -> None:
    tool = LabelStudioTool(server.url, "t")
    with pytest.raises(AnnotationToolRefusedError, match="LABELGATE_ROBOT_TOKEN is not set"):
        tool.accept(1, [1], "m-1")
    assert server.asked == []


def test_nothing_is_withdrawn_where_the_server_cannot_name_the_annotator(
    server: FailingServer,
) -> None:
    tool = LabelStudioTool(server.url, "t", "r")
    server.tell((200, JSON, "[]"))
    with pytest.raises(AnnotationToolRefusedError, match=r"older than 1\.23"):
        tool.withdraw(1, [1])
    assert [method for method, _, _ in server.asked] == ["GET"]


def test_half_a_task_list_is_unavailable(server: FailingServer) -> None:
    tool = LabelStudioTool(server.url, "t")
    for body in (
        '{"tasks": [{"id": 1}], "total": 1}',
        '{"tasks": []}',
        "[]",
        '{"tasks": [1], "total": 1}',
    ):
        server.tell((200, JSON, body))
        with pytest.raises(AnnotationToolUnavailableError):
            list(tool.tasks_after(1, 0))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1" + "0" * 400, 10**400),
        ('"a\\ud83d"', "a\ud83d"),
        ("NaN", None),
        ("[" * 900 + "]" * 900, None),
    ],
)
def test_what_pythons_json_alone_writes_is_read(
    server: FailingServer, connection: Connection, written: str, read: object
) -> None:
    """As Label Studio sends it: one such task must not hold up all others of its project."""
    server.tell((200, JSON, f'{{"data": {written}}}'))
    found = connection.get("/x")["data"]
    assert found == read or written.startswith("[")


def test_json_without_end_is_none(server: FailingServer, connection: Connection) -> None:
    server.tell((200, JSON, "[" * 100_000))
    with pytest.raises(AnnotationToolUnavailableError, match="no JSON"):
        connection.get("/x")


def _jwt(kind: str, expires: int) -> str:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    head = part({"alg": "HS256", "typ": "JWT"})
    return f"{head}.{part({'token_type': kind, 'exp': expires})}.c2ln"
