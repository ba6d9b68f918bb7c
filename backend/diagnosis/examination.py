"""All checks in their order; what cannot be looked at, because something before it failed, says so.

Findings come one by one, as they are made: the last ones wait for servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from sqlalchemy.exc import SQLAlchemyError

from backend.bootstrap import build_runtime
from backend.diagnosis import (
    configuration,
    database,
    deliveries,
    folder,
    installed,
    ledgers,
    model_files,
    rehearsals,
    rounds,
    work,
)
from backend.diagnosis.findings import Finding
from backend.diagnosis.label_studio import LabelStudioSeen, look_at_label_studio
from backend.runtime import Runtime
from backend.secret_files import kept_webhook_secret
from backend.settings import Settings, SettingsError
from backend.store.projects import ConnectedProject, all_projects
from backend.work_standing import work_standing

_OF_THE_STORE = (ledgers.TOPIC, rounds.TOPIC, model_files.TOPIC)


def examine(settings: Settings, *, deep: bool = False) -> Iterator[Finding]:
    """Look at everything; ``deep`` also makes a project in Label Studio and deletes it again."""
    yield configuration.binding(settings)
    yield installed.python()
    yield installed.libraries(installed.look(), version("labelgate"))
    yield from folder.judge(folder.look(settings.data_dir))
    file = database.sqlite_file(settings)
    if file is not None and not file.exists():
        yield database.absent(file)
        yield from _without_a_store("there is no database yet")
        yield from look_at_label_studio(settings, []).findings
        return
    runtime = _opened(settings)
    if isinstance(runtime, Finding):
        yield runtime
        yield from _without_a_store("the database cannot be used")
        yield from look_at_label_studio(settings, []).findings
        return
    try:
        yield from _with_a_store(runtime, deep=deep)
    finally:
        runtime.sessions.kw["bind"].dispose()


def _opened(settings: Settings) -> Runtime | Finding:
    try:
        return build_runtime(settings, migrates=False)
    except (SettingsError, OSError) as error:
        return database.unusable(error)


def _with_a_store(runtime: Runtime, *, deep: bool) -> Iterator[Finding]:
    seen = database.look(runtime)
    yield from database.judge(seen)
    schema = seen.schema
    is_usable = schema is not None and schema.current == schema.head
    projects: list[ConnectedProject] = []
    if is_usable:
        try:
            with runtime.reads() as session:
                projects = all_projects(session)
            yield from _of_projects(runtime, projects)
        except SQLAlchemyError as error:
            yield database.unusable(error)
            is_usable = False
    else:
        yield from _without_a_store("the database cannot be used as it is")
    at_label_studio = look_at_label_studio(runtime.settings, projects)
    yield from at_label_studio.findings
    yield from _delivered(runtime, at_label_studio, is_usable=is_usable, deep=deep)


def _of_projects(runtime: Runtime, projects: list[ConnectedProject]) -> Iterator[Finding]:
    if not projects:
        fix = "labelgate connect --project PROJECT --policy FILE"
        because = "no project is connected"
        yield from (topic.not_checked("projects", because, fix) for topic in _OF_THE_STORE)
    yield from work.judge(work_standing(runtime), projects=len(projects))
    yield from map(ledgers.judge, ledgers.look(runtime, projects))
    for project in projects:
        yield rounds.judge(rounds.look(runtime, project))
    for project in projects:
        yield model_files.look(runtime, project)


def _without_a_store(because: str) -> Iterator[Finding]:
    yield from (topic.not_checked("projects", because) for topic in _OF_THE_STORE)


def _delivered(
    runtime: Runtime, seen: LabelStudioSeen, *, is_usable: bool, deep: bool
) -> Iterator[Finding]:
    secret = kept_webhook_secret(runtime.settings)
    if not is_usable or secret is None:
        because = (
            "no webhook secret was made yet: `labelgate serve` makes it"
            if is_usable
            else "its row could not be looked for"
        )
        yield deliveries.TOPIC.not_checked("sent by ourselves", because, "labelgate serve")
        return
    yield deliveries.judge(deliveries.look(runtime, secret))
    if not deep:
        yield rehearsals.TOPIC.not_checked(
            "throw-away project",
            "it makes a project in Label Studio, and deletes it",
            "labelgate doctor --deep",
        )
    elif seen.admin is None:
        yield rehearsals.TOPIC.not_checked("throw-away project", "the admin token is not taken")
    else:
        yield from rehearsals.look(runtime, seen.admin, seen.robot, secret)
