"""Errors of the store that commands tell, in a module that needs nothing else."""

from __future__ import annotations


class FreezeTakenError(Exception):
    """Another freeze of the project was stored meanwhile, and spent this one's budget."""
