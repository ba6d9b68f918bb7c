"""Erasing what is known of a person: nothing of it is left in the store, and figures stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit_jobs.running import run_job
from audit_jobs.schedule import forget
from backend import accounts
from backend.erasure import erase_account, erase_annotator, erase_deleted, erase_tasks
from backend.errors import ErasureError
from backend.leasing import holding
from backend.store.acts import newest_acts
from backend.store.ledger_check import verify_ledger
from backend.store.lineages import Example, Lineage, store_lineage
from backend.store.projects import store_project
from backend.store.tasks import StoredTask, mark_tasks_deleted, store_tasks
from backend.store.training import recent_requests
from backend.store.votes import human_votes
from backend.synchronisation import reconcile
from labelgate import main
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

WHO = 918_273  # a number that stands nowhere else
CANARY = "Ann Canary of Mill Lane"


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Twelve tasks, one of them about Ann; three people answered each of them, and jobs ran."""
    made = worked_project(
        tmp_path, worked_policy(agreement={"share": 1.0, "overlap": 2}, gold={"share": 0.0})
    )
    made.server.members[WHO] = "ann@example.com"
    made.people["ann"] = WHO
    data = [{"text": f"apples {number}"} for number in range(11)]
    made.server.add_tasks(made.project_id, [{"text": CANARY}, *data])
    made.settle()
    for task in made.tasks:
        for place, user in enumerate((WHO, made.people["bob"], made.people["sue"])):
            made.server.submit(user, task.id, "AB"[(task.id + (place == 2)) % 2])
    made.clock.forward(60)
    made.round()
    for job in ("agreement", "corrections", "figures"):
        run_job(made.runtime, job, made.project)
    return made


def everything(worked: WorkedProject) -> str:
    """All that the database file holds, free pages left out."""
    engine = worked.runtime.sessions.kw["bind"]
    with engine.connect() as connection:
        return "\n".join(connection.connection.driver_connection.iterdump())


def gone(worked: WorkedProject, task_id: int) -> None:
    worked.server.delete_task(task_id)
    reconcile(worked.runtime, worked.project)


def about(worked: WorkedProject) -> int:
    return next(task.id for task in worked.tasks if task.data["text"] == CANARY)


def test_of_a_task_that_is_gone_nothing_is_left(worked: WorkedProject) -> None:
    task_id = about(worked)
    assert CANARY in everything(worked)
    gone(worked, task_id)

    dry = erase_tasks(worked.runtime, worked.project, [task_id], "ann", dry_run=True)
    assert (dry.tasks, CANARY in everything(worked)) == (1, True)
    found = erase_tasks(worked.runtime, worked.project, [task_id], "ann")

    assert (found.tasks, found.annotations) == (1, 3)
    assert CANARY not in everything(worked)
    with worked.runtime.reads() as session:
        assert verify_ledger(session, worked.project_id).broken_seq is None
        (act,) = newest_acts(session, worked.project_id, 1)
    assert (act.who, act.what, act.detail["tasks"]) == ("ann", "tasks.erased", 1)
    assert erase_tasks(worked.runtime, worked.project, [task_id], "ann").tasks == 0
    worked.settle()


def test_a_task_that_is_still_in_label_studio_is_refused(worked: WorkedProject) -> None:
    with pytest.raises(ErasureError, match="delete it there"):
        erase_tasks(worked.runtime, worked.project, [about(worked)], "ann")
    assert CANARY in everything(worked)


def taught(worked: WorkedProject, task_id: int) -> str:
    """A serving version that learned from the task."""
    version = worked.promote()
    example = Example(task_id=task_id, answer="A", weight=1.0, data="0", annotation_ids=())
    lineage = Lineage(policy_hash="", label_config="", examples=(example,))
    with worked.runtime.sessions.begin() as session:
        store_lineage(session, worked.project_id, version, lineage)
    return version


@pytest.mark.parametrize("learned", [True, False])
def test_what_a_serving_version_learned_from_is_learned_anew(
    worked: WorkedProject, *, learned: bool
) -> None:
    task_id = about(worked)
    version = taught(worked, task_id if learned else task_id + 1)
    gone(worked, task_id)
    found = erase_tasks(worked.runtime, worked.project, [task_id], "ann")
    with worked.runtime.reads() as session:
        reasons = [
            reason
            for request in recent_requests(session, worked.project_id, 10)
            for reason in request.reasons
        ]
    assert found.versions == ((version,) if learned else ())
    assert found.retraining is learned
    assert any("were erased" in reason for reason in reasons) is learned


def test_of_an_annotator_only_a_number_that_means_nobody_is_left(worked: WorkedProject) -> None:
    with worked.runtime.reads() as session:
        before = sorted((v.task_id, v.label) for v in human_votes(session, worked.project_id))
    with pytest.raises(ErasureError, match="still a member"):
        erase_annotator(worked.runtime, WHO, "ann")
    del worked.server.members[WHO]

    assert erase_annotator(worked.runtime, WHO, "ann", dry_run=True).answers == 12
    assert str(WHO) in everything(worked)
    found = erase_annotator(worked.runtime, WHO, "ann")

    assert (found.pseudonym, found.answers) == (-1, 12)
    assert str(WHO) not in everything(worked)
    with worked.runtime.reads() as session:
        votes = list(human_votes(session, worked.project_id))
    assert sorted((v.task_id, v.label) for v in votes) == before
    assert sum(v.user_id == -1 for v in votes) == 12
    with pytest.raises(ErasureError, match="no answer of user"):
        erase_annotator(worked.runtime, WHO, "ann")


def test_label_studio_s_answers_without_an_author_keep_their_pseudonym(
    worked: WorkedProject,
) -> None:
    del worked.server.members[WHO]
    erase_annotator(worked.runtime, WHO, "ann")
    for task in worked.tasks:  # as it leaves them when an account is deleted
        task.annotations = [
            replace(each, user_id=0) if each.user_id == WHO else each for each in task.annotations
        ]
        task.updated_at = worked.clock()
    worked.clock.forward(60)
    worked.settle()
    reconcile(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        users = {vote.user_id for vote in human_votes(session, worked.project_id)}
    assert users == {-1, worked.people["bob"], worked.people["sue"]}


def test_two_annotators_erased_at_once_do_not_become_one(worked: WorkedProject) -> None:
    del worked.server.members[WHO]
    with holding(worked.runtime, "erasure"), pytest.raises(ErasureError, match="again in a minute"):
        erase_annotator(worked.runtime, WHO, "ann")
    assert erase_annotator(worked.runtime, WHO, "ann").pseudonym == -1


def test_an_account_is_closed_and_its_name_taken_out_of_the_trail(worked: WorkedProject) -> None:
    runtime = worked.runtime
    accounts.add(runtime, "canary", "admin", "a password of twelve", "canary")
    stands_in = erase_account(runtime, "canary", "command line")
    text = everything(worked)
    assert "canary" not in text.replace(CANARY, "")
    assert stands_in in text
    with pytest.raises(ErasureError, match="no account 'canary'"):
        erase_account(runtime, "canary", "command line")


@pytest.mark.parametrize(("days", "erased"), [(None, 0), (30, 0), (2, 1)])
def test_what_is_gone_for_long_enough_is_erased_at_night(
    worked: WorkedProject, days: int | None, erased: int
) -> None:
    task_id = about(worked)
    gone(worked, task_id)
    worked.clock.forward(timedelta(days=3).total_seconds())
    settings = worked.runtime.settings.model_copy(update={"deleted_task_days": days})
    forget(replace(worked.runtime, settings=settings))
    assert (CANARY not in everything(worked)) is bool(erased)
    assert erase_deleted(replace(worked.runtime, settings=settings)) == 0


def test_a_project_that_cannot_be_erased_from_keeps_no_other_from_it(
    worked: WorkedProject, caplog: pytest.LogCaptureFixture
) -> None:
    task_id = about(worked)
    gone(worked, task_id)
    with worked.runtime.sessions.begin() as session:
        broken = replace(worked.project, id=0, label_config="<View")
        store_project(session, broken, worked.clock())
        store_tasks(session, 0, [StoredTask(id=1, data={"text": "apple"})], worked.clock())
        mark_tasks_deleted(session, 0, [1], worked.clock())
    worked.clock.forward(timedelta(days=3).total_seconds())
    settings = worked.runtime.settings.model_copy(update={"deleted_task_days": 2})
    assert erase_deleted(replace(worked.runtime, settings=settings)) == 1
    assert CANARY not in everything(worked)
    assert "tasks.not_erased project=0" in caplog.text


def test_the_commands_say_what_to_do_first(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(worked.runtime.settings.data_dir))
    task_id = about(worked)
    asked = ["erase", "tasks", "--project", "worked", "--task", str(task_id)]
    refused = CliRunner().invoke(main, asked)
    assert refused.exit_code == 1
    assert "delete it there" in refused.output
    gone(worked, task_id)
    done = CliRunner().invoke(main, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    assert '"tasks":1,' in done.output
