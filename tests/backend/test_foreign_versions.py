"""Versions of foreign models: registered as they are reported, calibrated once, loaded, trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.foreign import FOREIGN, foreign_predictor, forward_training, second_model
from backend.foreign_versions import register_foreign
from backend.predictors.errors import TrainingError
from backend.predictors.foreign.recalibration import LEAST_ANSWERS
from backend.predictors.protocol import Asked, Predicted
from backend.slices import control_answers, labelled_slices
from backend.store.model_usage import all_usage
from backend.store.models import RETIRED, ModelVersion, all_versions, champion
from backend.store.tasks import stored_tasks
from backend.store.training import open_requests
from backend.synchronisation import synchronise
from connectors.label_studio.labeling import parse_labeling
from connectors.model_servers.server import model_server
from policies.loading import parse_policy
from policies.schema import Policy
from tests.fakes.model_servers import (
    Backend,
    ModelServerOnLoopback,
    Reply,
    backend,
    chat,
    chat_reply,
    choice,
)
from tests.fakes.worked_project import CONFIG, WorkedProject, worked_policy, worked_project

SLICES: dict[str, Any] = {"control": {"share": 0.35}, "holdout": {"share": 0.2}}


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Always sure, and wrong where the text's number ends in 3."""
    text = str(task["data"]["text"])
    right = "A" if "apples" in text else "B"
    wrong = {"A": "B", "B": "A"}[right]
    return choice(wrong if text.endswith("3") else right, 0.97 + len(text) / 10_000)


@pytest.fixture
def made() -> Backend:
    return Backend(entry=answer)


@pytest.fixture
def server(made: Backend) -> Iterator[ModelServerOnLoopback]:
    with backend(made) as running:
        yield running


@pytest.fixture
def worked(tmp_path: Path, server: ModelServerOnLoopback) -> WorkedProject:
    found = worked_project(tmp_path, policy(server))
    found.add(["fruit", "motor"] * 100)
    synchronise(found.runtime, found.project)
    return found


def policy(server: ModelServerOnLoopback, **model: Any) -> Policy:
    upstream = {"kind": "upstream", "url": server.url} | model
    return worked_policy(model=upstream, **SLICES)


def in_force(worked: WorkedProject) -> Policy:
    return parse_policy(worked.project.policy_text)


def register(worked: WorkedProject) -> dict[str, Any]:
    return register_foreign(worked.runtime, worked.project, in_force(worked))


def serving(worked: WorkedProject) -> ModelVersion:
    with worked.runtime.reads() as session:
        found = champion(session, worked.project_id)
    assert found is not None
    return found


def predict(worked: WorkedProject, count: int = 5) -> Predicted:
    ids = [task.id for task in worked.tasks][:count]
    with worked.runtime.reads() as session:
        tasks = stored_tasks(session, worked.project_id, ids)
    made = foreign_predictor(worked.runtime, worked.project, in_force(worked), serving(worked))
    return made.predict(
        Asked(
            labeling=parse_labeling(worked.project.label_config),
            label_config=worked.project.label_config,
            task_ids=[task.id for task in tasks],
            data=[task.data for task in tasks],
            download=worked.tool.download,
        )
    )


def label_all(worked: WorkedProject, most: int | None = None) -> int:
    """People answer, rightly; how many of it is the control slice."""
    for task in worked.tasks[:most]:
        right = "A" if "apples" in task.data["text"] else "B"
        worked.server.submit(worked.people["sue"], task.id, right)
    synchronise(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        return len(labelled_slices(session, worked.project, in_force(worked)).control)


def test_what_the_server_reports_serves(worked: WorkedProject) -> None:
    assert register(worked) == {
        "state": "registered",
        "version": "v1-upstream-mv-1",
        "why": "the model upstream answers as version mv-1",
    }
    version = serving(worked)
    assert (version.path, version.labels) == ("", ("A", "B"))
    assert version.lineage[FOREIGN]["reported"] == "mv-1"
    assert version.verdict["holdout_accuracy"]["n"] == 0
    assert predict(worked).texts.tolist() == ["A", "B", "A", "A", "A"]  # the fourth is wrong
    assert register(worked) == {"state": "nothing to do"}


def test_a_new_version_of_the_server_is_a_new_version_here(
    worked: WorkedProject, made: Backend
) -> None:
    register(worked)
    made.version = "mv-2"
    assert "answers as version 'mv-2' now" in str(predict(worked).problems[0])
    assert register(worked)["version"] == "v2-upstream-mv-2"
    assert predict(worked).problems.tolist() == [None] * 5
    made.version = "mv-1"  # and back: its own version again, with a name of its own
    assert register(worked)["version"] == "v3-upstream-mv-1"
    with worked.runtime.reads() as session:
        states = [each.state for each in all_versions(session, worked.project_id)]
    assert states == [RETIRED, RETIRED, "champion"]


def test_it_is_calibrated_once_there_are_control_answers_enough(
    worked: WorkedProject, made: Backend, server: ModelServerOnLoopback
) -> None:
    register(worked)
    raw = predict(worked)
    answers = label_all(worked)
    assert answers >= LEAST_ANSWERS
    done = register(worked)
    assert done == {
        "state": "registered",
        "version": "v2-upstream-mv-1-c1",
        "why": f"calibrated on {answers} control answers",
    }
    calibrated = predict(worked)
    assert calibrated.texts.tolist() == raw.texts.tolist()
    assert calibrated.scores.max() < 0.95 < raw.scores.min()  # one in ten is wrong
    assert serving(worked).verdict["holdout_accuracy"]["n"] > 20
    asked = len(server.asked("/predict"))
    assert register(worked) == {"state": "nothing to do"}
    assert len(server.asked("/predict")) == asked
    made.version = "mv-2"  # with the answers there already: one version, calibrated at once
    assert register(worked)["version"] == "v3-upstream-mv-2-c1"


def test_a_calibration_that_fails_is_not_tried_every_round(
    worked: WorkedProject, made: Backend, server: ModelServerOnLoopback
) -> None:
    register(worked)
    made.entry = None
    server.answers["/predict"] = lambda _: Reply(b"", 500)
    label_all(worked)
    assert register(worked) == {"state": "nothing to do"}
    asked = len(server.asked("/predict"))
    assert register(worked) == {"state": "nothing to do"}
    assert len(server.asked("/predict")) == asked


def test_a_server_that_is_down_changes_nothing(worked: WorkedProject, made: Backend) -> None:
    register(worked)
    with backend(made) as gone:
        url = gone.url
    worked.connect(worked_policy(model={"kind": "upstream", "url": url}, **SLICES))
    done = register(worked)
    assert done["state"] == "unavailable"
    assert done["why"].startswith(f"the model server {url} cannot be reached")
    assert serving(worked).version == "v1-upstream-mv-1"
    assert predict(worked, 1).problems.tolist() == [
        (
            "the policy or the labelling config no longer asks for what v1-upstream-mv-1 is: the "
            "next round takes up what they ask for now"
        )
    ]


def test_how_it_is_asked_changes_nothing_but_what_it_is_asked_does(
    worked: WorkedProject, server: ModelServerOnLoopback
) -> None:
    register(worked)
    worked.connect(policy(server, timeout_s=3, batch=7))
    assert register(worked) == {"state": "nothing to do"}
    worked.connect(policy(server, region_score="mean"))
    assert register(worked)["version"] == "v2-upstream-mv-1"
    changed = CONFIG.replace('<Choice value="B"/>', '<Choice value="B"/><Choice value="C"/>')
    worked.tool.set_label_config(worked.project_id, changed)
    worked.connect(policy(server, region_score="mean"))
    assert register(worked)["version"] == "v3-upstream-mv-1"
    assert serving(worked).labels == ("A", "B", "C")


def test_a_policy_that_comes_back_to_labelgates_own_model_has_one_trained(
    worked: WorkedProject,
) -> None:
    register(worked)
    worked.connect(worked_policy(**SLICES))
    assert register(worked) == {
        "state": "retired",
        "version": "v1-upstream-mv-1",
        "why": "the policy names a model of Labelgate's own",
    }
    with worked.runtime.reads() as session:
        assert champion(session, worked.project_id) is None
        (request,) = open_requests(session, worked.project_id)
    assert request.reason == "the policy names a model of Labelgate's own"
    assert register(worked) == {"state": "nothing to do"}


def test_a_training_is_forwarded_where_the_policy_says_so(
    worked: WorkedProject, server: ModelServerOnLoopback
) -> None:
    runtime, project = worked.runtime, worked.project
    with pytest.raises(TrainingError, match=r"set model\.train: true if it can be"):
        forward_training(runtime, project, policy(server))
    said = forward_training(runtime, project, policy(server, train=True))
    assert said == "the model upstream was told to train"
    assert len(server.asked("/webhook")) == 1
    server.answers["/webhook"] = lambda _: Reply(b"", 400)
    with pytest.raises(TrainingError, match="answered 400"):
        forward_training(runtime, project, policy(server, train=True))
    llm = worked_policy(model={"kind": "llm", "model": "m"})
    with pytest.raises(TrainingError, match="a model of kind llm is not trained by Labelgate"):
        forward_training(runtime, project, llm)


def test_credentials_come_from_the_settings_and_missing_ones_are_named(
    worked: WorkedProject, server: ModelServerOnLoopback
) -> None:
    worked.connect(policy(server, credentials="yolo"))
    assert register(worked)["why"] == (
        f"the credentials 'yolo' of the model server {server.url} are not set: put them into "
        "LABELGATE_UPSTREAM_CREDENTIALS, or into the file yolo.credentials in the data folder"
    )
    (worked.runtime.settings.data_dir / "yolo.credentials").write_text("me:secret\n", "utf-8")
    assert register(worked)["state"] == "registered"
    assert server.asked("/setup")[-1].headers["Authorization"] == "Basic bWU6c2VjcmV0"


def test_a_second_model_that_differs_is_a_signal_and_one_that_is_down_holds_back(
    worked: WorkedProject, server: ModelServerOnLoopback
) -> None:
    def entry(task: dict[str, Any]) -> dict[str, Any]:
        return choice("Z" if task["data"]["text"].endswith(" 1") else "A")

    with backend(Backend(entry=entry)) as second:
        model = {
            "kind": "upstream",
            "url": server.url,
            "second": {"kind": "upstream", "url": second.url},
        }
        routes = [{"kind": "model_disagreement", "tier": "senior"}]
        worked.connect(worked_policy(model=model, routes=routes, **SLICES))
        register(worked)
        found = predict(worked, 6)
    assert found.texts.tolist() == ["A", None, "A", "A", "A", "B"]
    signal = found.signals["model_disagreement"]
    assert [signal[place] for place in (0, 2, 3, 4, 5)] == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert str(found.problems[1]).startswith("the second model: the model server")


def test_no_second_model_is_asked_that_no_route_asks_for(worked: WorkedProject) -> None:
    assert second_model(worked.runtime, worked.project, in_force(worked)) is None


def test_what_a_chat_model_cost_is_counted(worked: WorkedProject) -> None:
    with chat(lambda _: chat_reply('{"label": "A"}', [('{"label": "A"}', -0.1)])) as endpoint:
        price = {"input": 1.0, "output": 10.0}
        model = {"kind": "llm", "model": "small", "price_per_million_tokens": price}
        worked.connect(worked_policy(model=model, **SLICES))
        assert register(worked)["why"].startswith("LABELGATE_LLM_URL is not set")
        url = f"{endpoint.url}/v1"
        settings = worked.runtime.settings.model_copy(update={"llm_url": url})
        object.__setattr__(worked.runtime, "settings", settings)
        assert register(worked)["version"] == "v1-small"
        for _ in range(2):
            assert predict(worked, 5).problems.tolist() == [None] * 5
    with worked.runtime.reads() as session:
        (usage,) = all_usage(session)
    # Five tasks asked about once, whoever asks how often.
    assert (usage.questions, usage.input_tokens, usage.output_tokens) == (5, 500, 50)
    assert usage.cost == pytest.approx((500 * 1.0 + 50 * 10.0) / 1e6)


def test_one_line_to_a_server_is_everybodys() -> None:
    assert model_server("http://yolo:9090") is model_server("http://yolo:9090")
    assert model_server("http://yolo:9090", "a:b") is not model_server("http://yolo:9090")


def test_what_is_trained_elsewhere_is_proved_by_later_answers_alone(
    worked: WorkedProject, server: ModelServerOnLoopback
) -> None:
    """Nothing here keeps a model that reads people's answers itself from reading the control's."""
    trains = policy(server, train=True)
    worked.connect(trains)
    in_control = label_all(worked, 100)
    assert in_control
    worked.clock.forward(60)
    register(worked)
    version = serving(worked).version

    def proving() -> int:
        with worked.runtime.reads() as session:
            return len(control_answers(session, worked.project, in_force(worked), version))

    assert proving() == 0
    worked.clock.forward(60)
    assert label_all(worked) > in_control
    assert 0 < proving() < in_control * 2
    worked.connect(policy(server))  # another one that only answers has learned from nobody here
    register(worked)
    version = serving(worked).version
    assert proving() > in_control
