"""Connected projects and the policies that were ever in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.policies_in_force import note_policy_in_force
from backend.store.tables import PolicyRow, ProjectRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedProject:
    """A project with the policy in force. ``views`` maps a marker's name to its view's id.

    ``label_config`` is the newest one that Labelgate can answer; ``config_problem`` says why the
    one that Label Studio has now is another, None where it is not. ``config_seq`` is the number of
    the last decision that was made before it came: those before it are made anew. ``all_controls``
    is False where the stored answers were read by a version that knew one choice only.
    """

    id: int
    title: str
    label_config: str
    policy_text: str
    policy_hash: str
    robot_id: int
    views: dict[str, int]
    ml_backend_id: int | None
    webhook_id: int | None
    previous_settings: dict[str, Any]
    last_task_id: int
    synced_until: datetime | None
    config_seq: int = 0
    config_problem: str | None = None
    all_controls: bool = True


def active_project(session: Session, project_id: int) -> ConnectedProject | None:
    """The connected project of this id; None where it is unknown or disconnected."""
    row = session.get(ProjectRow, project_id)
    if row is None or row.disconnected_at is not None:
        return None
    return _project(row, session.get_one(PolicyRow, row.policy_hash))


def policy_text_of(session: Session, project_id: int) -> str | None:
    """The policy that was last in force, of a disconnected project too; None: never connected."""
    row = session.get(ProjectRow, project_id)
    return None if row is None else session.get_one(PolicyRow, row.policy_hash).text


def policy_hashes(session: Session) -> list[str]:
    """The hashes of all policies that were ever in force, newest first."""
    return list(
        session.scalars(
            select(PolicyRow.hash).order_by(PolicyRow.created_at.desc(), PolicyRow.hash)
        )
    )


def all_projects(session: Session) -> list[ConnectedProject]:
    """Every connected project, by id."""
    rows = session.execute(
        select(ProjectRow, PolicyRow)
        .join(PolicyRow, PolicyRow.hash == ProjectRow.policy_hash)
        .where(ProjectRow.disconnected_at.is_(None))
        .order_by(ProjectRow.id)
    )
    return [_project(project, policy) for project, policy in rows]


def project_titles(session: Session) -> dict[int, str]:
    """Title of every connected project, by its number."""
    rows = session.execute(
        select(ProjectRow.id, ProjectRow.title).where(ProjectRow.disconnected_at.is_(None))
    )
    return {number: title for number, title in rows}  # noqa: C416 - pairs, to a type checker too


def store_policy(session: Session, policy_hash: str, text: str, now: datetime) -> None:
    """Keep a policy's text under its hash, once."""
    if session.get(PolicyRow, policy_hash) is None:
        session.add(PolicyRow(hash=policy_hash, text=text, created_at=now))
        session.flush()


def store_project(session: Session, project: ConnectedProject, now: datetime) -> None:
    """Connect a project, or write down what a repeated connect changed; sync state is kept."""
    row = session.get(ProjectRow, project.id)
    if row is None:
        row = ProjectRow(id=project.id, connected_at=now, last_task_id=0)
        session.add(row)
    comes_into_force = row.policy_hash != project.policy_hash or row.disconnected_at is not None
    row.title = project.title
    row.label_config = project.label_config
    row.policy_hash = project.policy_hash
    row.robot_id = project.robot_id
    row.ml_backend_id = project.ml_backend_id
    row.webhook_id = project.webhook_id
    row.views = {"views": project.views, "previous": project.previous_settings}
    row.disconnected_at = None
    row.config_seq = project.config_seq
    row.config_problem = project.config_problem
    row.all_controls = project.all_controls
    if comes_into_force:
        session.flush()  # the project first: the other row points to it
        note_policy_in_force(session, project.id, project.policy_hash, now)


def store_sync_state(
    session: Session, project_id: int, last_task_id: int, synced_until: datetime | None
) -> None:
    """How far the project has been read."""
    row = session.get_one(ProjectRow, project_id)
    row.last_task_id = max(row.last_task_id, last_task_id)
    row.synced_until = synced_until


def placed_for(session: Session, project_id: int) -> str | None:
    """What the last placing of tasks into queues went by; see ``backend.queueing``."""
    return session.get_one(ProjectRow, project_id).placed_for


def store_placed_for(session: Session, project_id: int, grounds: str) -> None:
    """Note what tasks were placed by."""
    session.get_one(ProjectRow, project_id).placed_for = grounds


def mark_disconnected(session: Session, project_id: int, now: datetime) -> None:
    """No job and no answer for this project from now on; its history stays."""
    session.get_one(ProjectRow, project_id).disconnected_at = now


def _project(row: ProjectRow, policy: PolicyRow) -> ConnectedProject:
    return ConnectedProject(
        id=row.id,
        title=row.title,
        label_config=row.label_config,
        policy_text=policy.text,
        policy_hash=policy.hash,
        robot_id=row.robot_id,
        views=row.views["views"],
        ml_backend_id=row.ml_backend_id,
        webhook_id=row.webhook_id,
        previous_settings=row.views["previous"],
        last_task_id=row.last_task_id,
        synced_until=row.synced_until,
        config_seq=row.config_seq,
        config_problem=row.config_problem,
        all_controls=row.all_controls,
    )
