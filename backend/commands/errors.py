"""Errors that a person can act on, as one clear message instead of a traceback."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError

from backend.accounts import AccountError
from backend.backups.archive import BackupError
from backend.commands.program import UnreachableError
from backend.errors import ConnectError, ErasureError
from backend.predictors.errors import ArtifactError
from backend.settings import SettingsError
from backend.store.errors import FreezeTakenError
from backend.store.schema import SchemaError
from connectors.annotation_tool import AnnotationToolError, AnnotationToolUnavailableError
from connectors.label_studio.labeling import LabelingError
from policies.problems import PolicyError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def clear_errors(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Print the message of an error that names its own way out, and exit with 1.

    With 3 where Label Studio or the database does not answer.
    """

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except AnnotationToolUnavailableError as error:
            raise UnreachableError(f"{error}; `labelgate doctor` looks for the cause") from error
        except OperationalError as error:
            raise UnreachableError(
                f"the database cannot be used: {str(error.orig).strip()}; look at "
                "LABELGATE_DATA_DIR and LABELGATE_DATABASE_URL, or run `labelgate doctor`"
            ) from error
        except (
            AccountError,
            AnnotationToolError,
            ArtifactError,
            BackupError,
            ConnectError,
            ErasureError,
            FreezeTakenError,
            LabelingError,
            PolicyError,
            SchemaError,
            SettingsError,
        ) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.filename is None or error.errno == errno.EPIPE:  # no file is to blame
                raise
            raise click.ClickException(
                f"{error.filename}: {error.strerror}; see that this user may use it and that the "
                "disk has room, or set LABELGATE_DATA_DIR to another folder (`labelgate doctor` "
                "looks)"
            ) from error

    return run
