"""Files of inferences: every form gives the same records, and every mistake its line."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped]  # has no types
import pyarrow.parquet  # type: ignore[import-untyped]  # has no types
import pytest

from connectors import inference_files
from connectors.inference_files import InferenceFileError, read_records

CSV = (
    "id,predicted,score,model_version,at,text,country\n"
    'r-1,A,0.5,v1,2026-03-01T10:00:00Z,"one, two\nthree",DE\n'
    "\n"
    "r-2,B,,v1,,four,\n"
)
RECORDS = [
    {
        "id": "r-1",
        "predicted": "A",
        "score": 0.5,
        "model_version": "v1",
        "at": "2026-03-01T10:00:00Z",
        "data": {"text": "one, two\nthree", "country": "DE"},
    },
    {"id": "r-2", "predicted": "B", "model_version": "v1", "data": {"text": "four"}},
]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    raw = content.encode() if isinstance(content, str) else content
    file.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return file


def parquet(folder: Path, **columns: list[Any]) -> Path:
    file = folder / "answers.parquet"
    pa.parquet.write_table(pa.table(columns), file)
    return file


def read(file: Path) -> list[dict[str, Any]]:
    return [record.inference for record in read_records(file)]


def said(file: Path) -> str:
    with pytest.raises(InferenceFileError) as caught:
        read(file)
    return str(caught.value).replace(str(file), "FILE")


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.csv.gz"])
def test_a_csv_gives_its_records(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, name, CSV)
    assert read(file) == RECORDS
    assert [record.line for record in read_records(file)] == [2, 5]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.csv", "\ufeff" + CSV)) == RECORDS


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines_give_their_records(tmp_path: Path, name: str) -> None:
    lines = b"\n\n".join(map(orjson.dumps, RECORDS))
    file = written(tmp_path, name, lines)
    assert read(file) == RECORDS
    assert [record.line for record in read_records(file)] == [1, 3]


def test_data_may_be_json_in_one_column(tmp_path: Path) -> None:
    text = 'id,predicted,model_version,data\n1,A,v,"{""text"": ""x"", ""n"": 3}"\n'
    (record,) = read(written(tmp_path, "a.csv", text))
    assert record["data"] == {"text": "x", "n": 3}


def test_a_hash_stands_in_its_own_column(tmp_path: Path) -> None:
    (record,) = read(
        written(tmp_path, "a.csv", "id,predicted,model_version,data_sha256\n1,A,v,00\n")
    )
    assert record == {"id": "1", "predicted": "A", "model_version": "v", "data_sha256": "00"}


def test_a_parquet_gives_its_records(tmp_path: Path) -> None:
    file = parquet(
        tmp_path,
        id=[1, 2],
        predicted=["A", "B"],
        score=[0.5, float("nan")],
        model_version=["v1", "v1"],
        at=[datetime(2026, 3, 1, 10, tzinfo=UTC), None],
        text=["one", "two"],
        price=[Decimal("1.50"), None],
        tags=[["a", "b"], None],
    )
    assert read(file) == [
        {
            "id": 1,
            "predicted": "A",
            "score": 0.5,
            "model_version": "v1",
            "at": "2026-03-01T10:00:00+00:00",
            "data": {"text": "one", "price": 1.5, "tags": ["a", "b"]},
        },
        {"id": 2, "predicted": "B", "model_version": "v1", "data": {"text": "two"}},
    ]


@pytest.mark.parametrize("data", [{"text": "x"}, '{"text": "x"}'])
def test_data_in_a_parquet_is_a_struct_or_json(tmp_path: Path, data: object) -> None:
    file = parquet(tmp_path, id=["1"], predicted=["A"], model_version=["v"], data=[data])
    assert read(file)[0]["data"] == {"text": "x"}


def test_without_pyarrow_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(inference_files, "import_module", absent)
    file = written(tmp_path, "a.parquet", b"")
    assert said(file) == (
        "FILE  needs pyarrow to be read: pip install pyarrow, or save it as .csv or .jsonl"
    )


NEEDED = "id,predicted,model_version"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", "", "FILE  ends in '.xlsx': give a .csv, .csv.gz, .jsonl"),
        ("a", "", "FILE  ends in 'nothing': give a .csv"),
        ("a.csv", "", "FILE:1  has no column 'id' (it has none)"),
        ("a.csv", "id,predicted\n", "FILE:1  has no column 'model_version' (it has 'id', 'pre"),
        ("a.csv", f"{NEEDED},id\n", "FILE:1  names the column 'id' twice: rename one"),
        ("a.csv", f"{NEEDED},data,text\n", "FILE:1  has the column 'data' and 'text' beside it"),
        (
            "a.csv",
            f"{NEEDED}\n1,A,v\n2,A\n",
            "FILE:3  has 2 values, the first line names 3 columns",
        ),
        ("a.csv", f'{NEEDED}\n1,"A" x,v\n', "FILE:2  is no CSV: ',' expected after"),
        ("a.csv", f"{NEEDED},data\n1,A,v,x\n", "FILE:2  data = 'x' is no JSON: unexpected"),
        (
            "a.csv",
            f"{NEEDED}\n1,A,v\n".encode() + b"2,\xe9,v\n",
            "byte 0xe9 is not UTF-8: save the",
        ),
        ("a.jsonl", '{"id": 1}\n{"id": NaN}\n', "FILE:2  is no JSON: "),
        ("a.jsonl", "[1]\n", "FILE:1  is a JSON list: each line must be one object"),
        ("a.parquet", "no parquet at all", "FILE  after row 0: is no parquet: "),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_file_is_told_by_line(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    assert words in said(written(tmp_path, name, content))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert said(tmp_path / "a.csv") == "FILE  cannot be read: No such file or directory"


def test_a_cut_gzip_file_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, "a.jsonl.gz", orjson.dumps(RECORDS[0]) * 50)
    file.write_bytes(file.read_bytes()[:-12])
    assert said(file).startswith("FILE  is no whole gzip file: ")
    file.write_bytes(b"not gzip")
    assert said(file).startswith("FILE  is no whole gzip file: ")


def test_a_file_is_read_as_far_as_it_is_asked_for(tmp_path: Path) -> None:
    lines = b"".join(orjson.dumps(RECORDS[0]) + b"\n" for _ in range(100_000)) + b"not JSON"
    records = read_records(written(tmp_path, "a.jsonl", lines))
    assert next(records).inference == RECORDS[0]


def test_a_long_document_in_a_csv_is_read_whole(tmp_path: Path) -> None:
    text = "word " * 100_000
    file = written(tmp_path, "long.csv", f"id,predicted,model_version,text\n1,A,v1,{text}\n")
    (record,) = read_records(file)
    assert record.inference["data"] == {"text": text}
