"""Drift: the traffic against what the serving version was trained for, and what a change leads to.

The tests are in ``audit_jobs.measures``; here are what they look at and what follows from them.
"""
