"""Pages that bring themselves up to date: what changed appears, and nobody's place is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from policies.stages import Stage
from tests.browser.pages import Opens, accessible
from tests.browser.serving import serving
from tests.fakes.shown_loops import ShownLoops, every_state
from tests.fakes.web_project import WebProject, web_project


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    return web_project(tmp_path)


@pytest.fixture
def loops(project: WebProject) -> ShownLoops:
    return every_state(project)


@pytest.fixture
def address(project: WebProject) -> Iterator[str]:
    with serving(project.app()) as at:
        yield at


def test_what_changed_appears_and_what_is_in_use_stays(
    loops: ShownLoops, address: str, opens: Opens
) -> None:
    page = opens(address)
    page.clock.install()
    page.goto("/projects/1")
    alerts, state = page.locator("#alerts"), page.locator("#state")
    expect(alerts).to_have_text("")
    loops.alert(1, "drift", "the traffic drifted suddenly")
    page.clock.run_for(15_100)
    expect(alerts).to_contain_text("The traffic drifted suddenly")
    expect(alerts).to_have_attribute("aria-live", "polite")

    state.locator("a").first.focus()
    loops.count(1, Stage.SUSPENDED, tasks=99_999)
    page.clock.run_for(15_100)
    expect(page.locator("#heading")).to_contain_text("suspended")
    expect(state).not_to_contain_text("99,999")  # the focus is in it
    state.locator("a").first.blur()
    page.clock.run_for(15_100)
    expect(state).to_contain_text("99,999")


def test_the_filter_of_the_start_page_outlives_what_is_new(
    loops: ShownLoops, address: str, opens: Opens
) -> None:
    page = opens(address)
    page.clock.install()
    page.goto("/")
    find, cards = page.get_by_label("Find a project"), page.locator("#projects > li:visible")
    expect(cards).to_have_count(8)
    find.fill("X-RAY")
    expect(cards).to_have_count(1)
    expect(page.locator("#found")).to_have_text("1 of 8 projects")
    loops.alert(3, "gold", "somebody fails gold")
    find.blur()
    page.clock.run_for(60_100)
    expect(cards).to_contain_text("somebody fails gold")
    expect(cards).to_have_count(1)
    find.fill("")
    expect(cards).to_have_count(8)


@pytest.mark.usefixtures("loops")
def test_a_page_works_without_scripts(address: str, opens: Opens) -> None:
    page = opens(address, java_script_enabled=False)
    page.goto("/")
    page.get_by_label("Find a project").fill("x-ray")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Chest x-rays").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Chest x-rays")
    page.get_by_label("Another project").select_option(label="Invoices")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Invoices")


@pytest.mark.usefixtures("loops")
def test_the_keyboard_leads_past_the_header(address: str, opens: Opens) -> None:
    page = opens(address)
    page.goto("/projects/2")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_is_readable_by_all(
    loops: ShownLoops, address: str, opens: Opens, width: int
) -> None:
    failed = loops.run(2, "deliver", "Label Studio at http://label-studio:8080 does not answer")
    page = opens(address, viewport={"width": width, "height": 800})
    for path in ("/", "/projects/2", "/projects/8", "/jobs", f"/jobs/{failed}"):
        page.goto(path)
        assert accessible(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
