"""What is compared of texts, images and columns: named features of both samples.

Whatever has to be learned for a feature (the words of texts, the components of pixels) is learned
from both samples together, blind to which task is whose: learned from one of them alone it would
fit that one better, and alarm where nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from audit_jobs.measures.drift import Categories, Numbers
from backend.predictors.rules.language import language_of
from policies.domain import FloatArray, ObjectArray

# Components of a text or an image, and the groups of alike ones that are counted at most.
COMPONENTS = 200
MOST_TOPICS = 150
_ROWS_PER_TOPIC = 10
# Texts a side that the components are learned from, and that are asked for their language.
MOST_TEXTS = 5_000
MOST_LANGUAGES = 1_000
_MOST_TERMS = 20_000
# Chinese and Japanese write no spaces: every character is a word there.
_WORD = r"[^\W\u3040-\u30ff\u3400-\u9fff]+|\w"
_LEAST_TEXTS = 3  # fewer have no components


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features to test one by one, and the rows of both samples that a classifier learns from.

    ``notes`` say what was left out to stay quick.
    """

    tested: list[Numbers | Categories]
    reference_rows: FloatArray
    current_rows: FloatArray
    notes: tuple[str, ...] = ()


def text_features(
    name: str, reference: Sequence[str], current: Sequence[str], seed: int = 0
) -> Features:
    """Length in characters and words, language, and topics: groups of alike SVD of TF-IDF."""
    notes = []
    if max(len(reference), len(current)) > MOST_TEXTS:
        notes.append(f"{name}: {MOST_TEXTS:,} random texts a side give the components")
    if max(len(reference), len(current)) > MOST_LANGUAGES:
        notes.append(f"{name}: {MOST_LANGUAGES:,} random texts a side are asked their language")
    texts = [_some(each, MOST_TEXTS, seed) for each in (reference, current)]
    spoken = [_some(each, MOST_LANGUAGES, seed) for each in texts]
    languages = [[(language_of(text) or (None,))[0] for text in each] for each in spoken]
    rows = _components([*texts[0], *texts[1]], seed)
    before, after = rows[: len(texts[0])], rows[len(texts[0]) :]
    return Features(
        tested=[
            _numbers(f"{name}: characters", reference, current, len),
            _numbers(f"{name}: words", reference, current, lambda text: len(text.split())),
            Categories(
                name=f"{name}: language",
                reference=as_column(languages[0]),
                current=as_column(languages[1]),
            ),
            *_topics(f"{name}: topics", before, after, seed),
        ],
        reference_rows=before,
        current_rows=after,
        notes=tuple(notes),
    )


def image_features(
    name: str, reference: FloatArray, current: FloatArray, seed: int = 0
) -> Features:
    """Brightness, contrast and kinds: groups of alike components of the pixels.

    One image a row, its values in 0..1.
    """
    rows = _principal(np.vstack([reference, current]))
    before, after = rows[: len(reference)], rows[len(reference) :]
    return Features(
        tested=[
            Numbers(
                name=f"{name}: brightness",
                reference=reference.mean(axis=1),
                current=current.mean(axis=1),
            ),
            Numbers(
                name=f"{name}: contrast",
                reference=reference.std(axis=1),
                current=current.std(axis=1),
            ),
            *_topics(f"{name}: kinds", before, after, seed),
        ],
        reference_rows=before,
        current_rows=after,
    )


def as_column(values: Sequence[object]) -> ObjectArray:
    """Values as a column, whatever they are."""
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _some(texts: Sequence[str], most: int, seed: int) -> Sequence[str]:
    if len(texts) <= most:
        return texts
    places = np.random.default_rng(seed).choice(len(texts), most, replace=False)
    return [texts[place] for place in np.sort(places).tolist()]


def _numbers(
    name: str, reference: Sequence[str], current: Sequence[str], of: Callable[[str], int]
) -> Numbers:
    before, after = (np.array([of(t) for t in texts], float) for texts in (reference, current))
    return Numbers(name=name, reference=before, current=after)


def _topics(
    name: str, before: FloatArray, after: FloatArray, seed: int
) -> list[Numbers | Categories]:
    """Which of up to 150 groups of alike tasks each belongs to (k-means of the components).

    One test of all groups finds a topic that came or went, where tests of single components would
    each see a little of it. No group where there are hardly any tasks.
    """
    rows = np.vstack([before, after])
    groups = min(MOST_TOPICS, len(rows) // _ROWS_PER_TOPIC)
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    directions = rows / np.where(sizes > 0, sizes, 1.0)
    distinct = len(np.unique(directions.round(6), axis=0)) if rows.shape[1] else 0
    if min(groups, distinct) < 2:
        return []
    fitted = KMeans(min(groups, distinct), n_init=1, max_iter=20, random_state=seed)
    found = [str(group) for group in fitted.fit_predict(directions)]
    return [
        Categories(
            name=name,
            reference=as_column(found[: len(before)]),
            current=as_column(found[len(before) :]),
        )
    ]


def _components(texts: Sequence[str], seed: int) -> FloatArray:
    """One row of components a text; no columns where there are too few texts or words."""
    if len(texts) < _LEAST_TEXTS:
        return np.empty((len(texts), 0))
    words = TfidfVectorizer(
        token_pattern=_WORD, sublinear_tf=True, min_df=2, max_features=_MOST_TERMS
    )
    try:
        weights = csr_array(words.fit_transform(texts))
    except ValueError:  # no word comes twice
        return np.empty((len(texts), 0))
    size = min(COMPONENTS, *(side - 1 for side in weights.shape))
    if size < 1:
        return np.empty((len(texts), 0))
    # Texts that are all alike have no variance to share, or one by rounding alone.
    with np.errstate(invalid="ignore", divide="ignore"):
        rows: FloatArray = TruncatedSVD(size, n_iter=3, random_state=seed).fit_transform(weights)
    return rows


def _principal(pixels: FloatArray) -> FloatArray:
    centred = pixels - pixels.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    used = min(COMPONENTS, int((sizes > 1e-9).sum()))
    rows: FloatArray = left[:, :used] * sizes[:used]
    return rows
