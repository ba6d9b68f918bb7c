"""The whole tour of the pages on a large store: found, read, tried out, and taken back.

`make tour` plays it on a million decisions and takes the pictures of the tutorial; a whole test run
has a tenth of them, because filling the store takes longest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from backend import accounts
from backend.app import create_app
from backend.store.accounts import ADMIN, VIEWER
from backend.store.acts import newest_acts
from backend.store.models import champion
from benchmarks.large_store import Filled
from tests.browser.pages import Opens, accessible
from tests.browser.serving import serving
from tests.fakes.visitors import PASSWORD
from tests.large_stores import copied

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def toured(filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A copy of the large store, with an admin and a viewer."""
    made = copied(filled.stage.runtime.settings.data_dir, tmp_path_factory.mktemp("tour") / "store")
    for name, role in (("ada", ADMIN), ("vic", VIEWER)):
        accounts.add(made.stage.runtime, name, role, PASSWORD, "the test")
    return made


@pytest.fixture(scope="module")
def address(toured: Filled) -> Iterator[str]:
    """A server in this process: its clock is the story's."""
    with serving(create_app(toured.stage.runtime)) as at:
        yield at


def arrive(page: Page, name: str = "ada") -> None:
    """Sign in from the start page, as who asks for it is sent there."""
    page.goto("/")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    picture(page, "sign-in")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("LABELGATE_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")


@pytest.fixture
def page(address: str, opens: Opens) -> Page:
    found = opens(address)
    arrive(found)
    return found


def test_from_the_start_page_to_a_rollback(page: Page, toured: Filled) -> None:
    picture(page, "overview")
    page.get_by_role("link", name="Support mail", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Support mail")
    picture(page, "project")

    page.get_by_role("link", name="Decisions", exact=True).click()
    page.get_by_label("Label", exact=True).fill("refund")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile("label=refund"))
    picture(page, "explorer")
    rows = page.locator("tbody tr")
    assert rows.count() > 10
    rows.first.get_by_role("link").first.click()
    expect(page.get_by_role("main")).to_contain_text("refund")
    expect(page.get_by_role("main")).to_contain_text("verified")
    picture(page, "decision")

    page.goto(f"/projects/{toured.large}/policy")
    share = page.get_by_label("Largest error rate").first
    before = float(share.input_value())
    expect(page.get_by_role("table", name="The whole project")).to_be_visible()
    with page.expect_response(re.compile("what-if")) as replayed:
        share.fill(str(before / 2))
    assert replayed.value.ok
    expect(page.locator("#figures")).to_contain_text("accepted")
    picture(page, "what-if")

    page.get_by_role("link", name="Models", exact=True).first.click()
    picture(page, "models")
    page.get_by_role("link", name=re.compile("Roll back to")).click()
    page.get_by_label(re.compile("Why")).fill("refunds were answered too boldly this week")
    picture(page, "rollback")
    with toured.stage.runtime.reads() as session:
        served = champion(session, toured.large)
    page.get_by_role("button", name=re.compile("Roll back to")).click()
    expect(page.get_by_text("refunds were answered too boldly this week").first).to_be_visible()
    expect(page.get_by_text("rolled back by ada")).to_be_visible()
    with toured.stage.runtime.reads() as session:
        serves = champion(session, toured.large)
        (act, *_) = newest_acts(session, toured.large, 1)
    assert served is not None
    assert serves is not None
    assert serves.version != served.version
    assert act.who == "ada"

    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    picture(page, "jobs")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    page.goto(f"/projects/{toured.large}")
    expect(page).to_have_url(re.compile("/sign-in"))


PAGES = (
    "/",
    "/projects/{large}",
    "/projects/{tripped}",
    "/projects/{new}",
    "/projects/{large}/decisions",
    "/projects/{large}/decisions/1",
    "/projects/{large}/policy",
    "/projects/{large}/models",
    "/projects/{large}/models/v1",
    "/jobs",
    "/account",
)


def test_every_page_is_readable_by_all(toured: Filled, address: str, opens: Opens) -> None:
    page = opens(address)
    arrive(page)
    names = {"large": toured.large, "tripped": toured.tripped, "new": toured.new}
    found = {}
    for path in PAGES:
        page.goto(path.format(**names))
        assert page.get_by_role("heading", level=1).count() == 1, path
        found[path] = accessible(page)
    assert not any(found.values()), found


def test_on_a_phone_no_page_is_wider_than_the_screen(
    toured: Filled, address: str, opens: Opens
) -> None:
    page = opens(address, viewport=PHONE)
    arrive(page)
    names = {"large": toured.large, "tripped": toured.tripped, "new": toured.new}
    for path in PAGES:
        page.goto(path.format(**names))
        root = "document.documentElement"
        assert not page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"), path


def test_a_viewer_sees_all_of_it_and_is_offered_no_change(
    toured: Filled, address: str, opens: Opens
) -> None:
    page = opens(address)
    arrive(page, "vic")
    for path in ("models", "policy", "decisions"):
        page.goto(f"/projects/{toured.large}/{path}")
        assert page.get_by_role("heading", level=1).count() == 1
        assert page.locator("main form[method=post]").count() == 0
    assert page.get_by_role("link", name=re.compile("Roll back")).count() == 0
    refused = page.request.post(f"{address}/projects/{toured.large}/rollback", form={"why": "mine"})
    assert refused.status == 403
