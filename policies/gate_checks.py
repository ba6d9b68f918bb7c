"""What a new version must not be worse at than the one that serves. Pure.

Every check looks at the holdout alone. The control slice stays untouched until the version serves:
whoever picks versions by it and then certifies on it has looked twice (ADR 0019).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.answer_texts import PATH_SEPARATOR
from policies.domain import BoolArray, Estimate, FloatArray, IntArray, ObjectArray
from policies.intervals import UNKNOWN
from policies.paired import calibration_error, difference, mean_difference

# Fewer answers than this say nothing of a mean or a share that could block a version.
LEAST_ANSWERS = 20
# Squared error: scores of 0.93 instead of 1 where all is right.
_TRIFLE = 0.005
_MOST_RESAMPLED = 2_500_000  # answers times resamples: 100 MB at once
_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What could be accepted of one version's answers to the holdout, task by task.

    ``groups`` is the place of each answer's promise in ``limits`` (the promised error rates), -1
    where a route takes the task to people or its label or score is never accepted.
    """

    scores: FloatArray
    wrong: BoolArray
    groups: IntArray
    limits: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One version's answers to the holdout, in one order for all versions.

    ``scores`` are NaN and ``said`` None where it has no answer, which is not right. What is None
    was not measured, and is not compared.
    """

    right: BoolArray
    scores: FloatArray | None = None
    said: ObjectArray | None = None
    reach: Reach | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison: whether it lets the new version pass, in words, and with its figures."""

    name: str
    passed: bool
    says: str
    figures: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values."""
        return {"check": self.name, "passed": self.passed, "says": self.says, **self.figures}


def protected(
    label: str, most_loss: float, truth: ObjectArray, versions: tuple[Measured, Measured]
) -> Check:
    """Whether the new version still finds a label that the policy protects.

    Of the holdout answers in which people named the label, at most ``most_loss`` may be lost on
    balance; ``versions`` are the new one and the one that serves. What was seen decides, not what
    is proved: with few answers a real loss would never be proved. Where no more than that could
    not be told from what was seen, the words say so.
    """
    rows = [row for row, text in enumerate(truth.tolist()) if mentions(text, label)]
    new, old = (
        np.array([mentions(_said(version)[row], label) for row in rows], np.bool_)
        for version in versions
    )
    n = len(rows)
    won, lost = int(np.count_nonzero(new & ~old)), int(np.count_nonzero(old & ~new))
    found = difference(won, lost, n)
    figures = {"label": label, "most_loss": most_loss, "won": won, "lost": lost}
    seen = f"{label!r}: {lost} of {n} holdout answers lost, {won} won"
    if n == 0:
        passed, says = True, f"{label!r}: no holdout answer names it, so nothing can be told"
    elif lost - won > most_loss * n + 1e-9:
        passed, says = False, f"{seen}; the policy allows to lose {most_loss:.1%}"
    elif (found.low or 0.0) >= -most_loss:
        passed, says = True, f"{seen}: within {most_loss:.1%}"
    else:
        passed = True
        says = f"{seen}: too few to tell whether it is within {most_loss:.1%}"
        says += _wanted(won + lost, n, most_loss)
    return Check(
        name="protected label",
        passed=passed,
        says=says,
        figures=figures | {"difference": found.as_json()},
    )


def _said(version: Measured) -> ObjectArray:
    if version.said is None:
        raise ValueError("a protected label is compared by what was said, which was not measured")
    return version.said


def _wanted(discordant: int, n: int, most_loss: float) -> str:
    """About how many answers would tell; nothing where no number would."""
    if most_loss <= 0:
        return ""
    rate = max(discordant, 1) / n
    return f"; about {math.ceil(rate * (_Z / most_loss) ** 2):,} would"


def mentions(text: str | None, label: str) -> bool:
    """Whether an answer names a label: is it, holds it as a part, or lies under it in a taxonomy.

    >>> mentions('["anger","joy"]', "joy"), mentions("Food / Fruit", "Food"), mentions("Foo", "Fo")
    (True, True, False)
    """
    if text is None:
        return False
    if text == label or text.startswith(label + PATH_SEPARATOR):
        return True
    if text[:1] not in ("[", "{"):
        return False
    try:
        parts = json.loads(text)
    except ValueError:  # a label that merely begins like this
        return False
    return _among(parts, label)


def _among(part: Any, label: str) -> bool:
    if isinstance(part, str):
        return mentions(part, label)
    if isinstance(part, Mapping):
        return any(_among(each, label) for each in part.values())
    return isinstance(part, list) and any(_among(each, label) for each in part)


def calibration(versions: tuple[Measured, Measured]) -> Check | None:
    """Whether the new version's scores say as well as the old one's whether an answer is right.

    By the Brier score (mean squared gap between score and right or wrong), because it is a proper
    score and bounded: one sure answer that is wrong cannot decide alone, as it can by log loss. It
    blocks where the scores are worse beyond noise, and not by a trifle: of two versions that are
    right all along, the less sure one would be. The calibration error is shown beside it. None
    where scores were not measured.
    """
    new, old = versions
    if new.scores is None or old.scores is None:
        return None
    both = np.isfinite(new.scores) & np.isfinite(old.scores)
    losses = [
        (np.asarray(each.scores)[both] - each.right[both].astype(np.float64)) ** 2
        for each in versions
    ]
    found = mean_difference(losses[0] - losses[1])
    worse = found.low is not None and found.low > _TRIFLE and found.n >= LEAST_ANSWERS
    errors = [calibration_error(np.asarray(e.scores)[both], e.right[both]) for e in versions]
    figures = {
        "brier": float(losses[0].mean()) if found.n else None,
        "champion_brier": float(losses[1].mean()) if found.n else None,
        "difference": found.as_json(),
        "calibration_error": errors[0],
        "champion_calibration_error": errors[1],
    }
    if found.value is None:
        says = "scores: no holdout task has an answer of both versions"
    else:
        word = "worse beyond noise" if worse else "not worse"
        if found.n < LEAST_ANSWERS:
            word = "too few to tell"
        says = f"scores: {word}, squared error {_signed(found, '{:+.4f}')}"
    return Check(name="calibration", passed=not worse, says=says, figures=figures)


def accepted_share(most_lost: float, versions: tuple[Measured, Measured]) -> Check | None:
    """Whether about as much could be accepted of the new version's answers as of the old one's.

    The share of the holdout that each could accept with no more errors than promised, and their
    difference with a paired bootstrap interval over tasks. It blocks where the share falls by more
    than ``most_lost`` beyond noise. A comparison, no promise: what is accepted rests on the
    certificate alone. None where it was not measured.
    """
    new, old = (version.reach for version in versions)
    if new is None or old is None:
        return None
    n = len(new.scores)
    if n < LEAST_ANSWERS:
        says = f"accepted share: {n} holdout answers are too few to tell"
        unknown = {"share": None, "champion_share": None, "difference": UNKNOWN.as_json()}
        return Check(name="accepted share", passed=True, says=says, figures=unknown)
    counts, ones = _resampled(n), np.ones((1, n))
    shares = [float(safe_share(each, ones)[0]) for each in (new, old)]
    spread = safe_share(new, counts) - safe_share(old, counts)
    low, high = np.quantile(spread, (0.025, 0.975)).tolist()
    value = shares[0] - shares[1]
    found = Estimate(value=value, low=min(low, value), high=max(high, value), n=n)
    lost = max(high, value) < -most_lost
    figures = {"share": shares[0], "champion_share": shares[1], "difference": found.as_json()}
    says = (
        f"accepted share: {shares[0]:.1%} against {shares[1]:.1%} of the holdout could be accepted,"
        f" {_signed(found, '{:+.1%}')}"
    )
    if lost:
        says += f"; the policy allows to lose {most_lost:.1%}"
    return Check(name="accepted share", passed=not lost, says=says, figures=figures)


def safe_share(reach: Reach, counts: FloatArray) -> FloatArray:
    """The largest share that is accepted from some score on with the promised errors at most.

    ``counts`` (resamples, tasks) says how often each resample has each task; one share a resample.
    Every promise has a threshold of its own. Equal scores are accepted together or not at all.
    """
    accepted = np.zeros(len(counts))
    for place, limit in enumerate(reach.limits):
        rows = np.flatnonzero(reach.groups == place)
        rows = rows[np.argsort(-reach.scores[rows], kind="stable")]
        if not len(rows):
            continue
        scores = reach.scores[rows]
        last = np.append(scores[1:] != scores[:-1], True)
        taken = np.cumsum(counts[:, rows], axis=1)[:, last]
        errors = np.cumsum(counts[:, rows] * reach.wrong[rows], axis=1)[:, last]
        accepted += np.where(errors <= limit * taken + 1e-9, taken, 0).max(axis=1)
    return np.asarray(accepted / counts.sum(axis=1), np.float64)


def _resampled(n: int) -> FloatArray:
    """Seeded: the same holdout gives the same verdict."""
    times = int(np.clip(_MOST_RESAMPLED // n, 100, 500))
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=times)
    return draws.astype(np.float64)


def _signed(found: Estimate, form: str) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "difference unknown"
    value, low, high = (form.format(each) for each in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def told(checks: Sequence[Check], *, passed: bool) -> str:
    """What these checks say, those that let pass or those that do not."""
    return "; ".join(check.says for check in checks if check.passed is passed)
