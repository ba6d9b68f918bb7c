"""Preferences: which of several answers people like better, and what may be made of it."""

from __future__ import annotations

from pydantic import Field

from policies.sections import Section, Text


class Preferences(Section):
    """The project asks which answers people prefer: no model may answer that in their place."""

    prompt: Text = Field(
        default="prompt", description="The data field that holds what was answered."
    )
    order: Text = Field(
        default="order",
        description="The data field that says in which drawn order the answers stand.",
    )
    prerank: bool = Field(
        default=False, description="People are shown the order that the reward model gives."
    )
