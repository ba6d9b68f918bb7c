"""Options and arguments that several commands share."""

from __future__ import annotations

import difflib
import math

import click

from backend.runtime import Runtime
from backend.store.projects import ConnectedProject, all_projects


class Between(click.ParamType[float]):
    """A number strictly between two others; not a number is outside."""

    name = "number"

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; a usage error where it is none, or outside."""
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not self.low < number < self.high:
            self.fail(f"{value!r} must lie between {self.low:g} and {self.high:g}", param, ctx)
        return number


MAX_ERROR = Between(0, 0.5)  # the same bounds as in a policy
CONFIDENCE = Between(0.5, 1)


def connected_project(runtime: Runtime, name: str) -> ConnectedProject:
    """The connected project of this number or title; an error that lists what is there."""
    with runtime.reads() as session:
        known = all_projects(session)
    found = [each for each in known if name in (str(each.id), each.title)]
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(str(each.id) for each in found)
        raise click.ClickException(f"{name!r} names several projects: say one of {numbers}")
    listed = ", ".join(f"{each.id} {each.title!r}" for each in known) or "none: labelgate connect"
    near = difflib.get_close_matches(name, [each.title for each in known], n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise click.ClickException(f"no project {name!r} is connected{meant}; connected: {listed}")
