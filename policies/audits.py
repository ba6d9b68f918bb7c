"""Audits: which accepted labels people look at once more, and what they must reach."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from policies.sections import Section, Share, Text

# Filled in by the schema's ``with_defaults``: a policy in memory always names its tier.
_TIER = Field(default="", description="Who answers; default: the top tier.")


class Passing(Section):
    """When an audited label passes that has parts: regions, spans, texts, numbers."""

    measure: Literal["exact", "iou", "span_f1", "similarity", "jaccard"] = Field(
        default="exact", description="How an accepted answer is compared with the auditor's."
    )
    at_least: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="From which value on the accepted answer passes."
    )


class Audit(Section):
    """The share of accepts that gets a blind second look before it becomes a label."""

    share: Share = Field(default=0.05, description="Of the accepts; default: by stakes.")
    tier: str = _TIER
    per_label: Annotated[int, Field(ge=0)] = Field(
        default=5, description="Audits that each accepted label gets at least, over all batches."
    )
    most: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5, description="The largest share of the accepts of any label that is audited."
    )
    second_share: Share = Field(
        default=0.1,
        description="Of the audits that passed: a second auditor looks too; at every error anyway.",
    )
    mirror: Text | None = Field(
        default=None,
        description="Title of a project into which audited tasks are copied, for real secrecy.",
    )
    passing: Passing = Passing()
    step: Annotated[float, Field(gt=0, le=0.2)] = Field(
        default=0.02, description="How far audits may move a threshold in one night."
    )
