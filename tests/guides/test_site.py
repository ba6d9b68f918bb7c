"""The site: built strictly, whole, and with nothing that comes from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.guides.built import build_site
from tests.guides.written import ROOT

DOCS = ROOT / "docs"
LOADS = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}
# What a link in the head may say without anything being fetched.
NAMED_ONLY = {"canonical", "next", "prev", "alternate"}


class Page(HTMLParser):
    """What a page loads, where it leads, and the places in it that can be led to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.places: set[str] = {""}
        self.unnamed_images: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.places.add(given["id"] or "")
        if tag == "a" and given.get("href"):
            self.leads.append(given["href"] or "")
        address = given.get(LOADS.get(tag, ""))
        if address and (tag != "link" or given.get("rel") not in NAMED_ONLY):
            self.loads.append(address)
        if tag == "img" and not given.get("alt"):
            self.unnamed_images.append(address or "")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def test_every_page_stands_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^ *- (?:.*: )?(\S+\.md)$", text, re.MULTILINE)
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert len(named) == len(set(named))
    assert set(named) == written | {"benchmarks.md", "changelog.md", "results.md"}


def test_the_parts_of_the_navigation() -> None:
    parts = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert [next(iter(part)) for part in parts] == [
        *("Start", "How-to", "Explanation", "Reference", "Architecture"),
        *("Decisions", "Contributing", "Security", "Comparison"),
    ]


def test_no_page_loads_anything_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for page in pages.values():
        foreign = [address for address in page.loads if urlsplit(address).netloc]
        assert not foreign, f"{page.file.name}: {foreign}"
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text), sheet.name


def test_the_search_needs_no_server_of_others(site: Path) -> None:
    assert (site / "search" / "search_index.json").stat().st_size > 100_000


def test_every_link_and_picture_inside_is_there(pages: dict[Path, Page]) -> None:
    for page in pages.values():
        for address in [*page.loads, *page.leads]:
            split = urlsplit(address)
            if split.scheme or split.netloc or page.file.name == "404.html":
                continue
            target = (page.file.parent / unquote(split.path)).resolve() if split.path else page.file
            if target.is_dir():
                target /= "index.html"
            assert target.exists(), f"{page.file.name}: {address} leads nowhere"
            if target in pages and split.fragment:
                known = pages[target].places
                assert unquote(split.fragment) in known, (
                    f"{page.file.name}: {address}: no such place"
                )


def test_every_picture_says_what_it_shows(pages: dict[Path, Page]) -> None:
    for page in pages.values():
        assert not page.unnamed_images, page.file.name


def test_every_picture_of_the_tour_has_one_place_in_the_tutorial() -> None:
    shown = re.findall(r"images/([\w-]+\.png)", (DOCS / "tutorial.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(each.name for each in (DOCS / "images").glob("*.png"))


def test_what_is_built_is_never_committed() -> None:
    assert "/site/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
