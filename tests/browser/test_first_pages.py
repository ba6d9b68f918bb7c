from __future__ import annotations

from pathlib import Path

from tests.backend.test_web_server import started
from tests.browser.pages import Opens, accessible
from tests.fakes.web_project import web_project


def test_a_new_project_can_be_found_and_read_by_all(tmp_path: Path, opens: Opens) -> None:
    web_project(tmp_path).connect()
    with started(tmp_path) as server:
        page = opens(server.url)
        page.goto("/")
        assert accessible(page) == []
        page.get_by_role("link", name="web", exact=True).click()
        assert page.get_by_role("heading", level=1).inner_text() == "web"
        assert accessible(page) == []
