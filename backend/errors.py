"""Errors of use cases that commands and pages tell, in a module that needs nothing else."""

from __future__ import annotations


class ConnectError(Exception):
    """Policy and project do not fit together; the message says what to change."""


class ErasureError(Exception):
    """Something cannot be erased, or not yet; the message says what to do first."""
