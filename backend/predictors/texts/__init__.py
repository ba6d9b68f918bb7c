"""One choice for a text: members of words, characters and sentence vectors, in plain arrays."""
