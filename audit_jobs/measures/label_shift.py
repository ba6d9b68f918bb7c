"""How the shares of the labels moved: counted, tested label by label, and estimated by EM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from audit_jobs.measures.multiple_tests import adjusted
from policies.domain import FloatArray

_MOST_STEPS = 1_000
_STILL = 1e-7  # the largest change of a share at which EM has arrived
_LEAST_SHARE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelShare:
    """A label's share before and now; ``p_adjusted`` is over all labels (Benjamini-Hochberg).

    ``estimated`` is the share among the true labels, by EM; None without class probabilities.
    """

    label: str
    reference: float
    current: float
    p_adjusted: float | None
    estimated: float | None = None

    def rose(self, level: float) -> bool:
        """Whether the label came up for certain."""
        return (
            self.p_adjusted is not None
            and self.p_adjusted <= level
            and self.current > self.reference
        )


def label_shares(
    reference: Mapping[str, int], current: Mapping[str, int], *, test: bool = True
) -> list[LabelShare]:
    """Every label's share in both samples with Fisher's exact test of it, by label."""
    labels = sorted({*reference, *current})
    before = np.array([reference.get(label, 0) for label in labels], np.int64)
    after = np.array([current.get(label, 0) for label in labels], np.int64)
    m, n = int(before.sum()), int(after.sum())
    p_values: list[float | None] = [None] * len(labels)
    if test and n and m:
        drawn = (m + n, before + after, n)
        fewer, more = hypergeom.cdf(after, *drawn), hypergeom.sf(after - 1, *drawn)
        twice = np.minimum(2 * np.minimum(fewer, more), 1.0)
        p_values = list(adjusted(twice).tolist())
    return [
        LabelShare(
            label=label,
            reference=float(before[at] / m) if m else 0.0,
            current=float(after[at] / n) if n else 0.0,
            p_adjusted=p_values[at],
        )
        for at, label in enumerate(labels)
    ]


def true_shares(probabilities: FloatArray, prior: FloatArray) -> FloatArray:
    """The labels' shares in a sample, from calibrated probabilities of a model (by EM).

    ``prior`` are their shares where the model was calibrated. What a label looks like must not
    have changed, only how frequent it is (Saerens, Latinne and Decaestecker 2002). Confidence that
    is not calibrated leads it astray.
    """
    before = np.maximum(prior, _LEAST_SHARE)
    odds = probabilities / before
    shares: FloatArray = before / before.sum()
    for _ in range(_MOST_STEPS):
        weights = odds * shares
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), _LEAST_SHARE)
        moved: FloatArray = weights.mean(axis=0)
        if np.abs(moved - shares).max() < _STILL:
            return moved
        shares = moved
    return shares
