"""Ratings and numbers, with an interval."""
