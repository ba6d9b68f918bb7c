"""Figures as markup: the one place where text becomes HTML, by a template that escapes it."""

from __future__ import annotations

import functools
import re
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from backend.charts.shapes import Figure

_NAME = re.compile(r"[a-z][a-z0-9-]*")


def rendered(figure: Figure) -> Markup:
    """The figure as HTML.

    Raises
        ValueError: its name cannot be the id of an element.
    """
    return written("figure.html", name=figure.name, figure=figure)


def written(template: str, *, name: str, **values: object) -> Markup:
    """What another template of this package makes of values, under a name for its ids."""
    return Markup(_template(template).render(name=checked(name), **values))  # noqa: S704 - escaped


def chart_style() -> Markup:
    """The style of all charts, for the head of a page that stands on its own."""
    style = files("backend.web").joinpath("static", "charts.css").read_text(encoding="utf-8")
    return Markup(style)  # noqa: S704 - our own file


def checked(name: str) -> str:
    """The name, if ids can be made of it."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot name a chart: small letters, digits and hyphens, a letter first"
        )
    return name


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("backend.charts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> Template:
    return _environment().get_template(name)
