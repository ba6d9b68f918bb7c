"""How far numbers miss, from rows that the fits did not see: intervals and chances to be right.

Split conformal prediction over cross-fitted residuals (CV+ of Barber et al., "Predictive inference
with the jackknife+", 2021, with the full model's centre in place of each fold's): where a new task
is drawn as the examples were, its number lies in the interval at the stated rate. Each residual is
measured in a row's own spread (Lei et al., "Distribution-free predictive inference for regression",
2018, section 5.2), so that intervals are wide where the numbers scatter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from policies.domain import FloatArray

# The share of new numbers that lie in their interval.
LEVEL = 0.9
# More residuals tell a quantile no better than their own quantiles do.
_MOST = 2_001


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """Truth less centre in spreads, ascending; ``reach`` is the interval's half width in spreads.

    ``reach`` is NaN where there are too few residuals for the level: fewer than 9.
    """

    sorted: FloatArray
    reach: float

    def chances(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """The probability of each row that its truth lies between, in spreads from the centre.

        Never 0 or 1: as if one more residual were half in.
        """
        count = len(self.sorted)
        inside = np.searchsorted(self.sorted, high, "right") - np.searchsorted(
            self.sorted, low, "left"
        )
        chances: FloatArray = (inside.astype(np.float64) + 0.5) / (count + 1.0)
        return chances


def residuals_of(values: FloatArray) -> Residuals:
    """The distribution of residuals that are given in spreads."""
    count = len(values)
    rank = math.ceil((count + 1) * LEVEL)
    reach = float(np.sort(np.abs(values))[rank - 1]) if 0 < rank <= count else math.nan
    kept = np.sort(values)
    if count > _MOST:
        kept = kept[np.linspace(0, count - 1, _MOST).round().astype(np.int64)]
    return Residuals(sorted=kept, reach=reach)
