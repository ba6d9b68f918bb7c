"""What every annotation tool must do: one test body, on the fake and on the real Label Studio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest

from backend.prelabels import prelabels_of
from backend.store.deliveries import Wish
from connectors.annotation_tool import AnnotationToolRefusedError, Prelabel, Task
from connectors.label_studio.answers import answer_of, result_of
from tests.fakes.annotation_tool_worlds import (
    CONFIG,
    LABELING,
    FakeWorld,
    RealServer,
    RealWorld,
    World,
)
from tests.running_label_studio import RunningLabelStudio


@pytest.fixture(scope="module")
def real_server(label_studio: RunningLabelStudio) -> RealServer:
    _, robot_token = label_studio.new_user("contract-robot")
    person, person_token = label_studio.new_user("contract-person")
    return RealServer(
        server=label_studio, robot_token=robot_token, person=person, person_token=person_token
    )


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.label_studio)])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return FakeWorld()
    return RealWorld(request.getfixturevalue("real_server"))


def prelabels(task_ids: Sequence[int], version: str, label: str = "A") -> list[Prelabel]:
    return [
        Prelabel(
            task_id=task_id,
            result=result_of(LABELING, label),
            score=0.9 - position / 100,
            model_version=version,
        )
        for position, task_id in enumerate(task_ids)
    ]


def markers(task_ids: Sequence[int], name: str) -> list[Prelabel]:
    return [
        Prelabel(task_id=task_id, result=[], score=None, model_version=f"labelgate: {name}")
        for task_id in task_ids
    ]


def delivered(task_id: int, rank: int | None, blind: set[int]) -> list[Prelabel]:
    """The rows of one task as they are delivered to the view of the seniors."""
    shown = task_id not in blind
    wish = Wish(
        task_id=task_id,
        decision_seq=1,
        marker="senior",
        label="A" if shown else None,
        score=0.5 if shown else None,
        model_version="m-1" if shown else None,
        accepts=False,
        overlap=1,
        rank=rank,
    )
    return prelabels_of(wish, LABELING)


def flat(pages: Iterator[list[Task]]) -> list[Task]:
    return [task for page in pages for task in page]


def labels(tasks: Sequence[Task]) -> dict[int, list[tuple[int, str | None]]]:
    return {
        task.id: [(each.user_id, answer_of(LABELING, each.result)) for each in task.annotations]
        for task in tasks
    }


def test_a_project_is_found_by_id_or_title_and_an_unknown_one_names_the_near_ones(
    world: World,
) -> None:
    by_title = world.tool.project(world.title)
    assert by_title == world.tool.project(str(world.project_id))
    assert (by_title.id, by_title.label_config) == (world.project_id, CONFIG)
    assert by_title.model_version == ""
    with pytest.raises(AnnotationToolRefusedError, match=world.title):
        world.tool.project(world.title[:-1])


def test_users_have_ids_and_the_robot_is_one_of_them(world: World) -> None:
    users = {user.id: user.email for user in world.tool.users()}
    assert "@" in users[world.tool.robot_id()]
    assert world.person in users
    assert world.tool.robot_id() != world.person


def test_tasks_come_once_in_order_and_only_those_after(world: World) -> None:
    ids = world.add_tasks(["one", "two", "three", "four", "five"])
    found = flat(world.tool.tasks_after(world.project_id, 0))
    assert [task.id for task in found] == ids
    assert [task.data for task in found][:2] == [{"text": "one"}, {"text": "two"}]
    assert all(task.created_at.tzinfo and task.annotations == () for task in found)
    assert [task.id for task in flat(world.tool.tasks_after(world.project_id, ids[2]))] == ids[3:]
    assert flat(world.tool.tasks_after(world.project_id, ids[-1])) == []


def test_answers_and_skips_are_read_with_who_said_what(world: World) -> None:
    ids = world.add_tasks(["one", "two", "three"])
    assert flat(world.tool.annotated_since(world.project_id, None)) == []
    world.submit(ids[0], "B")
    world.skip(ids[2])
    found = flat(world.tool.annotated_since(world.project_id, None))
    assert labels(found) == {ids[0]: [(world.person, "B")], ids[2]: [(world.person, None)]}
    (answer,) = next(task for task in found if task.id == ids[0]).annotations
    assert not answer.was_cancelled
    assert answer.updated_by == world.person
    (skip,) = next(task for task in found if task.id == ids[2]).annotations
    assert skip.was_cancelled
    assert labels(world.tool.annotated_among(world.project_id, ids)) == labels(found)
    assert world.tool.annotated_among(world.project_id, [ids[1]]) == []
    assert world.tool.annotated_among(world.project_id, []) == []
    assert labels(world.tool.answers_to(world.project_id, ids)) == labels(found)
    assert world.tool.answers_to(world.project_id, []) == []
    everything = flat(world.tool.all_with_annotations(world.project_id))
    assert [task.id for task in everything] == ids
    assert labels([task for task in everything if task.annotations]) == labels(found)


def test_only_what_changed_since_is_read_again(world: World) -> None:
    ids = world.add_tasks(["one", "two"])
    world.submit(ids[0], "A")
    (first,) = flat(world.tool.annotated_since(world.project_id, None))
    assert flat(world.tool.annotated_since(world.project_id, first.updated_at)) == []
    world.submit(ids[1], "A")
    since = flat(world.tool.annotated_since(world.project_id, first.updated_at))
    assert [task.id for task in since] == [ids[1]]
    world.edit(first.annotations[0].id, "B")
    changed = labels(flat(world.tool.annotated_since(world.project_id, first.updated_at)))
    assert changed[ids[0]] == [(world.person, "B")]


def test_import_counts_what_was_taken_and_drops_bad_rows(world: World) -> None:
    ids = world.add_tasks(["one", "two", "three"])
    rows = prelabels([*ids[:2], 999_999_999], "m-1")
    assert world.tool.import_predictions(world.project_id, rows) == 2
    assert world.tool.import_predictions(world.project_id, []) == 0
    assert world.tool.predicted_among(world.project_id, ids) == ids[:2]
    world.tool.clear_predictions(world.project_id, [ids[0]])
    assert world.tool.predicted_among(world.project_id, ids) == [ids[1]]
    world.tool.clear_predictions(world.project_id, ids)
    world.tool.clear_predictions(world.project_id, [])
    assert world.tool.predicted_among(world.project_id, ids) == []
    assert world.tool.predicted_among(world.project_id, []) == []


def test_accepting_makes_the_robots_annotations_once_and_leaves_markers_alone(
    world: World,
) -> None:
    ids = world.add_tasks(["one", "two", "three"])
    world.tool.import_predictions(
        world.project_id,
        prelabels(ids, "m-1") + prelabels(ids, "m-2", "B") + markers(ids, "senior"),
    )
    assert world.tool.accept(world.project_id, ids[:2], "m-1") == 2
    assert world.tool.accept(world.project_id, ids[:2], "m-1") == 0
    assert world.tool.accept(world.project_id, [], "m-1") == 0
    robot = world.tool.robot_id()
    found = world.tool.annotated_among(world.project_id, ids)
    assert labels(found) == {ids[0]: [(robot, "A")], ids[1]: [(robot, "A")]}
    assert all(each.parent_prediction_id for task in found for each in task.annotations)
    assert all(each.updated_by is None for task in found for each in task.annotations)


def test_annotations_outlive_the_predictions_they_came_from(world: World) -> None:
    ids = world.add_tasks(["one"])
    world.tool.import_predictions(world.project_id, prelabels(ids, "m-1"))
    world.tool.accept(world.project_id, ids, "m-1")
    world.tool.clear_predictions(world.project_id, ids)
    (task,) = world.tool.annotated_among(world.project_id, ids)
    assert [each.parent_prediction_id for each in task.annotations] == [None]


def test_withdrawing_takes_the_robots_annotations_and_never_a_persons(world: World) -> None:
    ids = world.add_tasks(["both", "robot", "person"])
    world.tool.import_predictions(world.project_id, prelabels(ids[:2], "m-1"))
    world.tool.accept(world.project_id, ids[:2], "m-1")
    world.submit(ids[0], "B")
    world.submit(ids[2], "B")
    assert world.tool.withdraw(world.project_id, ids) == 2
    assert world.tool.withdraw(world.project_id, ids) == 0
    assert world.tool.withdraw(world.project_id, []) == 0
    assert labels(world.tool.annotated_among(world.project_id, ids)) == {
        ids[0]: [(world.person, "B")],
        ids[2]: [(world.person, "B")],
    }


def test_a_person_who_corrects_the_robot_is_named(world: World) -> None:
    ids = world.add_tasks(["one"])
    world.tool.import_predictions(world.project_id, prelabels(ids, "m-1"))
    world.tool.accept(world.project_id, ids, "m-1")
    (task,) = world.tool.annotated_among(world.project_id, ids)
    world.edit(task.annotations[0].id, "B")
    (task,) = world.tool.annotated_among(world.project_id, ids)
    assert labels([task]) == {ids[0]: [(world.tool.robot_id(), "B")]}
    assert task.annotations[0].updated_by == world.person


def test_a_view_hands_out_its_unlabelled_tasks_by_rank_blind_or_not(world: World) -> None:
    ids = world.add_tasks(["one", "two", "three", "four", "five", "without a rank", "other"])
    view = world.add_view("senior")
    assert world.tool.tasks_in_view(world.project_id, view) == []
    ranks = dict(zip(ids, (3, 12, 1, 20, 2), strict=False))
    blind = {ids[1], ids[4], ids[5]}
    world.tool.import_predictions(
        world.project_id,
        [row for task_id in ids[:6] for row in delivered(task_id, ranks.get(task_id), blind)],
    )
    world.tool.show_version(world.project_id, "m-1")
    assert world.tool.project(world.title).model_version == "m-1"
    wanted = [*sorted(ranks, key=ranks.__getitem__), ids[5]]
    assert [task.id for task in world.tool.tasks_in_view(world.project_id, view)] == wanted
    world.submit(wanted[1], "A")
    del wanted[1]
    assert [task.id for task in world.tool.tasks_in_view(world.project_id, view)] == wanted
    # What is delivered again comes where its new rank puts it, whatever came in before.
    world.tool.clear_predictions(world.project_id, [wanted[-1]])
    world.tool.import_predictions(world.project_id, delivered(wanted[-1], 1, blind))
    wanted.insert(1, wanted.pop())
    found = [task.id for task in world.tool.tasks_in_view(world.project_id, view)]
    assert set(found[:2]) == set(wanted[:2])  # of one rank
    assert found[2:] == wanted[2:]


def test_a_view_of_marked_tasks_is_made_once_and_disturbs_no_answer(world: World) -> None:
    ids = world.add_tasks(["a", "b", "c"])
    world.tool.import_predictions(world.project_id, prelabels(ids[:2], "m-1"))
    world.submit(ids[0], "B")
    marker = "labelgate confusion 1a2b"
    assert world.tool.marked_among(world.project_id, ids, marker) == []
    marks = [
        Prelabel(task_id=task_id, result=[], score=None, model_version=marker)
        for task_id in ids[:2]
    ]
    assert world.tool.import_predictions(world.project_id, marks) == 2
    assert world.tool.marked_among(world.project_id, ids, marker) == ids[:2]
    title = "Labelgate: Confusion: A -> B"
    view = world.tool.put_view(world.project_id, title, "labelgate confusion 0000")
    assert world.tool.tasks_in_view(world.project_id, view) == []
    assert world.tool.put_view(world.project_id, title, marker) == view
    assert world.tool.view_id(world.project_id, title) == view
    assert world.tool.view_id(world.project_id, str(view)) == view
    with pytest.raises(AnnotationToolRefusedError, match="no view 'Tickets'"):
        world.tool.view_id(world.project_id, "Tickets")
    # The labelled one is shown, and handed out to nobody.
    assert [task.id for task in world.tool.tasks_in_view(world.project_id, view)] == [ids[1]]
    (answered,) = world.tool.annotated_among(world.project_id, ids)
    assert [answer_of(LABELING, each.result) for each in answered.annotations] == ["B"]


def test_overlap_keeps_a_task_in_its_view_until_enough_people_answered(world: World) -> None:
    ids = world.add_tasks(["one"])
    view = world.add_view("senior")
    world.tool.import_predictions(world.project_id, markers(ids, "senior"))
    world.tool.set_overlap(ids[0], 2)
    world.submit(ids[0], "A")
    assert [task.id for task in world.tool.tasks_in_view(world.project_id, view)] == ids
    world.submit(ids[0], "A")  # the same person again does not count twice
    assert [task.id for task in world.tool.tasks_in_view(world.project_id, view)] == ids
    world.submit_second(ids[0], "B")
    assert world.tool.tasks_in_view(world.project_id, view) == []


def test_a_higher_overlap_opens_a_labelled_task_again_for_one_more(world: World) -> None:
    ids = world.add_tasks(["one", "two"])
    view = world.add_view("senior")
    world.tool.import_predictions(world.project_id, markers(ids, "senior"))
    world.submit(ids[0], "A")
    world.skip(ids[1])  # a skip is no answer: the task stays open for others
    assert [task.id for task in world.tool.tasks_in_view(world.project_id, view)] == [ids[1]]
    world.tool.set_overlap(ids[0], 2)
    assert [task.id for task in world.tool.tasks_in_view(world.project_id, view)] == ids
    world.submit_second(ids[0], "B")
    world.submit_second(ids[1], "B")
    assert world.tool.tasks_in_view(world.project_id, view) == []


def test_a_mark_as_ground_truth_is_read_as_a_change(world: World) -> None:
    ids = world.add_tasks(["one", "two"])
    for task_id in ids:
        world.submit(task_id, "A")
    first, last = _read(world, None)
    (before,) = first.annotations
    assert not before.ground_truth
    world.mark_ground_truth(before.id)
    (changed,) = _read(world, max(first.updated_at, last.updated_at))
    (after,) = changed.annotations
    assert (after.id, after.ground_truth, after.user_id) == (before.id, True, world.person)


def _read(world: World, since: datetime | None) -> list[Task]:
    pages = world.tool.annotated_since(world.project_id, since)
    return sorted((task for page in pages for task in page), key=lambda task: task.id)


def test_tasks_of_data_alone_come_in_their_order_and_ask_for_answers(world: World) -> None:
    old = world.add_tasks(["one", "two"])
    rows = [{"text": f"copy {n}", "labelgate": f"key {n}"} for n in range(30)]
    made = world.tool.import_tasks(world.project_id, rows)
    assert world.tool.import_tasks(world.project_id, []) == []
    found = flat(world.tool.tasks_after(world.project_id, old[-1]))
    assert [(task.id, task.data) for task in found] == list(zip(made, rows, strict=True))
    assert world.tool.predicted_among(world.project_id, made) == []
    world.submit(made[0], "A")
    world.skip(made[1])
    assert world.tool.open_among(world.project_id, made[:3]) == made[1:3]
    world.tool.set_overlap(made[0], 2)
    assert world.tool.open_among(world.project_id, made[:3]) == made[:3]
    assert world.tool.open_among(world.project_id, []) == []


def test_data_with_an_object_in_it_comes_back_as_it_went(world: World) -> None:
    said = {"id": "req-1", "model_version": "2026-02", "at": "2026-03-01T10:00:00+00:00"}
    rows = [{"text": "one", "labelgate_inference": said}]
    made = world.tool.import_tasks(world.project_id, rows)
    (found,) = flat(world.tool.tasks_after(world.project_id, made[0] - 1))
    assert (found.id, found.data) == (made[0], rows[0])


def test_a_request_is_refused_whole_where_a_task_lacks_what_is_shown(world: World) -> None:
    (old,) = world.add_tasks(["one"])
    rows = [{"text": "two"}, {"body": "three"}, {"text": "four"}]
    with pytest.raises(AnnotationToolRefusedError):
        world.tool.import_tasks(world.project_id, rows)
    assert flat(world.tool.tasks_after(world.project_id, old)) == []


def test_only_tasks_without_anybodys_work_are_removed(world: World) -> None:
    answered, skipped, begun, untouched, other = world.add_tasks(list("abcde"))
    world.submit(answered, "A")
    world.skip(skipped)
    world.begin(begun)
    asked = [answered, skipped, begun, untouched]
    assert world.tool.remove_untouched(world.project_id, asked) == [untouched]
    assert world.tool.remove_untouched(world.project_id, asked) == [untouched]
    assert world.tool.remove_untouched(world.project_id, []) == []
    left = [task.id for task in flat(world.tool.tasks_after(world.project_id, 0))]
    assert left == [answered, skipped, begun, other]


def test_a_project_is_made_found_by_title_and_asks_what_its_answers_allow(world: World) -> None:
    title = f"{world.title} mirror"
    assert world.tool.titled(title) == []
    made = world.tool.create_project(title, CONFIG)
    assert made.label_config == CONFIG
    assert world.tool.titled(title) == [made] == [world.tool.project(str(made.id))]
    more = CONFIG.replace('<Choice value="B"/>', '<Choice value="B"/><Choice value="C"/>')
    world.tool.set_label_config(made.id, more)
    assert world.tool.project(str(made.id)).label_config == more


def test_a_version_without_predictions_cannot_be_shown(world: World) -> None:
    with pytest.raises(AnnotationToolRefusedError, match="exist"):
        world.tool.show_version(world.project_id, "never-imported")


def test_a_file_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(AnnotationToolRefusedError, match=r"nothing\.png"):
        world.tool.download("/data/upload/1/nothing.png")


@pytest.mark.label_studio
def test_withdrawing_leaves_a_persons_draft(real_server: RealServer) -> None:
    world = RealWorld(real_server)
    ids = world.add_tasks(["one"])
    world.tool.import_predictions(world.project_id, prelabels(ids, "m-1"))
    world.tool.accept(world.project_id, ids, "m-1")
    draft_id = world.save_draft(ids[0])
    assert world.tool.withdraw(world.project_id, ids) == 1
    assert world.admin.get(f"/api/drafts/{draft_id}/")["user"]


@pytest.mark.label_studio
def test_who_presses_label_in_a_view_gets_its_tasks_by_rank(real_server: RealServer) -> None:
    world = RealWorld(real_server)
    ids = world.add_tasks(["one", "two", "three", "four"])
    view = world.add_view("senior")
    ranks = dict(zip(ids, (4, 2, 3, 1), strict=True))
    blind = {ids[0], ids[3]}
    rows = [row for task_id in ids for row in delivered(task_id, ranks[task_id], blind)]
    world.tool.import_predictions(world.project_id, rows)
    world.tool.show_version(world.project_id, "m-1")
    shown = {}
    for task_id in sorted(ranks, key=ranks.__getitem__):
        served = world.next_in(view)
        assert served["id"] == task_id
        shown[task_id] = [row["model_version"] for row in served["predictions"]]
        world.submit(task_id, "A")
    # Neither rank nor marker is put into anybody's form: a blind task shows nothing at all.
    assert shown == {task_id: [] if task_id in blind else ["m-1"] for task_id in ids}
