"""What a policy may not do once it asks for preferences: answer in people's place.

A reward model passes on what its data prefer. Were some of them a model's own, it would be aligned
to itself; and what nobody else was asked, or a general pool answered, nobody can vouch for.

As in ``policies.consistency``, the rules read the document as YAML gave it (defaults filled in)
and skip what is malformed, because wrong types are reported elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.models import EMBEDDED
from policies.problems import Issue, at
from policies.stakes import floors_of

# What a preference policy has no tier for: whoever is there.
GENERAL = "general"
FEWEST_TIERS = 2


def preference_issues(document: Mapping[str, Any]) -> Iterator[Issue]:
    """Every rule of this module that the document breaks; none where it asks no preferences."""
    if isinstance(document.get("preferences"), Mapping):
        yield from _only_people_answer(document)
        yield from _experts(document)
        yield from _several_readers(document)
        yield from _own_model(document)


def _only_people_answer(document: Mapping[str, Any]) -> Iterator[Issue]:
    if isinstance(document.get("auto_accept"), Mapping):
        yield Issue(
            ("auto_accept",),
            "promises labels without a person, and preferences are people's alone: no model may "
            "be aligned to itself",
            "use auto_accept: never",
        )
    rules = document.get("automation")
    if isinstance(rules, (list, tuple)) and rules:
        yield Issue(
            ("automation",),
            "answers before people do, and a preference that is copied or guessed is none",
            "take the section out, or 'preferences'",
        )
    tolerance = at(document, ("same_answer", "tolerance"))
    if isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool) and tolerance > 0:
        yield Issue(
            ("same_answer", "tolerance"),
            "lets an answer take another's words, and preferences are compared as they were given",
            "take it out",
        )


def _experts(document: Mapping[str, Any]) -> Iterator[Issue]:
    tiers = document.get("tiers")
    tiers = list(tiers) if isinstance(tiers, (list, tuple)) else []
    for index, tier in enumerate(tiers):
        name = at(tier, ("name",))
        if isinstance(name, str) and name.lower() == GENERAL:
            yield Issue(
                ("tiers", index, "name"),
                "is a general pool: preferences need people who can judge the subject",
                "ask those, and call them domain or senior",
            )
    floors = floors_of(document.get("stakes"))
    asked_by_stakes = floors is not None and floors.tiers >= FEWEST_TIERS  # said there already
    if 0 < len(tiers) < FEWEST_TIERS and not asked_by_stakes:
        yield Issue(
            ("tiers",),
            "is a flat pool of one tier: people prefer different things, and somebody must "
            "adjudicate",
            "add a more expert tier at the end",
        )


def _several_readers(document: Mapping[str, Any]) -> Iterator[Issue]:
    share = at(document, ("agreement", "share"))
    if isinstance(share, (int, float)) and not isinstance(share, bool) and share == 0:
        yield Issue(
            ("agreement", "share"),
            "asks everybody alone, and a preference that nobody else was asked for proves nothing",
            "use more than 0, such as 1.0, with two reviewers or more in a tier",
        )


def _own_model(document: Mapping[str, Any]) -> Iterator[Issue]:
    kind = at(document, ("model", "kind"))
    if isinstance(kind, str) and kind != EMBEDDED:
        yield Issue(
            ("model", "kind"),
            "brings preferences from elsewhere, and only a model that learns from these people's "
            "may suggest any",
            f"use kind: {EMBEDDED}, or leave the section out",
        )
    if at(document, ("model", "second")) is not None:
        yield Issue(
            ("model", "second"),
            "asks another model what people prefer: no model may be aligned to another",
            "take it out",
        )
