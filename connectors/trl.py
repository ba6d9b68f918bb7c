"""Preferences as trl reads them: one row of a dataset for each, in JSON. Pure.

The columns are those of "Dataset formats and types" in the documentation of Hugging Face's trl:
preference (``prompt``, ``chosen``, ``rejected``), the same as messages of a conversation, and
unpaired preference (``prompt``, ``completion``, ``label``). Columns beside them say how far each
row can be trusted. trl's RewardTrainer takes ``margin`` into its loss where the column is there;
all other trainers, and the other columns, are for filtering and weighing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson


class Format(StrEnum):
    """What rows look like."""

    PREFERENCE = "trl"
    CONVERSATIONAL = "trl-conversational"
    UNPAIRED = "unpaired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """An answer that people prefer to another one, and how sure that is.

    ``votes`` are those for the chosen answer, for the rejected one and for neither. ``agreement``
    is the share of the votes that chose it, ``confidence`` the probability that it is the better
    one, None where nothing tells it. ``known`` says that this was known beforehand: then both
    are 1.
    """

    pair_id: str
    prompt: str
    chosen: str
    rejected: str
    votes: tuple[int, int, int]
    agreement: float
    confidence: float | None
    known: bool = False

    @property
    def margin(self) -> float:
        """Votes for the chosen answer less those for the rejected one, by all votes: 0 to 1."""
        chosen, rejected, even = self.votes
        return (chosen - rejected) / max(1, chosen + rejected + even) if not self.known else 1.0


@dataclass(slots=True, kw_only=True)
class _Standing:
    """How often an answer to a prompt was chosen and rejected, and by how many votes."""

    chosen: int = 0
    rejected: int = 0
    votes_for: int = 0
    votes_against: int = 0


def rows_of(form: Format, preferred: Iterable[Preferred]) -> list[dict[str, Any]]:
    """The rows, with the same columns in each of them.

    An unpaired row stands for an answer, however many pairs it stood in: it is liked where it was
    chosen more often than rejected, and left out where as often (``evenly_matched``).

    >>> pair = Preferred(
    ...     pair_id="1", prompt="The sky is", chosen=" blue.", rejected=" green.",
    ...     votes=(2, 1, 0), agreement=2 / 3, confidence=0.8,
    ... )
    >>> [(row["completion"], row["label"]) for row in rows_of(Format.UNPAIRED, [pair])]
    [(' blue.', True), (' green.', False)]
    """
    if form is Format.UNPAIRED:
        return list(_unpaired(preferred))
    as_said = _messages if form is Format.CONVERSATIONAL else _plain
    return [
        {
            "prompt": as_said("user", each.prompt),
            "chosen": as_said("assistant", each.chosen),
            "rejected": as_said("assistant", each.rejected),
            **_quality(each),
        }
        for each in preferred
    ]


def evenly_matched(preferred: Iterable[Preferred]) -> int:
    """How many answers were chosen as often as rejected: no unpaired row can say which it was."""
    return sum(each.chosen == each.rejected for each in _standings(preferred).values())


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """One row a line, UTF-8."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _quality(each: Preferred) -> dict[str, Any]:
    chosen, rejected, even = each.votes
    return {
        "pair_id": _whole(each.pair_id),
        "judges": chosen + rejected + even,
        "votes_chosen": chosen,
        "votes_rejected": rejected,
        "votes_tie": even,
        "agreement": round(each.agreement, 6),
        "confidence": None if each.confidence is None else round(each.confidence, 6),
        "margin": round(each.margin, 6),
        "known": each.known,
    }


def _unpaired(preferred: Iterable[Preferred]) -> Iterator[dict[str, Any]]:
    for (prompt, text), found in _standings(preferred).items():
        votes = found.votes_for + found.votes_against
        if found.chosen != found.rejected:
            yield {
                "prompt": _whole(prompt),
                "completion": _whole(text),
                "label": found.chosen > found.rejected,
                "pairs": found.chosen + found.rejected,
                "pairs_chosen": found.chosen,
                "votes": votes,
                "share_of_votes": round(found.votes_for / votes, 6) if votes else None,
            }


def _standings(preferred: Iterable[Preferred]) -> dict[tuple[str, str], _Standing]:
    found: dict[tuple[str, str], _Standing] = {}
    for each in preferred:
        for_it, against, _ = each.votes
        better = found.setdefault((each.prompt, each.chosen), _Standing())
        better.chosen += 1
        better.votes_for += for_it
        better.votes_against += against
        worse = found.setdefault((each.prompt, each.rejected), _Standing())
        worse.rejected += 1
        worse.votes_for += against
        worse.votes_against += for_it
    return found


def _plain(role: str, text: str) -> str:
    del role
    return _whole(text)


def _messages(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": _whole(text)}]


def _whole(text: str) -> str:
    """Valid Unicode: half a character, which JSON cannot hold, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
