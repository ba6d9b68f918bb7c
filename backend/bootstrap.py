"""The composition root: settings in, a runtime with the real things out. Nothing else chooses."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy import Engine
from sqlalchemy.exc import NoSuchModuleError

from backend.runtime import Runtime
from backend.secret_files import require_robot_token
from backend.settings import SECRET_SETTINGS, Settings, SettingsError
from backend.store.engine import DatabaseAddressError, make_engine, make_sessions
from backend.store.schema import migrate, require_newest
from connectors.annotation_tool import AnnotationTool

# Its SDK takes as long to import as all the rest, and most commands never ask Label Studio.
_LABEL_STUDIO = "connectors.label_studio.client"
SECRETS_DIR = "LABELGATE_SECRETS_DIR"


def read_settings() -> Settings:
    """The environment and the files of secrets, or one line for every variable that is wrong."""
    try:
        return Settings(_secrets_dir=_secrets_folder())
    except ValidationError as error:
        lines = [
            f"LABELGATE_{str(problem['loc'][0]).upper()}{_given(problem)}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None


def _secrets_folder() -> Path | None:
    """Where secrets are mounted as files; read here, because it says where the rest is read."""
    given = os.environ.get(SECRETS_DIR)
    if not given:
        return None
    folder = Path(given)
    if not folder.is_dir():
        raise SettingsError(
            f"{SECRETS_DIR} = {given!r} is no folder: mount the secrets there, or unset it"
        )
    return folder


def _given(problem: ErrorDetails) -> str:
    """What the variable holds, unless it is of those that hold secrets."""
    return "" if problem["loc"][0] in SECRET_SETTINGS else f" = {problem['input']!r}"


def open_database(settings: Settings) -> Engine:
    """The engine of the settings' database; nothing is connected yet. Raises ``SettingsError``."""
    try:
        return make_engine(settings.store_url)
    except (DatabaseAddressError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsError(
            f"LABELGATE_DATABASE_URL cannot be used ({error}): leave it unset for SQLite in the "
            "data folder, or give an address such as postgresql://USER:PASSWORD@HOST/NAME or "
            "sqlite:////var/lib/labelgate/labelgate.db"
        ) from None


def build_runtime(settings: Settings, *, encodes: bool = True, migrates: bool = True) -> Runtime:
    """Open the database at its newest schema; the client to Label Studio is made on first use.

    Raises ``SchemaError`` where the database has another schema and the settings leave it alone.
    ``encodes`` as in ``Runtime``. Without ``migrates`` the database stays as it is, and may be out
    of reach: that is for whoever only looks.
    """
    engine = open_database(settings)
    if migrates and settings.migrate_at_start:
        migrate(engine)
    elif migrates:
        require_newest(engine)
    sessions, reads = make_sessions(engine)

    @cache
    def tool() -> AnnotationTool:
        made: AnnotationTool = import_module(_LABEL_STUDIO).LabelStudioTool(
            url=settings.label_studio_url,
            token=settings.require_label_studio_token(),
            robot_token=require_robot_token(settings),
        )
        return made

    return Runtime(
        settings=settings,
        sessions=sessions,
        reads=reads,
        tool=tool,
        now=lambda: datetime.now(UTC),
        encodes=encodes,
    )
