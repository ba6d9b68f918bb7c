from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from backend.predictors.images import decoding
from backend.predictors.images.decoding import SIDE
from backend.predictors.inputs import MAX_CHARACTERS, Inputs, read_inputs
from connectors.annotation_tool import AnnotationToolRefusedError, AnnotationToolUnavailableError
from connectors.label_studio.labeling import Control, InputKind, single_choice


def control(kind: InputKind, key: str = "text") -> Control:
    return single_choice("choice", "shown", kind, key, ("a", "b")).controls[0]


def no_download(path: str) -> bytes:
    raise AssertionError(f"nothing may be downloaded here, but {path!r} was")


def read(kind: InputKind, *values: Any) -> Inputs:
    data: list[Mapping[str, Any]] = [{"text": value} for value in values]
    return read_inputs(control(kind), data, no_download)


def one_text(value: Any, kind: InputKind = InputKind.TEXT) -> str:
    inputs = read(kind, value)
    assert inputs.problems == [None]
    assert isinstance(inputs.values[0], str)
    return inputs.values[0]


def one_problem(kind: InputKind, value: Any) -> str:
    inputs = read(kind, value)
    assert inputs.values == [None]
    assert inputs.problems[0] is not None
    return inputs.problems[0]


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def pixels(content: bytes) -> np.ndarray[Any, np.dtype[np.float64]]:
    inputs = read(InputKind.IMAGE, uri(content))
    assert inputs.problems == [None]
    value = inputs.values[0]
    assert isinstance(value, np.ndarray)
    assert value.dtype == np.float64
    assert value.min() >= 0.0
    assert value.max() <= 1.0
    return value.reshape(SIDE, SIDE, 3)


def test_a_text_is_taken_as_it_stands() -> None:
    assert one_text("Grüße, 世界 🙂") == "Grüße, 世界 🙂"


@pytest.mark.parametrize(("value", "text"), [(42, "42"), (1.5, "1.5"), (0, "0")])
def test_a_number_is_read_as_its_digits(value: float, text: str) -> None:
    assert one_text(value) == text


def test_a_missing_key_names_the_keys_that_are_there() -> None:
    inputs = read_inputs(control(InputKind.TEXT), [{"body": "x", "id": 1}, {}], no_download)
    assert inputs.problems == [
        "the task's data has no key 'text' (it has: 'body', 'id')",
        "the task's data has no key 'text' (it has: no keys at all)",
    ]


@pytest.mark.parametrize(
    ("value", "named"),
    [(None, "null"), (True, "a truth value"), (["x"], "a list"), ({"x": 1}, "an object")],
)
@pytest.mark.parametrize("kind", [InputKind.TEXT, InputKind.HYPERTEXT, InputKind.IMAGE])
def test_a_wrong_type_is_named(kind: InputKind, value: Any, named: str) -> None:
    problem = one_problem(kind, value)
    assert "data['text'] must be" in problem
    assert problem.endswith(f"not {named}")


@pytest.mark.parametrize("value", ["", "  \n\t", "\0\0"])
def test_an_empty_text_is_a_problem_and_no_guess(value: str) -> None:
    assert one_problem(InputKind.TEXT, value) == "data['text'] is an empty text"


def test_a_hypertext_without_words_is_empty() -> None:
    assert "empty" in one_problem(InputKind.HYPERTEXT, "<p><br/></p>")


def test_lone_surrogates_are_replaced_in_values_and_problems() -> None:
    assert one_text("a\ud800b") == "a\ufffdb"
    inputs = read_inputs(control(InputKind.TEXT), [{"\udfff": "x"}], no_download)
    orjson.dumps(inputs.problems)
    orjson.dumps(one_problem(InputKind.IMAGE, "http://\ud800"))


def test_a_nul_character_is_read_with_the_text() -> None:
    assert one_text("a\0b") == "a\0b"


def test_a_text_above_the_limit_is_a_problem_and_is_not_cut() -> None:
    assert len(one_text("x" * MAX_CHARACTERS)) == MAX_CHARACTERS
    problem = one_problem(InputKind.TEXT, "x" * (MAX_CHARACTERS + 1))
    assert problem == "data['text'] has 1,000,001 characters; at most 1,000,000 are read"


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<p>Hello <b>big</b> world</p>", "Hello big world"),
        ("one<br>two", "one two"),
        ("fish &amp; chips &#233;", "fish & chips é"),
        ("<script>var x = '<b>';</script>shown<STYLE>p {}</STYLE >too", "shown too"),
        ("a < b and c > d", "a < b and c > d"),
        ("<!DOCTYPE html><a href='x'>link</a>", "link"),
        ("plain", "plain"),
        ("x &#" + "9" * 5000 + "; y", "x y"),
    ],
)
def test_hypertext_is_stripped_of_tags(markup: str, words: str) -> None:
    assert one_text(markup, InputKind.HYPERTEXT).split() == words.split()


@pytest.mark.parametrize(
    "piece", ["<!--", "<", "<a ", "<a", "a<a", "<script>", "</", "&", "&#", "<a b='", "<!", "&#x1"]
)
@pytest.mark.timeout(60)  # a quadratic parser takes minutes for a million characters
def test_hostile_markup_takes_linear_time(piece: str) -> None:
    markup = (piece * MAX_CHARACTERS)[: MAX_CHARACTERS - 4] + " end"
    inputs = read(InputKind.HYPERTEXT, markup)
    assert len(inputs.values) == 1


def test_one_bad_task_leaves_the_others_read() -> None:
    inputs = read(InputKind.TEXT, "one", None, "three")
    assert inputs.values == ["one", None, "three"]
    assert [problem is None for problem in inputs.problems] == [True, False, True]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_the_common_formats_are_read(form: str) -> None:
    image = pixels(encoded(Image.new("RGB", (40, 30), (255, 0, 0)), form))
    assert np.allclose(image[:, :, 0], 1.0, atol=0.02)
    assert np.allclose(image[:, :, 1:], 0.0, atol=0.02)


def test_what_is_transparent_shows_white() -> None:
    image = pixels(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0))))
    assert np.all(image == 1.0)
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0, 255, 255, 255])
    assert np.all(pixels(encoded(palette, transparency=0)) == 1.0)


def test_sixteen_bits_keep_their_order() -> None:
    ramp = (np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)
    image = pixels(encoded(Image.fromarray(ramp)))
    assert image[0, 0, 0] < 0.1
    assert image[-1, -1, 0] > 0.9
    assert np.all(np.diff(image[:, :, 0].mean(axis=1)) >= 0.0)
    assert np.all(pixels(encoded(Image.new("I;16", (4, 4), 900))) == 0.0)


def test_floating_point_images_are_read() -> None:
    values = np.linspace(-5.0, 5.0, 64, dtype=np.float32).reshape(8, 8)
    values[0, 0] = np.nan
    assert pixels(encoded(Image.fromarray(values), "TIFF")).max() > 0.9


def test_print_colours_are_converted() -> None:
    image = pixels(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert image[..., 0].mean() > 0.8
    assert image[..., 2].mean() < 0.2


def test_a_rotated_photo_is_set_upright() -> None:
    photo = Image.new("RGB", (32, 32), "black")
    photo.paste("white", (0, 0, 32, 16))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn to the right
    image = pixels(encoded(photo, "PNG", exif=exif))
    assert image[:, -1].min() == 1.0
    assert image[:, 0].max() == 0.0


def test_an_animation_is_read_by_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black")]
    animation = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels(animation).min() == 1.0


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


def noise(form: str) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return encoded(Image.fromarray(values), form)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "none of PNG"),
        (b"GIF89a", "none of PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "none of PNG"),
        (noise("PNG")[:200], "broken image: "),
        (flipped(noise("PNG"), 1500), "broken image: "),
        (noise("JPEG")[:600], "broken image: "),
        (noise("WEBP")[:300], "broken image: "),
        (noise("TIFF")[:100], "broken image: "),
    ],
)
def test_a_broken_image_is_a_problem(content: bytes, reason: str) -> None:
    assert reason in one_problem(InputKind.IMAGE, uri(content))


def header_only_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_a_decompression_bomb_is_not_decoded(side: int) -> None:
    problem = one_problem(InputKind.IMAGE, uri(header_only_png(side, side)))
    assert "too large to decode" in problem


def test_a_file_of_too_many_bytes_is_not_opened() -> None:
    with pytest.raises(decoding.ImageError, match="at most 50,000,000 are read"):
        decoding.read_image(b"\0" * (decoding.MAX_BYTES + 1))


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8080/latest/meta-data",
        "https://example.com/x.png",
        "file:///etc/passwd",
        "s3://bucket/x.png",
        "/etc/passwd",
        "/data/local-files/?d=x.png",
        "/data/upload/../../api/users",
        "/data/upload/1/..",
        "/data/upload/1/%2e%2e",
        "/data/upload/1/..%2F..%2Fapi%2Fusers",
        "/data/upload/1/a%5Cb",
        "/data/upload/1/x.png?next=/api",
        "//evil.example/data/upload/1/x.png",
        "http://evil.example/data/upload/1/x.png",
        "",
    ],
)
def test_no_other_address_is_ever_fetched(address: str) -> None:
    problem = one_problem(InputKind.IMAGE, address)
    assert "only data URIs and files uploaded to Label Studio are read" in problem


@pytest.mark.parametrize(
    "broken", ["data:image/png;base64,%%%", "data:image/png,abc", "data:", "data:image/png;base64"]
)
def test_a_broken_data_uri_is_a_problem(broken: str) -> None:
    assert "data URI" in one_problem(InputKind.IMAGE, broken)


def test_line_breaks_in_a_data_uri_are_allowed() -> None:
    address = uri(encoded(Image.new("L", (8, 8), 255)))
    assert read(InputKind.IMAGE, address[:40] + "\r\n" + address[40:]).problems == [None]


def test_an_uploaded_file_is_downloaded() -> None:
    files = {"/data/upload/7/ab-digit one%20.png": encoded(Image.new("L", (8, 8), 255))}
    data = [{"image": path} for path in files]
    inputs = read_inputs(control(InputKind.IMAGE, "image"), data, files.__getitem__)
    assert inputs.problems == [None]


def test_a_refused_download_is_that_tasks_problem() -> None:
    def refuse(path: str) -> bytes:
        raise AnnotationToolRefusedError(f"{path}: 404, no such file")

    data = [{"image": "/data/upload/7/gone.png"}]
    inputs = read_inputs(control(InputKind.IMAGE, "image"), data, refuse)
    assert inputs.problems == ["/data/upload/7/gone.png: 404, no such file"]


def test_label_studio_being_down_is_no_tasks_problem() -> None:
    def unreachable(path: str) -> bytes:
        raise AnnotationToolUnavailableError(f"no answer for {path}")

    data = [{"image": "/data/upload/7/x.png"}]
    with pytest.raises(AnnotationToolUnavailableError):
        read_inputs(control(InputKind.IMAGE, "image"), data, unreachable)
