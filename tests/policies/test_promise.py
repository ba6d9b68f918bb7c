"""The promise on real data: over 1,000 seeded splits it breaks no more often than it may."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from backend.predictors.protocol import Examples
from backend.predictors.texts.classifier import fit_text
from policies.domain import BoolArray, FloatArray, IntArray, ObjectArray
from policies.thresholds import certify, grid_from_scores

pytestmark = pytest.mark.simulation

SPLITS = 1_000
ANSWERS = 2_000
MAX_ERROR, CONFIDENCE = 0.05, 0.95
# What may break of 1,000 splits: one in twenty, and two standard errors of that count.
MOST_BROKEN = 1 - CONFIDENCE + 2 * ((1 - CONFIDENCE) * CONFIDENCE / SPLITS) ** 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A model's word on every task of a data set, in columns of one length."""

    scores: FloatArray
    wrong: BoolArray
    said: ObjectArray
    groups: ObjectArray

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Over all splits: the share where the promise broke, and the mean share accepted."""

    broken: float
    accepted: float


def rows_of(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="session")
def imdb(data_folder: Path) -> Scored:
    """25,000 film reviews with the probabilities of a published model: 10 % errors."""
    rows = rows_of(data_folder / "imdb_audit.csv.gz")
    positive = np.array([float(row["p_pos"]) for row in rows])
    said = np.where(positive >= 0.5, "pos", "neg").astype(np.object_)
    given = np.array([row["given_label"] for row in rows], dtype=np.object_)
    return Scored(
        scores=np.maximum(positive, 1 - positive),
        wrong=np.asarray(said != given, dtype=np.bool_),
        said=said,
        groups=given,
    )


@pytest.fixture(scope="session")
def clinc(data_folder: Path) -> Scored:
    """150 intents and what belongs to none, by a model of 3,000 labels: 18 % errors."""
    rows = rows_of(data_folder / "clinc150.csv.gz")
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    training, rest = ([rows[place] for place in part] for part in (order[:3_000], order[3_000:]))
    labels = [row["label"] for row in training]
    model = fit_text(Examples.alike([row["text"] for row in training], labels), seed=0)
    probabilities = model.probabilities([row["text"] for row in rest])
    said = np.array(model.labels, dtype=np.object_)[probabilities.argmax(axis=1)]
    truth = np.array([row["label"] for row in rest], dtype=np.object_)
    return Scored(
        scores=probabilities.max(axis=1),
        wrong=np.asarray(said != truth, dtype=np.bool_),
        said=said,
        groups=np.array([row["domain"] for row in rest], dtype=np.object_),
    )


def certified(data: Scored, answered: IntArray, rest: IntArray) -> float | None:
    """What Labelgate does: a grid from tasks without an answer, proved on those with one."""
    grid = grid_from_scores(
        data.scores[rest],
        max_error_rate=MAX_ERROR,
        confidence=CONFIDENCE,
        n_labelled=len(answered),
        floor=0.0,
    )
    return certify(
        data.scores[answered],
        data.wrong[answered],
        grid=grid,
        max_error_rate=MAX_ERROR,
        confidence=CONFIDENCE,
        model_version="m1",
    ).threshold


def pointwise(data: Scored, answered: IntArray, rest: IntArray) -> float | None:
    """The loosest threshold whose exact bound is low enough, with no price for looking at all."""
    del rest
    order = answered[np.argsort(-data.scores[answered])]
    scores, errors = data.scores[order], np.cumsum(data.wrong[order])
    last = np.append(scores[1:] != scores[:-1], True)
    taken = np.flatnonzero(last)
    passed = taken[binom.cdf(errors[taken], taken + 1, MAX_ERROR) <= 1 - CONFIDENCE]
    return float(scores[passed[-1]]) if len(passed) else None


def trusting(data: Scored, answered: IntArray, rest: IntArray) -> float | None:
    """Takes the model at its word: the lowest score at which it expects few enough errors."""
    del answered
    scores = np.sort(data.scores[rest])[::-1]
    expected = np.cumsum(1 - scores) / np.arange(1, len(scores) + 1)
    fits = np.flatnonzero(expected <= MAX_ERROR)
    return float(scores[fits[-1]]) if len(fits) else None


Split = Callable[[np.random.Generator], tuple[IntArray, IntArray]]


def over_splits(
    data: Scored,
    choose: Callable[[Scored, IntArray, IntArray], float | None],
    split: Split | None = None,
) -> Result:
    """Choose a threshold on some tasks' answers, and count the errors among the others."""
    broken = accepted = 0.0
    for seed in range(SPLITS):
        rng = np.random.default_rng(seed)
        answered, rest = (split or at_random(data))(rng)
        threshold = choose(data, answered, rest)
        if threshold is None:
            continue
        taken = data.scores[rest] >= threshold
        accepted += taken.mean()
        broken += data.wrong[rest][taken].mean() > MAX_ERROR
    return Result(broken=broken / SPLITS, accepted=accepted / SPLITS)


def at_random(data: Scored) -> Split:
    """The control slice: any task is as likely to be in it as any other."""

    def split(rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        order = rng.permutation(len(data))
        return order[:ANSWERS], order[ANSWERS:]

    return split


def by_route(data: Scored, groups: list[str]) -> Split:
    """What a route sends to people: tasks of some groups; the others are left to the model."""
    routed = np.flatnonzero(np.isin(data.groups, np.array(groups, dtype=np.object_)))
    others = np.setdiff1d(np.arange(len(data)), routed)

    def split(rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        return rng.choice(routed, ANSWERS, replace=False), others

    return split


@pytest.mark.parametrize("name", ["imdb", "clinc"])
def test_it_holds_and_accepts_nearly_what_no_promise_would(
    name: str, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(name)
    ours, limit = over_splits(data, certified), over_splits(data, pointwise)
    assert ours.broken <= MOST_BROKEN
    assert ours.accepted >= 0.85 * limit.accepted


@pytest.mark.parametrize("name", ["imdb", "clinc"])
def test_an_overconfident_model_does_not_break_it(
    name: str, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(name)
    sure = replace(data, scores=np.round(data.scores**0.2, 3))
    ours = over_splits(sure, certified)
    assert ours.broken <= MOST_BROKEN
    assert ours.accepted > 0.4  # and not by accepting nothing
    assert over_splits(sure, trusting).broken > 0.9


def test_a_class_that_is_confident_and_wrong_does_not_break_it(clinc: Scored) -> None:
    poisoned = np.asarray(clinc.said == "translate", dtype=np.bool_)
    data = replace(
        clinc,
        scores=np.where(poisoned, 1 - 1e-3 * (1 - clinc.scores), clinc.scores),
        wrong=clinc.wrong | poisoned,
    )
    assert 50 < poisoned.sum() < 300
    ours = over_splits(data, certified)
    assert ours.broken <= MOST_BROKEN
    assert ours.accepted > 0.3
    assert over_splits(data, trusting).broken > 0.9


def test_labels_of_routed_tasks_would_break_it(clinc: Scored) -> None:
    # Five domains are sent to people by a route. They are easier than the rest, and nobody knows.
    domains = sorted(set(clinc.groups.tolist()))
    errors = {domain: clinc.wrong[clinc.groups == domain].mean() for domain in domains}
    easy = sorted(domains, key=errors.__getitem__)[:5]
    assert over_splits(clinc, certified, by_route(clinc, easy)).broken > 0.9
