"""A store of a size that few have, with fourteen weeks of a story in it, made in minutes.

The rows are made by what makes them in earnest: the policy's engine, the draws, certification, the
gate, escalation, the breaker, the jobs. Made up are the texts, what the models say of them, and
what people answer; see ``benchmarks.large_store.worlds``.
"""

from benchmarks.large_store.filling import FEWEST, Filled, fill, reopened

__all__ = ["FEWEST", "Filled", "fill", "reopened"]
