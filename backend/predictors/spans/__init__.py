"""Marked stretches of a text: tokens, tags, a linear chain, honest scores."""
