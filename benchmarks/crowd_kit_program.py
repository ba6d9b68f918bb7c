"""What crowd-kit says of votes, for ``benchmarks.consensus_peers``.

It is run by that environment's Python as a file, so it imports nothing of Labelgate. Arrays come in
an ``.npz`` file (``units``, ``raters``, ``values`` as numbers, a vote an entry); the label of every
unit goes into another one, with the seconds of the processor that each method took.
"""

import sys
import time

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # of the other environment, as all that follows
from crowdkit.aggregation import (  # type: ignore[import-not-found]
    DawidSkene,
    MajorityVote,
    OneCoinDawidSkene,
)

ROUNDS = 100  # as Labelgate at the most

METHODS = {
    "majority": MajorityVote,
    "dawid-skene": lambda: DawidSkene(n_iter=ROUNDS),
    "one-coin": lambda: OneCoinDawidSkene(n_iter=ROUNDS),
}


def main() -> None:
    """Read the votes, aggregate them by every method, write labels and seconds."""
    votes, out, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    with np.load(votes) as columns:
        table = pd.DataFrame(
            {
                "task": columns["units"],
                "worker": columns["raters"],
                "label": columns["values"],
            }
        )
    found = {}
    for name in names:
        began = time.process_time()
        labels = METHODS[name]().fit_predict(table)
        found[f"{name} seconds"] = np.array(time.process_time() - began)
        found[f"{name} units"] = labels.index.to_numpy()
        found[f"{name} labels"] = labels.to_numpy()
    np.savez(out, **found)  # type: ignore[arg-type]  # its stub reads names as options


if __name__ == "__main__":
    main()
