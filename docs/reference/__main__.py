"""Writes every page of the reference; ``make docs`` runs it."""

from __future__ import annotations

from pathlib import Path

from docs.reference import PAGES

if __name__ == "__main__":
    for name, written in PAGES.items():
        (Path(__file__).parents[1] / name).write_text(written(), encoding="utf-8")
