"""The jobs by name and what each does, in words, for the pages; the functions: ``audit_jobs.jobs``.

The scheduler is told a job's name through the database, so the pages need no more of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

JOB_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "sync": "reads new tasks and answers from Label Studio",
        "gold": "finds the gold tasks and scores people by them",
        "readers": "asks one more person where answers leave doubt",
        "escalate": "gives contested tasks to a more expert tier",
        "inferences": "draws answers of deployed models for people to verify",
        "route": "asks the model, decides every task, places the queues",
        "shadow": "lets a version in shadow answer unseen",
        "deliver": "writes queues and accepted labels into Label Studio",
        "mirror": "copies secret audits, and reads their answers",
        "agreement": "measures how far people agree",
        "corrections": "measures how often people change the model's answers",
        "audit": "measures how many accepted labels are right",
        "monitoring": "measures how often deployed models are right",
        "breaker": "suspends what audits no longer bear out",
        "drift": "looks whether the tasks have changed",
        "cycle": "sums up a cycle once its model was trained",
        "curves": "measures what the serving version's scores are worth",
        "counts": "counts what the pages show",
        "figures": "keeps the six figures and the cost together",
        "thresholds": "moves thresholds by what audits say",
        "extra_audits": "draws audits where there are too few",
        "freeze": "makes accepts final that have stood long enough",
        "retrain": "trains where a training is asked for",
        "reconcile": "reads the whole project and notices what is gone",
        "strategies": "measures what each sampling strategy's labels are worth",
        "alerts": "sends alerts",
    }
)
