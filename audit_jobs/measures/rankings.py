"""Items put in order, in one column or in several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

Columns = Mapping[str, Sequence[str]]


def kendall_tau(one: Columns, other: Columns) -> float | None:
    """Pairs of items in the same order less pairs in the other, by all such pairs: -1 to 1.

    Only items that stand in the same column on both sides have an order to compare; None where no
    two of them do.

    >>> kendall_tau({"": ["a", "b", "c"]}, {"": ["a", "c", "b"]})
    0.3333333333333333
    """
    signs = []
    for name, items in one.items():
        place = {item: index for index, item in enumerate(other.get(name, ()))}
        common = [place[item] for item in dict.fromkeys(items) if item in place]
        signs += [1 if first < second else -1 for first, second in combinations(common, 2)]
    return sum(signs) / len(signs) if signs else None


def same_column(one: Columns, other: Columns) -> float | None:
    """The share of items that both put into the same column; an item of one side only is a miss.

    >>> same_column({"best": ["a"], "rest": ["b", "c"]}, {"best": ["a", "b"], "rest": ["c"]})
    0.6666666666666666
    """
    ours = {item: name for name, items in one.items() for item in items}
    theirs = {item: name for name, items in other.items() for item in items}
    every = ours.keys() | theirs.keys()
    if not every:
        return None
    return sum(ours.get(item) == theirs.get(item) for item in every) / len(every)
