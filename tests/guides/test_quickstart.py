"""The quickstart, done word by word on a real Label Studio, up to the first routed task."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from connectors.label_studio.server_process import SETTINGS
from connectors.loopback import free_port
from tests.guides.shell import Shell
from tests.guides.written import ROOT
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

GUIDE = ROOT / "docs" / "quickstart.md"
TEXT = GUIDE.read_text(encoding="utf-8")
STEPS = dict(re.findall(r"^## (\d)\..*?\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
ADDRESS = "you@example.com"
TITLE = "First tickets"
# What a new user has done before, and what this machine does otherwise: see the tests below.
BEFORE = {
    "make .venv/ready": "these tests run in what it made",
    'export PATH="$PWD/.venv/bin:$PATH"': "the tests call the same program by its module",
}


def block(step: str, kind: str) -> str:
    """The one block of that language in a step."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", STEPS[step], re.MULTILINE | re.DOTALL)
    return str(found)


def lines(step: str) -> list[str]:
    """The shell lines of a step, in their order."""
    typed = re.findall(r"^```sh\n(.*?)^```$", STEPS[step], re.MULTILINE | re.DOTALL)
    return [line for text in typed for line in text.strip().splitlines()]


def test_from_nothing_to_the_first_routed_task(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    shell = Shell(folder=tmp_path)
    for line in lines("1"):
        if line not in BEFORE:
            assert "version" in shell.type(line)
    email, token = a_person(label_studio)
    project_id = the_project(label_studio)

    (tmp_path / "tickets.yaml").write_text(
        block("4", "yaml").replace(ADDRESS, email), encoding="utf-8"
    )
    (check,) = lines("4")
    assert shell.type(check).startswith("tickets.yaml  is fine")

    # This run's server is shared and has its own port, and gives a robot's token only once.
    port = free_port()
    shell.variables = {
        "LABELGATE_PORT": str(port),
        "LABELGATE_ROBOT_TOKEN": label_studio.new_user("robot")[1],
        "LABELGATE_EMBEDDINGS": "off",
    }
    url, secret, serve, *far = lines("5")
    shell.type(url, LABELGATE_LABEL_STUDIO_URL=label_studio.url)
    shell.type(secret, LABELGATE_LABEL_STUDIO_TOKEN=label_studio.token)
    assert all(line.startswith("export LABELGATE_") for line in far)

    own = f"http://127.0.0.1:{port}"
    with shell.serving(serve):
        until(lambda: answers(own), "labelgate serve answers")
        (connect,) = lines("6")
        said = shell.type(connect)
        assert re.match(rf"'{TITLE}' \(number {project_id}\) is connected under policy", said)
        assert said.splitlines()[0].endswith("; views: general, Control, Audit")

        tasks = until(lambda: routed(label_studio, project_id), "a task is routed")
        assert TITLE in httpx.get(own, timeout=30).text
        a_person_can_answer(label_studio, token, tasks[0])

        for line in lines("7"):
            assert shell.type(line)
    assert (tmp_path / "labelgate-data" / "labelgate.db").exists()


def a_person(label_studio: RunningLabelStudio) -> tuple[str, str]:
    """Who reads the guide: address and token."""
    _, token = label_studio.new_user("reader")
    with client(label_studio, token) as reader:
        return str(reader.get("/api/current-user/whoami").json()["email"]), token


def the_project(label_studio: RunningLabelStudio) -> int:
    """What the clicks of step 3 do: a project with that title and config, the file imported."""
    with client(label_studio, label_studio.token) as admin:
        made = admin.post(
            "/api/projects/", json={"title": TITLE, "label_config": block("3", "xml")}
        )
        assert made.status_code == 201, made.text
        project_id = int(made.json()["id"])
        file = {"file": ("tickets.csv", block("3", "csv").encode(), "text/csv")}
        response = admin.post(f"/api/projects/{project_id}/import", files=file)
        assert response.status_code == 201, response.text
        assert response.json()["task_count"] == len(block("3", "csv").strip().splitlines()) - 1
    return project_id


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def routed(label_studio: RunningLabelStudio, project_id: int) -> list[dict[str, Any]]:
    """The tasks that the tab of the guide hands out."""
    with client(label_studio, label_studio.token) as admin:
        views = admin.get("/api/dm/views", params={"project": project_id}).json()
        tabs = {view["data"]["title"]: view["id"] for view in views}
        assert {tab for tab in tabs if tab.startswith("Labelgate")} == set(
            re.findall(r"`(Labelgate: \w+)`", STEPS["6"])
        )
        shown = admin.get("/api/tasks", params={"view": tabs["Labelgate: general"]}).json()
        found: list[dict[str, Any]] = shown["tasks"]
        return found


def a_person_can_answer(label_studio: RunningLabelStudio, token: str, task: dict[str, Any]) -> None:
    result = {
        "from_name": "topic",
        "to_name": "ticket",
        "type": "choices",
        "value": {"choices": ["billing"]},
    }
    with client(label_studio, token) as reader:
        response = reader.post(f"/api/tasks/{task['id']}/annotations/", json={"result": [result]})
        assert response.status_code == 201, response.text


def client(label_studio: RunningLabelStudio, token: str) -> httpx.Client:
    headers = {"Authorization": f"Token {token}"}
    return httpx.Client(base_url=label_studio.url, headers=headers, timeout=120)


def test_the_variables_of_the_guide_are_those_that_the_tests_start_label_studio_with() -> None:
    """The commands that start it are not run here: what they set is."""
    for name, value in re.findall(r"\b(ML_BLOCK_LOCAL_IP|SSRF_\w+)=(\w+)", STEPS["2"]):
        assert SETTINGS[name] == value


def test_the_guide_names_the_version_that_is_tested(label_studio: RunningLabelStudio) -> None:
    for version in re.findall(r"label-studio(?:==|:)(\d[\d.]+\d)|Label Studio (\d[\d.]+\d)", TEXT):
        assert label_studio.version in version
