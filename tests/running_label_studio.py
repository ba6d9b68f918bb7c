"""What tests are given of the session's real Label Studio."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import httpx

from connectors.label_studio.accounts import add_user
from connectors.label_studio.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningLabelStudio:
    """The session's server; tests keep apart by making projects and users of their own."""

    url: str
    token: str = field(repr=False)
    version: str

    def project(self, title_prefix: str, label_config: str) -> int:
        """A new project; the title gets a number, so that a test may make several."""
        with self._client() as client:
            answer = client.get("/api/projects/", params={"page_size": 1}).raise_for_status()
            number = answer.json()["count"] + 1
            body = {"title": f"{title_prefix} {number}", "label_config": label_config}
            return int(client.post("/api/projects/", json=body).raise_for_status().json()["id"])

    def new_user(self, name: str) -> tuple[int, str]:
        """A new member of the organisation: id and token. The name is made unique."""
        admin = Connection(self.url, self.token, setting="LABELGATE_LABEL_STUDIO_TOKEN")
        account = add_user(admin, f"{name}-{secrets.token_hex(4)}@labelgate.example")
        return account.id, account.token

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Token {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)
