"""Sampling quotas: for what share of a day's queue each reason to label a task may claim places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from policies.conditions import ENTROPY, MARGIN, NOVELTY
from policies.sections import Section, Share

# The parts of a day, as the file names them.
RANDOM = "random"
UNCERTAINTY = "uncertainty"
STRATIFIED = "stratified"
KNOWN_FAILURES = "known_failures"
DIVERSITY = "diversity"
PARTS = (RANDOM, UNCERTAINTY, STRATIFIED, KNOWN_FAILURES, DIVERSITY)

Uncertainty = Literal["least_confidence", "margin", "entropy"]


class Sampling(Section):
    """How a tier's day is divided; the shares sum to 1, and a part that runs dry leaves its places.

    ``random`` is what measures: the blind slices, drawn at random. Without them a day's labels are
    a hard selection on which no accuracy, threshold or gain can be estimated. Whoever names one
    share names them all: those that are left out are 0 then.
    """

    random: Share = Field(default=0.5, description="Control, holdout and audits, drawn at random.")
    uncertainty: Share = Field(default=0.5, description="What the model is least sure of.")
    by: Uncertainty = Field(default="least_confidence", description="The measure of uncertainty.")
    stratified: Share = Field(
        default=0.0, description="Labels in the shares in which they come in the whole pool."
    )
    known_failures: Share = Field(
        default=0.0, description="Predicted labels that people often correct."
    )
    diversity: Share = Field(default=0.0, description="Far from everything labelled so far.")

    @property
    def signals(self) -> set[str]:
        """What a decision must note, beside label and score, for the parts to find their order."""
        uncertain = {self.by} & {MARGIN, ENTROPY} if self.uncertainty else set()
        return uncertain | ({NOVELTY} if self.diversity else set())

    @property
    def shares(self) -> dict[str, float]:
        """The parts' shares under their names."""
        return {part: getattr(self, part) for part in PARTS}


def with_shares(section: Mapping[str, Any]) -> dict[str, Any]:
    """The section with 0 for every share that it leaves out, unless it names none at all.

    >>> with_shares({"random": 0.4, "stratified": 0.6})["uncertainty"]
    0.0
    >>> with_shares({"by": "margin"})
    {'by': 'margin'}
    """
    named = any(part in section for part in PARTS)
    return (dict.fromkeys(PARTS, 0.0) if named else {}) | dict(section)
