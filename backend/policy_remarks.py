"""What there is to say of a policy in force, each at its line of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from backend.mismatches import mismatches
from connectors.annotation_tool import Project
from connectors.label_studio.labeling import LabelingError, parse_labeling
from policies.document import Document, read_document
from policies.explanations import run_tests
from policies.loading import parse_policy
from policies.problems import Path, PolicyError
from policies.promises import AutoAccept
from policies.schema import Policy

_SOURCE = "policy.yaml"
# A place as messages begin with it: routes[2].in, auto_accept.never.
_PLACE = re.compile(r"[a-z_]+(?:\[\d+\]|\.[a-z_]+)*(?= )")
_STEP = re.compile(r"\[(\d+)\]|([a-z_]+)")


class Weight(StrEnum):
    """How much a remark matters: an error decides wrongly or not at all."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing to say, with the line that it is about, from 1."""

    weight: Weight
    line: int
    message: str


@lru_cache(maxsize=16)  # by text and config; what takes long is a long text
def remarks_of(text: str, title: str, project_id: int, label_config: str) -> tuple[Remark, ...]:
    """All of them, in the order of their lines.

    Problems of the file as ``labelgate policy check`` finds them; what does not fit the labelling
    config, as ``labelgate connect`` would say; the tests that the file holds; and what is good to
    know. A policy that was put in force by an earlier version may not load any more.
    """
    try:
        policy = parse_policy(text)
    except PolicyError as error:
        return tuple(
            Remark(
                weight=Weight.ERROR,
                line=problem.line or 1,
                message=str(PolicyError("", [problem])).removeprefix(f":{problem.line}  "),
            )
            for problem in error.problems
        )
    document = read_document(text, _SOURCE)
    seen = Project(id=project_id, title=title, label_config=label_config, model_version="")
    found = [*_fits(policy, seen, document), *_tests(policy, document), *_notes(policy, document)]
    return tuple(sorted(found, key=lambda each: each.line))


def _fits(policy: Policy, seen: Project, document: Document) -> Iterator[Remark]:
    try:
        labeling = parse_labeling(seen.label_config)
    except LabelingError as error:
        yield Remark(weight=Weight.WARNING, line=1, message=f"the labelling config: {error}")
        return
    for problem in mismatches(seen, policy, labeling):
        place = _PLACE.match(problem)
        path = () if place is None else _path(place.group())
        yield Remark(weight=Weight.WARNING, line=document.line(path), message=problem)


def _tests(policy: Policy, document: Document) -> Iterator[Remark]:
    for place, tried in enumerate(run_tests(policy)):
        line = document.line(("tests", place))
        name, decision = tried.test.name, tried.decision
        if tried.wrong:
            message = f"test {name!r} fails: {'; '.join(tried.wrong)} ({decision.reason})"
            yield Remark(weight=Weight.ERROR, line=line, message=message)
        else:
            where = f" by {decision.tier}" if decision.tier else ""
            message = f"test {name!r} passes: {decision.outcome.value}{where}"
            yield Remark(weight=Weight.NOTE, line=line, message=message)


def _notes(policy: Policy, document: Document) -> Iterator[Remark]:
    rule = policy.auto_accept
    line = document.line(("auto_accept",))
    if not isinstance(rule, AutoAccept):
        message = "nothing is accepted: a person confirms every label"
        yield Remark(weight=Weight.NOTE, line=line, message=message)
        return
    for label in rule.labels:
        own = document.line(("auto_accept", "labels", label))
        message = f"{label!r} has a promise of its own: what is chosen for all does not move it"
        yield Remark(weight=Weight.NOTE, line=own, message=message)
    if not policy.tests:
        message = "the file holds no tests: labelgate policy test has nothing to check"
        yield Remark(weight=Weight.NOTE, line=1, message=message)


def _path(place: str) -> Path:
    return tuple(int(number) if number else name for number, name in _STEP.findall(place))
