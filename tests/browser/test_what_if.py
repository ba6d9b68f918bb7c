"""The what-if in a browser: sliders, numbers, keys, words for who does not see, no scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from backend.app import create_app
from tests.browser.pages import Opens, accessible
from tests.browser.serving import serving
from tests.fakes.worked_project import worked_policy, worked_project

POLICY = "/projects/1/policy"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    promise = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7, "cost_of_error": 5.0}
    worked = worked_project(tmp_path_factory.mktemp("worked"), worked_policy(auto_accept=promise))
    worked.add(["fruit", "motor"] * 60)
    worked.promote(certified=False)
    worked.settle()
    with serving(create_app(worked.runtime)) as at:
        yield at


@pytest.fixture
def page(opens: Opens, address: str) -> Page:
    return replayed(opens(address))


def replayed(page: Page) -> Page:
    """The page of the policy, with the figures that come by themselves."""
    page.goto(POLICY)
    expect(page.locator(".what-if-summary")).to_contain_text("Under the policy in force")
    return page


def test_the_figures_come_by_themselves_and_are_said(page: Page) -> None:
    expect(page.get_by_role("status")).to_contain_text("Under the policy in force")
    expect(page.get_by_role("slider", name="Largest error rate")).to_have_value("20")
    expect(page.get_by_role("button", name="Reset Largest error rate")).to_be_hidden()


def test_a_number_moves_its_slider_and_the_figures(page: Page) -> None:
    page.get_by_role("spinbutton", name="Largest error rate").fill("10")
    expect(page.get_by_role("slider", name="Largest error rate")).to_have_value("10")
    expect(page.locator(".what-if-summary")).to_contain_text("With these values")
    expect(page.get_by_role("status")).to_contain_text("With these values")
    expect(page).to_have_url(page.url.partition("?")[0] + "?max_error_percent=10")
    link = page.get_by_role("link", name="Download as YAML")
    assert "max_error_percent=10" in (link.get_attribute("href") or "")
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "policy-1-draft.yaml"
    assert "max_error_rate: 0.1\n" in Path(download.value.path()).read_text(encoding="utf-8")


def test_a_slider_is_moved_by_keys_and_reset(page: Page) -> None:
    slider = page.get_by_role("slider", name="Share of audits")
    slider.focus()
    page.keyboard.press("End")
    number = page.get_by_role("spinbutton", name="Share of audits")
    expect(number).to_have_value("50")
    expect(page.locator(".what-if-summary")).to_contain_text("With these values")
    reset = page.get_by_role("button", name="Reset Share of audits")
    reset.focus()
    page.keyboard.press("Enter")
    expect(number).to_have_value("5")
    expect(number).to_be_focused()
    expect(reset).to_be_hidden()
    expect(page.locator(".what-if-summary")).to_contain_text("Under the policy in force")


def test_a_wrong_value_is_told_where_the_figures_were(opens: Opens, address: str) -> None:
    page = replayed(opens(address, provokes="a status of 422"))
    number = page.get_by_role("spinbutton", name="Control share")
    number.fill("90")
    alert = page.locator("#figures [role=alert]")
    expect(alert).to_contain_text("must be between 0.05 and 0.5")
    expect(number).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("status")).to_contain_text("cannot be replayed")
    number.fill("20")
    expect(page.locator(".what-if-summary")).to_contain_text("With these values")
    expect(number).not_to_have_attribute("aria-invalid", "true")


def test_only_the_newest_of_many_moves_is_shown(page: Page) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/policy/what-if?*", hold_the_first)
    number = page.get_by_role("spinbutton", name="Capacity of general")
    with page.expect_request("**/policy/what-if?*"):
        number.fill("7")
    number.fill("9")
    expect(page.locator(".what-if-summary")).to_contain_text("With these values")
    expect(page).to_have_url(page.url.partition("?")[0] + "?capacity_0=9")
    expect(page.locator("#figures")).not_to_have_attribute("aria-busy", "true")


def test_a_server_that_does_not_answer_is_told(opens: Opens, address: str) -> None:
    page = replayed(opens(address, provokes="net::ERR_FAILED"))
    page.route("**/policy/what-if?*", lambda route: route.abort())
    page.get_by_role("spinbutton", name="Confidence").fill("90")
    expect(page.locator("#figures")).to_contain_text("Press Replay to try again")
    expect(page.get_by_role("status")).to_contain_text("does not answer")
    page.unroute("**/policy/what-if?*")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".what-if-summary")).to_contain_text("With these values")


def test_without_scripts_the_form_does_the_same(opens: Opens, address: str) -> None:
    page = opens(address, java_script_enabled=False)
    page.goto(POLICY)
    expect(page.locator("#figures")).to_contain_text("Press Replay")
    expect(page.locator("input[type=range]").first).to_be_hidden()
    page.get_by_role("spinbutton", name="Confidence").fill("90")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".what-if-summary")).to_contain_text("With these values")
    expect(page.get_by_role("spinbutton", name="Confidence")).to_have_value("90")


@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_readable_by_everybody(opens: Opens, address: str, width: int) -> None:
    page = opens(
        address,
        provokes="a status of 422",  # what the second of the paths is answered with
        viewport={"width": width, "height": 800},
    )
    for path in ("?audit_percent=20", "?audit_percent=200", "/draft?audit_percent=20"):
        page.goto(POLICY + path)
        assert accessible(page) == []
        expect(page.locator("h1")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
