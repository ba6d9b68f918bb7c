"""Automation without a model: rules that give a label where the work is well defined.

Each rule is a predictor of its own, asked before the model in the order of the file; the first that
has an answer gives it. Its answers are certified and audited apart, like any other's. What the
rules look for stands in ``backend.predictors``; here is what a policy can say of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from policies.domain import MODEL
from policies.sections import Section, Text

# The version string of rules' answers as long as no model serves.
RULES_ALONE = "automation"
FORMATS = ("date", "e-mail", "html", "json", "number", "phone", "url", "xml")
_Name = Annotated[str, Field(pattern=r"^(\S(.{0,48}\S)?)?$")]
# Filled in by ``with_names``, so that a rule in memory always has a name.
RULE_NAME = Field(default="", description="Names its answers in the ledger; default: the kind.")


class _Rule(Section):
    name: _Name = RULE_NAME


class _FieldRule(_Rule):
    field: Text | None = Field(
        default=None, description="The task's field to look at; default: the one that is labelled."
    )


class ExactDuplicate(_Rule):
    """Copies the label of a human-labelled task with the same text or the same image."""

    kind: Literal["exact_duplicate"]


class NearDuplicate(_Rule):
    """Copies the label of the most similar human-labelled task, if it is similar enough.

    Texts are compared by their runs of five characters (Jaccard), images by their difference hash.
    """

    kind: Literal["near_duplicate"]
    similarity: Annotated[float, Field(ge=0.5, le=1)] = Field(
        default=0.9, description="The least that counts as nearly the same; 1 is the same."
    )


class Language(_FieldRule):
    """Labels a text by the language that it is written in."""

    kind: Literal["language"]
    labels: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], Text], Field(min_length=1)
    ] = Field(
        description="From the language's ISO 639-1 code to the label.",
        json_schema_extra={"additionalProperties": False},
    )


class Format(_FieldRule):
    """Labels a text that is, as a whole, of a known format."""

    kind: Literal["format"]
    labels: Annotated[
        dict[Literal["date", "e-mail", "html", "json", "number", "phone", "url", "xml"], Text],
        Field(min_length=1),
    ] = Field(description="From the format to the label.")


class Boilerplate(_FieldRule):
    """Labels a text in which a pattern is found."""

    kind: Literal["boilerplate"]
    regex: Text = Field(description="Found anywhere in the text.")
    label: Text = Field(description="What such a text is labelled.")


def _kind_of(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return None if kind is None else f"({kind})"


AutomationRule = Annotated[
    Annotated[ExactDuplicate, Tag("(exact_duplicate)")]
    | Annotated[NearDuplicate, Tag("(near_duplicate)")]
    | Annotated[Language, Tag("(language)")]
    | Annotated[Format, Tag("(format)")]
    | Annotated[Boilerplate, Tag("(boilerplate)")],
    Discriminator(_kind_of),
]


def with_names(rules: Sequence[Any]) -> list[Any]:
    """The rules as YAML gave them, each with its kind for a name where it has none."""
    return [
        {"name": rule["kind"], **rule} if isinstance(rule, Mapping) and "kind" in rule else rule
        for rule in rules
    ]


def says_of(rules: Sequence[AutomationRule], labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The labels that each predictor can give; ``labels`` are all that the model knows."""
    return {MODEL: tuple(labels)} | {rule.name: tuple(_says(rule, labels)) for rule in rules}


def _says(rule: AutomationRule, labels: Sequence[str]) -> Iterator[str]:
    match rule:
        case Boilerplate():
            yield rule.label
        case Language() | Format():
            yield from dict.fromkeys(rule.labels.values())
        case ExactDuplicate() | NearDuplicate():
            yield from labels
