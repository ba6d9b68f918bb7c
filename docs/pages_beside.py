# ruff: noqa: INP001 -- a hook of mkdocs, not a package
"""Pages of the site that stand elsewhere in the repository, where people look for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Where it stands, and what the site calls it.
BESIDE = {
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/RESULTS.md": "results.md",
    "CHANGELOG.md": "changelog.md",
}


def on_files(files: Files, config: Any) -> Files:
    """Add them, with their own links as they are from the site's root."""
    for place, name in BESIDE.items():
        text = (ROOT / place).read_text(encoding="utf-8")
        inside = text.replace("](../docs/", "](").replace("](docs/", "](")
        inside = inside.replace("](RESULTS.md", "](results.md").replace(
            "](README.md", "](benchmarks.md"
        )
        files.append(File.generated(config, name, content=inside))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links of pages to them lead to what the site calls them."""
    for place, name in BESIDE.items():
        for up in ("../", "../../"):
            # A page two folders down has its site's root one folder up.
            markdown = markdown.replace(f"]({up}{place}", f"]({up.removeprefix('../')}{name}")
    return markdown
