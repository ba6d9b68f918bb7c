"""How often auditors err, and the pass rate without their errors.

Auditors find fewer errors than there are (sensitivity), and find some where there are none
(one less the specificity). Where 2 % is wrong, auditors of 0.90 and 0.985 find 3.3 %. A second look
at every found error and at a random share of the passes tells the two apart; what it says is taken
as the truth, so it belongs to somebody who sees neither the label nor the first verdict.

The corrected rate is Rogan and Gladen's (1978, "Estimating prevalence from the results of a
screening test"), with each second look at a pass counting as many passes as it stands for (Begg and
Greenes 1983). The intervals hold all that is uncertain at once, the share found as well as what
second looks say of either verdict: quantiles of draws from their posteriors under Jeffreys' prior,
because of the errors that auditors miss a sample of the passes shows none or a handful.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from policies.domain import BoolArray, Estimate, FloatArray
from policies.intervals import UNKNOWN

_DRAWS = 20_000
_SEED = 0  # the same audits always have the same interval


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorError:
    """What second looks say of first auditors; ``reason`` says why a figure is undefined.

    ``sensitivity`` is the share of wrong labels that first auditors find wrong, ``specificity`` the
    share of right ones that they pass; n counts second looks at labels that are wrong, and right.
    ``pass_rate`` is the share of labels that is right, n the first auditors' verdicts.
    """

    sensitivity: Estimate
    specificity: Estimate
    pass_rate: Estimate
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """A weighted share, and how many equal observations it is worth (0: nothing is known)."""

    value: float
    worth: float

    def draws(self, source: np.random.Generator) -> FloatArray:
        hits = self.value * self.worth
        return source.beta(hits + 0.5, self.worth - hits + 0.5, _DRAWS)


def auditor_error(  # noqa: PLR0913 - two looks with their chances, all by name
    *,
    found_wrong: BoolArray,
    looked_again: BoolArray,
    wrong_again: BoolArray,
    second_probabilities: FloatArray,
    inclusion_probabilities: FloatArray | None = None,
    confidence: float = 0.95,
) -> AuditorError:
    """Auditors' errors and the pass rate corrected for them, from columns with an entry an audit.

    ``found_wrong`` is the first auditor's verdict; ``wrong_again`` the second one's, which counts
    where ``looked_again`` only; ``second_probabilities`` the chance that a second look was drawn (1
    for found errors). Second looks that are not there yet are as good as never drawn, as long as
    who is waited for has nothing to do with the label.

    Raises
        ValueError: columns that differ in length, a probability outside (0, 1].
    """
    found, again = np.asarray(found_wrong, bool), np.asarray(looked_again, bool)
    seconds = np.asarray(second_probabilities, dtype=np.float64)
    chances = np.ones(len(found)) if inclusion_probabilities is None else inclusion_probabilities
    wrong = np.asarray(wrong_again, bool)
    _check(found, again, wrong, seconds, np.asarray(chances, dtype=np.float64))
    reason = _lacking(found, again)
    if reason is not None:
        return AuditorError(
            sensitivity=UNKNOWN, specificity=UNKNOWN, pass_rate=UNKNOWN, reason=reason
        )
    weights = 1 / np.asarray(chances, dtype=np.float64)
    looks = weights / seconds
    errors, passes = again & found, again & ~found
    shares = (
        _share(found, weights),
        _share(wrong[errors], looks[errors]),
        _share(wrong[passes], looks[passes]),
    )
    wrongs = int(np.count_nonzero(wrong & again))
    counts = (wrongs, int(np.count_nonzero(again)) - wrongs, len(found))
    return _estimated(shares, counts, confidence)


def _estimated(
    shares: tuple[_Share, _Share, _Share], counts: tuple[int, int, int], confidence: float
) -> AuditorError:
    """The figures out of the share found, and the shares wrong of the found and of the passed."""
    source = np.random.default_rng(_SEED)
    values = _figures(*(np.array([share.value]) for share in shares))
    drawn = _figures(*(share.draws(source) for share in shares))
    tails = (0.5 - confidence / 2, 0.5 + confidence / 2)
    sensitivity, specificity, passing = (
        _estimate(float(value[0]), [float(bound) for bound in np.quantile(draws, tails)], n)
        for value, draws, n in zip(values, drawn, counts, strict=True)
    )
    reason = None
    if sensitivity.value is None:
        reason = "no second look saw a wrong label, so nothing tells how many auditors find"
    elif specificity.value is None:
        reason = "no second look saw a right label, so nothing tells how many auditors pass"
    elif sensitivity.value + specificity.value <= 1:
        passing = replace(UNKNOWN, n=passing.n)
        reason = "auditors find right labels wrong as often as wrong ones: nothing corrects that"
    return AuditorError(
        sensitivity=sensitivity, specificity=specificity, pass_rate=passing, reason=reason
    )


def _figures(
    found: FloatArray, wrong_of_found: FloatArray, wrong_of_passed: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sensitivity, specificity (NaN: undefined) and the share of labels that is right.

    Of the same audits Rogan and Gladen's (found + specificity - 1) over (sensitivity + specificity
    - 1) is the wrong labels among the found and among the passed together, without a division.
    """
    caught, missed = found * wrong_of_found, (1 - found) * wrong_of_passed
    cleared = (1 - found) * (1 - wrong_of_passed)
    wrong, right = caught + missed, 1 - caught - missed
    sensitivity = np.divide(caught, wrong, out=np.full_like(wrong, np.nan), where=wrong > 0)
    specificity = np.divide(cleared, right, out=np.full_like(right, np.nan), where=right > 0)
    return sensitivity, specificity, np.clip(right, 0, 1)


def _share(hits: BoolArray, weights: FloatArray) -> _Share:
    if not len(weights):
        return _Share(value=0.0, worth=0.0)
    total = float(weights.sum())
    worth = total**2 / float((weights**2).sum())
    return _Share(value=float(weights[hits].sum()) / total, worth=worth)


def _estimate(value: float, bounds: Sequence[float], n: int) -> Estimate:
    """The figure in its interval, which reaches to an end of the scale where the figure does."""
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None, n=n)
    return Estimate(value=value, low=min(*bounds, value), high=max(*bounds, value), n=n)


def _lacking(found: BoolArray, again: BoolArray) -> str | None:
    if not len(found):
        return "no audits yet"
    if not again.any():
        return "no second looks yet"
    if found.any() and not (found & again).any():
        return "no found error has had its second look yet"
    if not found.all() and not (again & ~found).any():
        return "no pass has had a second look yet"
    return None


def _check(
    found: BoolArray,
    again: BoolArray,
    wrong: BoolArray,
    seconds: FloatArray,
    chances: FloatArray,
) -> None:
    lengths = {len(found), len(again), len(wrong), len(seconds), len(chances)}
    if len(lengths) > 1:
        raise ValueError(f"the columns differ in length: {sorted(lengths)}")
    for name, values in (("a second", seconds[again]), ("an inclusion", chances)):
        if not bool(((values > 0) & (values <= 1)).all()):
            raise ValueError(f"{name} probability must be above 0 and at most 1")
