"""The data behind an inference as its hash: what is kept where the data itself may not leave.

The standard library alone, so that whoever runs the model can say the same hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def data_sha256(data: Mapping[str, Any]) -> str:
    """The SHA-256 of the data as JSON in one form, in hexadecimal.

    The form: keys sorted, no spaces, characters as they are, UTF-8; in Python
    ``json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)``. Raises
    ``ValueError`` where the data is no JSON, holds NaN or half a character pair.

    >>> data_sha256({"b": 1, "a": "é"}) == data_sha256({"a": "é", "b": 1})
    True
    """
    text = _canonical(data)
    return hashlib.sha256(text.encode()).hexdigest()


_canonical = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode
