"""Monitoring of a deployed model: how much of its production people look at."""

from __future__ import annotations

from pydantic import Field

from policies.sections import Section, Share


class Monitoring(Section):
    """The share of a deployed model's answers that people verify."""

    share: Share = Field(default=0.005, description="Default and least: by stakes.")
