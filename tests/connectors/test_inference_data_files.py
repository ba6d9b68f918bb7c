"""Files with the data behind inferences: what they hold, and what is said of wrong lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.inference_data_files import InferenceDataError, read_data

EXPECTED = 'a JSON object {"id": ..., "data": {...}} is expected'


def test_every_line_is_an_id_and_its_data(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text('{"id": "a", "data": {"text": "é"}}\n\n{"data": {}, "id": 7, "more": 1}\n')
    assert list(read_data(file)) == [("a", {"text": "é"}), ("7", {})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", "2  is no JSON ("),
        ("[1]", f"2  is a JSON list: {EXPECTED}"),
        ('{"data": {}}', f"2  id is missing: {EXPECTED}"),
        ('{"id": "a"}', f"2  data is missing: {EXPECTED}"),
        (
            '{"id": true, "data": {}}',
            "2  id = True  must be text or a whole number, as it was sent",
        ),
        ('{"id": 1.5, "data": {}}', "2  id = 1.5  must be text or a whole number, as it was sent"),
        (
            '{"id": "a", "data": "x"}',
            "2  data is a JSON str: it must be an object, as it was sent",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text(f'{{"id": "a", "data": {{}}}}\n{line}\n')
    with pytest.raises(InferenceDataError) as caught:
        list(read_data(file))
    assert str(caught.value).startswith(f"{file}:{message}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InferenceDataError, match=r"none\.jsonl  cannot be read: No such file"):
        list(read_data(tmp_path / "none.jsonl"))
