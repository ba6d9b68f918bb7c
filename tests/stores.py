"""Which use cases run on both databases, beside the store's own tests, which all do.

The fakes of a project take the database of the settings. So where the variable is set, the same
tests run on PostgreSQL: the loop's rounds, routing, delivery, the guard, the pages. A choice of
them is part of every run; the whole of them is marked long.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent
SHORT = {
    "backend/test_routing_races.py",
    "backend/test_synchronisation.py",
    "backend/test_web_decisions.py",
    "backend/test_web_jobs.py",
    "backend/test_web_overview.py",
    "backend/test_web_stores.py",
}
LONG = {
    "audit_jobs/test_running_jobs.py",
    "backend/test_breaker.py",
    "backend/test_delivery.py",
    "backend/test_escalation.py",
    "backend/test_freezing.py",
    "backend/test_queueing.py",
    "backend/test_recall.py",
    "backend/test_web_inferences.py",
    "backend/test_web_models.py",
    "backend/test_web_policy.py",
}
# Of those modules, the tests in which several write at once, or one ends half-way.
SHORT_OF_LONG = {
    "test_a_crash_anywhere_is_made_good_by_the_next_round",
    "test_a_delivery_that_fails_half_way_is_made_good",
    "test_a_recall_takes_frozen_accepts_back",
    "test_the_robots_annotations_go_and_a_persons_stay",
    "test_two_processes_that_look_at_once_trip_it_once",
    "test_wrong_audits_trip_it_once",
}
LONG_OF_SHORT = {"test_three_hundred_projects_are_one_quick_page"}


def runs_on_both(module: Path, test: str) -> tuple[bool, bool]:
    """Whether a module's tests run on PostgreSQL too, and whether this one's run there is long.

    >>> runs_on_both(ROOT / "backend/test_delivery.py", "test_a_refused_token_is_noted_and_said")
    (True, True)
    >>> runs_on_both(ROOT / "backend/test_breaker.py", "test_wrong_audits_trip_it_once")
    (True, False)
    """
    name = module.relative_to(ROOT).as_posix() if module.is_relative_to(ROOT) else ""
    is_long = test not in SHORT_OF_LONG if name in LONG else test in LONG_OF_SHORT
    return name in SHORT | LONG, is_long
