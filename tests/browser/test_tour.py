"""The whole tour of the pages on a large store: found, read, tried out, and taken back.

`make tour` plays it on a million decisions and takes the pictures of the tutorial; a whole test run
has a tenth of them, because filling the store takes longest.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from backend import accounts
from backend.app import create_app
from backend.store.accounts import ADMIN, VIEWER
from backend.store.acts import newest_acts
from backend.store.models import champion
from benchmarks.large_store import Filled, fill, reopened
from tests.browser.pages import Opens, accessible
from tests.browser.serving import serving
from tests.fakes.visitors import PASSWORD

PHONE = {"width": 360, "height": 740}
DECISIONS = int(os.environ.get("LABELGATE_TEST_DECISIONS", "100000"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A store of LABELGATE_TEST_DECISIONS, or a copy of the one in LABELGATE_TEST_STORE."""
    folder = tmp_path_factory.mktemp("large") / "store"
    if kept := os.environ.get("LABELGATE_TEST_STORE"):
        made = reopened(Path(shutil.copytree(kept, folder)))
    else:
        made = fill(folder, decisions=DECISIONS)
    for name, role in (("ada", ADMIN), ("vic", VIEWER)):
        accounts.add(made.stage.runtime, name, role, PASSWORD, "the test")
    return made


@pytest.fixture(scope="module")
def address(filled: Filled) -> Iterator[str]:
    """A server in this process: its clock is the story's."""
    with serving(create_app(filled.stage.runtime)) as at:
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


def test_from_the_start_page_to_a_rollback(page: Page, filled: Filled) -> None:
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

    page.goto(f"/projects/{filled.large}/policy")
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
    with filled.stage.runtime.reads() as session:
        served = champion(session, filled.large)
    page.get_by_role("button", name=re.compile("Roll back to")).click()
    expect(page.get_by_text("refunds were answered too boldly this week").first).to_be_visible()
    expect(page.get_by_text("rolled back by ada")).to_be_visible()
    with filled.stage.runtime.reads() as session:
        serves = champion(session, filled.large)
        (act, *_) = newest_acts(session, filled.large, 1)
    assert served is not None
    assert serves is not None
    assert serves.version != served.version
    assert act.who == "ada"

    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    picture(page, "jobs")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    page.goto(f"/projects/{filled.large}")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_readable_by_all(
    filled: Filled, address: str, opens: Opens, scheme: str
) -> None:
    page = opens(address, color_scheme=scheme)
    arrive(page)
    names = {"large": filled.large, "tripped": filled.tripped, "new": filled.new}
    found = {}
    for path in PAGES:
        page.goto(path.format(**names))
        assert page.get_by_role("heading", level=1).count() == 1, path
        found[path] = accessible(page)
    assert not any(found.values()), found


def test_on_a_phone_no_page_is_wider_than_the_screen(
    filled: Filled, address: str, opens: Opens
) -> None:
    page = opens(address, viewport=PHONE)
    arrive(page)
    names = {"large": filled.large, "tripped": filled.tripped, "new": filled.new}
    for path in PAGES:
        page.goto(path.format(**names))
        root = "document.documentElement"
        assert not page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"), path


def test_a_viewer_sees_all_of_it_and_is_offered_no_change(
    filled: Filled, address: str, opens: Opens
) -> None:
    page = opens(address)
    arrive(page, "vic")
    for path in ("models", "policy", "decisions"):
        page.goto(f"/projects/{filled.large}/{path}")
        assert page.get_by_role("heading", level=1).count() == 1
        assert page.locator("main form[method=post]").count() == 0
    assert page.get_by_role("link", name=re.compile("Roll back")).count() == 0
    refused = page.request.post(f"{address}/projects/{filled.large}/rollback", form={"why": "mine"})
    assert refused.status == 403
