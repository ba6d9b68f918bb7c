"""Preferences as a folder that trl and ``datasets`` read: train, test and a card. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit_jobs.preferences.card import CARD, TEST, TRAIN, Facts, dataset_card
from audit_jobs.preferences.preferred import Found, held_out, preferred_pairs
from audit_jobs.preferences.report import preference_report
from connectors.trl import Format, evenly_matched, json_lines, rows_of
from policies.judgments import PreferencePair

FILES = (TRAIN, TEST, CARD)


class NothingToExportError(ValueError):
    """No pair can be exported; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: the form, the share of prompts held out, the least agreement, the seed."""

    form: Format
    holdout: float = 0.1
    minimum_agreement: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the pairs come from, in words, how many judges each tier has, and if all are people."""

    title: str
    words: str
    made: tuple[str, ...] = ()
    tiers: tuple[tuple[str, int], ...] = ()
    people: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The files by name, and how many of what they hold."""

    contents: dict[str, bytes]
    facts: Facts
    report: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The counts, and the two figures that say how far the set can be trusted."""
        facts = self.facts
        return {
            "format": facts.form.value,
            "pairs": facts.questions,
            "train": facts.rows[0],
            "test": facts.rows[1],
            "prompts": {"train": facts.prompts[0], "test": facts.prompts[1]},
            "left_out": dict(facts.left_out),
            "evenly_matched": facts.even,
            "judges": self.report["judges"],
            "raw_agreement": self.report["agreement"]["raw"],
            "krippendorff_alpha": self.report["krippendorff_alpha"],
            "position_bias": self.report["position_bias"],
            "files": sorted(self.contents),
        }


def preference_export(pairs: Sequence[PreferencePair], wish: Wish, source: Source) -> Export:
    """Every decided pair as a row (or each of its answers), the prompts of the test side apart.

    The same pairs, wish and source give the same bytes.

    Raises
        NothingToExportError: no pair has a preferred answer, or a pair that has one no prompt.
    """
    found = preferred_pairs(pairs, wish.minimum_agreement)
    _check(found)
    prompts = list(dict.fromkeys(each.prompt for each in found.preferred))
    apart = held_out(prompts, wish.holdout, wish.seed)
    sides = [
        [each for each in found.preferred if (each.prompt in apart) is tested]
        for tested in (False, True)
    ]
    train, test = (rows_of(wish.form, side) for side in sides)
    if not train:
        raise NothingToExportError(
            "every completion was chosen as often as rejected, so none is a liked or a disliked "
            "one: nothing is written; the paired formats hold these pairs"
        )
    report = preference_report(pairs)
    facts = Facts(
        title=source.title,
        form=wish.form,
        source=source.words,
        questions=found.questions,
        rows=(len(train), len(test)),
        prompts=(len(prompts) - len(apart), len(apart)),
        left_out=found.left_out,
        even=evenly_matched(found.preferred) if wish.form is Format.UNPAIRED else 0,
        tiers=source.tiers,
        people=source.people,
        made=(*source.made, *_made(wish)),
    )
    contents = {TRAIN: json_lines(train), CARD: dataset_card(facts, report).encode()}
    if test:
        contents[TEST] = json_lines(test)
    return Export(contents=contents, facts=facts, report=report)


def _check(found: Found) -> None:
    if not found.preferred:
        why = ", ".join(f"{count:,} {name}" for name, count in found.left_out.items() if count)
        raise NothingToExportError(
            f"no pair has a preferred answer ({why or 'there are none'}): nothing is written"
        )
    nameless = [each.pair_id for each in found.preferred if not each.prompt.strip()]
    if nameless:
        raise NothingToExportError(
            f"{len(nameless):,} pairs, such as {nameless[0]!r}, have no prompt, and a row needs "
            "one: put it into the field that preferences.prompt of the policy names (prompt in a "
            "file)"
        )


def _made(wish: Wish) -> tuple[str, ...]:
    least = wish.minimum_agreement
    return (
        (
            "preferred is the answer that more judges chose than anything else, or the one that "
            "was known to be better; a judge has one vote on a pair, and a pair that was asked "
            "again with its answers swapped is the same pair"
        ),
        f"pairs on which fewer than {least:.0%} of the judges agree were left out"
        if least
        else "no agreement was asked for beyond the most votes",
        (
            f"{wish.holdout:.0%} of the prompts were held out, by a hash of each with the seed "
            f"{wish.seed}: a prompt stays on its side when others are added"
        ),
    )
