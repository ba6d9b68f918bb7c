"""A real Chromium on pages of a real server; what a page complains about fails its test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.pages import Opens

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = ["--no-sandbox", "--headless", "--disable-background-networking"]
_DESKTOP = {"width": 1280, "height": 900}


def _chromium() -> str:
    """The browser to drive: ``LABELGATE_TEST_CHROMIUM``, else the system's; in CI it must exist."""
    given = os.environ.get("LABELGATE_TEST_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is not None and Path(found).exists():
        return found
    reason = (
        f"no Chromium at {found or ' or '.join(_NAMES)}: install it (Debian: apt-get install "
        "chromium), or set LABELGATE_TEST_CHROMIUM to the program"
    )
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the run; every page has a context, so cookies, of its own."""
    program = _chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def opens(browser: Browser) -> Iterator[Opens]:
    """Opens a page in a new context; at the end every page must have had nothing to complain of.

    A script that fails, something that the content security policy forbids, a file that is not
    there: each is a console error in Chromium. ``provokes`` names those that a test is about.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def heard(message: ConsoleMessage, provokes: str | None) -> None:
        if message.type == "error" and (provokes is None or provokes not in message.text):
            complaints.append(f"{message.location.get('url', '')}: {message.text}")

    def open_page(base_url: str, *, provokes: str | None = None, **options: object) -> Page:
        chosen = {"viewport": _DESKTOP, "base_url": base_url, **options}
        context = browser.new_context(**chosen)  # type: ignore[arg-type]  # options by name
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard(message, provokes))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)
