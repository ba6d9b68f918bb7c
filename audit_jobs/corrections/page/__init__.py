"""Corrections as one HTML page that stands on its own."""
