"""Errors that a person can act on, as one clear message instead of a traceback."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from backend.errors import ConnectError
from backend.predictors.errors import ArtifactError
from backend.settings import SettingsError
from backend.store.freezes import FreezeTakenError
from backend.store.schema import SchemaError
from connectors.annotation_tool import AnnotationToolError
from connectors.label_studio.labeling import LabelingError
from policies.loading import PolicyError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def clear_errors(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Print the message of an error that names its own way out, and exit with 1."""

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except (
            AnnotationToolError,
            ArtifactError,
            ConnectError,
            FreezeTakenError,
            LabelingError,
            PolicyError,
            SchemaError,
            SettingsError,
        ) as error:
            raise click.ClickException(str(error)) from error

    return run
