"""Audits of accepted labels: which claim they prove, what they find, when they stop auto-accept."""
