"""The embedded models: scikit-learn pipelines for texts and images, trained in seconds.

Both answer with a decision function, which ``backend.predictors.temperature`` turns into
probabilities. They were chosen for how well their confidence ranks, because accepting without a
human rests on the ranking alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from backend.predictors.memory import Memory
from backend.predictors.protocol import ModelInput, Predictor, TrainingError
from backend.predictors.temperature import fit_inverse_temperature, logits, scaled_probabilities
from connectors.label_studio.labeling import InputKind
from policies.domain import FloatArray, IntArray

# Chinese and Japanese write no spaces: every character is a word there, and so are its pairs.
_WORD = r"[^\W\u3040-\u30ff\u3400-\u9fff]+|\w"

# A ceiling for memory only: 150 classes on 100,000 words and pairs are 60 MB of coefficients.
_MAX_TERMS = 100_000

# Landmarks of the kernel; with as many as there are rows the kernel is exact.
_MAX_LANDMARKS = 1_000

_FOLDS = 5

# Rows times classes above which one held-out fifth calibrates instead of all five: there it has
# rows enough for one number, and five more fits would cost minutes.
_LARGE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """A trained pipeline, its class names in column order, and its calibration."""

    pipeline: Pipeline
    labels: tuple[str, ...]
    inverse_temperature: float
    input_kind: InputKind

    def probabilities(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """Calibrated probabilities (len(inputs), len(labels)); every row sums to 1."""
        if not inputs:
            return np.empty((0, len(self.labels)))
        _use_one_thread()
        decision = self.pipeline.decision_function(_as_features(inputs))
        return scaled_probabilities(decision, self.inverse_temperature)


@dataclass(frozen=True, slots=True, kw_only=True)
class SklearnPredictor:
    """A fitted model under its version: what the rest of the system asks."""

    version: str
    model: FittedModel
    memory: Memory = field(default_factory=Memory)
    forerunner: Predictor | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, one per column of ``probabilities``."""
        return self.model.labels

    @property
    def input_kind(self) -> InputKind:
        """What the model was trained to read."""
        return self.model.input_kind

    def probabilities(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """An array (len(inputs), len(labels)); every row sums to 1."""
        return self.model.probabilities(inputs)

    def novelties(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """How far each input is from what it was trained on; NaN where it kept nothing of it."""
        if self.memory.distances is None:
            return np.full(len(inputs), np.nan)
        scores = self.model.probabilities(inputs).max(axis=1, initial=0.0)
        return self.memory.distances.novelties(inputs, scores)


def fit(
    input_kind: InputKind,
    values: Sequence[ModelInput],
    labels: Sequence[str],
    *,
    seed: int,
    calibrated: bool = True,
) -> FittedModel:
    """Train on everything given and calibrate on rows that the calibrating fits did not see.

    ``calibrated`` is for those who ask for labels alone and train many models: without it the
    confidence stays as the model gives it, and training takes a fraction of the time.

    A class with a single example is learned, but takes no part in the calibration; where no class
    has two, the confidence stays as the model gives it. The same arguments give the same model.

    Raises
        TrainingError: fewer than two classes, or no text with a word in it.
    """
    if len(values) != len(labels):
        raise TrainingError(f"{len(values)} inputs but {len(labels)} labels")
    _use_one_thread()
    names = tuple(sorted(set(labels)))
    if len(names) < 2:
        seen = f"only {names[0]!r}" if names else "none"
        raise TrainingError(
            f"at least two different labels are needed to train, there is {seen}: "
            "label tasks of another class first"
        )
    features = _as_features(values)
    column = {name: index for index, name in enumerate(names)}
    codes = np.array([column[label] for label in labels], dtype=np.int64)
    with warnings.catch_warnings():
        # A fit that stops early is still measured on the holdout before it serves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Few examples of many classes are no regression: so every project with many classes begins.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        inverse_temperature = _calibrated(input_kind, features, codes, seed) if calibrated else 1.0
        pipeline = _fitted(input_kind, features, codes, seed)
    return FittedModel(
        pipeline=pipeline,
        labels=names,
        inverse_temperature=inverse_temperature,
        input_kind=input_kind,
    )


@cache
def _use_one_thread() -> None:
    """Keep linear algebra of this process to one thread, once and for good.

    The matrices are small, and the other cores belong to other requests: on a busy machine its own
    threads wait for each other, and a training on 700 images takes 17 s instead of 1.5 s.
    """
    threadpool_limits(limits=1)


def _as_features(values: Sequence[ModelInput]) -> list[str] | FloatArray:
    """Texts as they are, images as the rows of one array."""
    texts = [value for value in values if isinstance(value, str)]
    return texts or np.asarray(values, dtype=np.float64)


def _fitted(
    input_kind: InputKind, features: list[str] | FloatArray, codes: IntArray, seed: int
) -> Pipeline:
    match input_kind:
        case InputKind.TEXT | InputKind.HYPERTEXT:
            pipeline = _text_pipeline(seed)
        case InputKind.IMAGE:
            pipeline = _image_pipeline(np.asarray(features), seed)
        case _:
            raise TrainingError(f"no model reads what shows a {input_kind.value}")
    try:
        return pipeline.fit(features, codes)
    except ValueError as error:
        if "empty vocabulary" in str(error):
            raise TrainingError("no word stands in any of the labelled texts") from error
        raise


def _text_pipeline(seed: int) -> Pipeline:
    """Words and pairs of neighbouring words, weighted by rarity, into a multinomial regression."""
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        token_pattern=_WORD,
        max_features=_MAX_TERMS,
        dtype=np.float32,
    )
    # saga stops on relative change, whatever the number of classes; with 150 of them it takes a
    # quarter of lbfgs's time for the same accuracy and ranking.
    classes = LogisticRegression(C=10.0, solver="saga", tol=1e-2, max_iter=1000, random_state=seed)
    return Pipeline([("words", vectorizer), ("classes", classes)])


def _image_pipeline(pixels: FloatArray, seed: int) -> Pipeline:
    """Pixels through a Gaussian kernel into a least-squares classifier.

    On scikit-learn's scanned digits it ranked as well as, or better than, one support vector
    machine per class, logistic regression on pixels or on the kernel, and a single multi-class
    support vector machine, whose confidence hardly ranks at all.
    """
    spread = float(pixels.var())
    kernel = Nystroem(
        gamma=1.0 / (pixels.shape[1] * spread) if spread > 0.0 else 1.0,
        n_components=min(len(pixels), _MAX_LANDMARKS),
        random_state=seed,
    )
    return Pipeline([("kernel", kernel), ("classes", RidgeClassifier(alpha=0.1))])


def _calibrated(
    input_kind: InputKind, features: list[str] | FloatArray, codes: IntArray, seed: int
) -> float:
    """The inverse temperature, from answers to rows that each fit did not see."""
    decisions: list[FloatArray] = []
    truths: list[IntArray] = []
    for training, held_out in _folds(codes, seed):
        try:
            pipeline = _fitted(input_kind, _rows(features, training), codes[training], seed)
        except TrainingError:  # every word stands in the held-out rows; the whole may still do
            continue
        decisions.append(logits(pipeline.decision_function(_rows(features, held_out))))
        truths.append(codes[held_out])
    if not decisions:
        return 1.0
    return fit_inverse_temperature(np.concatenate(decisions), np.concatenate(truths))


def _folds(codes: IntArray, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Stratified (training, held-out) rows, every class in every training part.

    The rows of a class are dealt to the folds in turn, so no fold holds a whole class but the
    class of one example, which is never held out.
    """
    counts = np.bincount(codes)
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    dealt = shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[dealt] = np.arange(len(codes)) % _FOLDS
    fold[counts[codes] == 1] = -1
    used = 1 if len(codes) * len(counts) > _LARGE else _FOLDS
    for number in range(used):
        held_out = np.flatnonzero(fold == number)
        if len(held_out):
            yield np.flatnonzero(fold != number), held_out


def _rows(features: list[str] | FloatArray, rows: IntArray) -> list[str] | FloatArray:
    return features[rows] if isinstance(features, np.ndarray) else [features[row] for row in rows]
