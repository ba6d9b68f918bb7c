"""What tests ask of an open page."""

from __future__ import annotations

from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Opens = Callable[..., Page]
_SERIOUS = ("serious", "critical")
_OF_COLOUR = {"runOnly": ["color-contrast", "link-in-text-block"]}  # what a scheme can change


def accessible(page: Page) -> list[str]:
    """What axe finds serious or critical on the page as it stands: rule, help and places.

    Everything in light colours, and in dark ones what can differ there; the page is light again
    afterwards.
    """
    found = _serious(page, "light", None)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")  # no colours in between
    found += _serious(page, "dark", _OF_COLOUR)
    page.emulate_media(color_scheme="light")
    return found


def _serious(page: Page, scheme: str, options: dict[str, list[str]] | None) -> list[str]:
    return [
        f"{scheme}: {each['id']}: {each['help']}: {[node['target'] for node in each['nodes']][:5]}"
        for each in Axe().run(page, options=options).response["violations"]
        if each["impact"] in _SERIOUS
    ]
