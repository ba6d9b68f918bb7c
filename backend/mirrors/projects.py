"""Finding, setting up and leaving the mirror project that a policy names."""

from __future__ import annotations

from backend.mirrors.copies import MirrorError, keep_config, take_away
from backend.mirrors.keys import is_copy
from backend.runtime import Runtime
from backend.store.mirrors import copies, mirror_of, mirrored_project, store_mirror
from backend.store.projects import ConnectedProject, active_project
from connectors.annotation_tool import AnnotationToolRefusedError, Project
from connectors.label_studio import provisioning
from connectors.label_studio.connection import Connection


def find_mirror(runtime: Runtime, project_id: int, title: str) -> Project | None:
    """The project of this title; None where it has to be made.

    Raises ``MirrorError`` where it is used for something else: it would mix strangers' tasks with
    audits, or show auditors what they must not see.
    """
    found = runtime.tool().titled(title)
    if not found:
        return None
    if len(found) > 1:
        numbers = ", ".join(str(each.id) for each in found)
        raise MirrorError(
            f"audit.mirror = {title!r}: {len(found)} projects have this title ({numbers}): rename "
            "all but one, or name another project"
        )
    mirror = found[0]
    with runtime.reads() as session:
        own = mirror_of(session, project_id)
        owner = mirrored_project(session, mirror.id)
        connected = active_project(session, mirror.id) is not None
    if mirror.id == project_id or connected:
        raise MirrorError(
            f"audit.mirror = {title!r} is itself connected to Labelgate, so its tasks are not "
            "secret: name another project, or a title that none has yet"
        )
    if owner not in (None, project_id):
        raise MirrorError(
            f"audit.mirror = {title!r} is the mirror of project {owner} already: name another "
            "project, or a title that none has yet"
        )
    if own is None or own.id != mirror.id:
        _require_own_tasks(runtime, mirror)
    return mirror


def set_up_mirror(
    runtime: Runtime,
    admin: Connection,
    project: ConnectedProject,
    wanted: tuple[str, Project | None],
    wiring: provisioning.Wiring,
) -> int:
    """Let the project mirror ``project``, again and again with the same result; its number.

    ``wanted`` is the title that the policy gives, and what ``find_mirror`` found.
    """
    title, mirror = wanted
    if mirror is None:
        mirror = runtime.tool().create_project(title, project.label_config)
    keep_config(runtime, mirror.id, project.label_config)
    provisioning.connect_mirror(admin, mirror.id, wiring)
    with runtime.reads() as session:
        before = mirror_of(session, project.id)
    if before is not None and before.id != mirror.id:
        leave_mirror(runtime, admin, project.id)
    with runtime.sessions.begin() as session:
        store_mirror(session, project.id, mirror.id)
    return mirror.id


def leave_mirror(runtime: Runtime, admin: Connection, project_id: int) -> None:
    """Take away the webhook and the copies that nobody has worked on; what people did stays."""
    with runtime.reads() as session:
        mirror = mirror_of(session, project_id)
        known = sorted(copies(session, project_id))
    if mirror is None:
        return
    try:
        provisioning.disconnect_mirror(admin, mirror.id)
        take_away(runtime, project_id, mirror.id, known)
    except AnnotationToolRefusedError:  # a person has deleted the project
        if _exists(runtime, mirror.id):
            raise


def _exists(runtime: Runtime, project_id: int) -> bool:
    try:
        runtime.tool().project(str(project_id))
    except AnnotationToolRefusedError:
        return False
    return True


def _require_own_tasks(runtime: Runtime, mirror: Project) -> None:
    for page in runtime.tool().tasks_after(mirror.id, 0):
        foreign = [task.id for task in page if not is_copy(task)]
        if foreign:
            raise MirrorError(
                f"audit.mirror = {mirror.title!r} (number {mirror.id}) has tasks that Labelgate "
                f"did not copy there, such as task {foreign[0]}: name an empty project, or a "
                "title that none has yet"
            )
