"""Carrying out what is due at once, in the test's own thread."""

from __future__ import annotations

from audit_jobs.asked import asked_orders
from audit_jobs.carrying_out import carry_out
from backend.orders.order import Lane
from backend.runtime import Runtime


def carry_out_asked(runtime: Runtime, *, slow: bool) -> int:
    """What people asked for, of the slow lane or of the other; how many orders that were."""
    orders = [each for each in asked_orders(runtime) if (each.lane is Lane.SLOW) == slow]
    for order in orders:
        carry_out(runtime, order)
    return len(orders)
