"""Regular expressions that a policy may hold: such as cannot run for long, whatever text comes.

Python's ``re`` tries one way to match after the other, so ``(a+)+b`` takes exponential time on a
long row of a's. Such patterns are refused when the policy is read: repeats of what itself repeats
or chooses, references back, and more repeats and choices than can be tried in a moment. A pattern
looks at the beginning of a text only.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache

LONGEST_PATTERN = 200
SEARCHED = 500  # characters of a text
# Two open repeats and a free start: 500 ** 3, of which backtracking walks a sixth.
_MOST_WAYS = 2 * SEARCHED**2
_TOKEN = re.compile(
    r"\\(?P<escaped>.)"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<special>\(\?(?!:|P<))"
    r"|(?P<open>\((?:\?:|\?P<\w+>)?)"
    r"|(?P<close>\))"
    r"|(?P<repeat>[*+][?+]?|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)\}[?+]?)"
    r"|(?P<optional>\?[?+]?)"
    r"|(?P<either>\|)"
    r"|.",
    re.DOTALL,
)


def problem_of(pattern: str) -> str | None:
    """Why a policy may not hold this pattern, in words; None where it may.

    >>> problem_of("refund|chargeback")
    >>> problem_of("(a+)+b")
    'repeats a group that itself repeats or chooses, which can take for ever'
    """
    if len(pattern) > LONGEST_PATTERN:
        return f"has {len(pattern)} characters: a pattern may have {LONGEST_PATTERN}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error"
            )  # such as a set within a set, which may change its meaning
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        return f"is no regular expression: {error}"
    return _costly(pattern.removeprefix("(?i)"))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def occurs(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in the first ``SEARCHED`` characters of the text."""
    return _compiled(pattern).search(text[:SEARCHED]) is not None


@dataclass(slots=True)
class _Group:
    branches: int = 1
    chooses: bool = False


def _costly(pattern: str) -> str | None:  # noqa: C901 - one case for each kind of token
    groups, ways = [_Group()], 1
    ended: _Group | None = None  # the group that the token before closed
    for token in _TOKEN.finditer(pattern):
        before, ended = ended, None
        match token.lastgroup:
            case "escaped" if token["escaped"] in "123456789":
                return "refers back to a group, which can take for ever"
            case "special":
                return "has a special group: (...), (?:...) and (?P<name>...) are allowed"
            case "open":
                groups.append(_Group())
            case "close":
                ended = groups.pop()
                ways *= ended.branches
                groups[-1].chooses |= ended.chooses
            case "either":
                groups[-1].branches += 1
                groups[-1].chooses = True
            case "optional":
                ways *= 2
                groups[-1].chooses = True
            case "repeat" | "least" | "comma" | "most":
                if before is not None and before.chooses:
                    return "repeats a group that itself repeats or chooses, which can take for ever"
                ways *= _copies(token)
                groups[-1].chooses = True
    if ways > _MOST_WAYS:
        return "can match in too many ways: two open repeats (*, +) at most, and few choices"
    return None


def _copies(repeat: re.Match[str]) -> int:
    """In how many lengths a repeat can match."""
    if repeat["comma"] is None or (repeat["comma"] and not repeat["most"]):
        return SEARCHED
    if not repeat["comma"]:
        return 1
    return int(repeat["most"]) - int(repeat["least"] or 0) + 1
