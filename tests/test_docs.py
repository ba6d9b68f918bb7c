from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "SECURITY.md", "benchmarks/README.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)


def test_the_first_screen_of_the_readme_shows_exactly_two_commands() -> None:
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0].splitlines()
    assert len(first_screen) < 30
    shown = [line.strip() for line in first_screen if line.startswith("    ")]
    assert shown == ["make demo", "make test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_a_heading_of_it(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link}: no such page"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "lock",
    ["runtime.txt", "dev.txt", "embeddings.txt", "label-studio.txt", "label-studio-ml.txt"],
)
def test_locks_pin_by_hash_and_name_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    for address in ("://", "--index-url", "--extra-index-url", "--find-links"):
        assert address not in text
    pins = [line for line in text.splitlines() if line[:1].isalnum()]
    assert pins
    for pin in pins:
        assert "==" in pin, f"{lock}: {pin}"
        assert pin.endswith("\\"), f"{lock}: no hash follows {pin}"
