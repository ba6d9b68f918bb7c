"""Use case: the vectors of texts, each encoded once by a worker and read from the store after that.

Workers call ``embedded``. The web process calls ``cached``, which looks up and never encodes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.orm import Session

from backend.embeddings.bert import Vectors
from backend.embeddings.encoders import Encoder, Space
from backend.predictors.protocol import Progress, no_progress
from backend.runtime import Runtime
from backend.store.embeddings import (
    forget_embeddings,
    mark_embeddings_used,
    read_embeddings,
    store_embeddings,
    unmarked_embeddings,
)
from policies.domain import BoolArray, FloatArray, IntArray

logger = logging.getLogger(__name__)

# From texts to vectors, (texts, dimension): what a model is fitted with and asked through.
Encode = Callable[[Sequence[str]], FloatArray]

# Stored at once: a worker that dies loses the work of some seconds, and writers wait for a moment.
_TEXTS_A_WRITE = 512
_TEXTS_A_READ = 5_000
# A table without a limit: below what is in use each round would encode again what it forgot.
UNUSED_DAYS = 30
_MARKED_DAYS = 7  # a use is written down once a week: a table of open tasks is not rewritten daily
_FORMAT = np.dtype("<f4")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distinct:
    """Texts without their repetitions: their hashes, and for each text asked for its place."""

    texts: Sequence[str]
    hashes: Sequence[bytes]
    places: IntArray


def embedded(
    runtime: Runtime, encoder: Encoder, texts: Sequence[str], *, progress: Progress = no_progress
) -> FloatArray:
    """(texts, dimension): read where they are stored, else encoded in batches and stored.

    What is done stays done: a worker that was killed goes on where it was. Two that encode the
    same texts at once do no harm but the work. ``progress`` may raise to end it.

    Raises
        EncoderError: the model cannot be loaded, or gives no numbers.
    """
    distinct = _distinct(texts)
    with runtime.reads() as session:
        vectors, known = _read(session, encoder.space, distinct.hashes)

    lacking = sorted(np.flatnonzero(~known).tolist(), key=lambda place: len(distinct.texts[place]))

    _mark(runtime, encoder.space, [distinct.hashes[place] for place in np.flatnonzero(known)])
    for start in range(0, len(lacking), _TEXTS_A_WRITE):
        progress(1 - (len(lacking) - start) / len(distinct.texts))
        some = lacking[start : start + _TEXTS_A_WRITE]
        vectors[some] = encoder.encode([distinct.texts[place] for place in some])
        written = {distinct.hashes[place]: _bytes(vectors[place]) for place in some}
        with runtime.sessions.begin() as session:
            store_embeddings(session, encoder.space.fingerprint, written, runtime.now())
    if lacking:
        _forget(runtime)
    progress(1.0)
    return _spread(vectors, distinct.places)


def cached(session: Session, space: Space, texts: Sequence[str]) -> tuple[FloatArray, BoolArray]:
    """(texts, dimension), NaN where no worker has encoded the text yet, and which are known."""
    distinct = _distinct(texts)
    vectors, known = _read(session, space, distinct.hashes)
    return _spread(vectors, distinct.places), known[distinct.places]


def _distinct(texts: Sequence[str]) -> _Distinct:
    hashes = [text_hash(text) for text in texts]
    first: dict[bytes, int] = {}
    for place, each in enumerate(hashes):
        first.setdefault(each, place)
    order = {each: number for number, each in enumerate(first)}
    return _Distinct(
        texts=[texts[place] for place in first.values()],
        hashes=list(first),
        places=np.array([order[each] for each in hashes], np.int64),
    )


def text_hash(text: str) -> bytes:
    """What a text's vector is stored under."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _read(session: Session, space: Space, hashes: Sequence[bytes]) -> tuple[Vectors, BoolArray]:
    """The stored vectors; a row of another size, which nothing here writes, counts as missing."""
    vectors = np.full((len(hashes), space.dimension), np.nan, np.float32)
    for start in range(0, len(hashes), _TEXTS_A_READ):  # never all rows beside all vectors
        some = hashes[start : start + _TEXTS_A_READ]
        stored = read_embeddings(session, space.fingerprint, some)
        for place, each in enumerate(some, start):
            row = stored.get(each, b"")
            if len(row) == _FORMAT.itemsize * space.dimension:
                vectors[place] = np.frombuffer(row, _FORMAT)
    known = np.asarray(np.isfinite(vectors).all(axis=1), bool)
    return vectors, known


def _spread(vectors: Vectors, places: IntArray) -> FloatArray:
    """A row for each text that was asked for, without a copy of all of them in 32 bits."""
    made = np.empty((len(places), vectors.shape[1]))
    for start in range(0, len(places), _TEXTS_A_READ):
        made[start : start + _TEXTS_A_READ] = vectors[places[start : start + _TEXTS_A_READ]]
    return made


def _bytes(vector: Vectors) -> bytes:
    return vector.astype(_FORMAT).tobytes()


def _mark(runtime: Runtime, space: Space, hashes: Sequence[bytes]) -> None:
    now = runtime.now()
    with runtime.reads() as session:
        due = unmarked_embeddings(
            session, space.fingerprint, hashes, now - timedelta(days=_MARKED_DAYS)
        )
    if due:
        with runtime.sessions.begin() as session:
            mark_embeddings_used(session, space.fingerprint, due, now)


def _forget(runtime: Runtime) -> None:
    """Delete what was unused for long, in small transactions: others write between them."""
    unused_since: datetime = runtime.now() - timedelta(days=UNUSED_DAYS)
    forgotten = 0
    while True:
        with runtime.sessions.begin() as session:
            some = forget_embeddings(session, unused_since)
        if not some:
            break
        forgotten += some
    if forgotten:
        logger.info("embeddings.forgotten vectors=%d", forgotten)
