"""Sets of labels for one input."""
