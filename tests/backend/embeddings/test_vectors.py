"""Each text is encoded once, by a worker; the rest is looked up, and forgotten when unused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update

from backend.embeddings.encoders import Encoder, find_encoder
from backend.embeddings.vectors import UNUSED_DAYS, cached, embedded
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.model_tables import EmbeddingRow
from connectors.annotation_tool import AnnotationTool
from tests.fakes.databases import NOW, sqlite_database
from tests.fakes.encoder_folders import write_folder

TEXTS = ["red apple", "music plays", "", "red apple", "the motor is loud"]


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


def no_tool() -> AnnotationTool:
    raise AssertionError("vectors need no annotation tool")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runtime(tmp_path: Path, clock: Clock) -> Runtime:
    database = sqlite_database(tmp_path)
    return Runtime(
        settings=Settings(data_dir=tmp_path),
        sessions=database.sessions,
        reads=database.reads,
        tool=no_tool,
        now=clock,
    )


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    found = find_encoder(str(write_folder(tmp_path / "model")))
    assert found is not None
    return found


def gone(encoder: Encoder) -> Encoder:
    """The same encoder whose model cannot be loaded any more: it only works from the store."""
    away = replace(encoder.folder, path=encoder.folder.path / "gone")
    return replace(encoder, folder=away)


def stored(runtime: Runtime) -> int:
    with runtime.reads() as session:
        return session.scalar(select(func.count()).select_from(EmbeddingRow)) or 0


def test_a_text_is_encoded_once(runtime: Runtime, encoder: Encoder) -> None:
    first = embedded(runtime, encoder, TEXTS)
    assert first.dtype == np.float64
    np.testing.assert_allclose(first, encoder.encode(TEXTS), atol=2e-6)
    assert stored(runtime) == 4
    again = embedded(runtime, gone(encoder), TEXTS[::-1])
    np.testing.assert_array_equal(again, first[::-1])


def test_the_web_looks_up_and_says_what_is_not_known(runtime: Runtime, encoder: Encoder) -> None:
    vectors = embedded(runtime, encoder, TEXTS)
    asked = ["not seen", *TEXTS, "not seen"]
    with runtime.reads() as session:
        found, known = cached(session, encoder.space, asked)
        other, of_other = cached(session, replace(encoder.space, fingerprint="0"), TEXTS)
        nothing, none = cached(session, encoder.space, [])
    assert known.tolist() == [False, *[True] * 5, False]
    np.testing.assert_array_equal(found[1:-1], vectors)
    assert np.isnan(found[[0, -1]]).all()
    assert not of_other.any()
    assert np.isnan(other).all()
    assert nothing.shape == (0, 12)
    assert len(none) == 0


def test_looking_up_imports_no_encoder(tmp_path: Path) -> None:
    sqlite_database(tmp_path)
    program = (
        "import sys\n"
        "from backend.embeddings.encoders import Space\n"
        "from backend.embeddings.vectors import cached\n"
        "from backend.store.engine import make_engine, make_sessions\n"
        "_, reads = make_sessions(make_engine(sys.argv[1]))\n"
        "with reads() as session:\n"
        "    space = Space(name='m', fingerprint='f', dimension=3)\n"
        "    assert not cached(session, space, ['text'])[1].any()\n"
        "assert not {'tokenizers', 'safetensors', 'torch'} & set(sys.modules)"
    )
    url = f"sqlite:///{tmp_path / 'store.db'}"
    subprocess.run([sys.executable, "-c", program, url], check=True)


def test_no_texts(runtime: Runtime, encoder: Encoder) -> None:
    assert embedded(runtime, gone(encoder), []).shape == (0, 12)


def test_half_characters_are_kept_like_any_text(runtime: Runtime, encoder: Encoder) -> None:
    first = embedded(runtime, encoder, ["\ud800", "\udfff"])
    assert stored(runtime) == 2
    np.testing.assert_array_equal(embedded(runtime, gone(encoder), ["\ud800", "\udfff"]), first)


class KilledError(Exception):
    """The worker ends here."""


def test_what_is_done_stays_done_when_a_worker_ends(runtime: Runtime, encoder: Encoder) -> None:
    texts = [f"red apple {number}" for number in range(1_300)]
    shares: list[float] = []

    def watch(share: float) -> None:
        shares.append(share)
        if len(shares) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        embedded(runtime, encoder, texts, progress=watch)
    done = stored(runtime)
    assert 0 < done < len(texts)
    shares = [-1.0] * 3
    embedded(runtime, encoder, texts, progress=watch)
    assert shares[3] == pytest.approx(done / len(texts))
    assert shares[3:] == sorted(shares[3:])
    assert shares[-1] == 1.0
    assert stored(runtime) == len(texts)


def test_a_damaged_row_is_encoded_again(runtime: Runtime, encoder: Encoder) -> None:
    whole = embedded(runtime, encoder, TEXTS)
    for damage in (b"short", np.full(12, np.nan, "<f4").tobytes()):
        with runtime.sessions.begin() as session:
            session.execute(update(EmbeddingRow).values(vector=damage))
        with runtime.reads() as session:
            assert not cached(session, encoder.space, TEXTS)[1].any()
        np.testing.assert_allclose(embedded(runtime, encoder, TEXTS), whole, atol=2e-6)
        with runtime.reads() as session:
            assert cached(session, encoder.space, TEXTS)[1].all()


def test_vectors_that_no_worker_uses_are_forgotten(
    runtime: Runtime, encoder: Encoder, clock: Clock
) -> None:
    embedded(runtime, encoder, ["used", "unused"])
    clock.time += timedelta(days=UNUSED_DAYS - 1)
    embedded(runtime, encoder, ["used"])
    clock.time += timedelta(days=2)
    embedded(runtime, encoder, ["used"])  # encodes nothing, so nothing grows: nothing is deleted
    assert stored(runtime) == 2
    embedded(runtime, encoder, ["new"])
    with runtime.reads() as session:
        known = cached(session, encoder.space, ["used", "unused", "new"])[1]
    assert known.tolist() == [True, False, True]


def test_a_use_is_written_down_once_a_week(
    runtime: Runtime, encoder: Encoder, clock: Clock
) -> None:
    embedded(runtime, encoder, ["used"])

    def used_at() -> datetime:
        with runtime.reads() as session:
            return session.scalars(select(EmbeddingRow.used_at)).one()

    clock.time += timedelta(days=6)
    embedded(runtime, encoder, ["used"])
    assert used_at() == NOW
    clock.time += timedelta(days=2)
    embedded(runtime, encoder, ["used"])
    assert used_at() == clock.time
