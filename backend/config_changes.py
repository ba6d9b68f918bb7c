"""Use case: go by the labelling config that a project has now.

It may change under a trained model: a label comes, goes or is renamed, a control changes. What
people said is then read anew from what they marked, every decision that stands on the old config is
made anew, and a training is asked for. A config that nothing can be answered for leaves the project
connected: everything goes to people, and an alert says why, until the config is mended.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from backend.answer_rows import anchored
from backend.runtime import Runtime
from backend.store.alerts import Alert, open_alerts, store_alert
from backend.store.answers import answered_task_ids, store_labels, stored_answers
from backend.store.ledger import newest_seq
from backend.store.models import champion
from backend.store.projects import ConnectedProject, store_project
from backend.store.training import request_training
from backend.store.votes import count_new_labels
from connectors.annotation_tool import Project
from connectors.label_studio.answers import answer_of
from connectors.label_studio.labeling import (
    ControlKind,
    Labeling,
    LabelingError,
    changes,
    parse_labeling,
)

logger = logging.getLogger(__name__)

ALERT = "label_config"
_TASKS_AT_ONCE = 1_000


def take_over(runtime: Runtime, project: ConnectedProject, seen: Project) -> ConnectedProject:
    """The project with the title and the config that it has in Label Studio now.

    Stored last, in one transaction with all that follows from it: an interruption before does it
    all again.
    """
    same = (seen.label_config, seen.title) == (project.label_config, project.title)
    if same and project.config_problem is None and project.all_controls:
        return project
    try:
        after = parse_labeling(seen.label_config)
    except LabelingError as error:
        return _unanswerable(runtime, project, seen.title, str(error))
    said = changes(_read_before(project), after)
    changed = replace(
        project,
        label_config=seen.label_config,
        title=seen.title,
        config_problem=None,
        all_controls=True,
    )
    if said:
        _read_anew(runtime, changed)
    with runtime.sessions.begin() as session:
        if said:
            changed = replace(changed, config_seq=newest_seq(session, project.id))
            _request_training(session, runtime, project.id, said)
        store_project(session, changed, runtime.now())
        _tell(session, runtime, changed)
    if said:
        logger.info("config.changed project=%d changes=%d", project.id, len(said))
    return changed


def _read_before(project: ConnectedProject) -> Labeling:
    """What the stored answers were read by: one choice alone, before all controls were."""
    labeling = parse_labeling(project.label_config)
    if project.all_controls:
        return labeling
    chosen = [each for each in labeling.controls if each.kind is ControlKind.CHOICE]
    return replace(labeling, controls=tuple(chosen or labeling.controls)[:1])


def _unanswerable(
    runtime: Runtime, project: ConnectedProject, title: str, why: str
) -> ConnectedProject:
    stopped = replace(project, title=title, config_problem=why)
    if stopped == project:
        return project
    with runtime.sessions.begin() as session:
        store_project(session, stopped, runtime.now())
        _tell(session, runtime, stopped)
    return stopped


def _read_anew(runtime: Runtime, project: ConnectedProject) -> None:
    """Say anew what every stored answer says, in small transactions, for which webhooks wait."""
    labeling = parse_labeling(project.label_config)
    with runtime.reads() as session:
        ids = answered_task_ids(session, project.id)
    for start in range(0, len(ids), _TASKS_AT_ONCE):
        with runtime.sessions.begin() as session:
            before = stored_answers(session, project.id, ids[start : start + _TASKS_AT_ONCE])
            read = [_read(row, answer_of(labeling, row["result"])) for row in before]
            labels = {
                row["annotation_id"]: row["label"] for row in anchored(session, project, read)
            }
            store_labels(
                session,
                project.id,
                {
                    row["annotation_id"]: labels[row["annotation_id"]]
                    for row in before
                    if labels[row["annotation_id"]] != row["label"]
                },
            )


def _read(row: dict[str, object], label: str | None) -> dict[str, object]:
    silent = row["was_cancelled"] and not row["result"]
    return {**row, "label": None if silent else label}


def _request_training(
    session: Session, runtime: Runtime, project_id: int, said: Sequence[str]
) -> None:
    if champion(session, project_id) is None:
        return  # the first version learns the config as it is
    labels = count_new_labels(session, project_id)
    reason = f"the labelling config changed: {'; '.join(said)}"
    request_training(session, project_id, reason, labels, runtime.now())


def _tell(session: Session, runtime: Runtime, project: ConnectedProject) -> None:
    """Open the alert while the config cannot be answered, and close it afterwards; each once."""
    event = (ALERT, "the labelling config")
    standing = open_alerts(session, project.id).get(event)
    why = project.config_problem
    if (standing is None) == (why is None) and (
        standing is None or standing.detail.get("problem") == why
    ):
        return
    says = (
        f"nothing is predicted any more, every task goes to people: {why}"
        if why is not None
        else "the labelling config can be answered again"
    )
    alert = Alert(
        name=ALERT,
        about=event[1],
        opened=why is not None,
        says=says,
        detail={"problem": why},
        made_at=runtime.now(),
    )
    store_alert(session, project.id, alert)
