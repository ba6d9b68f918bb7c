"""Fill a store: ``python -m benchmarks.large_store --decisions 1000000 --out DIR``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from benchmarks.large_store.filling import fill


def main() -> None:
    """Fill, and print how long each part took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quiet", action="store_true")
    asked = parser.parse_args()
    if (asked.out / "labelgate.db").exists():
        sys.exit(f"{asked.out} holds a store already: name another folder, or remove it")
    logging.basicConfig(
        level=logging.WARNING if asked.quiet else logging.INFO, format="%(message)s"
    )
    found = fill(asked.out, decisions=asked.decisions, seed=asked.seed)
    for part, seconds in found.seconds.items():
        print(f"{part:24} {seconds:8.2f} s")


if __name__ == "__main__":
    main()
