"""Models that give class probabilities, and the files they are kept in. They know no policy."""
