"""Files that people bring, nearly right: exports, inferences, preferences, A2I's conditions."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from connectors.a2i import policy_from_conditions
from connectors.inference_data_files import InferenceDataError, read_data
from connectors.inference_files import InferenceFileError, read_records
from connectors.json_lines import JsonLinesError
from connectors.label_studio.exports import ExportError, read_export
from connectors.preference_files import read_pairs
from connectors.response_files import read_responses
from policies.loading import PolicyError, load_policy, parse_policy
from tests.fuzz.campaign import Campaign, refused
from tests.fuzz.corpus import CONDITIONS, INFERENCES, PAIR, POLICIES, RESPONSES, TASK, TASK_DATA
from tests.fuzz.mutations import mutated, mutated_text
from tests.fuzz.shares import forms

_TOKENS = (
    *("{", "}", "[", "]", '"', ",", "\n", "\r", ":", "null", "NaN", "1e999", "9" * 5000, "\\u0000"),
    *("\\ud83d", "\ufeff", "[" * 2000, '""', "\t", ";", "'", "\\", '{"a":1,"a":2}'),
)
Reader = Callable[[Path], Any]


def _records(path: Path) -> Any:
    return list(read_records(path))


def _data(path: Path) -> Any:
    return list(read_data(path))


def _conditions(path: Path) -> Any:
    return parse_policy(policy_from_conditions(path.read_bytes(), str(path)))


def _table(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# The ending of a file, who reads it, what the reader may raise, and what good ones hold.
_FILES: tuple[tuple[str, Reader, type[Exception], list[Any]], ...] = (
    (".json", read_export, ExportError, [[TASK, {**TASK, "id": 6}]]),
    (".jsonl", _records, InferenceFileError, [{**INFERENCES[0], "data": TASK_DATA}]),
    (".jsonl", read_pairs, JsonLinesError, [PAIR]),
    (".jsonl", read_responses, JsonLinesError, [RESPONSES]),
    (".jsonl", _data, InferenceDataError, [{"id": "a", "data": TASK_DATA}]),
    (".json", _conditions, PolicyError, [CONDITIONS]),
)
_CSV = _table([{**each, "data": json.dumps(each["data"])} for each in INFERENCES])


@pytest.mark.parametrize("cases", forms("files"))
def test_any_file(tmp_path: Path, request: pytest.FixtureRequest, cases: int) -> None:
    campaign = Campaign("files")
    campaign.explore(_files(), lambda case: _read(tmp_path, *case), cases)
    campaign.close(request)


def _files() -> st.SearchStrategy[tuple[str, Reader, type[Exception], bytes]]:
    kinds = [
        st.tuples(st.just(ending), st.just(reader), st.just(refusal), _documents(good))
        for ending, reader, refusal, good in _FILES
    ]
    table = st.tuples(
        st.just(".csv"),
        st.just(_records),
        st.just(InferenceFileError),
        mutated_text([_CSV], _TOKENS).map(_encoded),
    )
    policy = st.tuples(
        st.just(".yaml"),
        st.just(load_policy),
        st.just(PolicyError),
        mutated_text(POLICIES, _TOKENS).map(_encoded),
    )
    return st.one_of(*kinds, table, policy).flatmap(_packed)


def _documents(good: list[Any]) -> st.SearchStrategy[bytes]:
    """One or two documents a file, a line each; or their text with changes."""
    lines = st.lists(mutated(good), min_size=1, max_size=2).map(
        lambda found: "\n".join(map(json.dumps, found)).encode()
    )
    text = mutated_text([json.dumps(each) for each in good], _TOKENS).map(_encoded)
    return lines | text


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _packed(
    case: tuple[str, Reader, type[Exception], bytes],
) -> st.SearchStrategy[tuple[str, Reader, type[Exception], bytes]]:
    """The file as it is, gzipped, gzipped and cut, or in UTF-16."""
    ending, reader, refusal, content = case
    packed = gzip.compress(content, 1)
    return st.sampled_from(
        [
            case,
            case,
            (f"{ending}.gz", reader, refusal, packed),
            (f"{ending}.gz", reader, refusal, packed[: len(packed) * 2 // 3]),
            (f"{ending}.gz", reader, refusal, content),
            (ending, reader, refusal, content.decode(errors="replace").encode("utf-16")),
        ]
    )


def _read(
    folder: Path, ending: str, reader: Reader, refusal: type[Exception], content: bytes
) -> str:
    path = folder / f"file{ending}"
    path.write_bytes(content)
    try:
        reader(path)
    except refusal as error:
        return refused(error)
    return "read"
