"""Has the traffic changed? Every feature is tested, and the verdict is over all of them together.

The chance of a false alarm is kept for the whole verdict: by Benjamini and Hochberg's adjustment,
which where nothing changed holds it over all tests. PSI is shown as a size, and decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from audit_jobs.measures.multiple_tests import adjusted_known
from audit_jobs.measures.two_samples import (
    binned,
    counts_differ,
    numbers_differ,
    stability_index,
    told_apart,
)
from policies.domain import FloatArray, IntArray, ObjectArray

# Values a side under which nothing is tested.
FEWEST = 30
# Rows a side under which no classifier learns anything worth a test.
FEWEST_TO_LEARN = 100
# The rarest categories beyond so many count as one: simulations grow with their number.
MOST_CATEGORIES = 500
CLASSIFIER = "two-sample classifier"
_MISSING = "(missing)"
_RARE = "(rare)"


class Method(StrEnum):
    """What was done with a feature."""

    NUMBERS = "Kolmogorov-Smirnov"
    CATEGORIES = "chi-square"
    CLASSIFIER = "held-out AUC, Mann-Whitney"
    CONSTANT = "constant"
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A feature of numbers in both samples; NaN is missing."""

    name: str
    reference: FloatArray
    current: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """A feature of categories in both samples; None is missing, a category of its own."""

    name: str
    reference: ObjectArray
    current: ObjectArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One feature's test. ``p_value`` is None where it could not be tested; ``test`` says why.

    ``psi`` beside ``psi_expected``, its mean where nothing changed; ``note`` says what else is to
    be known. ``reference`` and ``current`` are how many values were compared.
    """

    name: str
    test: Method
    p_value: float | None
    reference: int
    current: int
    psi: float | None = None
    psi_expected: float | None = None
    p_adjusted: float | None = None
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, as reports and commands give them."""
        return {
            "name": self.name,
            "test": self.test.value,
            "p_adjusted": self.p_adjusted,
            "psi": self.psi,
            "psi_expected": self.psi_expected,
            "p_value": self.p_value,
            "n": {"reference": self.reference, "current": self.current},
            "note": self.note,
        }


def verdict(findings: Sequence[Finding], false_alarm: float) -> tuple[bool, list[Finding]]:
    """Whether anything changed, at this chance of a false alarm, and the adjusted findings."""
    p_values = adjusted_known([found.p_value for found in findings])
    told = [replace(found, p_adjusted=p) for found, p in zip(findings, p_values, strict=True)]
    return any(p is not None and p <= false_alarm for p in p_values), told


def findings_of(feature: Numbers | Categories, seed: int) -> list[Finding]:
    """The findings of one feature: its values, and of numbers whether more of them are missing."""
    if isinstance(feature, Categories):
        return [_test_categories(feature, seed)]
    return _test_numbers(feature, seed)


def classifier_finding(reference: FloatArray, current: FloatArray, seed: int) -> Finding:
    """Whether a classifier of all features tells the samples apart on halves it never saw."""
    found = Finding(
        name=CLASSIFIER,
        test=Method.TOO_FEW,
        p_value=None,
        reference=len(reference),
        current=len(current),
    )
    if min(len(reference), len(current)) < FEWEST_TO_LEARN or reference.shape[1] == 0:
        return found
    area, p_value = told_apart(reference, current, seed)
    note = f"AUC {area:.3f}; 0.5 tells nothing apart"
    return replace(found, test=Method.CLASSIFIER, p_value=p_value, note=note)


def _test_numbers(feature: Numbers, seed: int) -> list[Finding]:
    reference, current = (
        values[np.isfinite(values)] for values in (feature.reference, feature.current)
    )
    found = _compared(feature.name, len(reference), len(current))
    if found.test is not Method.TOO_FEW:
        if np.ptp(np.concatenate([reference, current])) == 0:
            found = replace(found, test=Method.CONSTANT)
        else:
            psi, expected = stability_index(*binned(reference, current))
            found = replace(
                found,
                test=Method.NUMBERS,
                p_value=numbers_differ(reference, current),
                psi=psi,
                psi_expected=expected,
            )
    gone = [len(every) - len(there) for every, there in _sides(feature, reference, current)]
    if not any(gone):
        return [found]
    missing = Categories(
        name=f"{feature.name} is missing",
        reference=np.isnan(feature.reference).astype(object),
        current=np.isnan(feature.current).astype(object),
    )
    return [found, _test_categories(missing, seed)]


def _sides(
    feature: Numbers, reference: FloatArray, current: FloatArray
) -> list[tuple[FloatArray, FloatArray]]:
    return [(feature.reference, reference), (feature.current, current)]


def _test_categories(feature: Categories, seed: int) -> Finding:
    found = _compared(feature.name, len(feature.reference), len(feature.current))
    if found.test is Method.TOO_FEW:
        return found
    names, reference, current = category_counts(feature)
    if len(names) == 1:
        return replace(found, test=Method.CONSTANT)
    new = [name for name, before in zip(names, reference.tolist(), strict=True) if not before]
    psi, expected = stability_index(reference, current)
    return replace(
        found,
        test=Method.CATEGORIES,
        p_value=counts_differ(reference, current, seed),
        psi=psi,
        psi_expected=expected,
        note=f"new: {_named(new)}" if new else None,
    )


def category_counts(feature: Categories) -> tuple[list[str], IntArray, IntArray]:
    """The categories with their counts in both samples, the rarest together as one."""
    before, after = (
        Counter(_MISSING if value is None else str(value) for value in values.tolist())
        for values in (feature.reference, feature.current)
    )
    names = sorted({*before, *after}, key=lambda name: (-before[name] - after[name], name))
    kept = names[: MOST_CATEGORIES - 1] if len(names) > MOST_CATEGORIES else names
    reference, current = ([counts[name] for name in kept] for counts in (before, after))
    if len(kept) < len(names):
        kept = [*kept, _RARE]
        reference.append(before.total() - sum(reference))
        current.append(after.total() - sum(current))
    return kept, np.array(reference, np.int64), np.array(current, np.int64)


def _compared(name: str, reference: int, current: int) -> Finding:
    """A finding that says "too few" until somebody says better."""
    enough = min(reference, current) >= FEWEST
    return Finding(
        name=name,
        test=Method.CONSTANT if enough else Method.TOO_FEW,
        p_value=None,
        reference=reference,
        current=current,
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(name[:40] for name in names[:5]) + more
