"""One label for each item out of several people's: the command, and the model-aware method."""
