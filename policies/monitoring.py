"""Monitoring of a deployed model: how much of its production people look at, and what is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from policies.conditions import Condition
from policies.models import CredentialsName, Url
from policies.sections import Section, Share, Text


class MonitoringRule(Section):
    """Answers that people see more of than of others."""

    when: Condition = Field(description="Which answers: a condition as routes have it.")
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Of the answers that match; never less than of all."
    )


class Fetch(Section):
    """Where the data of sampled answers is asked for by their ids."""

    url: Url = Field(description="Takes a POST of ids, gives the data of each.")
    credentials: CredentialsName | None = Field(
        default=None, description="Name of its credentials in the settings; default: none."
    )
    timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="Seconds that one request may take."
    )


class Monitoring(Section):
    """The share of a deployed model's answers that people verify, and what becomes of the rest."""

    share: Share = Field(default=0.005, description="Default and least: by stakes.")
    tier: str = Field(default="", description="Who verifies; default: the top tier.")
    show: bool = Field(
        default=False, description="People are shown the deployed model's answer; else blind."
    )
    each_class: Annotated[int, Field(ge=0)] = Field(
        default=10, description="Verified answers wanted of each predicted class in 30 days."
    )
    slices: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), description="Data fields whose values are sampled and measured apart."
    )
    rules: Annotated[tuple[MonitoringRule, ...], Field(strict=False)] = Field(
        default=(), description="Answers that people see more of; the largest share counts."
    )
    routed: Share = Field(
        default=0.0, description="Share of the answers that one of the policy's routes matches."
    )
    keep: Literal["data", "ids"] = Field(
        default="data", description="Whether data is stored, or ids and hashes alone."
    )
    fetch: Fetch | None = Field(
        default=None, description="Where data that was not kept comes from; default: by file."
    )
    mask: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), description="Data fields that are blanked before anything is stored."
    )
    retention_days: Annotated[int, Field(ge=1)] = Field(
        default=90, description="Days after which answers that were not sampled are deleted."
    )
    period: Literal["day", "week", "month"] = Field(
        default="month", description="What the curve of accuracy has one point for."
    )
    baseline: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Accuracy that is expected; default: of the first 200 verified."
    )
    tolerated_drop: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.02, description="Loss of accuracy from which an alarm is wanted."
    )
