"""Free texts and transcripts: how much of one would have to be edited to get the other."""

from __future__ import annotations

from rapidfuzz.distance import Levenshtein


def edit_similarity(one: str, other: str) -> float:
    """1 - edits by the length of the longer text, in characters; two empty texts are the same: 1.

    >>> edit_similarity("kitten", "sitting")  # three edits, seven characters
    0.5714285714285714
    """
    return float(Levenshtein.normalized_similarity(one, other))


def word_error_rate(one: str, other: str) -> float:
    """Edits by word, by the number of words: the mean of both texts taken for the reference.

    Words are what white space divides, case and punctuation count. It is 0 for equal texts and may
    be above 1. An empty text is never the reference, unless both are empty: then 0.

    >>> word_error_rate("the cat sat", "the cat sat down")  # 1/3 and 1/4
    0.29166666666666663
    """
    ours, theirs = one.split(), other.split()
    edits = Levenshtein.distance(ours, theirs)
    references = [len(words) for words in (ours, theirs) if words]
    return sum(edits / words for words in references) / len(references) if references else 0.0
