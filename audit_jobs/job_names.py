"""Which jobs there are, and what a round is made of: names alone, for those who need no more."""

from __future__ import annotations

# What runs whenever something changed, in this order; retrain has a lane of its own, because it
# takes minutes and the queue must go on.
ROUND = (
    "sync",
    "gold",
    "readers",
    "escalate",
    "inferences",  # before it is decided who answers the tasks that it makes
    "route",
    "deliver",
    "shadow",
    "mirror",
    "agreement",
    "corrections",
    "audit",
    "curves",
    "monitoring",
    "breaker",
    "drift",
    "cycle",
    "figures",
    "counts",  # of all that the jobs before have left
    "alerts",  # last, and after a failure too: it is what tells of it
)
# What is wrong with a mirror project or with what a deployed model was sent, which is in people's
# hands, or with what only measures (a version in shadow does no more), must not keep the breaker
# from its work.
STOPS_NOTHING = frozenset(
    {
        "inferences",
        "shadow",
        "mirror",
        "agreement",
        "corrections",
        "audit",
        "curves",
        "monitoring",
        "counts",
    }
)
# What trains models does it in a process of its own where it is scheduled or asked for.
APART = frozenset({"strategies"})
# And what trains takes minutes: whoever asked for something else need not wait for it.
SLOW = APART | {"retrain"}

NAMES = (*ROUND, "thresholds", "extra_audits", "freeze", "retrain", "reconcile", "strategies")
