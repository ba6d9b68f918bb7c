"""The documentation in a browser: it asks nobody else for anything, and everybody can read it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser.pages import Opens, accessible
from tests.browser.serving import answering
from tests.guides.built import build_site

# One of each sort: landing, steps, wide table, long reference, formulas, pictures.
PAGES = (
    *("index", "quickstart", "comparison", "policy-keys", "http"),
    *("explanation/promise", "architecture"),
)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and tells nobody."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        del format, args


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The built site under a plain server of files."""
    with served(build_site(tmp_path_factory.mktemp("site"))) as found:
        yield found


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(folder))
    with answering(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as found:
        yield found


def test_every_sort_of_page_can_be_read_by_all_and_asks_nobody_else(
    address: str, opens: Opens
) -> None:
    page = opens(address)
    foreign: list[str] = []
    page.on(
        "request",
        lambda asked: (
            None if asked.url.startswith((address, "data:", "blob:")) else foreign.append(asked.url)
        ),
    )
    for name in PAGES:
        page.goto(f"/{name}.html", wait_until="networkidle")
        assert accessible(page) == [], name
    assert foreign == []


def test_on_a_phone_no_page_scrolls_sideways(address: str, opens: Opens) -> None:
    page = opens(address, viewport={"width": 360, "height": 800})
    for name in PAGES:
        page.goto(f"/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") == 360, name


def test_the_search_finds_without_internet(address: str, opens: Opens) -> None:
    page = opens(address)
    page.goto("/index.html", wait_until="networkidle")
    page.keyboard.press("/")
    page.keyboard.type("breaker")
    assert "reaker" in page.locator(".md-search-result__item").first.inner_text()


def test_the_screenshots_of_the_tutorial_are_shown(address: str, opens: Opens) -> None:
    page = opens(address)
    page.goto("/tutorial.html", wait_until="networkidle")
    shown = "[...document.querySelectorAll('article img')].every(each => each.naturalWidth > 300)"
    assert page.evaluate(shown)
