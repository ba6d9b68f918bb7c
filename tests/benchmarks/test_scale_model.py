"""The model behind docs/scale.md, held to what queueing theory and arithmetic say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.scale_model import (
    Bought,
    Costs,
    Keeping,
    Layout,
    Prices,
    Traffic,
    capacity,
    databases_needed,
    intake,
    month,
    sampling_delay_s,
    store,
)

COSTS = Costs(
    web_s=40e-6,
    database_s=20e-6,
    log_bytes=1_000,
    sampling_s=30e-6,
    sampling_database_s=20e-6,
    sampling_log_bytes=2_000,
    commit_s=0.002,
)
TRAFFIC = Traffic(per_s=1_000, peak=1.0)
KEPT = Keeping(name="all", stored=1.0, days=10, bytes=1_000, random_index_bytes=50)
BATCH_S = 500 * 60e-6 + 0.002 + 500 * 1_000 / 500e6


def test_a_web_process_at_rest_answers_in_the_time_of_a_batch() -> None:
    played = intake(COSTS, replace(TRAFFIC, per_s=50), Layout(web=4, workers=1), seconds=2_000)
    assert played.refused == 0
    assert played.p50_s == pytest.approx(BATCH_S, rel=0.1)


def test_a_web_process_refuses_as_a_queue_with_four_places_does() -> None:
    """At twice what it can do at least half is refused; a full queue hardly ever runs empty."""
    twice = 2 * 500 / BATCH_S
    played = intake(COSTS, replace(TRAFFIC, per_s=twice), Layout(web=1, workers=1), seconds=200)
    assert 0.5 <= played.refused <= 0.55
    assert played.busy["web processes"] == pytest.approx(1, abs=0.03)
    assert max(played.busy, key=played.busy.__getitem__) == "web processes"


def test_more_web_processes_take_more_until_the_largest_project_waits_for_itself() -> None:
    found = [capacity(COSTS, TRAFFIC, Layout(web=web, workers=1))[0] for web in (1, 2, 8)]
    assert found[0] < found[1] < found[2]
    alone = replace(TRAFFIC, projects=1)
    few, many = (capacity(COSTS, alone, Layout(web=web, workers=1))[0] for web in (16, 64))
    turn_s = 500 * 20e-6 + 0.002 + 500 * 1_000 / 500e6
    assert many < 500 / turn_s, "batches of one project wait for one another in the database"
    assert many < 2 * few


def test_workers_that_keep_up_look_within_two_rounds_and_those_that_do_not_fall_behind() -> None:
    enough, busy = sampling_delay_s(COSTS, TRAFFIC, Layout(web=1, workers=8), hours=0.3)
    assert enough < 60
    assert busy < 1
    crowded = replace(TRAFFIC, per_s=100_000)
    behind, _ = sampling_delay_s(COSTS, crowded, Layout(web=1, workers=1), hours=0.3)
    assert behind > 120


def test_what_is_kept_is_what_comes_in_the_days_that_it_is_kept() -> None:
    kept = store(KEPT, TRAFFIC, COSTS, memory_bytes=1e18, forget_s=10e-6)
    assert kept.rows == 1_000 * 86_400 * 10
    assert kept.bytes == kept.rows * 1_000
    assert kept.reads_s == 0
    assert kept.forgetting_cores == pytest.approx(0.01)
    assert kept.log_bytes_day == 1_000 * 86_400 * 3_000


def test_an_index_of_twice_the_memory_is_read_from_disk_for_half_of_the_ids() -> None:
    half = store(KEPT, TRAFFIC, COSTS, memory_bytes=864e6 * 50 / 2, forget_s=0)
    assert half.reads_s == pytest.approx(500)


def test_a_month_is_the_sum_of_what_is_bought() -> None:
    bought = Bought(cores=10, memory_gb=100, disk_gb=1_000, reads_s=2_000, archive_gb=500)
    prices = Prices(core=1, memory_gb=2, disk_gb=3, reads_1000_s=4, archive_gb=5)
    assert month(prices, bought) == {
        "cores": 10,
        "memory": 200,
        "disks": 3_008,
        "log archive": 2_500,
        "all": 5_718,
    }


def test_the_largest_need_says_how_many_databases_there_are() -> None:
    assert databases_needed([0.1, 0.2]) == 1
    assert databases_needed([0.1, 2.2]) == 3
