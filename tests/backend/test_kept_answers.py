"""A model that is paid for each question: asked once about each task, every question counted."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from backend.bootstrap import read_settings
from backend.foreign import source_of
from backend.predictors.foreign.source import Source
from backend.secret_files import credentials_named, llm_credentials
from backend.settings import Settings, SettingsError
from backend.store.model_usage import ModelUsage, add_usage, all_usage
from policies.models import Llm
from tests.fakes.foreign_questions import asked, rows
from tests.fakes.model_servers import Reply, Request, chat, chat_reply
from tests.fakes.web_project import web_project
from tests.fakes.worked_project import WorkedProject, worked_project


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return worked_project(tmp_path)


def source(worked: WorkedProject, url: str, **model: object) -> Source:
    settings = worked.runtime.settings.model_copy(update={"llm_url": f"{url}/v1"})
    runtime = replace(worked.runtime, settings=settings)
    made = Llm.model_validate({"kind": "llm", "model": "small"} | model)
    return source_of(runtime, worked.project_id, made)


def echo(request: Request) -> Reply:
    """Says A to what begins with a, B to what begins with b, and nothing to the rest."""
    text = json.loads(request.body["messages"][1]["content"])["text"]
    words = json.dumps({"label": text[:1].upper()})
    return chat_reply(words, [(words, -0.25)])


def test_each_task_is_asked_about_once(worked: WorkedProject) -> None:
    with chat(echo) as endpoint:
        first = source(worked, endpoint.url).answers(asked(["apple", "bread"]))
        # Another process, later, with one task more.
        later = source(worked, endpoint.url).answers(asked(["apple", "bread", "axe"]))
        assert len(endpoint.got) == 3
    assert rows(later)[:2] == rows(first)
    assert later.texts.tolist() == ["A", "B", "A"]


def test_a_task_that_shows_something_else_is_another_question(worked: WorkedProject) -> None:
    with chat(echo) as endpoint:
        asking = source(worked, endpoint.url)
        asking.answers(asked(["apple", "bread"]))
        assert asking.answers(asked(["apple", "axe"])).texts.tolist() == ["A", "A"]
        other = source(worked, endpoint.url, instruction="A is what grows on trees.")
        other.answers(asked(["apple"]))
        assert len(endpoint.got) == 4


def test_what_had_no_answer_is_asked_about_again(worked: WorkedProject) -> None:
    with chat(echo) as endpoint:
        asking = source(worked, endpoint.url)
        for _ in range(2):
            found = asking.answers(asked(["apple", "zebra"]))
            assert found.texts.tolist() == ["A", None]
            assert str(found.problems[1]).endswith("is none of the labels")
        assert len(endpoint.got) == 3


def test_many_processes_count_into_one_sum(worked: WorkedProject) -> None:
    usage = ModelUsage(
        project_id=worked.project_id,
        model="small",
        questions=1,
        input_tokens=10,
        output_tokens=2,
        cost=0.5,
    )

    def count() -> None:
        for _ in range(10):
            with worked.runtime.sessions.begin() as session:
                add_usage(session, usage)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with worked.runtime.reads() as session:
        (found,) = all_usage(session)
    assert found == replace(usage, questions=40, input_tokens=400, output_tokens=80, cost=20.0)


def test_credentials_reach_the_processes_that_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELGATE_UPSTREAM_CREDENTIALS", '{"yolo": "me:secret"}')
    monkeypatch.setenv("LABELGATE_LLM_KEY", "key-1")
    settings = Settings(data_dir=tmp_path)
    environment = settings.process_environment()
    assert json.loads(environment["LABELGATE_UPSTREAM_CREDENTIALS"]) == {"yolo": "me:secret"}
    assert (credentials_named(settings, "yolo"), credentials_named(settings, "bert")) == (
        "me:secret",
        None,
    )
    assert (llm_credentials(settings), environment["LABELGATE_LLM_KEY"]) == ("key-1", "key-1")
    assert "me:secret" not in repr(settings)
    monkeypatch.setenv("LABELGATE_UPSTREAM_CREDENTIALS", "me:secret")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert str(caught.value) == (
        "LABELGATE_UPSTREAM_CREDENTIALS: Input should be a valid dictionary"
    )


def test_what_models_cost_stands_in_the_metrics(tmp_path: Path) -> None:
    project = web_project(tmp_path)
    project.connect()
    usage = ModelUsage(
        project_id=1, model="small", questions=3, input_tokens=300, output_tokens=30, cost=0.25
    )
    with project.runtime.sessions.begin() as session:
        add_usage(session, usage)
    lines = project.client().get("/metrics").text.splitlines()
    assert 'labelgate_model_questions{model="small",project="1"} 3.0' in lines
    tokens = 'labelgate_model_tokens{direction="output",model="small",project="1"} 30.0'
    assert tokens in lines
    assert 'labelgate_model_cost{model="small",project="1"} 0.25' in lines
