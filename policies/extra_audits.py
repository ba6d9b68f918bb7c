"""More audits among labels that were accepted before and not drawn: how many of each, and which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.domain import FloatArray, IntArray, ObjectArray
from policies.queue import largest_remainder
from policies.sampling import coded, labelled_draws


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraDraw:
    """The accepts that are drawn, by their places, each with its draw and its share in all.

    The share is the chance of being drawn by then, in the first draw or in this one; the draw lies
    above the first share and under this one, as if there had been one draw under it.
    """

    places: IntArray
    draws: FloatArray
    shares: FloatArray


def draw_extra(
    salt: str,
    stream: str,
    accepts: tuple[IntArray, ObjectArray, FloatArray],
    count: int,
) -> ExtraDraw:
    """Draw ``count`` of the accepts: as many of each label as its part of all of them.

    ``accepts`` are task ids, labels and the shares under which they were not drawn before. Of each
    label those with the smallest draws of the stream are taken, so the number is exact, and the
    same stream draws the same.

    Raises
        ValueError: there are fewer accepts.
    """
    task_ids, labels, before = accepts
    if not 0 <= count <= len(task_ids):
        raise ValueError(f"there are {len(task_ids)} accepts to draw {count} audits from")
    codes, names = coded(labels)
    sizes = np.bincount(codes, minlength=len(names))
    parts = {str(name): float(size) for name, size in zip(names, sizes, strict=True)}
    wanted = largest_remainder(count, parts) if count else {}
    own = labelled_draws(salt, stream, task_ids, labels)
    order = np.lexsort((own, codes))
    ranks = np.empty(len(own), np.int64)
    ranks[order] = np.arange(len(own)) - np.searchsorted(codes[order], codes[order])
    room = np.array([wanted.get(str(name), 0) for name in names], np.int64)[codes]
    places = np.flatnonzero(ranks < room)
    size = sizes[codes[places]]
    among = (ranks[places] + own[places]) / size
    chance = room[places] / size
    first = before[places]
    return ExtraDraw(
        places=places,
        draws=first + (1 - first) * among,
        shares=first + (1 - first) * chance,
    )
