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
    """Who asks: a name for the trail, a role, and the projects it may see (None: all)."""

    name: str
    role: Role
    projects: frozenset[int] | None = None

    def sees(self, project_id: int) -> bool:
        """Whether the project is among those that the visitor may see."""
        return self.projects is None or project_id in self.projects

    @property
    def is_admin(self) -> bool:
        """Whether the visitor may change something."""
        return self.role >= Role.ADMIN


def needs(role: Role) -> Callable[[View], View]:
    """Marks a view with the least role that it takes; ``authentication`` asks for it."""

    def mark(view: View) -> View:
        view.__dict__["needed_role"] = role
        return view

    return mark


def visitor() -> Visitor:
    """Who asks now."""
    found: Visitor = g.visitor
    return found
