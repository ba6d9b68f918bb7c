"""The six figures of a defensible loop, and its cost: now, by week and by model version."""
