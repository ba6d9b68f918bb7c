"""Rows of columns: read, typed, and learned by trees."""
