"""People who visit the pages: accounts, browsers that sign in, links that were shared."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend import accounts, passwords
from backend.accounts import WantedLink
from backend.passwords import Effort
from tests.fakes.web_project import WebProject

PASSWORD = "nine green bottles"
HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}  # as browsers send it
_FIELD = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are derived in no time."""
    monkeypatch.setattr(passwords, "EFFORT", Effort(log2_n=4, r=8, p=1))


def add_account(project: WebProject, name: str, role: str, password: str | None = PASSWORD) -> None:
    accounts.add(project.runtime, name, role, password, "the test")


def token_of(project: WebProject, name: str) -> str:
    return accounts.new_token(project.runtime, name, "", "the test")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def shared(project: WebProject, project_id: int | None, days: float = 7) -> tuple[int, str]:
    """The number of a new link, and its path."""
    wanted = WantedLink(project_id=project_id, days=days, note="")
    link, address = accounts.share(project.runtime, wanted, "the test")
    return link.id, address.removeprefix(project.runtime.settings.own_url)


def secret_on(response: TestResponse) -> str:
    """The secret of the forms of a page; of the form to sign in, which comes after the header's."""
    found = _FIELD.findall(response.text)
    assert found, response.text
    return str(found[-1])


def sign_in(client: FlaskClient, name: str, password: str = PASSWORD, **more: Any) -> TestResponse:
    """Open the form and send it, as a browser does."""
    secret = secret_on(client.get("/sign-in"))
    form = {"csrf": secret, "name": name, "password": password, **more}
    return client.post("/sign-in", data=form, headers=HTML)


def signed_in(app: Flask, name: str, password: str = PASSWORD) -> FlaskClient:
    """A browser of somebody who has signed in."""
    client = app.test_client()
    assert sign_in(client, name, password).status_code == 303
    return client


def send(client: FlaskClient, path: str, **form: str) -> TestResponse:
    """A form of a page of the browser's session, with its secret."""
    return client.post(path, data={"csrf": secret_on(client.get("/account")), **form}, headers=HTML)
