"""Drawn inferences become tasks once, with where they come from, whatever dies in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from backend.inferences import healing, job, placing
from backend.inferences.placing import DataSourceError
from backend.mirrors.keys import KEY
from backend.store.inference_tasks import INFERENCE_KEY, wanting_data
from backend.store.job_tables import LeaseRow
from backend.store.tables import TaskRow
from backend.synchronisation import synchronise
from connectors.annotation_tool import (
    AnnotationToolError,
    AnnotationToolRefusedError,
    AnnotationToolUnavailableError,
)
from policies.domain import Purpose
from tests.fakes.annotation_tool import FakeAnnotationTool
from tests.fakes.deployed_model import VERSION, data_of, hand_in, noted, run, states
from tests.fakes.flaky_tool import FlakyTool
from tests.fakes.interrupted_sessions import interrupted
from tests.fakes.model_servers import ModelServerOnLoopback, Request, reply, serving
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

DOWN = AnnotationToolUnavailableError("Label Studio is down")
Make = Callable[..., WorkedProject]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A project that verifies every answer, with this section monitoring."""

    def made(**monitoring: Any) -> WorkedProject:
        section = {"share": 1.0, "each_class": 0} | monitoring
        return worked_project(tmp_path, worked_policy(monitoring=section))

    return made


def carried(worked: WorkedProject) -> list[str]:
    """The ids of the inferences that the tasks in Label Studio say they verify."""
    return sorted(
        task.data[INFERENCE_KEY]["id"] for task in worked.tasks if INFERENCE_KEY in task.data
    )


def test_a_task_carries_its_data_and_where_it_comes_from_and_never_what_was_predicted(
    make: Make,
) -> None:
    worked = make()
    hand_in(worked, ["A", "B"])
    assert run(worked) == {"looked_at": 2, "drawn": 2, "placed": 2, "lost": 0, "wanted": 0}
    rows = noted(worked)
    for task in worked.tasks:
        name = task.data[INFERENCE_KEY]["id"]
        row = rows[name]
        assert row.task_id == task.id
        assert task.data == {
            **data_of(int(name.removeprefix("req-"))),
            INFERENCE_KEY: {"id": name, "model_version": VERSION, "at": row.at.isoformat()},
        }
        assert (task.annotations, task.predictions) == ([], [])


def test_it_is_known_at_once_so_that_the_same_round_decides_it(make: Make) -> None:
    worked = make()
    hand_in(worked, ["A"] * 40)
    run(worked)
    with worked.runtime.reads() as session:
        assert session.query(TaskRow).count() == 40
    worked.round()
    assert len(worked.with_purpose(Purpose.MONITORING)) > 20
    before = len(worked.tasks)
    synchronise(worked.runtime, worked.project)
    run(worked)
    assert len(worked.tasks) == before


@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["tasks_after", "import_tasks"])
def test_a_tool_that_dies_at_a_call_leaves_no_task_twice_and_none_out(
    make: Make, method: str, *, afterwards: bool
) -> None:
    worked = make()
    hand_in(worked, ["A"] * 20)
    worked.tool.fail_next(method, DOWN, afterwards=afterwards)
    with pytest.raises(AnnotationToolUnavailableError):
        run(worked)
    assert run(worked)["placed"] == 20
    assert carried(worked) == sorted(noted(worked))
    assert states(worked) == {"placed": 20}
    assert set(run(worked).values()) == {0}


@pytest.mark.parametrize("synced", [False, True], ids=["unread", "read meanwhile"])
def test_a_crash_between_making_tasks_and_noting_them_is_healed_by_what_they_carry(
    make: Make, *, synced: bool
) -> None:
    worked = make()
    hand_in(worked, ["A"] * 12)

    def crash() -> None:
        if worked.tool.calls.count("import_tasks"):
            raise KeyboardInterrupt

    broken = interrupted(worked.runtime, dict.fromkeys(range(1, 50), crash))
    with pytest.raises(KeyboardInterrupt):
        job.run(broken, worked.project)
    assert len(worked.tasks) == 12
    assert states(worked) == {"drawn": 12}
    if synced:
        synchronise(worked.runtime, worked.project)
    worked.clock.forward(60)
    free_leases(worked)
    assert run(worked)["placed"] == 12
    assert carried(worked) == sorted(noted(worked))
    assert worked.tool.calls.count("import_tasks") == 1


def free_leases(worked: WorkedProject) -> None:
    """What a process that died held; a real one waits until it has run out."""
    with worked.runtime.sessions.begin() as session:
        session.query(LeaseRow).delete()


def test_tasks_that_were_read_are_known_again_while_label_studio_is_down(make: Make) -> None:
    """Before they are decided as any other task; and decided anew where they were."""
    worked = make()
    hand_in(worked, ["A"] * 30)
    worked.promote()
    worked.tool.fail_next("import_tasks", DOWN, afterwards=True)
    with pytest.raises(AnnotationToolUnavailableError):
        run(worked)
    worked.settle()  # read, decided, some accepted: nobody knew better
    assert not worked.with_purpose(Purpose.MONITORING)
    assert [task for task in worked.tasks if task.annotations]
    worked.tool.fail_next("tasks_after", DOWN)
    with pytest.raises(AnnotationToolUnavailableError):
        run(worked)
    assert states(worked) == {"placed": 30}
    worked.settle()
    assert len(worked.with_purpose(Purpose.MONITORING)) > 15
    monitored = worked.with_purpose(Purpose.MONITORING)
    assert not [task.id for task in worked.tasks if task.id in monitored and task.annotations]


def test_a_request_that_is_carried_out_late_leaves_no_second_task(make: Make) -> None:
    worked = make()
    hand_in(worked, ["A"] * 6)
    late: list[dict[str, Any]] = []

    class Late(FakeAnnotationTool):
        def import_tasks(self, project_id: int, data: Sequence[dict[str, Any]]) -> list[int]:
            if not late:
                late.extend(data)
                raise DOWN
            return FakeAnnotationTool.import_tasks(self, project_id, data)

    tool = Late(server=worked.server, page_size=7)
    worked = replace(worked, tool=tool, runtime=replace(worked.runtime, tool=lambda: tool))
    with pytest.raises(AnnotationToolUnavailableError):
        run(worked)
    run(worked)
    worked.server.add_tasks(worked.project_id, late)  # the first request, at last
    (answered, *_) = [task for task in worked.tasks if task.id not in placed_ids(worked)]
    worked.server.submit(worked.people["sue"], answered.id, "A")
    synchronise(worked.runtime, worked.project)
    hand_in(worked, ["A"], first=100)
    run(worked)
    # One that somebody has answered stays: nothing that a person did is thrown away.
    left = [task for task in worked.tasks if task.id not in placed_ids(worked)]
    assert [task.id for task in left] == [answered.id]
    assert states(worked) == {"placed": 7}


def placed_ids(worked: WorkedProject) -> set[int]:
    return {row.task_id for row in noted(worked).values() if row.task_id is not None}


def test_a_request_of_which_half_was_carried_out_is_completed_and_not_repeated(make: Make) -> None:
    worked = make()
    hand_in(worked, ["A"] * 9)
    half: list[int] = []

    class Stopping(FakeAnnotationTool):
        def import_tasks(self, project_id: int, data: Sequence[dict[str, Any]]) -> list[int]:
            if not half:
                half.extend(FakeAnnotationTool.import_tasks(self, project_id, data[:5]))
                raise DOWN
            return FakeAnnotationTool.import_tasks(self, project_id, data)

    tool = Stopping(server=worked.server, page_size=7)
    worked = replace(worked, tool=tool, runtime=replace(worked.runtime, tool=lambda: tool))
    with pytest.raises(AnnotationToolUnavailableError):
        run(worked)
    assert run(worked)["placed"] == 9
    assert carried(worked) == sorted(noted(worked))
    assert set(half) < placed_ids(worked)


@pytest.mark.parametrize("seed", range(12))
def test_on_a_bad_day_every_inference_becomes_one_task(make: Make, seed: int) -> None:
    worked = make()
    tool = FlakyTool(server=worked.server, page_size=7, random=Random(seed), trouble=0.3)  # noqa: S311
    worked = replace(worked, tool=tool, runtime=replace(worked.runtime, tool=lambda: tool))
    for number in range(6):
        hand_in(worked, ["A", "B"] * 4, first=100 * number)
        for step in (run, lambda each: synchronise(each.runtime, each.project)):
            try:
                step(worked)
            except AnnotationToolError:
                continue
    tool.trouble = 0.0
    run(worked)
    assert carried(worked) == sorted(noted(worked))
    assert states(worked) == {"placed": 48}
    assert {row.task_id for row in noted(worked).values()} == {task.id for task in worked.tasks}


class RefusingTool(FakeAnnotationTool):
    """Refuses a whole request for one bad task, as Label Studio does."""

    def import_tasks(self, project_id: int, data: Sequence[dict[str, Any]]) -> list[int]:
        if any(not isinstance(each["text"], str) for each in data):
            self.calls.append("refused")
            raise AnnotationToolRefusedError("text must be a string")
        return FakeAnnotationTool.import_tasks(self, project_id, data)


def refusing(worked: WorkedProject) -> WorkedProject:
    tool = RefusingTool(server=worked.server, page_size=7)
    return replace(worked, tool=tool, runtime=replace(worked.runtime, tool=lambda: tool))


def test_one_that_label_studio_refuses_is_lost_and_the_others_are_placed(make: Make) -> None:
    worked = refusing(make())
    data = [data_of(number) for number in range(9)]
    data[4]["text"] = [1, 2]
    hand_in(worked, ["A"] * 9, data=data)
    assert run(worked) | {"looked_at": 0} == {
        "looked_at": 0, "drawn": 9, "placed": 8, "lost": 1, "wanted": 0
    }  # fmt: skip
    assert noted(worked)["req-4"].why == "Label Studio refused it: text must be a string"
    assert noted(worked)["req-4"].state == "lost"


def test_where_everything_is_refused_nothing_is_lost_and_the_job_says_why(make: Make) -> None:
    worked = refusing(make())
    hand_in(worked, ["A"] * 100, data=[{"text": number} for number in range(100)])
    with pytest.raises(AnnotationToolRefusedError, match="text must be a string"):
        run(worked)
    assert states(worked) == {"drawn": 100}
    assert worked.tool.calls.count("refused") < 60  # and nobody asks a hundred times


def test_a_token_that_is_refused_loses_nothing_and_is_asked_with_once(make: Make) -> None:
    worked = make()
    hand_in(worked, ["A"] * 5)
    no = AnnotationToolRefusedError("the token is refused")
    worked.tool.fail_next("import_tasks", no)
    worked.tool.fail_next("project", no)
    with pytest.raises(AnnotationToolRefusedError, match="the token is refused"):
        run(worked)
    assert states(worked) == {"drawn": 5}
    assert worked.tool.calls.count("import_tasks") <= 1


def test_data_without_what_people_are_to_see_is_lost_and_says_which_field(make: Make) -> None:
    worked = make()
    hand_in(worked, ["A", "B"], data=[{"body": "x"}, {"text": "y"}])
    assert run(worked)["lost"] == 1
    assert noted(worked)["req-0"].why == (
        "its data has no 'text', which the labelling config shows"
    )
    assert noted(worked)["req-1"].state == "placed"


def test_a_field_masked_since_the_data_was_kept_is_blank_to_people_too(make: Make) -> None:
    worked = make()
    hand_in(worked, ["A"], data=[data_of(0, mail="ann@example.org")])
    masks = {"share": 1.0, "each_class": 0, "mask": ["mail"]}
    worked.connect(worked_policy(monitoring=masks))
    run(worked)
    (task,) = worked.tasks
    assert task.data["mail"] == ""


def test_data_too_deep_for_a_hash_is_other_data_and_stops_nothing() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert "no JSON that has a hash" in str(placing._mismatch("0" * 64, deep))
    while deep:  # one by one: a deep one is not freed at once
        deep = deep["a"]


def test_many_are_placed_in_few_requests(make: Make) -> None:
    worked = make()
    hand_in(worked, ["A"] * 1_500)
    run(worked)
    assert worked.tool.calls.count("import_tasks") == 2
    assert len(worked.tasks) == 1_500


def test_a_key_that_people_wrote_themselves_is_no_inference(make: Make) -> None:
    worked = make()
    odd: list[dict[str, Any]] = [
        {"text": "a", INFERENCE_KEY: "req-0"},
        {"text": "b", INFERENCE_KEY: {"id": 7}},
        {"text": "c", INFERENCE_KEY: {"id": "of another project"}},
        {"text": "d", KEY: "0" * 24},
    ]
    worked.server.add_tasks(worked.project_id, odd)
    synchronise(worked.runtime, worked.project)
    hand_in(worked, ["A"])
    assert run(worked)["placed"] == 1
    assert len(worked.tasks) == 5
    assert [healing.inference_of(each) for each in odd] == [
        None, None, "of another project", None
    ]  # fmt: skip


# Data that is not kept.


@dataclass
class Source:
    """A team's server that knows the data of inferences; ``data`` is what it gives."""

    server: ModelServerOnLoopback
    data: dict[str, Any]

    def answer(self, request: Request) -> Any:
        asked = request.body["ids"]
        return reply({"data": {each: self.data[each] for each in asked if each in self.data}})


@pytest.fixture
def source() -> Iterator[Source]:
    made = Source(server=None, data={})  # type: ignore[arg-type]  # set in the next line
    with serving(ModelServerOnLoopback({"/data": made.answer})) as server:
        made.server = server
        yield made


def fetching(make: Make, source: Source, **more: Any) -> WorkedProject:
    fetch = {"url": f"{source.server.url}/data"} | more.pop("fetch", {})
    return make(keep="ids", fetch=fetch, **more)


def test_data_that_is_not_kept_is_asked_for_by_id_held_to_its_hash_and_masked(
    make: Make, source: Source
) -> None:
    worked = fetching(make, source, mask=["mail"])
    data = [data_of(number, mail=f"p{number}@x.org") for number in range(3)]
    ids = hand_in(worked, ["A"] * 3, data=data)
    source.data = dict(zip(ids, data, strict=True))
    source.data["req-1"] = data[1] | {"text": "something else"}
    del source.data["req-2"]
    assert run(worked) == {"looked_at": 3, "drawn": 3, "placed": 1, "lost": 2, "wanted": 0}
    (task,) = worked.tasks
    assert task.data["text"] == data[0]["text"]
    assert task.data["mail"] == ""
    rows = noted(worked)
    url = f"{source.server.url}/data"
    why = str(rows["req-1"].why)
    assert why.startswith(f"{url} gave other data than the model was sent: its SHA-256 is ")
    assert rows["req-2"].why == f"{url} gave no data of it"
    assert all(row.data is None for row in rows.values())
    (asked,) = source.server.asked("/data")
    assert (asked.method, asked.body) == ("POST", {"ids": ids})
    assert "Authorization" not in asked.headers


def test_a_hundred_are_asked_for_at_once(make: Make, source: Source) -> None:
    worked = fetching(make, source)
    data = [data_of(number) for number in range(250)]
    source.data = dict(zip(hand_in(worked, ["A"] * 250, data=data), data, strict=True))
    assert run(worked)["placed"] == 250
    assert [len(each.body["ids"]) for each in source.server.asked("/data")] == [100, 100, 50]


def test_what_was_placed_before_the_source_fails_stands_and_the_rest_waits(
    make: Make, source: Source
) -> None:
    worked = fetching(make, source)
    data = [data_of(number) for number in range(150)]
    ids = hand_in(worked, ["A"] * 150, data=data)
    source.data = dict(zip(ids, data, strict=True))

    def once(request: Request) -> Any:
        source.server.answers["/data"] = lambda _: reply({"error": "no"}, 500)
        return source.answer(request)

    source.server.answers["/data"] = once
    with pytest.raises(DataSourceError, match=r"monitoring.fetch: http://.*/data answered 500"):
        run(worked)
    assert states(worked) == {"placed": 100, "drawn": 50}
    source.server.answers["/data"] = source.answer
    assert run(worked)["placed"] == 50


def test_credentials_go_along_by_their_name_and_unset_ones_are_named(
    make: Make, source: Source
) -> None:
    worked = fetching(make, source, fetch={"credentials": "records"})
    data = [data_of(0)]
    source.data = dict(zip(hand_in(worked, ["A"], data=data), data, strict=True))
    with pytest.raises(DataSourceError, match=r"the credentials 'records' of http.* are not set"):
        run(worked)
    (worked.runtime.settings.data_dir / "records.credentials").write_text("secret-token")
    assert run(worked)["placed"] == 1
    (asked,) = source.server.asked("/data")
    assert asked.headers["Authorization"] == "Bearer secret-token"


def test_without_a_source_drawn_ones_wait_and_label_studio_is_not_asked(make: Make) -> None:
    worked = make(keep="ids")
    hand_in(worked, ["A"] * 3)
    calls = len(worked.tool.calls)
    assert run(worked) == {"looked_at": 3, "drawn": 3, "placed": 0, "lost": 0, "wanted": 3}
    assert run(worked)["wanted"] == 3
    assert len(worked.tool.calls) == calls
    with worked.runtime.reads() as session:
        wanted = wanting_data(session, worked.project_id)
    assert [each.inference_id for each in wanted] == ["req-0", "req-1", "req-2"]
