"""What a visitor may do: roles, and what a page asks for. Who it is: ``authentication``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from flask import g

View = TypeVar("View", bound=Callable[..., Any])


class Role(IntEnum):
    """What a visitor may do; a higher one may do all that a lower one may."""

    VIEWER = 1
    ADMIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks: a name for the trail, a role, and the projects it may see (None: all).

    ``account`` is the number of the visitor's account; None for the user that the settings name,
    for whoever came by a share link (``by_link``), and for this machine where nobody signs in.
    ``signed_in`` is whether there is a session that can be ended.
    """

    name: str
    role: Role
    projects: frozenset[int] | None = None
    account: int | None = None
    by_link: bool = False
    signed_in: bool = False

    def sees(self, project_id: int) -> bool:
        """Whether the project is among those that the visitor may see."""
        return self.projects is None or project_id in self.projects

    @property
    def is_admin(self) -> bool:
        """Whether the visitor may change something."""
        return self.role >= Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a view asks of its visitor.

    A visitor who may see some projects only is let into the views of those projects, and into
    others where ``for_all``: there the view itself shows no more than the visitor may see.
    """

    role: Role
    for_all: bool = False


def needs(role: Role, *, for_all: bool = False) -> Callable[[View], View]:
    """Marks a view with what it takes; ``authentication`` asks for it."""

    def mark(view: View) -> View:
        view.__dict__["need"] = Need(role=role, for_all=for_all)
        return view

    return mark


def need_of(view: Callable[..., Any] | None) -> Need | None:
    """What a view was marked with; None where it was not."""
    found: Need | None = getattr(view, "need", None)
    return found


def visitor() -> Visitor:
    """Who asks now."""
    found: Visitor = g.visitor
    return found
