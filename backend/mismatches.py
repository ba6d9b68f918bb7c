"""What in a policy does not fit the project that it is for, in words."""

from __future__ import annotations

from collections.abc import Collection

from backend.predictors.rules.language import known_languages
from backend.preference_mismatches import uncomparable
from connectors.annotation_tool import Project
from connectors.label_studio.controls import OF_PARTS
from connectors.label_studio.labeling import ControlKind, InputKind, Labeling
from policies.answer_texts import path_text
from policies.automation import Boilerplate, ExactDuplicate, Format, Language, NearDuplicate
from policies.conditions import (
    INTERVAL_WIDTH,
    NEAR_DUPLICATE,
    NOVELTY,
    REGION_SIGNALS,
    PredictedLabel,
)
from policies.models import Embedded
from policies.problems import nearest
from policies.promises import AutoAccept
from policies.routes import leaves
from policies.schema import Policy

_NUMERIC = (ControlKind.NUMBER, ControlKind.RATING)


def mismatches(seen: Project, policy: Policy, labeling: Labeling) -> list[str]:
    """What in the policy does not fit the project, in words."""
    problems = []
    if str(policy.project) not in (seen.title, str(seen.id)):
        problems.append(
            f"project = {policy.project!r} is not the project asked for, {seen.title!r} "
            f"(number {seen.id})"
        )
    problems += untellable(policy, [control.kind for control in labeling.controls])
    problems += _unremembered(policy, labeling)
    problems += _unlisted(policy, labeling)
    problems += _fieldless(policy, labeling)
    problems += _unknown_languages(policy)
    problems += uncomparable(policy, labeling)
    nameable = nameable_labels(labeling)
    for place, labels in _labels_named(policy):
        unknown = [label for label in labels if label not in nameable]
        if unknown:
            names = " and ".join(repr(control.name) for control in labeling.controls)
            do = "does" if len(labeling.controls) == 1 else "do"
            problems.append(
                f"{place} names {', '.join(map(repr, unknown))}, which {names} {do} "
                f"not offer: {', '.join(map(repr, labeling.labels)) or 'no labels at all'}"
            )
    return problems


def nameable_labels(labeling: Labeling) -> frozenset[str]:
    """The labels that a policy may name: those that are offered, and the nodes above a path."""
    above = {
        path_text(path[:end])
        for control in labeling.controls
        for path in control.paths
        for end in range(1, len(path))
    }
    return frozenset(labeling.labels) | above


def untellable(policy: Policy, kinds: Collection[ControlKind]) -> list[str]:
    """The routes that look at what answers of these kinds do not come with."""
    problems = []
    for place, condition in leaves(policy.routes):
        if condition.kind in REGION_SIGNALS and not any(kind in OF_PARTS for kind in kinds):
            problems.append(
                f"{place} looks at {condition.kind}, but a {_said(kinds)} is one answer for the "
                "whole task and has no regions: take the route out, or route by score or margin"
            )
        if condition.kind == INTERVAL_WIDTH and not any(kind in _NUMERIC for kind in kinds):
            problems.append(
                f"{place} looks at {condition.kind}, but a {_said(kinds)} is no number: take the "
                "route out, or route by score"
            )
    return problems


def _said(kinds: Collection[ControlKind]) -> str:
    return " or ".join(dict.fromkeys(kind.value for kind in kinds))


def _unremembered(policy: Policy, labeling: Labeling) -> list[str]:
    """What looks at the examples a model was trained on, where no version keeps comparable ones."""
    named = [(place, str(condition.kind)) for place, condition in leaves(policy.routes)]
    if isinstance(policy.model, Embedded):
        if not policy.model.fields and labeling.input_kind is not InputKind.TABLE:
            return []
        return [
            f"{place} looks at novelty, but distances are told between texts or between images, "
            "not between rows of fields: take the route out, or route by score or margin"
            for place, kind in named
            if kind == NOVELTY
        ]
    found = [(place, kind) for place, kind in named if kind in (NOVELTY, NEAR_DUPLICATE)]
    found += [
        (f"automation[{place}]", rule.name)
        for place, rule in enumerate(policy.automation)
        if isinstance(rule, (ExactDuplicate, NearDuplicate))
    ]
    return [
        f"{place} ({kind}) has nothing to look at, because Labelgate keeps no examples of a model "
        "that it does not train: take it out"
        for place, kind in found
    ]


def _unlisted(policy: Policy, labeling: Labeling) -> list[str]:
    """What speaks of one label as of a whole answer, where answers are more than one label."""
    if labeling.is_list:
        return []
    because = (
        "but an answer to this project is not one label of a list: a promise can only be proved "
        "for all answers together"
    )
    problems = []
    rule = policy.auto_accept
    if isinstance(rule, AutoAccept) and rule.each_label:
        problems.append(f"auto_accept.each_label proves each label on its own, {because}")
    if isinstance(rule, AutoAccept) and rule.labels:
        problems.append(f"auto_accept.labels gives labels a promise of their own, {because}")
    problems += [
        f"automation[{place}] ({rule.name}) answers with one label, but an answer to this project "
        "is not one label of a list: take the rule out"
        for place, rule in enumerate(policy.automation)
        if isinstance(rule, (Language, Format, Boilerplate))
    ]
    return problems


def _fieldless(policy: Policy, labeling: Labeling) -> list[str]:
    """The rules of automation that would read an image as text."""
    if labeling.input_kind is not InputKind.IMAGE:
        return []
    return [
        f"automation[{place}] ({rule.name}) reads a text, but the project shows images: give it "
        "the 'field' of the task's data that holds the text"
        for place, rule in enumerate(policy.automation)
        if isinstance(rule, (Language, Format, Boilerplate)) and rule.field is None
    ]


def _unknown_languages(policy: Policy) -> list[str]:
    """The languages that no text would ever be told to be in."""
    return [
        f"automation[{place}].labels names the language {code!r}, which cannot be told "
        f"({nearest(code, known_languages()) or 'take another code'})"
        for place, rule in enumerate(policy.automation)
        if isinstance(rule, Language)
        for code in rule.labels
        if code not in known_languages()
    ]


def _labels_named(policy: Policy) -> list[tuple[str, tuple[str, ...]]]:
    named = [
        (f"{place}.in", condition.labels)
        for place, condition in leaves(policy.routes)
        if isinstance(condition, PredictedLabel)
    ]
    for place, rule in enumerate(policy.automation):
        match rule:
            case Language() | Format():
                named.append((f"automation[{place}].labels", tuple(rule.labels.values())))
            case Boilerplate():
                named.append((f"automation[{place}].label", (rule.label,)))
    if isinstance(policy.auto_accept, AutoAccept):
        named.append(("auto_accept.never", policy.auto_accept.never))
    return named
