"""Looks back, measures and adjusts: scheduled jobs in a process of their own.

A job is a plain function ``run(runtime, project, now) -> dict`` that can be run by hand.
"""
