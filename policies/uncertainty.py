"""How unsure a model is, from the probabilities of all labels."""

from __future__ import annotations

import numpy as np

from policies.domain import FloatArray


def margins(probabilities: FloatArray) -> FloatArray:
    """The best probability less the second best, one a row (tasks x labels); 1 for one label.

    >>> margins(np.array([[0.5, 0.25, 0.25]])).tolist()
    [0.25]
    """
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    best = np.partition(probabilities, -2, axis=1)
    difference: FloatArray = best[:, -1] - best[:, -2]
    return difference


def entropies(probabilities: FloatArray) -> FloatArray:
    """Shannon's entropy of each row over its largest possible value: 0 sure, 1 no idea.

    >>> entropies(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    labels = probabilities.shape[1]
    if labels < 2:
        return np.zeros(len(probabilities))
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    entropy: FloatArray = -np.sum(probabilities * logs, axis=1) / np.log(labels)
    return np.clip(entropy, 0.0, 1.0)
