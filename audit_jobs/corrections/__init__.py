"""Corrections: what people make of pre-labels, and what the model team should know of it.

A file or a project's answers in, figures and a report out; what is measured and how stands in
``audit_jobs.measures``. Nothing here decides about a task.
"""
