"""A day's places by quota: full, within capacity, each task once, in the shares that were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from policies.domain import FloatArray
from policies.intervals import wilson
from policies.queue import (
    REST,
    Pool,
    Queue,
    Waiting,
    days_places,
    known_failures,
    largest_remainder,
)
from policies.quotas import PARTS, Sampling

DEFAULT = Sampling()


def waiting(
    kinds: Sequence[str],
    *,
    labels: Sequence[str | None] | None = None,
    certainties: Sequence[float] | None = None,
    novelties: Sequence[float] | None = None,
    draws: Sequence[float] | None = None,
) -> Waiting:
    """Tasks of the kinds "audit", "control" and "routed"."""
    n = len(kinds)
    made = np.empty(n, object)
    made[:] = ["A"] * n if labels is None else list(labels)
    ranks = (np.arange(n) * 0.618) % 1 if draws is None else np.array(draws)
    return Waiting(
        measuring=np.array([kind != "routed" for kind in kinds], bool),
        audits=np.array([kind == "audit" for kind in kinds], bool),
        labels=made,
        certainties=np.full(n, np.nan) if certainties is None else np.array(certainties, float),
        novelties=np.full(n, np.nan) if novelties is None else np.array(novelties, float),
        draws=ranks.astype(float),
    )


def pool_of(tasks: Waiting, **failing: float) -> Pool:
    return Pool(counts=Counter(tasks.labels.tolist()), failing=failing)


def only(part: str) -> Sampling:
    """A day that is one part alone, which no policy may ask for: the part's own order shows."""
    return Sampling.model_validate(dict.fromkeys(PARTS, 0.0) | {part: 1.0})


@st.composite
def samplings(draw: st.DrawFn) -> Sampling:
    parts = draw(st.lists(st.integers(0, 20), min_size=5, max_size=5).filter(lambda x: x[0] > 0))
    shares = {n: part / sum(parts) for n, part in zip(PARTS, parts, strict=True)}
    return Sampling.model_validate(shares)


@st.composite
def tasks(draw: st.DrawFn) -> Waiting:
    kinds = draw(st.lists(st.sampled_from(["audit", "control", "routed", "routed"]), max_size=60))
    n = len(kinds)
    numbers = npst.arrays(float, n, elements=st.floats(0, 1) | st.just(np.nan))
    chances = npst.arrays(float, n, elements=st.floats(0, 1, exclude_max=True), unique=True)
    labels = st.lists(st.sampled_from(["A", "B", "C", None]), min_size=n, max_size=n)
    return waiting(
        kinds,
        labels=draw(labels),
        certainties=draw(numbers).tolist(),
        novelties=draw(numbers).tolist(),
        draws=draw(chances).tolist(),
    )


def old_rule(tasks: Waiting, capacity: int) -> list[int]:
    """The queue from before there were quotas: half for slices, and what the others leave."""

    def ordered(keys: FloatArray, places: list[int], most: int) -> list[int]:
        known = np.where(np.isnan(keys[places]), -np.inf, keys[places])
        return [places[n] for n in np.lexsort((tasks.draws[places], known))][:most]

    slices = np.flatnonzero(tasks.measuring).tolist()
    routed = np.flatnonzero(~tasks.measuring).tolist()
    first = min(len(slices), max((capacity + 1) // 2, capacity - len(routed)))
    urgent = np.where(tasks.audits, 0.0, 1.0)
    return [
        *ordered(urgent, slices, first),
        *ordered(tasks.certainties, routed, max(0, capacity - first)),
    ]


@given(tasks(), st.integers(0, 80))
def test_the_default_is_half_random_and_half_least_certain(tasks: Waiting, capacity: int) -> None:
    queue = days_places(DEFAULT, tasks, pool_of(tasks), capacity)
    assert queue.places.tolist() == old_rule(tasks, capacity)


@given(samplings(), tasks(), st.integers(0, 80))
def test_a_queue_is_full_within_capacity_and_has_each_task_once(
    sampling: Sampling, tasks: Waiting, capacity: int
) -> None:
    pool = pool_of(tasks, A=0.3, C=0.1)
    queue = days_places(sampling, tasks, pool, capacity)
    assert len(queue.places) == len(queue.strategies) == min(capacity, len(tasks))
    assert len(set(queue.places.tolist())) == len(queue.places)
    again = days_places(sampling, tasks, pool, capacity)
    assert (again.places.tolist(), again.strategies) == (queue.places.tolist(), queue.strategies)
    for place, part in zip(queue.places.tolist(), queue.strategies, strict=True):
        assert part == REST or sampling.shares[part] > 0
        if part != REST:
            assert (part == "random") == bool(tasks.measuring[place])
        if part == "known_failures":
            assert tasks.labels[place] in ("A", "C")


@given(samplings(), st.integers(0, 100), st.integers(0, 3))
def test_shares_are_met_within_rounding_where_there_are_tasks_enough(
    sampling: Sampling, capacity: int, spare: int
) -> None:
    many = waiting(["control", "routed"] * (capacity + spare))
    queue = days_places(sampling, many, pool_of(many, A=0.3), capacity)
    counts = Counter(queue.strategies)
    assert counts == Counter(largest_remainder(capacity, sampling.shares))
    for part in PARTS:
        assert abs(counts[part] - sampling.shares[part] * capacity) < 1


@given(samplings(), tasks(), st.integers(0, 80))
def test_a_part_falls_short_only_where_nothing_is_left_for_it(
    sampling: Sampling, tasks: Waiting, capacity: int
) -> None:
    queue = days_places(sampling, tasks, pool_of(tasks, A=0.3), capacity)
    counts = Counter(queue.strategies)
    left = sorted(set(range(len(tasks))) - set(queue.places.tolist()))
    for part, wanted in largest_remainder(capacity, sampling.shares).items():
        if counts[part] < wanted - 1:  # places that a dry part left are rounded anew
            if part == "random":
                assert all(not tasks.measuring[place] for place in left)
            elif part == "known_failures":
                assert all(tasks.measuring[n] or tasks.labels[n] != "A" for n in left)
            else:
                assert all(tasks.measuring[place] for place in left)


@given(st.integers(0, 10_000), st.lists(st.floats(0.001, 1), min_size=1, max_size=6))
def test_largest_remainder_gives_all_places_and_never_one_too_many(
    places: int, shares: list[float]
) -> None:
    named = {str(number): share for number, share in enumerate(shares)}
    whole = largest_remainder(places, named)
    assert sum(whole.values()) == places
    for name, share in named.items():
        assert abs(whole[name] - places * share / sum(shares)) < 1 + 1e-6


def test_what_a_part_cannot_fill_goes_to_the_others_in_proportion() -> None:
    sampling = Sampling(random=0.4, uncertainty=0.4, stratified=0.2)
    dry = waiting(["control"] * 10 + ["routed"] * 100)
    counts = Counter(days_places(sampling, dry, pool_of(dry), 60).strategies)
    assert counts == {"random": 10, "uncertainty": 33, "stratified": 17}
    without = Sampling(random=0.2, known_failures=0.8, uncertainty=0.0)
    counts = Counter(days_places(without, dry, pool_of(dry), 50).strategies)
    assert counts == {"random": 10, REST: 40}  # nothing fails, and people are not left idle


@given(
    samplings(),
    st.integers(0, 100),
    st.dictionaries(st.sampled_from([*PARTS, "escalation"]), st.integers(0, 50)),
)
def test_a_day_that_has_begun_is_filled_up_to_its_shares(
    sampling: Sampling, capacity: int, given_today: dict[str, int]
) -> None:
    many = waiting(["control", "routed"] * (capacity + 1))
    queue = days_places(sampling, many, pool_of(many, A=0.3), capacity, given_today)
    counts = Counter(queue.strategies)
    assert counts.total() == capacity
    had = {part: given_today.get(part, 0) for part in PARTS}
    day = largest_remainder(capacity + sum(had.values()), sampling.shares)
    if all(had[part] <= day[part] for part in PARTS):
        assert counts == {part: day[part] - had[part] for part in PARTS if day[part] > had[part]}
    for part in PARTS:
        if had[part] >= day[part]:
            assert counts[part] == 0  # it has had its share


def test_who_labels_the_slices_first_is_not_handed_ever_more_of_them() -> None:
    many = waiting(["control", "routed"] * 100)
    given_today: Counter[str] = Counter()
    for left in range(60, 30, -10):  # people answer what is random, and nothing else
        queue = days_places(DEFAULT, many, pool_of(many), left, given_today)
        assert Counter(queue.strategies)["random"] == 30 - given_today["random"]
        given_today["random"] += 10
    queue = days_places(DEFAULT, many, pool_of(many), 30, given_today)
    assert set(queue.strategies) == {"uncertainty"}


def test_before_there_is_a_score_the_order_is_that_of_the_draws() -> None:
    unknown = waiting(["routed"] * 5, labels=[None] * 5, draws=[0.9, 0.1, 0.5, 0.3, 0.7])
    for part in ("uncertainty", "stratified", "diversity"):
        queue = days_places(only(part), unknown, pool_of(unknown), 5)
        assert queue.places.tolist() == [1, 3, 2, 4, 0]


def test_the_least_sure_come_first_and_ties_by_draw() -> None:
    ties = waiting(
        ["routed"] * 5,
        certainties=[0.9, 0.2, 0.5, 0.5, np.nan],
        draws=[0.1, 0.9, 0.8, 0.3, 0.99],
    )
    queue = days_places(only("uncertainty"), ties, pool_of(ties), 5)
    assert queue.places.tolist() == [4, 1, 3, 2, 0]


def test_audits_come_before_control() -> None:
    mixed = waiting(["control", "audit", "control", "audit"], draws=[0.1, 0.9, 0.2, 0.3])
    assert days_places(DEFAULT, mixed, pool_of(mixed), 3).places.tolist() == [3, 1, 0]


def test_the_random_part_leads_and_the_others_take_turns() -> None:
    sampling = Sampling(random=0.25, uncertainty=0.5, stratified=0.25)
    many = waiting(["control", "routed"] * 20)
    assert days_places(sampling, many, pool_of(many), 8).strategies == (
        *("random", "random"),
        *("uncertainty", "stratified", "uncertainty", "uncertainty", "stratified", "uncertainty"),
    )


@given(st.integers(1, 200), st.integers(0, 10_000))
def test_stratified_labels_come_in_the_shares_of_the_whole_pool(capacity: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["A", "B", "C"], 1_000, p=[0.2, 0.3, 0.5]).tolist()
    many = waiting(["routed"] * 1_000, labels=labels, draws=rng.random(1_000).tolist())
    # This tier's tasks are not the pool: the pool's shares count.
    pool = Pool(counts={"A": 600, "B": 300, "C": 100})
    queue = days_places(only("stratified"), many, pool, capacity)
    got = Counter(many.labels[queue.places].tolist())
    for label, share in (("A", 0.6), ("B", 0.3), ("C", 0.1)):
        assert abs(got[label] - share * capacity) <= 1
        drawn = [many.draws[place] for place in queue.places if many.labels[place] == label]
        assert drawn == sorted(drawn)


def test_a_label_that_runs_out_leaves_its_places_to_the_others() -> None:
    few = waiting(["routed"] * 10, labels=["A"] * 2 + ["B"] * 8)
    pool = Pool(counts={"A": 90, "B": 10})
    queue = days_places(only("stratified"), few, pool, 6)
    assert Counter(few.labels[queue.places].tolist()) == {"A": 2, "B": 4}


def test_known_failures_are_the_most_corrected_labels_first() -> None:
    mixed = waiting(
        ["routed"] * 6, labels=["A", "B", "C", "A", "B", None], draws=[0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    )
    queue = days_places(only("known_failures"), mixed, pool_of(mixed, B=0.4, A=0.2), 6)
    assert queue.places.tolist() == [4, 1, 3, 0, 5, 2]
    assert queue.strategies == ("known_failures",) * 4 + (REST,) * 2


@given(st.dictionaries(st.sampled_from("ABCDE"), st.tuples(st.integers(0, 60), st.floats(0, 1))))
def test_a_label_fails_where_it_is_surely_corrected_more_than_all_are(
    given_rates: dict[str, tuple[int, float]],
) -> None:
    corrections = {label: (n, round(n * share)) for label, (n, share) in given_rates.items()}
    found = known_failures(corrections)
    answers = sum(n for n, _ in corrections.values())
    overall = sum(bad for _, bad in corrections.values()) / answers if answers else 0.0
    for label, (n, bad) in corrections.items():
        low = wilson(bad, n).low
        assert (label in found) == (low is not None and low > overall)
        assert found.get(label, low) == low
    assert all(before >= after for before, after in pairwise(found.values()))


def test_one_bad_answer_of_a_rare_label_proves_nothing() -> None:
    corrections = {"spam": (100, 30), "ham": (900, 200), "rare": (1, 1)}
    assert known_failures(corrections) == {}
    assert list(known_failures(corrections | {"spam": (100, 45)})) == ["spam"]
    assert known_failures({}) == {}


def test_the_diverse_part_takes_the_farthest_of_each_label_in_turn() -> None:
    far = waiting(
        ["routed"] * 7,
        labels=["A", "A", "A", "B", "B", "A", None],
        novelties=[0.9, 0.8, 0.7, 0.3, 0.2, np.nan, np.nan],
        draws=[0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.6],
    )
    queue = days_places(only("diversity"), far, pool_of(far), 7)
    # Not all of A before B; what nobody knows the distance of comes last, one of each label.
    assert queue.places.tolist() == [0, 3, 1, 4, 2, 6, 5]


def test_ten_near_copies_do_not_fill_a_day() -> None:
    copies = waiting(
        ["routed"] * 20,
        labels=["A"] * 10 + ["B", "C"] * 5,
        novelties=[0.99] * 10 + [0.5] * 10,
    )
    queue = days_places(only("diversity"), copies, pool_of(copies), 9)
    assert Counter(copies.labels[queue.places].tolist()) == {"A": 3, "B": 3, "C": 3}


def test_an_empty_day_and_an_impossible_one() -> None:
    none = waiting([])
    assert days_places(DEFAULT, none, pool_of(none), 5).strategies == ()
    one = waiting(["routed"])
    assert days_places(DEFAULT, one, pool_of(one), 0).places.tolist() == []
    with pytest.raises(ValueError, match="capacity -1"):
        days_places(DEFAULT, one, pool_of(one), -1)


def test_a_simulated_stratified_day_keeps_the_rare_label_that_uncertainty_would_starve() -> None:
    """10,000 tasks; the model is sure of the rare label, so the least sure never hold it."""
    rng = np.random.default_rng(3)
    labels = rng.choice(["common", "torn", "rare"], 10_000, p=[0.6, 0.35, 0.05])
    sure = np.select([labels == "torn", labels == "rare"], [0.5, 0.95], 0.8)
    kinds = np.where(rng.random(10_000) < 0.2, "control", "routed")
    day = waiting(
        kinds.tolist(),
        labels=labels.tolist(),
        certainties=(sure + rng.normal(0, 0.03, 10_000)).tolist(),
        draws=rng.random(10_000).tolist(),
    )
    pool = pool_of(day)

    def rare(queue: Queue) -> int:
        routed = queue.places[~day.measuring[queue.places]]
        return int(np.sum(day.labels[routed] == "rare"))

    assert rare(days_places(DEFAULT, day, pool, 400)) == 0
    stratified = Sampling(random=0.5, uncertainty=0.0, stratified=0.5)
    assert rare(days_places(stratified, day, pool, 400)) == pytest.approx(10, abs=1)
