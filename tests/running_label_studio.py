"""What tests are given of the session's real Label Studio."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from connectors.label_studio.accounts import add_user
from connectors.label_studio.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningLabelStudio:
    """The session's server; tests keep apart by making projects and users of their own."""

    url: str
    token: str = field(repr=False)
    version: str
    admin: Connection = field(repr=False)

    def project(self, title_prefix: str, label_config: str) -> int:
        """A new project; its title is made unique."""
        body = {"title": f"{title_prefix} {secrets.token_hex(4)}", "label_config": label_config}
        return int(self.admin.once("POST", "/api/projects/", body)["id"])

    def new_user(self, name: str) -> tuple[int, str]:
        """A new member of the organisation: id and token. The name is made unique."""
        account = add_user(self.admin, f"{name}-{secrets.token_hex(4)}@labelgate.example")
        return account.id, account.token
