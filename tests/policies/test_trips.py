"""A trip: in the order of the answers, with its last good point and the labels that failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from policies.breaker import Suspension
from policies.domain import MODEL
from policies.promises import AutoAccept, promises_of
from policies.rearming import Doubts, doubted_since
from policies.trips import AuditedAccept, watched, why_tripped
from tests.fakes.policy_documents import make_candidates, make_certification

START = datetime(2026, 1, 1, tzinfo=UTC)
GROUP = (MODEL, None)


def audited(
    number: int, *, wrong: bool = False, accepted: int | None = None, chance: float = 0.05
) -> AuditedAccept:
    """The ``number``-th answer, of an accept of the same hour unless said otherwise."""
    return AuditedAccept(
        task_id=number,
        group=GROUP,
        label="A" if number % 2 else "B",
        wrong=wrong,
        inclusion_probability=chance,
        accepted_at=START + timedelta(hours=number if accepted is None else accepted),
        answered_at=START + timedelta(days=1, hours=number),
    )


def stream(good: int, bad: int) -> list[AuditedAccept]:
    return [audited(number, wrong=number >= good) for number in range(good + bad)]


def test_nothing_to_look_at_is_a_statistic_of_nought() -> None:
    found = watched(GROUP, [], 0.02, 2000)
    assert (found.audits, found.errors, found.statistic, found.trip) == (0, 0, 0.0, None)


def test_errors_in_a_row_trip_at_the_last_good_audit() -> None:
    found = watched(GROUP, stream(50, 8), 0.02, 2000)
    assert found.trip is not None
    assert found.audits == 50 + found.errors
    assert found.trip.errors == found.trip.audits == found.errors
    assert found.trip.good_until == START + timedelta(hours=49)
    assert sum(found.trip.failing.values()) == found.errors
    said = why_tripped(found, found.trip, 2000)
    assert f"{found.errors} of {found.errors} audits wrong since 2026-01-04 02:00 UTC" in said
    assert "where 2.0% are promised" in said
    assert "over 2,000" in said


def test_the_order_of_the_answers_counts_not_that_of_the_rows() -> None:
    audits = stream(50, 8)
    shuffled = [audits[place] for place in np.random.default_rng(5).permutation(len(audits))]
    assert watched(GROUP, shuffled, 0.02, 2000) == watched(GROUP, audits, 0.02, 2000)


def test_an_accept_as_old_as_a_wrong_one_is_in_doubt() -> None:
    late_looks = [audited(number, wrong=True, accepted=30) for number in range(50, 58)]
    found = watched(GROUP, [*stream(50, 0), *late_looks], 0.02, 2000)
    assert found.trip is not None
    assert found.trip.good_until == START + timedelta(hours=29)


def test_what_was_accepted_all_at_once_is_all_in_doubt() -> None:
    audits = [audited(number, wrong=number >= 50, accepted=0) for number in range(60)]
    found = watched(GROUP, audits, 0.02, 2000)
    assert found.trip is not None
    assert found.trip.good_until is None


def test_equal_chances_weigh_nothing() -> None:
    rare = [audited(number, wrong=number >= 50, chance=0.01) for number in range(58)]
    assert watched(GROUP, rare, 0.02, 2000) == watched(GROUP, stream(50, 8), 0.02, 2000)


def trip(*, reset: bool = False, rearmed: bool = False, hours: int = 0) -> Suspension:
    since = START + timedelta(hours=hours)
    return Suspension(
        id=1,
        model_version="m1",
        group=GROUP,
        since=since,
        statistic=2400.0,
        audits=100,
        errors=9,
        good_until=None,
        why="9 of 100 audits wrong",
        reset_at=since if reset else None,
        rearmed_at=since if rearmed else None,
    )


RULE = AutoAccept(max_error_rate=0.02, confidence=0.95)
PROMISES = promises_of(RULE, {MODEL: ["A", "B"]}, 0.1)


@pytest.mark.parametrize(
    ("trips", "looked", "due"),
    [
        ([], False, True),
        ([], True, False),
        ([trip()], False, False),  # nobody has reset it
        ([trip()], True, False),
        ([trip(reset=True)], True, True),  # one more look
        ([trip(reset=True, rearmed=True)], True, False),
    ],
)
def test_one_look_and_one_more_for_each_reset(
    trips: list[Suspension], *, looked: bool, due: bool
) -> None:
    doubts = Doubts(trips=trips, telling={})
    found = doubts.due(PROMISES, make_certification() if looked else None)
    assert bool(found) == due


def test_only_answers_given_since_the_trip_count() -> None:
    answered = make_candidates([(number, "A", 0.9, None, None) for number in range(4)])
    doubts = Doubts(trips=[trip()], telling={GROUP: {2, 3, 99}})
    assert doubts.counting(RULE, answered).tolist() == [False, False, True, True]
    assert Doubts(trips=[], telling={}).counting(RULE, answered).all()


def test_answers_of_a_look_that_proved_nothing_do_not_count_again() -> None:
    def since(threshold: float | None, first: int) -> datetime:
        window = {
            "since": START + timedelta(hours=first),
            "until": START + timedelta(hours=first + 3),
        }
        certification = make_certification(threshold, **window)
        return doubted_since([trip(hours=-9), trip()], certification)[GROUP]

    assert since(None, 1) == START + timedelta(hours=4)
    assert since(0.8, 1) == START  # it proved something
    assert since(None, -5) == START  # an older look
