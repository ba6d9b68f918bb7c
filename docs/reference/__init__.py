"""The pages of the reference, written from the code: ``python -m docs.reference`` writes all.

Here stands what each page is called; a module beside makes each. No page is written by hand, and a
test compares them all with the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from docs.reference.commands import commands, commands_page
from docs.reference.http import http_page, openapi_file
from docs.reference.metrics import metrics_page
from docs.reference.policy_keys import policy_keys_page, policy_schema_file
from docs.reference.settings import settings_page
from docs.reference.tables import tables_page

__all__ = ["PAGES", "commands"]

# Files of docs/ by what writes them.
PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "http.md": http_page,
    "metrics.md": metrics_page,
    "openapi.json": openapi_file,
    "policy-keys.md": policy_keys_page,
    "policy.schema.json": policy_schema_file,
    "settings.md": settings_page,
    "tables.md": tables_page,
}
