"""Preference data: how far judges can be trusted, what a reward model learns, what goes out."""
