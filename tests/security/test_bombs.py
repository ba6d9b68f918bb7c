"""Small inputs that would unpack, expand or nest without end: images, YAML, XML, JSON, gzip."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from backend.predictors.images import decoding
from backend.predictors.images.decoding import MAX_PIXELS, ImageError, read_image
from connectors import inference_files
from connectors.inference_files import InferenceFileError, read_records
from connectors.label_studio.controls import LabelingError
from connectors.label_studio.labeling import parse_labeling
from policies.loading import PolicyError, parse_policy
from tests.fakes.web_project import web_project

SIDE = 2_500
# Reads a picture of each kind in a process of its own, and prints how much memory that took.
_MEASURED = """
import io, resource, sys
from PIL import Image
from backend.predictors.images.decoding import read_image
side, folder = int(sys.argv[1]), sys.argv[2]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for mode, form in (("RGBA", "PNG"), ("I;16", "PNG"), ("F", "TIFF"), ("P", "GIF")):
    with open(f"{folder}/{form}-{mode[0]}", "rb") as file:
        read_image(file.read())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process's peak memory")
def test_no_kind_of_image_takes_more_than_its_pixels_twice(tmp_path: Path) -> None:
    for mode, form in (("RGBA", "PNG"), ("I;16", "PNG"), ("F", "TIFF"), ("P", "GIF")):
        packed = {"compression": "tiff_lzw"} if form == "TIFF" else {}
        file = tmp_path / f"{form}-{mode[0]}"
        Image.new(mode, (SIDE, SIDE)).save(file, form, **packed)
        assert file.stat().st_size < SIDE * SIDE / 20, "this is no bomb"
    command = [sys.executable, "-c", _MEASURED, str(SIDE), str(tmp_path)]
    taken = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    bytes_a_pixel = int(taken.stdout) / SIDE**2
    assert bytes_a_pixel < 16, "copies of the whole picture: it was 40 of a deep one"


def test_an_image_is_measured_before_it_is_decoded() -> None:
    # A header alone: whoever decoded it would say that it is broken.
    side = int(MAX_PIXELS**0.5) + 1
    whole = io.BytesIO()
    Image.new("1", (side, side)).save(whole, "PNG")
    with pytest.raises(ImageError, match="too large to decode"):
        read_image(whole.getvalue()[:60])


def test_large_images_are_decoded_one_at_a_time() -> None:
    content = io.BytesIO()
    Image.new("1", (2_001, 2_000)).save(content, "PNG")
    read: list[int] = []
    reading = threading.Thread(target=lambda: read.append(len(read_image(content.getvalue()))))
    with decoding._large:
        reading.start()
        reading.join(0.3)
        assert not read
    reading.join(30)
    assert read == [decoding.SIDE**2 * 3]


POLICIES = {
    "nested lists": "a: " + "[" * 900_000,
    "nested mappings": "a: " + "{a: " * 200_000,
    "many keys": "\n".join(f"k{each}: 1" for each in range(80_000)),
    "many entries": "a:\n" + "- 1\n" * 200_000,
    "many wrong routes": "routes:\n" + "- {kind: x, y: 1}\n" * 40_000,
    "laughs": "a: &a [x, x]\n" + "b: [*a, *a]\n" * 1_000,
    "merges": "a: {<<: *b}",
    "tags": "a: !!python/object/apply:os.system [id]",
    "too long": "a: " + "x" * 1_000_000,
    "documents": "a: 1\n--- \n" * 10_000,
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_neither_expands_nor_nests_nor_fills_the_screen(name: str) -> None:
    began = time.process_time()
    with pytest.raises(PolicyError) as caught:
        parse_policy(POLICIES[name])
    assert len(str(caught.value)) < 50_000
    assert time.process_time() - began < 15, "seconds of a processor; it was 40"


def test_of_thousands_of_problems_the_first_are_told() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy("\n".join(f"k{each}: 1" for each in range(5_000)))
    assert 200 <= len(caught.value.problems) < 250
    assert "more problems than these" in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><View>&a;</View>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><View/>',
    ],
    ids=["laughs", "file", "remote"],
)
def test_a_labelling_config_declares_no_entities(config: str) -> None:
    with pytest.raises(LabelingError, match="DOCTYPE"):
        parse_labeling(config)


def test_a_labelling_config_may_nest_as_deep_as_it_is_long() -> None:
    began = time.process_time()
    with pytest.raises(LabelingError):
        parse_labeling("<View>" * 70_000 + "</View>" * 70_000)
    assert time.process_time() - began < 15


@pytest.mark.parametrize("name", ["bomb.jsonl.gz", "bomb.csv.gz"])
def test_a_packed_line_without_an_end_is_not_read_to_its_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_files, "_LONGEST_LINE", 100_000)
    file = tmp_path / name
    file.write_bytes(gzip.compress(b"id,predicted,model_version\n" + b" " * 50_000_000))
    with pytest.raises(InferenceFileError, match=r"bomb\..*:\d  is "):
        list(read_records(file))


@pytest.mark.parametrize("body", [b"[" * 900_000, b'{"a":' * 200_000, b'"\\ud83d' + b"[" * 900_000])
def test_nested_json_is_a_message(body: bytes, tmp_path: Path) -> None:
    project = web_project(tmp_path)
    project.connect()
    answer = project.client().post("/predict", data=body)
    assert answer.status_code == 400
    assert (answer.json or {})["error"]["code"] == "malformed_json"


def test_a_packed_body_is_not_unpacked(tmp_path: Path) -> None:
    project = web_project(tmp_path)
    project.connect()
    packed = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Encoding": "gzip"}
    assert project.client().post("/predict", data=packed, headers=headers).status_code == 400
