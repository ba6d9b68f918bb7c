"""What tests ask of an open page."""

from __future__ import annotations

from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Opens = Callable[..., Page]
_SERIOUS = ("serious", "critical")


def accessible(page: Page) -> list[str]:
    """What axe finds serious or critical on the page as it stands: rule, help and places."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['target'] for node in each['nodes']][:5]}"
        for each in found
        if each["impact"] in _SERIOUS
    ]
