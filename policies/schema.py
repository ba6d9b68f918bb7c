"""The shape of a policy file: strict, closed to unknown keys, frozen once read.

Field types and ranges are said here; what holds between fields is said in
``policies.consistency``. A ``Policy`` that exists has passed both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from policies.alerting import AlertRule
from policies.audits import Audit
from policies.automation import AutomationRule, says_of, with_names
from policies.breaker import Breaker
from policies.competence import TASK_TYPE
from policies.conditions import SIGNALS, Condition, Source, TaskField, UpstreamDisagreement
from policies.consistency import issues_of
from policies.correction_bands import CorrectionBands
from policies.domain import Stakes
from policies.drift import Drift
from policies.escalation import Escalation
from policies.gold import Gold
from policies.likeness import SameAnswer
from policies.models import EmbeddedModel, Model
from policies.monitoring import Monitoring
from policies.preferences import Preferences
from policies.prices import Prices
from policies.promises import AutoAccept
from policies.quotas import Sampling, with_shares
from policies.routes import Route, leaves
from policies.sections import Labels, Section, Share, Text
from policies.simulated_people import SimulatedPeople
from policies.stakes import floors_of
from policies.trials import PolicyTest

# The type of the one error that stands for all of policies.consistency; loading lists them singly.
INCONSISTENT = "inconsistent"


def _title_or_id(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise PydanticCustomError("project_type", "must be a project's title or its number")
    if value == "" or (isinstance(value, int) and value < 1):
        raise PydanticCustomError("project_type", "must be a project's title or its number")
    return value


Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
SliceShare = Annotated[float, Field(ge=0.05, le=0.5)]
# Filled in by ``with_defaults``, so that a policy in memory always names its tier.
TOP_TIER = Field(default="", description="Who answers; default: the top tier.")


class TierSpec(Section):
    """A group of reviewers with one expertise and one price."""

    name: Annotated[str, Field(pattern=r"^\S(.{0,48}\S)?$")] = Field(
        description="Names its view in Label Studio; routes and slices point to it."
    )
    reviewers: Annotated[tuple[Email, ...], Field(strict=False, min_length=1)] = Field(
        description="E-mail addresses, as in Label Studio."
    )
    cost_per_label: Annotated[float, Field(ge=0)] = Field(
        description="A person's look at one task, in any currency."
    )
    daily_capacity: Annotated[int, Field(ge=1)] = Field(
        description="Labels that the whole tier can give in a day."
    )
    seconds_per_label: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="A person's time for a label; plans take it where no lead time was measured.",
    )
    labels: Labels | None = Field(
        default=None, description="The labels that the tier may decide; default: all."
    )
    task_types: Labels | None = Field(
        default=None,
        description="Values of the task's field `task_type` that the tier takes; default: all.",
    )


def _accept_form(value: Any) -> str:
    return "(never)" if isinstance(value, str) else "(rule)"


class SliceSpec(Section):
    """A random share of all tasks that people label blind, whatever the model says."""

    share: SliceShare = Field(default=0.10, description="Of all tasks.")
    tier: str = TOP_TIER


class Agreement(Section):
    """The share of routed tasks that several people of the tier answer, to see if they agree."""

    share: Share = Field(default=0.10, description="Of the tasks that are routed to a tier.")
    overlap: Annotated[int, Field(ge=2, le=10)] = Field(
        default=2, description="How many people answer such a task."
    )
    most: Annotated[int, Field(ge=2, le=10)] | None = Field(
        default=None,
        description="Readers at most, where the answers leave doubt; default: as overlap.",
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.95,
        description="Probability of the consensus from which no more reader is asked, with most.",
    )
    minimum_alpha: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Krippendorff's alpha under which agreement is called too low."
    )

    @property
    def adaptive(self) -> bool:
        """Whether some tasks may get more readers than the others."""
        return self.most is not None and self.most > self.overlap


class Shadow(Section):
    """How long a new version answers the tasks that come in unseen before it may serve."""

    tasks: Annotated[int, Field(ge=1)] = Field(
        default=500, description="Tasks that it answers beside the version that serves."
    )
    days: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="It ends after so many days at the latest; default: no limit."
    )


class Retrain(Section):
    """When a model is trained again, and what a new version must not be worse at to serve."""

    after_annotations: Annotated[int, Field(ge=1)] = Field(
        default=100, description="New human labels that start a training."
    )
    minimum_labels: Annotated[int, Field(ge=1)] = Field(
        default=50,
        description="Human labels to train on, outside control and holdout, that a training needs.",
    )
    every_days: Annotated[float, Field(ge=1)] | None = Field(
        default=None,
        description="Days after which a model is trained again where any label is new; default: "
        "not by time.",
    )
    protected: dict[Text, Share] = Field(
        default={},
        description="Labels of whose holdout answers a new version may lose this share at most.",
    )
    most_share_lost: Share = Field(
        default=0.05,
        description="A new version is kept back where, beyond noise, less could be accepted by "
        "more than this share of all tasks; 1 asks nothing.",
    )
    shadow: Shadow | None = Field(
        default=None,
        description="It first answers incoming tasks unseen; default: it serves at once.",
    )


class Policy(Section):
    """The rules for one Label Studio project.

    ``salt`` fixes every random choice: changing it reshuffles control, holdout, audit and
    agreement, which mixes training data with the holdout; leave it unless a project starts anew.
    ``tiers`` stand from the least to the most expert.
    """

    project: Annotated[str | int, BeforeValidator(_title_or_id)] = Field(
        description="Title or number of the Label Studio project."
    )
    stakes: Annotated[Stakes, Field(strict=False)]
    salt: Text = Field(
        default="labelgate", description="Fixes every random choice; leave it as it is."
    )
    tiers: Annotated[tuple[TierSpec, ...], Field(strict=False, min_length=1)] = Field(
        description="Groups of reviewers, from the least to the most expert."
    )
    routes: Annotated[tuple[Route, ...], Field(strict=False)] = Field(
        default=(), description="What always goes to a tier; the first that matches wins."
    )
    auto_accept: Annotated[
        Annotated[AutoAccept, Tag("(rule)")] | Annotated[Literal["never"], Tag("(never)")],
        Discriminator(_accept_form),
    ] = Field(description="The promise for labels without a human look, or 'never'.")
    control: SliceSpec = SliceSpec()
    holdout: SliceSpec = SliceSpec()
    audit: Audit = Audit()
    breaker: Breaker = Breaker()
    drift: Drift = Drift()
    corrections: CorrectionBands = CorrectionBands()
    alerts: Annotated[tuple[AlertRule, ...], Field(strict=False)] = Field(
        default=(), description="What is told to whom beside the page; the rules add up."
    )
    agreement: Agreement = Agreement()
    model: Model = Field(
        default=EmbeddedModel(),
        description="What gives the labels: a model of Labelgate's own, or one from elsewhere.",
    )
    retrain: Retrain = Retrain()
    automation: Annotated[tuple[AutomationRule, ...], Field(strict=False)] = Field(
        default=(), description="Rules that answer before the model; the first with an answer."
    )
    sampling: Sampling = Sampling()
    escalation: Escalation = Escalation()
    gold: Gold = Gold()
    same_answer: SameAnswer = SameAnswer()
    monitoring: Monitoring = Monitoring()
    preferences: Preferences | None = Field(
        default=None, description="The project asks what people prefer; default: it does not."
    )
    prices: Prices = Prices()
    simulation: SimulatedPeople = Field(
        default=SimulatedPeople(), description="What `labelgate simulate` plays; decides nothing."
    )
    tests: Annotated[tuple[PolicyTest, ...], Field(strict=False)] = Field(
        default=(), description="What `labelgate policy test` checks; decides nothing."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        return with_defaults(data)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        issues = issues_of(self.model_dump(by_alias=True, exclude_none=True))
        if issues:
            raise PydanticCustomError(
                INCONSISTENT, "{issues}", {"issues": "; ".join(map(str, issues))}
            )
        return self

    @property
    def tier_names(self) -> tuple[str, ...]:
        """The tiers' names, least expert first."""
        return tuple(tier.name for tier in self.tiers)

    def tier(self, name: str) -> TierSpec:
        """The tier of that name; KeyError where there is none."""
        for tier in self.tiers:
            if tier.name == name:
                return tier
        raise KeyError(f"no tier {name!r}; the policy has {', '.join(self.tier_names)}")

    def order(self, name: str) -> int:
        """How expert a tier is: 0 for the least."""
        return self.tiers.index(self.tier(name))

    def conditions(self) -> tuple[Condition, ...]:
        """All simple conditions of the routes, those inside all, any and not too."""
        return tuple(condition for _, condition in leaves(self.routes))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Pydantic's, without what was worked out of the parts that it may have replaced."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("fields_used", "signals_used"):
            copied.__dict__.pop(name, None)
        return copied

    @cached_property
    def fields_used(self) -> tuple[str, ...]:
        """The task fields that the policy looks at, each once: ``Candidates.fields`` holds them.

        Those that routes and drift name, and the type of task where a tier takes certain types.
        """
        fields = [
            "source" if isinstance(condition, Source) else condition.field
            for condition in self.conditions()
            if isinstance(condition, (Source, TaskField, UpstreamDisagreement))
        ]
        typed = [TASK_TYPE] if any(tier.task_types is not None for tier in self.tiers) else []
        return tuple(dict.fromkeys([*fields, *typed, *self.drift.fields]))

    def says(self, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The labels that each predictor can give; ``labels`` are those that the model knows."""
        return says_of(self.automation, labels)

    @property
    def shows_answers(self) -> bool:
        """Whether people may see what the model says: of preferences only with ``prerank``."""
        return self.preferences is None or self.preferences.prerank

    @cached_property
    def signals_used(self) -> tuple[str, ...]:
        """What is looked at beside label and score: what ``Candidates.signals`` must hold.

        By routes, and by the quotas: the ledger keeps it, so that every day can be filled anew.
        """
        kinds = {condition.kind for condition in self.conditions()} | self.sampling.signals
        return tuple(signal for signal in SIGNALS if signal in kinds)


def with_defaults(document: Any) -> Any:
    """A copy with every default that depends on stakes or tiers written out.

    Takes the document as YAML gave it, malformed parts included, and leaves those as they are.
    """
    if not isinstance(document, Mapping):
        return document
    tiers = [tier for tier in _list(document.get("tiers")) if isinstance(tier, Mapping)]
    top = {"tier": tiers[-1]["name"]} if tiers and "name" in tiers[-1] else {}
    floors = floors_of(document.get("stakes"))
    most_reviewers = max((len(_list(tier.get("reviewers"))) for tier in tiers), default=0)
    defaults: dict[str, dict[str, Any]] = {
        "control": {"share": 0.10} | top,
        "holdout": {"share": 0.10} | top,
        "audit": top | ({"share": floors.default_audit_share} if floors else {}),
        # Nobody can agree with himself: without a second reviewer the default is off.
        "agreement": {"overlap": 2, "share": 0.0 if tiers and most_reviewers < 2 else 0.10},
        "auto_accept": {"floor": floors.score} if floors else {},
        "monitoring": top | ({"share": floors.default_monitoring_share} if floors else {}),
    }
    filled = dict(document)
    for key, values in defaults.items():
        section = filled.get(key, None if key == "auto_accept" else {})
        if isinstance(section, Mapping):
            filled[key] = {**values, **section}
    if isinstance(filled.get("automation"), (list, tuple)):
        filled["automation"] = with_names(filled["automation"])
    if isinstance(filled.get("sampling"), Mapping):
        filled["sampling"] = with_shares(filled["sampling"])
    return filled


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
