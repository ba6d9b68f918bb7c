"""Twins of labelled tasks: found where they are similar enough, and only there."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.predictors.memory.shingles import RUN, normalised, shingle_index, shingle_sets
from backend.predictors.memory.twins import difference_hashes, twins_of
from backend.predictors.protocol import ModelInput


def by_hand(one: str, other: str) -> float:
    runs = []
    for text in (one, other):
        plain = normalised(text).ljust(RUN)
        runs.append({plain[at : at + RUN] for at in range(len(plain) - RUN + 1)})
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


_texts = st.text("ab c", max_size=14) | st.text(max_size=14)


@given(
    st.lists(_texts, min_size=1, max_size=12),
    st.lists(_texts, max_size=12),
    st.sampled_from([0.5, 0.6, 0.75, 0.9, 1.0]),
)
@settings(max_examples=300, deadline=None)
def test_exactly_the_texts_of_enough_similarity_are_found(
    texts: list[str], asked: list[str], least: float
) -> None:
    pairs = shingle_index(shingle_sets(texts), least).nearest(asked)
    found = dict(
        zip(
            zip(pairs.asked.tolist(), pairs.found.tolist(), strict=True),
            pairs.similarity,
            strict=True,
        )
    )
    wanted = {
        (row, place): by_hand(ours, theirs)
        for row, ours in enumerate(asked)
        for place, theirs in enumerate(texts)
        if by_hand(ours, theirs) >= least
    }
    assert found.keys() == wanted.keys()
    assert all(0 <= found[pair] <= 1 for pair in found)
    assert [found[pair] for pair in wanted] == pytest.approx(list(wanted.values()))


def messages(folder: Path) -> list[str]:
    with gzip.open(folder / "sms_spam.csv.gz", "rt", encoding="utf-8") as file:
        return sorted({row["text"] for row in csv.DictReader(file)})


def edited(text: str, rng: Random) -> str:
    """The text with one letter exchanged in about every sixty."""
    letters = list(text)
    for _ in range(max(1, len(text) // 60)):
        letters[rng.randrange(len(letters))] = rng.choice("abcdefghij")
    return "".join(letters)


@pytest.mark.simulation
def test_planted_twins_are_found_among_real_messages(data_folder: Path) -> None:
    rng = Random(5)  # noqa: S311 - a draw of a test
    texts = [text for text in messages(data_folder) if len(text) > 60]
    twins = twins_of(range(len(texts)), texts, [f"label {place}" for place in range(len(texts))])
    picked = rng.sample(range(len(texts)), 600)
    changed = [edited(texts[place], rng) for place in picked]
    planted = [by_hand(texts[place], text) for place, text in zip(picked, changed, strict=True)]
    found = twins.nearest((range(10_000, 10_600), changed), 0.7)
    close = [row for row, similarity in enumerate(planted) if similarity >= 0.7]
    assert len(close) > 300
    hits = [
        found.similarity[row] > planted[row] - 1e-9 for row in close
    ]  # a message that is still more similar will do
    same = [found.labels[row] == f"label {picked[row]}" for row in close]
    print(f"recall {np.mean(hits):.3f}, its very twin {np.mean(same):.3f}")
    assert np.mean(hits) > 0.95
    assert np.mean(same) > 0.9
    far = twins.nearest((range(20_000, 20_600), [text[::-1] for text in changed]), 0.7)
    assert np.mean(far.similarity > 0) < 0.05


def test_case_width_and_spaces_make_no_difference() -> None:
    twins = twins_of([1, 2], ["Your order  has SHIPPED", "another text"], ["A", "B"])
    asked = ["\u3000your order has shipped\n", "your order has shipped!", "another\ttext"]
    assert twins.exact(([7, 8, 9], asked)).tolist() == ["A", None, "B"]


def test_a_task_is_never_its_own_twin() -> None:
    texts: list[ModelInput] = ["the very same text", "the very same text", "some other text"]
    twins = twins_of([1, 2, 3], texts, ["A", "A", "B"])
    assert twins.exact(([1, 3], [texts[0], texts[2]])).tolist() == ["A", None]
    nearest = twins.nearest(([1, 3], [texts[0], texts[2]]), 0.9)
    assert nearest.labels.tolist() == ["A", None]
    assert nearest.similarity.tolist() == [1, 0]


def test_twins_that_were_labelled_differently_give_no_label() -> None:
    twins = twins_of([1, 2, 3], ["the same text", "The same text", "yet another"], ["A", "B", "B"])
    assert twins.exact(([9], ["the same text"])).tolist() == [None]
    nearest = twins.nearest(([9], ["the same text"]), 0.8)
    assert (nearest.labels.tolist(), nearest.similarity.tolist()) == ([None], [1])


def test_a_long_text_is_no_twin_of_its_beginning() -> None:
    rng = Random(1)  # noqa: S311 - a draw of a test
    beginning = " ".join(str(rng.randrange(10**6)) for _ in range(1500))
    twins = twins_of([1], [beginning + " end" * 3000], ["A"])
    assert twins.nearest(([2], [beginning]), 0.9).labels.tolist() == [None]


def image(rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rows = np.repeat(np.repeat(rng.uniform(0, 1, (8, 8, 3)), 2, axis=0), 2, axis=1)
    return np.clip(rows * 0.8 + rng.uniform(0, 0.2, (16, 16, 3)), 0, 1).ravel()


def test_images_are_found_by_pixels_and_by_difference_hash() -> None:
    rng = np.random.default_rng(3)
    images: list[ModelInput] = [image(rng) for _ in range(200)]
    twins = twins_of(range(200), images, [str(place) for place in range(200)])
    assert twins.exact(([900, 901], [images[7], image(rng)])).tolist() == ["7", None]
    darker: list[ModelInput] = [np.asarray(each) * 0.9 for each in images[:50]]
    found = twins.nearest((range(900, 950), darker), 0.9)
    assert found.labels.tolist() == [str(place) for place in range(50)]
    strangers: list[ModelInput] = [image(rng) for _ in range(50)]
    assert (twins.nearest((range(900, 950), strangers), 0.9).similarity == 0).all()
    assert difference_hashes([]).tolist() == []
