"""Connecting and disconnecting a project of the real Label Studio, with Labelgate answering."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connectors.annotation_tool import AnnotationToolRefusedError, Prelabel
from connectors.label_studio.accounts import EmailTakenError, add_user
from connectors.label_studio.answers import result_of
from connectors.label_studio.client import LabelStudioTool
from connectors.label_studio.connection import Connection
from connectors.label_studio.events import SECRET_HEADER
from connectors.label_studio.labeling import parse_labeling
from connectors.label_studio.provisioning import (
    BACKEND_TITLE,
    CONFUSION_MARKER,
    VIEW_TITLE,
    WEBHOOK_ACTIONS,
    Wiring,
    connect,
    disconnect,
)
from tests.running_label_studio import RunningLabelStudio

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="A"/><Choice value="B"/></Choices></View>'
)
VIEWS = ("senior", "senior_ml", "Audit", "Control")

pytestmark = pytest.mark.label_studio


class Responder(ThreadingHTTPServer):
    """Answers as Labelgate's web server does, and keeps what came.

    ``answers`` gives the results for tasks; by itself none for any of them.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ResponderHandler)
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self.arrived = threading.Condition()
        self.answers: Callable[[list[Any]], list[Any]] = lambda tasks: [[] for _ in tasks]
        self.url = f"http://127.0.0.1:{self.server_port}"

    def take(self, path: str, headers: dict[str, str], body: Any) -> None:
        with self.arrived:
            self.seen.append((path, headers, body))
            self.arrived.notify_all()

    def of(self, path: str) -> list[tuple[dict[str, str], Any]]:
        with self.arrived:
            return [(headers, body) for seen, headers, body in self.seen if seen == path]


class ResponderHandler(BaseHTTPRequestHandler):
    server: Responder

    def do_GET(self) -> None:
        self.server.take(self.path, dict(self.headers), None)
        self._answer({"status": "UP"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.take(self.path, dict(self.headers), body)
        match self.path:
            case "/setup":
                self._answer({"model_version": "text-1"})
            case "/predict":
                results = self.server.answers(body["tasks"])
                self._answer({"results": results, "model_version": "text-1"})
            case _:
                self._answer({})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        del format, args

    def _answer(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def responder() -> Iterator[Responder]:
    with Responder() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def admin(label_studio: RunningLabelStudio) -> Connection:
    return Connection(label_studio.url, label_studio.token, setting="LABELGATE_LABEL_STUDIO_TOKEN")


@pytest.fixture
def project_id(label_studio: RunningLabelStudio) -> int:
    return label_studio.project("provisioning", CONFIG)


def wiring(responder: Responder, secret: str = "first") -> Wiring:  # noqa: S107  # no secret
    return Wiring(url=responder.url, webhook_secret=secret, username="u", password="p")


def state(admin: Connection, project_id: int) -> dict[str, Any]:
    asked = {"project": project_id}
    return {
        "webhooks": admin.get("/api/webhooks/", asked),
        "backends": admin.get("/api/ml/", asked),
        "views": admin.get("/api/dm/views/", asked),
    }


def add_tasks(admin: Connection, project_id: int, count: int) -> list[int]:
    path = f"/api/projects/{project_id}/import?return_task_ids=1"
    rows = [{"text": f"text {number}"} for number in range(count)]
    ids: list[int] = admin.once("POST", path, rows)["task_ids"]
    return ids


def test_connecting_sets_everything_up_and_again_doubles_nothing(
    admin: Connection, project_id: int, responder: Responder
) -> None:
    first = connect(admin, project_id, wiring(responder), VIEWS)
    again = connect(admin, project_id, wiring(responder, "second"), VIEWS, first.previous)
    assert again == first
    assert set(first.views) == set(VIEWS)
    found = state(admin, project_id)
    (webhook,) = found["webhooks"]
    assert webhook["url"] == f"{responder.url}/webhook"
    assert webhook["headers"] == {SECRET_HEADER: "second"}
    assert webhook["send_payload"]
    assert not webhook["send_for_all_actions"]
    assert set(webhook["actions"]) == set(WEBHOOK_ACTIONS)
    (backend,) = found["backends"]
    assert (backend["title"], backend["url"], backend["state"]) == (
        BACKEND_TITLE,
        responder.url,
        "CO",
    )
    assert {view["data"]["title"] for view in found["views"]} == {
        f"Labelgate: {name}" for name in VIEWS
    }
    headers = [headers.get("Authorization") for headers, _ in responder.of("/setup")]
    assert set(headers) == {"Basic dTpw"}
    project = admin.get(f"/api/projects/{project_id}/")
    assert project["show_collab_predictions"]
    assert not project["evaluate_predictions_automatically"]
    assert project["skip_queue"] == "REQUEUE_FOR_OTHERS"


def test_every_webhook_carries_the_secret(
    admin: Connection, project_id: int, responder: Responder
) -> None:
    connect(admin, project_id, wiring(responder), VIEWS)
    add_tasks(admin, project_id, 2)
    with responder.arrived:
        assert responder.arrived.wait_for(
            lambda: any(
                path == "/webhook" and body["action"] == "TASKS_CREATED"
                for path, _, body in responder.seen
            ),
            timeout=10,
        )
    assert {headers.get(SECRET_HEADER) for headers, _ in responder.of("/webhook")} == {"first"}


def test_a_persons_answer_is_told_and_labels_accepted_in_bulk_are_not(
    admin: Connection, project_id: int, responder: Responder, label_studio: RunningLabelStudio
) -> None:
    connect(admin, project_id, wiring(responder), VIEWS)
    accepted, answered = add_tasks(admin, project_id, 2)
    tool = LabelStudioTool(label_studio.url, label_studio.token, label_studio.token)
    result = result_of(parse_labeling(CONFIG), "A")
    prelabel = Prelabel(task_id=accepted, result=result, score=0.9, model_version="text-1")
    tool.import_predictions(project_id, [prelabel])
    assert tool.accept(project_id, [accepted], "text-1") == 1
    admin.once("POST", f"/api/tasks/{answered}/annotations/", {"result": result})
    # Label Studio sends its webhooks inside the requests, one after the other.
    told = [body["action"] for _, body in responder.of("/webhook")]
    assert "ANNOTATIONS_CREATED" not in told
    assert told[-2:] == ["TASKS_CREATED", "ANNOTATION_CREATED"]


def test_a_view_shows_its_own_tasks_even_where_a_name_begins_with_its_name(
    admin: Connection, project_id: int, responder: Responder, label_studio: RunningLabelStudio
) -> None:
    tool = LabelStudioTool(label_studio.url, label_studio.token)
    views = connect(admin, project_id, wiring(responder), VIEWS).views
    ids = add_tasks(admin, project_id, 3)
    markers = zip(ids, VIEWS, strict=False)
    tool.import_predictions(
        project_id,
        [
            Prelabel(task_id=task_id, result=[], score=None, model_version=f"labelgate: {name}")
            for task_id, name in markers
        ],
    )
    held = {
        name: [task.id for task in tool.tasks_in_view(project_id, views[name])] for name in views
    }
    assert held == {
        "senior": [ids[0]],
        "senior_ml": [ids[1]],
        "Audit": [ids[2]],
        "Control": [],
    }


def test_a_blind_task_gets_no_prediction_when_a_person_opens_it(
    admin: Connection, project_id: int, responder: Responder
) -> None:
    connect(admin, project_id, wiring(responder), VIEWS)
    (task_id,) = add_tasks(admin, project_id, 1)
    assert responder.of("/predict") == []  # the import asked for nothing
    opened = admin.get(f"/api/tasks/{task_id}/")
    assert len(responder.of("/predict")) == 1
    assert opened["predictions"] == []


def test_what_is_delivered_while_label_studio_asks_stands_there_twice(
    admin: Connection, project_id: int, responder: Responder, label_studio: RunningLabelStudio
) -> None:
    """It looks before it asks, and stores without another look: docs/faults.md rests on that."""
    tool = LabelStudioTool(label_studio.url, label_studio.token)
    connect(admin, project_id, wiring(responder), VIEWS)
    (task_id,) = add_tasks(admin, project_id, 1)
    result = result_of(parse_labeling(CONFIG), "A")

    def delivered_meanwhile(tasks: list[Any]) -> list[Any]:
        same = Prelabel(task_id=task_id, result=result, score=0.5, model_version="text-1")
        assert tool.import_predictions(project_id, [same]) == 1
        return [{"result": result, "score": 0.5} for _ in tasks]

    responder.answers = delivered_meanwhile
    opened = admin.get(f"/api/tasks/{task_id}/")
    assert [each["model_version"] for each in opened["predictions"]] == ["text-1"] * 2
    assert len(admin.get(f"/api/tasks/{task_id}/")["predictions"]) == 2
    assert len(responder.of("/predict")) == 1  # nor does it ask again

    tool.clear_predictions(project_id, [task_id])  # as the next delivery does
    assert admin.get(f"/api/projects/{project_id}/")["total_predictions_number"] == 0


def test_views_of_tiers_that_are_gone_are_removed_and_other_views_stay(
    admin: Connection, project_id: int, responder: Responder
) -> None:
    body = {"project": project_id, "data": {"title": "My tab"}}
    admin.once("POST", "/api/dm/views/", body)
    before = connect(admin, project_id, wiring(responder), VIEWS)
    after = connect(admin, project_id, wiring(responder), VIEWS[1:], before.previous)
    assert after.views == {name: before.views[name] for name in VIEWS[1:]}
    titles = [
        view["data"]["title"] for view in admin.get("/api/dm/views/", {"project": project_id})
    ]
    assert sorted(titles) == [
        "Labelgate: Audit",
        "Labelgate: Control",
        "Labelgate: senior_ml",
        "My tab",
    ]


def test_the_view_of_a_confusion_shows_labelled_tasks_and_goes_with_the_others(
    admin: Connection, project_id: int, responder: Responder, label_studio: RunningLabelStudio
) -> None:
    tool = LabelStudioTool(label_studio.url, label_studio.token)
    views = connect(admin, project_id, wiring(responder), VIEWS).views
    ids = add_tasks(admin, project_id, 3)
    answer = result_of(parse_labeling(CONFIG), "A")
    admin.once("POST", f"/api/tasks/{ids[0]}/annotations/", {"result": answer})
    marker = CONFUSION_MARKER.format("1a2b")
    marked = [
        Prelabel(task_id=task_id, result=[], score=None, model_version=version)
        for task_id, version in ((ids[0], marker), (ids[1], "labelgate: senior"))
    ]
    tool.import_predictions(project_id, marked)
    view = tool.put_view(project_id, VIEW_TITLE.format("Confusion: a_b% -> <b>"), marker)
    assert responder.of("/predict") == []
    shown = admin.get("/api/tasks/", {"project": project_id, "view": view, "fields": "all"})
    (task,) = shown["tasks"]
    assert (task["id"], task["is_labeled"], task["total_annotations"]) == (ids[0], True, 1)
    assert [task.id for task in tool.tasks_in_view(project_id, views["senior"])] == [ids[1]]

    disconnect(admin, project_id)

    assert state(admin, project_id)["views"] == []
    assert tool.predicted_among(project_id, ids) == []
    assert len(tool.annotated_among(project_id, ids)) == 1


def test_disconnecting_takes_all_of_it_away_and_leaves_the_annotations(
    admin: Connection, project_id: int, responder: Responder, label_studio: RunningLabelStudio
) -> None:
    admin.repeatable(
        "PATCH",
        f"/api/projects/{project_id}/",
        {"evaluate_predictions_automatically": True, "skip_queue": "IGNORE_SKIPPED"},
    )
    _, robot_token = label_studio.new_user("provisioning-robot")
    tool = LabelStudioTool(label_studio.url, label_studio.token, robot_token)
    previous = connect(admin, project_id, wiring(responder), VIEWS).previous
    ids = add_tasks(admin, project_id, 2)
    answer = result_of(parse_labeling(CONFIG), "A")
    tool.import_predictions(
        project_id,
        [Prelabel(task_id=ids[0], result=answer, score=0.9, model_version="text-1"),
         Prelabel(task_id=ids[1], result=[], score=None, model_version="labelgate: senior")],
    )  # fmt: skip
    tool.show_version(project_id, "text-1")
    tool.accept(project_id, [ids[0]], "text-1")
    admin.once("POST", f"/api/tasks/{ids[1]}/annotations/", {"result": answer})

    disconnect(admin, project_id, previous)
    disconnect(admin, project_id, previous)

    assert state(admin, project_id) == {"webhooks": [], "backends": [], "views": []}
    assert tool.predicted_among(project_id, ids) == [ids[0]]
    assert len(tool.annotated_among(project_id, ids)) == 2
    project = admin.get(f"/api/projects/{project_id}/")
    assert project["evaluate_predictions_automatically"]
    assert project["skip_queue"] == "IGNORE_SKIPPED"
    assert project["model_version"] == previous["model_version"]


def test_names_that_label_studio_cannot_keep_apart_are_refused(
    admin: Connection, project_id: int, responder: Responder
) -> None:
    with pytest.raises(AnnotationToolRefusedError, match="'Senior' and 'senior' differ by case"):
        connect(admin, project_id, wiring(responder), ["Senior", "senior"])


def test_a_backend_that_does_not_answer_is_refused_with_its_address(
    admin: Connection, project_id: int
) -> None:
    nowhere = Wiring(url="http://127.0.0.1:9", webhook_secret="s")
    with pytest.raises(AnnotationToolRefusedError, match=r"http://127\.0\.0\.1:9"):
        connect(admin, project_id, nowhere, VIEWS)


def test_an_email_can_be_taken_only_once(admin: Connection) -> None:
    account = add_user(admin, "twice@labelgate.example")
    assert account.token not in repr(account)
    with pytest.raises(EmailTakenError, match=r"twice@labelgate\.example"):
        add_user(admin, "twice@labelgate.example")
