"""Asking a team's own server for the data behind inferences, where only their ids are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.model_servers.server import ModelServer, ModelServerError, mapping_of

MOST_IDS = 100  # of a request: one may be answered with megabytes


def fetch_data(
    server: ModelServer, ids: Sequence[str], timeout_s: float
) -> dict[str, dict[str, Any]]:
    """The data of these inferences by id; those that the server does not know are left out.

    One request, ``POST {"ids": [...]}``, answered by ``{"data": {"ID": {...}, ...}}``.

    Raises
        ModelServerDownError: no answer now.
        ModelServerError: an answer that is refused, or has another form.
    """
    answer = mapping_of(server.ask("POST", "", {"ids": list(ids)}, timeout_s=timeout_s))
    data = answer.get("data")
    if not isinstance(data, dict):
        raise ModelServerError(
            'answered without the data: {"data": {"ID": {...}, ...}} is expected, an object by id'
        )
    wrong = [each for each in ids if not isinstance(data.get(each), dict | None)]
    if wrong:
        kind = type(data[wrong[0]]).__name__
        raise ModelServerError(f"gave a JSON {kind} as the data of {wrong[0]!r}, not an object")
    return {each: data[each] for each in ids if data.get(each) is not None}
