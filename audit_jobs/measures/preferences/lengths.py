"""Length bias: does the longer answer win beyond chance, and how much does a doubling add.

Longer answers may be better ones: where the right choice is known, what length adds beside it is
told too, and that alone is bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from audit_jobs.measures.preferences.choices import fit_choices, standard_errors
from audit_jobs.measures.preferences.designs import (
    GOLD,
    LENGTH,
    NAME,
    PLACE,
    Design,
    design_of,
)
from audit_jobs.measures.preferences.judged import UNKNOWN, Judged
from audit_jobs.measures.preferences.shares import clustered_share
from policies.domain import Estimate, IntArray

LEVEL = 0.05
_FEWEST_PROMPTS = 20  # with fewer their spread is no measure: questions are then taken as drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthBias:
    """How often the longer answer is preferred, and the log odds for each doubling of length.

    ``p_value`` is that of the log odds. ``beside_gold`` are those of a model that knows the right
    choice; None where no gold is known.
    """

    longer_preferred: Estimate
    per_doubling: Estimate
    p_value: float
    beside_gold: Estimate | None

    @property
    def found(self) -> bool:
        """Whether length counts at the level of 5 %."""
        return self.p_value < LEVEL


def length_bias(data: Judged, seed: int = 0) -> LengthBias | None:
    """Of all decided judgements of answers that differ in length; None where there are none.

    The log odds are those of a plain logistic regression, given the place on the screen where it is
    known: what a doubling adds on the average of all questions. Pairs of one prompt may depend on
    each other: intervals draw prompts, or, of fewer than 20, questions.

    Of 300 seeds, 100 prompts of 3 pairs and two judges, the interval holds log odds of 0.5 in 94 %;
    where length adds nothing but prompts differ, it is found in 4 %, and of four questions by three
    judges in 1 % (in 18 % if the columns of the regression cost no degrees of freedom).
    """
    kept = data.those(data.decided & (data.doublings[data.question] != 0))
    if len(kept) == 0:
        return None
    prompts = _clusters(kept, np.arange(len(kept.prompt)))
    longer = kept.choice == np.sign(kept.doublings[kept.question])
    per_doubling, p_value = _per_doubling(design_of(kept, NAME, PLACE))
    known = kept.those(kept.gold[kept.question] != UNKNOWN)
    return LengthBias(
        longer_preferred=clustered_share(longer, prompts[kept.question], seed),
        per_doubling=per_doubling,
        p_value=p_value,
        beside_gold=_per_doubling(design_of(known, NAME, GOLD, PLACE))[0] if len(known) else None,
    )


def _per_doubling(design: Design) -> tuple[Estimate, float]:
    design = design.with_column(LENGTH, design.data.doublings[design.data.question])
    fitted = fit_choices(design.choices, deviating=False)
    column = len(design.columns) - 1
    cluster = _clusters(design.data, design.questions)
    error = float(standard_errors(design.choices, fitted, cluster)[column])
    value = float(fitted.coefficients[column])
    free = max(len(np.unique(cluster)) - len(design.columns), 1)
    half = float(t.ppf(0.975, free)) * error
    p_value = float(2 * t.sf(abs(value) / error, free)) if error > 0 else 1.0
    found = Estimate(value=value, low=value - half, high=value + half, n=len(design.data))
    return found, p_value


def _clusters(data: Judged, questions: IntArray) -> IntArray:
    """What is drawn as one, by question: its prompt where there are many, else itself."""
    _, prompts = np.unique(data.prompt[questions], return_inverse=True)
    if int(prompts.max(initial=-1)) + 1 >= _FEWEST_PROMPTS:
        return prompts.astype(np.int64)
    return np.arange(len(questions))
