"""Signing in, sharing and leaving, in a real browser: its cookies, its Origin, its policies."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from backend.store.accounts import ADMIN
from tests.backend.test_web_server import started
from tests.browser.pages import Opens, accessible
from tests.fakes.visitors import PASSWORD, add_account
from tests.fakes.web_project import web_project

PHONE = {"width": 360, "height": 740}


def sign_in(page: Page, path: str) -> None:
    page.goto(path)
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"**{path}")


def scrolls_sideways(page: Page) -> bool:
    root = "document.documentElement"
    return bool(page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))


def test_an_admin_shares_a_project_and_a_stranger_sees_it_and_no_more(
    tmp_path: Path, opens: Opens
) -> None:
    project = web_project(tmp_path)
    project.connect()
    add_account(project, "ann", ADMIN)
    with started(tmp_path) as server:
        page = opens(server.url, viewport=PHONE)
        page.goto("/account/share")
        assert accessible(page) == []
        sign_in(page, "/account/share")
        page.get_by_label("Note").fill("the board")
        page.get_by_role("button", name="Make the link").click()
        address = page.get_by_label("Copy it now").input_value()
        assert accessible(page) == []
        assert not scrolls_sideways(page)

        stranger = opens(server.url)
        stranger.goto(address)
        assert stranger.url == f"{server.url}/projects/1"
        assert stranger.get_by_text("Read-only, by a link").is_visible()
        assert stranger.request.get(f"{server.url}/account/share").status in {403, 404}
        assert accessible(stranger) == []

        page.goto("/account")
        assert accessible(page) == []
        assert not scrolls_sideways(page)
        page.get_by_role("button", name="Sign out everywhere").click()
        assert page.get_by_text("You are signed out").is_visible()
        for each in (page, stranger):
            each.close()  # before the server: a page looks for news by itself
