"""Paths down a taxonomy."""
