"""Whether two model files hold the same model: a hash of what they say, not of their bytes.

skops names arrays by where they lay in memory and stamps them with the time, so that the same model
written twice is never the same file.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from typing import Any

_NAMES = re.compile(r"\.(npy|npz|bin)$")
_ADDRESS = "__id__"
_NO_CONTENT = "_stop_words_id"  # scikit-learn keeps the address of the words that it leaves out


def fingerprint(content: bytes) -> str:
    """The sha256 of a skops file's objects: types, values and arrays, in the order they stand in.

    Raises ``ValueError`` where it is no skops file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            schema = json.loads(file.read("schema.json"))
            plain = _Plain(file, {}).of(schema)
    except (zipfile.BadZipFile, KeyError, RecursionError) as error:
        raise ValueError(f"no skops file: {error}") from error
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


class _Plain:
    """Puts numbers in order of appearance in place of addresses, and hashes in place of files."""

    def __init__(self, file: zipfile.ZipFile, seen: dict[int, int]) -> None:
        self._file = file
        self._seen = seen

    def of(self, part: Any) -> Any:
        if isinstance(part, dict):
            return {name: self._value(name, value) for name, value in part.items()}
        if isinstance(part, list):
            return [self.of(each) for each in part]
        return part

    def _value(self, name: str, value: Any) -> Any:
        if name == _NO_CONTENT:
            return None
        if name == _ADDRESS and isinstance(value, int):
            return self._seen.setdefault(value, len(self._seen))
        if name == "file" and isinstance(value, str) and _NAMES.search(value):
            return hashlib.sha256(self._file.read(value)).hexdigest()
        return self.of(value)
