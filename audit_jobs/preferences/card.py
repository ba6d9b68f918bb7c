"""The card of a data set of preferences: what it holds, who judged, how far that can be trusted.

Nobody is named: judges are counted, and told apart by their place. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit_jobs.preferences.preferred import EQUAL, TIES, UNDECIDED, UNDER_MINIMUM, UNJUDGED
from connectors.trl import Format

_MOST_JUDGES = 50
TRAIN, TEST, CARD = "train.jsonl", "test.jsonl", "README.md"
_REASONS = {
    EQUAL: "two equal answers",
    UNJUDGED: "nobody judged them",
    TIES: "ties: both answers are as good",
    UNDECIDED: "undecided: no choice has the most judges behind it",
    UNDER_MINIMUM: "fewer judges agree than was asked for",
}
_COLUMNS = {
    Format.PREFERENCE: "`prompt`, `chosen` and `rejected` are texts (trl's preference format)",
    Format.CONVERSATIONAL: (
        "`prompt`, `chosen` and `rejected` are lists of messages with `role` and `content` "
        "(trl's conversational preference format)"
    ),
    Format.UNPAIRED: (
        "`prompt` and `completion` are texts, `label` says whether the completion is a preferred "
        "one (trl's unpaired preference format)"
    ),
}
_QUALITY = """\
`pair_id` names the pair, `judges` counts those who had a vote on it, `votes_chosen`,
`votes_rejected` and `votes_tie` are their votes. `agreement` is the share of the votes for the
chosen answer, `confidence` the probability that it is the better one, from how each judge
errs, null where nothing tells it. `margin` is the difference of the two shares of
votes. `known` says that the right choice was known beforehand. trl's RewardTrainer takes `margin`
into its loss: remove the column where that is not wanted.
"""
_QUALITY_UNPAIRED = """\
`pairs` counts the decided pairs in which the completion stood, `pairs_chosen` those in which it was
preferred, `votes` the votes for one of the two answers in them, `share_of_votes` those for it. A
completion that was chosen as often as rejected is left out.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a card states beside the figures of the report.

    ``people`` says that it is known to be people who judged: a file does not tell. ``source`` says
    in words where the pairs come from. ``rows`` and ``prompts`` are those of train and test,
    ``left_out`` the pairs without a row, by reason, ``even`` the completions that no unpaired row
    can be given to. ``tiers`` are how many judges each tier has, () where there are none. ``made``
    says in words how the set was made, a line each.
    """

    title: str
    form: Format
    source: str
    questions: int
    rows: tuple[int, int]
    prompts: tuple[int, int]
    left_out: Mapping[str, int]
    even: int
    tiers: Sequence[tuple[str, int]]
    people: bool
    made: Sequence[str]


def dataset_card(facts: Facts, report: Mapping[str, Any]) -> str:
    """The card in Markdown; ``report`` is that of ``preference_report``.

    It begins with the YAML by which ``datasets`` and the Hugging Face hub find the files.
    """
    parts = [
        *_head(facts),
        *_contents(facts),
        *_judges(facts, report),
        *_agreement(report),
        *_biases(report),
        "## How it was made",
        "",
        *(f"- {_line(line)}" for line in facts.made),
    ]
    return "\n".join(parts) + "\n"


def figure(estimate: Mapping[str, Any] | None, unit: str = "") -> str:
    """A figure with its interval.

    >>> figure({"value": 0.86422, "low": 0.8377, "high": 0.8846, "n": 999})
    '0.864 (0.838 to 0.885, n = 999)'
    >>> figure({"value": None, "low": None, "high": None, "n": 0})
    'not known'
    """
    if estimate is None or estimate.get("value") is None:
        return "not known"
    value, n = estimate["value"], estimate["n"]
    low, high = estimate.get("low"), estimate.get("high")
    interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}, "
    return f"{value:.3f}{unit} ({interval}n = {n:,})"


def _head(facts: Facts) -> Iterator[str]:
    files = [("train", TRAIN), *([("test", TEST)] if facts.rows[1] else [])]
    yield from ("---", "configs:", "- config_name: default", "  data_files:")
    for split, name in files:
        yield from (f"  - split: {split}", f"    path: {name}")
    yield from ("tags:", "- preference", "- trl", "- human-feedback", "---", "")
    yield from (f"# {_line(facts.title)}", "")
    whose = "People's preferences" if facts.people else "Preferences"
    yield from (f"{whose} between answers, from {_line(facts.source)}.", "")


def _contents(facts: Facts) -> Iterator[str]:
    yield from ("## What it holds", "", f"{_COLUMNS[facts.form]}.", "")
    yield _QUALITY_UNPAIRED if facts.form is Format.UNPAIRED else _QUALITY
    yield from ("| split | file | rows | prompts |", "|---|---|---|---|")
    for place, (split, name) in enumerate((("train", TRAIN), ("test", TEST))):
        file = f"`{name}`" if facts.rows[place] else "none"
        yield f"| {split} | {file} | {facts.rows[place]:,} | {facts.prompts[place]:,} |"
    yield from ("", "No prompt is on both sides.", "")
    yield from (
        "```python",
        "from datasets import load_dataset",
        "",
        f'data = load_dataset("json", data_files={{"train": "{TRAIN}"'
        + (f', "test": "{TEST}"' if facts.rows[1] else "")
        + "})",
        "```",
        "",
    )
    yield from (f"Of {facts.questions:,} pairs were left out:", "")
    for reason, count in facts.left_out.items():
        yield f"- {count:,} {_REASONS[reason]}"
    if facts.form is Format.UNPAIRED:
        yield f"- and {facts.even:,} completions that were chosen as often as rejected"
    yield ""


def _judges(facts: Facts, report: Mapping[str, Any]) -> Iterator[str]:
    details = list(report["judges_detail"].values())
    given = sum(each["judgments"] for each in details)
    one, several = ("person", "people") if facts.people else ("judge", "judges")
    who = one if len(details) == 1 else several
    yield from (
        "## Who judged",
        "",
        f"{len(details):,} {who} gave {given:,} judgements. None is named here.",
        "",
    )
    if facts.tiers:
        told = ", ".join(f"{count:,} {_line(name)}" for name, count in facts.tiers)
        yield from (f"By their tier of reviewers: {told}.", "")
    if details:
        yield "| judge | judgements | agrees with the others | accuracy, where the truth is known |"
        yield "|---|---|---|---|"
    for place, each in enumerate(details[:_MOST_JUDGES], start=1):
        yield (
            f"| {place} | {each['judgments']:,} | {figure(each['agreement'])} | "
            f"{figure(each['accuracy'])} |"
        )
    if len(details) > _MOST_JUDGES:
        yield f"| {len(details) - _MOST_JUDGES:,} more | | | |"
    yield ""


def _agreement(report: Mapping[str, Any]) -> Iterator[str]:
    agreement = report["agreement"]
    yield from (
        "## How far they agree",
        "",
        "95 % intervals stand in brackets.",
        "",
        f"- judgements of one pair that agree: {figure(agreement['raw'])}",
        f"- Krippendorff's alpha, beyond chance: {figure(report['krippendorff_alpha'])}",
        f"- ties among judgements: {figure(report['ties']['share'])}",
        f"- asked again, a judge says the same: {figure(agreement.get('repeated'))}",
    )
    for name, each in report["criteria"].items():
        yield f"- alpha on {_line(name)}: {figure(each['krippendorff_alpha'])}"
    yield ""


def _biases(report: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Tests of bias", "")
    place = report["position_bias"]
    if place is None:
        yield "- place: not known, in which order the answers were shown was not noted"
    else:
        yield (
            f"- place: the answer shown first is preferred in {figure(place)} of the judgements "
            f"({_verdict(place)}, p = {place['p_value']:.2g}); it adds "
            f"{figure(place['effect'])} to the log odds"
        )
        if place.get("swapped"):
            kept = figure(place["swapped"]["place_kept"])
            yield f"- asked with the answers swapped, judges keep the place, not the answer: {kept}"
    length = report["length_bias"]
    if length is None:
        yield "- length: not known, no two answers differ in it"
    else:
        yield (
            f"- length: the longer answer is preferred in {figure(length)} of the judgements "
            f"({_verdict(length)}, p = {length['p_value']:.2g}); each doubling adds "
            f"{figure(length['per_doubling'])} to the log odds. Longer answers may be better ones"
        )
    rings = report["intransitivity"]
    if rings is None:
        yield "- order: not known, no three answers to a prompt were compared with each other"
    else:
        yield (
            f"- order: {rings['cycles']:,} of {rings['triples']:,} triples go round in a ring, "
            f"{figure(rings)}; by chance alone it were {rings['by_chance']:.0%}"
        )
    yield ""


def _verdict(found: Mapping[str, Any]) -> str:
    return "a bias at the level of 5 %" if found["found"] else "no bias found at the level of 5 %"


def _line(text: str) -> str:
    """A text from elsewhere on one line, without what Markdown would take for its own."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in flat)
