"""Which use cases run on both databases, beside the store's own tests, which all do.

The fakes of a project take the database of the settings. So where the variable is set, the same
tests run on PostgreSQL: the loop's rounds, routing, delivery, the guard, the pages.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent
SHORT = {"backend/test_routing_races.py", "backend/test_web_stores.py"}
LONG = {
    "audit_jobs/test_running_jobs.py",
    "backend/test_breaker.py",
    "backend/test_delivery.py",
    "backend/test_escalation.py",
    "backend/test_freezing.py",
    "backend/test_queueing.py",
    "backend/test_synchronisation.py",
    "backend/test_web_decisions.py",
    "backend/test_web_inferences.py",
    "backend/test_web_overview.py",
}


def runs_on_both(module: Path) -> tuple[bool, bool]:
    """Whether a module's tests run on PostgreSQL too, and whether that takes long.

    >>> runs_on_both(ROOT / "backend/test_delivery.py")
    (True, True)
    """
    name = module.relative_to(ROOT).as_posix() if module.is_relative_to(ROOT) else ""
    return name in SHORT | LONG, name in LONG
