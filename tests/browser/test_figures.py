"""The figures of a project in a browser: read in dark and light, on a phone, by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.pages import Opens, accessible
from tests.browser.serving import serving
from tests.fakes.measured_project import measured_project


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    project = measured_project(tmp_path_factory.mktemp("measured"))
    with serving(project.app()) as at:
        yield at


@pytest.mark.parametrize("width", [1280, 360])
def test_figures_are_accessible_and_never_wider_than_the_page(
    address: str, opens: Opens, width: int
) -> None:
    page = opens(address, viewport={"width": width, "height": 800})
    page.goto("/projects/1")
    expect(page.locator(".chart")).to_have_count(16)
    assert accessible(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator(".chart-drawing").all():
        box = chart.bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["x"] + box["width"] <= width


def test_numbers_open_and_links_are_reached_by_keyboard(address: str, opens: Opens) -> None:
    page = opens(address)
    page.goto("/projects/1")
    accuracy = page.locator("#accuracy-1")
    numbers = accuracy.get_by_role("region", name="Numbers of: Accuracy on the holdout, by version")
    expect(numbers).to_be_hidden()
    accuracy.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(numbers).to_be_visible()
    expect(numbers.get_by_role("row")).to_have_count(9)  # of its columns, and of eight versions

    confused = page.locator("#confusions-1").get_by_role("link").first
    confused.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/projects/1/decisions?**")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_charts_have_names_and_sentences(address: str, opens: Opens) -> None:
    page = opens(address)
    page.goto("/projects/1")
    chart = page.get_by_role("img", name="What accepting costs", exact=False)
    expect(chart).to_have_count(1)
    expect(chart).to_have_accessible_name(
        "What accepting costs wrong among accepted: 100 points, from 0.1 % at 1 % (scores from "
        "0.995) to 12.1 % at 100 % (scores from 0.500), lowest 0.1 %, highest 12.1 %. A line "
        "across at 5 %: promised at most. Marked: certified: 0.800; cheapest: 0.640."
    )
