"""How an answer is written, apart from what it says: named figures of its form.

They are columns of their own, so that what people give for length or lists can be told, and taken
out. On PandaLM's 999 pairs, held out by prompt, these alone are right of 73 % of the pairs; length
alone of 67 %, words alone of 58 %, the vectors of a sentence encoder alone of 63 %, and neither
words nor vectors add anything there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from policies.domain import FloatArray

LENGTH = "length"
STYLE: tuple[str, ...] = (
    LENGTH,  # log2 of 1 + characters: one more is a doubling
    "lines",  # log2 of 1 + line breaks
    "list_items",  # log2 of 1 + lines that begin like an item of a list
    "code",  # a fence, or a line that ends like code
    "questions",  # log2 of 1 + question marks
    "exclamations",  # log2 of 1 + exclamation marks
    "punctuation",  # of all characters
    "capitals",  # of all characters
    "digits",  # of all characters
    "distinct_words",  # of its words
    "repeated_phrases",  # of its runs of three words, those that stood before
    "repeated_lines",  # of its lines, those that stood before
    "new_words",  # log2 of 1 + distinct words that the prompt does not have
    "from_prompt",  # of its distinct words, those that the prompt has
    "covers_prompt",  # of the prompt's distinct words, those that it has
    "quotes_prompt",  # whether all of it stands in the prompt
    "ends_whole",  # whether it ends as a sentence does
    "refusal",  # whether it says that it cannot
    "empty",  # no word at all
)

_WORD = re.compile(r"\w+")
# No blank before a line break: a run of empty lines must not be looked at over and over.
_ITEM = re.compile(r"^[ \t]*(?:[-*\u2022]|\d{1,4}[.)])[ \t]", re.MULTILINE)
_CODE = re.compile(r"```|[;{}]$", re.MULTILINE)
_REFUSAL = re.compile(r"\b(?:sorry|i (?:cannot|can't|am unable)|as an ai)\b")
_MARKS = frozenset(".,;:!?")
_ENDS = (".", "!", "?", '"', "'", ")", "\u2026", "\u3002")


def styles(prompts: Sequence[str], responses: Sequence[str]) -> FloatArray:
    r"""(answers, columns of ``STYLE``), as they come; a prompt of "" is none.

    >>> row = styles(["Name three"], ["- one\n- two\n- three"])[0].tolist()
    >>> dict(zip(STYLE, row))["list_items"]
    2.0
    """
    found = {prompt: _asked(prompt) for prompt in set(prompts)}
    rows = [
        _style(response, *found[prompt])
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    return np.array(rows, np.float64).reshape(len(rows), len(STYLE))


def _style(text: str, prompt: str, asked: frozenset[str]) -> tuple[float, ...]:
    lowered = text.lower()
    words = _WORD.findall(lowered)
    distinct = frozenset(words)
    runs = list(zip(words, words[1:], words[2:], strict=False))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    shared = len(distinct & asked)
    stripped = lowered.strip()
    return (
        _doublings(len(text)),
        _doublings(text.count("\n")),
        _doublings(len(_ITEM.findall(text))),
        float(_CODE.search(text) is not None),
        _doublings(text.count("?")),
        _doublings(text.count("!")),
        _share(sum(map(text.count, _MARKS)), len(text)),
        _share(sum(map(str.isupper, text)), len(text)),
        _share(sum(map(str.isdigit, text)), len(text)),
        _share(len(distinct), len(words)),
        _share(len(runs) - len(set(runs)), len(runs)),
        _share(len(lines) - len(set(lines)), len(lines)),
        _doublings(len(distinct) - shared),
        _share(shared, len(distinct)),
        _share(shared, len(asked)),
        float(bool(stripped) and stripped in prompt),
        float(text.rstrip().endswith(_ENDS)),
        float(_REFUSAL.search(lowered) is not None),
        float(not words),
    )


def _asked(prompt: str) -> tuple[str, frozenset[str]]:
    lowered = prompt.lower()
    return lowered, frozenset(_WORD.findall(lowered))


def _doublings(count: int) -> float:
    return float(np.log2(1.0 + count))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
