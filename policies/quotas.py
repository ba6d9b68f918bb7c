"""Sampling quotas: for what share of a day's queue each reason to label a task may claim places."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from policies.sections import Section, Share


class Sampling(Section):
    """How a tier's day is divided; the shares sum to 1, and a part that runs dry leaves its places.

    ``random`` is what measures: the blind slices, drawn at random. Without them a day's labels are
    a hard selection on which no accuracy, threshold or gain can be estimated.
    """

    random: Share = Field(default=0.5, description="Control, holdout and audits, drawn at random.")
    uncertainty: Share = Field(default=0.5, description="What the model is least sure of.")
    by: Literal["least_confidence", "margin", "entropy"] = Field(
        default="least_confidence", description="The measure of uncertainty."
    )
    stratified: Share = Field(
        default=0.0, description="Labels in the shares in which they come in the whole pool."
    )
    known_failures: Share = Field(
        default=0.0, description="Predicted labels that people often correct."
    )
    diversity: Share = Field(default=0.0, description="Far from everything labelled so far.")
