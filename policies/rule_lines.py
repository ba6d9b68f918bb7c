"""Which lines of a policy file a decision came from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from policies.adjudication import ESCALATION
from policies.audit_plan import EXTRA_AUDIT
from policies.breaker import RECALL, SUSPENDED
from policies.deployed import MONITORING
from policies.document import read_document
from policies.domain import Decision, Purpose
from policies.problems import Path, PolicyError, dotted

_ROUTE = re.compile(r"routes\[(\d+)\]")
_SECTIONS: dict[str, tuple[Path, ...]] = {
    "control": (("control",),),
    "holdout": (("holdout",),),
    MONITORING: (("monitoring",),),
    "auto_accept": (("auto_accept",),),
    "auto_accept_never": (("auto_accept",),),
    "never_label": (("auto_accept", "never"),),
    "below_threshold": (("auto_accept",),),
    "no_certificate": (("auto_accept",),),
    SUSPENDED: (("breaker",), ("auto_accept",)),
    RECALL: (("breaker",),),
    ESCALATION: (("escalation",),),
    EXTRA_AUDIT: (("audit",),),
    "no_model": (("tiers", 0),),
    "problem": (("tiers", 0),),
}
_BY_PURPOSE: dict[Purpose, Path] = {
    Purpose.AUDIT: ("audit",),
    Purpose.AGREEMENT: ("agreement",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLines:
    """A part of a policy that decided: its key, and its lines, both ends included.

    ``first`` and ``last`` are None where the file does not write the part out: then what the
    stakes set decided.
    """

    key: str
    first: int | None
    last: int | None


def rule_lines(text: str, decision: Decision) -> tuple[RuleLines, ...]:
    """The parts of the policy's text that made the decision, the rule first.

    () where the text cannot be read as the policy that it once was.
    """
    try:
        lines = read_document(text, "policy.yaml").lines
    except PolicyError:
        return ()
    return tuple(_lines_of(text, lines, path) for path in _paths(decision))


def _paths(decision: Decision) -> list[Path]:
    route = _ROUTE.fullmatch(decision.rule)
    found: list[Path] = (
        [("routes", int(route[1]))] if route else list(_SECTIONS.get(decision.rule, ()))
    )
    drawn = _BY_PURPOSE.get(decision.purpose)
    if drawn is not None and drawn not in found:
        found.append(drawn)
    return found


def _lines_of(text: str, lines: dict[Path, int], path: Path) -> RuleLines:
    first = lines.get(path)
    if first is None:
        return RuleLines(key=dotted(path), first=None, last=None)
    own = [line for each, line in lines.items() if each[: len(path)] == path]
    later = [line for each, line in lines.items() if line > max(own) and each[: len(path)] != path]
    written = text.splitlines()
    last = min(later, default=len(written) + 1) - 1
    while last > first and _blank(written[last - 1]):
        last -= 1
    return RuleLines(key=dotted(path), first=first, last=last)


def _blank(line: str) -> bool:
    """Whether a line says nothing: empty, or a comment, which belongs to what comes after it."""
    return line.strip() == "" or line.strip().startswith("#")
