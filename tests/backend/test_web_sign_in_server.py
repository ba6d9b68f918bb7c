"""Signing in at ``labelgate web`` as a real process, while accounts change beside it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from backend import accounts
from backend.store.accounts import ADMIN
from tests.backend.test_web_server import started
from tests.fakes.visitors import PASSWORD, add_account, bearer, token_of
from tests.fakes.web_project import web_project

HTML = {"Accept": "text/html"}


def test_pages_close_with_the_first_account_and_open_to_who_signs_in(tmp_path: Path) -> None:
    project = web_project(tmp_path)
    project.connect()
    with started(tmp_path) as server, httpx.Client(base_url=server.url, headers=HTML) as browser:
        assert browser.get("/").status_code == 200
        add_account(project, "ann", ADMIN)
        led = browser.get("/projects/1")
        assert (led.status_code, led.headers["Location"]) == (303, "/sign-in?next=/projects/1")
        form = browser.get(led.headers["Location"]).text
        (secret,) = set(re.findall(r'name="csrf" value="([^"]+)"', form))
        wanted = {"csrf": secret, "name": "ann", "password": PASSWORD, "next": "/projects/1"}
        back = browser.post("/sign-in", headers={"Origin": server.url}, data=wanted)
        assert (back.status_code, back.headers["Location"]) == (303, "/projects/1")
        assert "Sign out" in browser.get("/projects/1").text
        header = bearer(token_of(project, "ann"))
        assert httpx.get(f"{server.url}/metrics", headers=header).status_code == 200
        accounts.disable(project.runtime, "ann", "the test")
        assert browser.get("/projects/1").status_code == 303
        assert httpx.get(f"{server.url}/metrics", headers=header).status_code == 401
        assert httpx.get(f"{server.url}/health").status_code == 200
