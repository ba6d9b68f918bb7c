"""Thresholds beside MAPIE's risk control and beside plain confidence 0.9, on the same answers.

Real scores: 25,000 film reviews with a model's cross-validated probabilities and the label that was
given (``imdb_audit.csv.gz`` in the folder that LABELGATE_DATA names); without it made-up scores,
calibrated, of the same size. 200 times a thousand answers are drawn as the control slice, each
method takes its threshold from them alone, and all other rows say what was really accepted and how
much of it was wrong. The promise is at most 5 % wrong at 95 %: it may break in one draw of twenty.
MAPIE is asked twice: with its fixed sequence from the strictest threshold, and with Bonferroni over
all of them, which is what it does by itself. Run: ``python -m benchmarks.thresholds``.
"""

from __future__ import annotations

import csv
import gzip
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mapie.risk_control import BinaryClassificationController

from benchmarks.results import Row, asserted, at_least, finish, is_quick, told
from policies.domain import BoolArray, FloatArray
from policies.thresholds import certify, grid_from_scores

MAX_ERROR, CONFIDENCE = 0.05, 0.95
ANSWERS, DRAWS, QUICK_DRAWS = 1_000, 200, 40
PLAIN = 0.9
LEAST_SHARE = 1.0  # of what MAPIE accepts in the mean
LEAST_SPEED = 1.0
# Binomial: of 200 draws with a chance of 5 % each more than 19 break in one of 300 runs.
_MOST_BROKEN = {DRAWS: 19, QUICK_DRAWS: 6}

Method = Callable[[FloatArray, BoolArray, tuple[float, ...]], float | None]


@dataclass(slots=True, kw_only=True)
class Found:
    """What a method came to: a draw each, of the rows that are not in the control slice."""

    accepted: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def broken(self) -> int:
        """In how many draws more than the promised share was wrong."""
        return sum(error > MAX_ERROR for error in self.errors)

    @property
    def share(self) -> float:
        """The mean share that was accepted."""
        return float(np.mean(self.accepted))


def reviews() -> tuple[FloatArray, BoolArray, str]:
    """Scores, which answers are wrong, and where they are from."""
    folder = os.environ.get("LABELGATE_DATA")
    if folder is None:
        rng = np.random.default_rng(0)
        scores = 0.5 + 0.5 * rng.beta(2.5, 1.0, 25_000)
        return scores, rng.random(25_000) > scores, "made-up scores"
    with gzip.open(Path(folder) / "imdb_audit.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    positive = np.array([float(row["p_pos"]) for row in rows])
    given = np.array([row["given_label"] in {"1", "pos", "positive"} for row in rows])
    said = positive >= 0.5
    return np.maximum(positive, 1 - positive), said != given, "25,000 film reviews"


def labelgate(scores: FloatArray, wrong: BoolArray, grid: tuple[float, ...]) -> float | None:
    """The lowest threshold that is certified."""
    return certify(
        scores,
        wrong,
        grid=grid,
        max_error_rate=MAX_ERROR,
        confidence=CONFIDENCE,
        model_version="v1",
    ).threshold


def mapie(procedure: str) -> Method:
    """MAPIE's lowest valid threshold by this procedure, on the same grid."""

    def method(scores: FloatArray, wrong: BoolArray, grid: tuple[float, ...]) -> float | None:
        controller = BinaryClassificationController(
            lambda each: np.column_stack([1 - np.ravel(each), np.ravel(each)]),
            risk="precision",
            target_level=1 - MAX_ERROR,
            confidence_level=CONFIDENCE,
            list_predict_params=np.array(grid),
            fwer_method=procedure,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where nothing is valid it warns: here a result
            controller.calibrate(scores, (~wrong).astype(int))
        valid = np.asarray(controller.valid_predict_params, float)
        return float(valid.min()) if len(valid) else None

    return method


def plain(scores: FloatArray, wrong: BoolArray, grid: tuple[float, ...]) -> float:
    """A confidence that somebody chose."""
    del scores, wrong, grid
    return PLAIN


METHODS: dict[str, Method] = {
    "Labelgate": labelgate,
    "MAPIE, fixed sequence": mapie("fixed_sequence"),
    "MAPIE, Bonferroni": mapie("bonferroni"),
    "plain confidence 0.9": plain,
}


def compared(scores: FloatArray, wrong: BoolArray, draws: int) -> dict[str, Found]:
    """Every method on the same draws."""
    rng = np.random.default_rng(1)
    found = {name: Found() for name in METHODS}
    for _ in range(draws):
        order = rng.permutation(len(scores))
        control, rest = order[:ANSWERS], order[ANSWERS:]
        grid = grid_from_scores(
            scores[rest],
            max_error_rate=MAX_ERROR,
            confidence=CONFIDENCE,
            n_labelled=ANSWERS,
            floor=0.0,
        )
        for name, method in METHODS.items():
            began = time.process_time()
            threshold = method(scores[control], wrong[control], grid)
            found[name].seconds += time.process_time() - began
            taken = scores[rest] >= (np.inf if threshold is None else threshold)
            found[name].accepted.append(float(taken.mean()))
            found[name].errors.append(float(wrong[rest][taken].mean()) if taken.any() else 0.0)
    return found


def rows_of(found: dict[str, Found], draws: int, source: str) -> list[Row]:
    """The figures: who keeps the promise, how much is accepted, how long it takes."""
    ours = found["Labelgate"]
    most = _MOST_BROKEN[draws]
    rows = [
        asserted(
            f"thresholds on {source}: the promise",
            figure=f"broken in {ours.broken} of {draws} draws, at most {most} are chance",
            held=ours.broken <= most,
        )
    ]
    for name, each in found.items():
        if name == "Labelgate":
            continue
        peer = f"{name}: {each.share:.3f} accepted, broken in {each.broken} of {draws} draws"
        figure = f"{ours.share:.3f} accepted"
        ratio = ours.share / each.share if each.share else float("inf")
        row = f"accepted beside {name}"
        if name.startswith("MAPIE") and each.broken <= most:
            rows.append(at_least(row, figure=figure, peer=peer, ratio=ratio, limit=LEAST_SHARE))
        else:
            rows.append(told(row, figure=figure, peer=peer, ratio=ratio))
    fixed = found["MAPIE, fixed sequence"]
    rows.append(
        at_least(
            "time for a threshold",
            figure=f"{1e3 * ours.seconds / draws:.2f} ms",
            peer=f"MAPIE, fixed sequence: {1e3 * fixed.seconds / draws:.2f} ms",
            ratio=fixed.seconds / ours.seconds,
            limit=LEAST_SPEED,
        )
    )
    return rows


def main() -> None:
    """Print the figures; 1 where a limit is not held."""
    scores, wrong, source = reviews()
    draws = QUICK_DRAWS if is_quick() else DRAWS
    finish(rows_of(compared(scores, wrong, draws), draws, source))


if __name__ == "__main__":
    main()
