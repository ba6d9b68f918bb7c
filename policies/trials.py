"""Made-up tasks with predictions: what a policy's tests hold, and what explain is asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from policies.sections import Section, Share, Text


class TrialPrediction(Section):
    """A model's answer: ``label`` and ``score``, or ``probabilities`` of all labels.

    ``margin`` and ``entropy`` follow from the probabilities; without those they may be given.
    """

    label: Text | None = Field(default=None, description="The label that the model predicts.")
    score: Share | None = Field(default=None, description="Its calibrated probability.")
    probabilities: Annotated[dict[Text, Share], Field(min_length=1)] | None = Field(
        default=None, description="The probability of every label; they sum to 1."
    )
    margin: Share | None = Field(
        default=None, description="The best label's probability less that of the second best."
    )
    entropy: Share | None = Field(
        default=None, description="0 for a sure model, 1 for one with no idea."
    )
    class_support: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="How many human examples of the label the model was trained on."
    )
    novelty: Share | None = Field(
        default=None, description="How far it is from what the model was trained on."
    )
    near_duplicate: Share | None = Field(
        default=None, description="The similarity to the most similar human-labelled task."
    )
    version_disagreement: bool | None = Field(
        default=None, description="Whether the version that served before predicts another label."
    )
    model_disagreement: bool | None = Field(
        default=None, description="Whether the second model gives another answer."
    )
    region_count: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="How many regions the model drew."
    )
    lowest_region_score: Share | None = Field(
        default=None, description="The score of the region that it is least sure of."
    )
    interval_width: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="How wide the interval of the predicted number is."
    )


class Expectation(Section):
    """The decision that a test expects; what is left out may be anything."""

    outcome: Literal["accept", "review"] = Field(description="Accepted, or sent to people.")
    tier: Text | None = Field(default=None, description="The tier that it is sent to.")
    rule: Text | None = Field(default=None, description="Such as routes[0] or below_threshold.")


class PolicyTest(Section):
    """A task, a prediction and the decision that they must lead to."""

    name: Text = Field(description="What the test prints.")
    task: dict[str, Any] = Field(default={}, description="The task's data.")
    prediction: TrialPrediction = TrialPrediction()
    threshold: Share | None = Field(
        default=None, description="Taken to be certified; default: the floor of auto_accept."
    )
    expect: Expectation
