"""What a version keeps of its training examples: how far off a task is, and what is like it."""
