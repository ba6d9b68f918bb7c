"""Bytes of an image -> a small array of pixels that a model can read."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from policies.domain import FloatArray

SIDE = 16
"""Pixels a side of what the model sees."""

MAX_BYTES = 50_000_000
MAX_PIXELS = 50_000_000
# Its decoder keeps three whole pictures beside the one that it gives.
_MOST_PIXELS = {"WEBP": 25_000_000}
# A file of 100 KB may hold as many pixels as are read at all, and those take 4 bytes each, twice.
# So of the larger ones one is decoded at a time, whatever the threads that want one.
_LARGE_PIXELS = 4_000_000
_large = threading.Lock()
_STRIP_PIXELS = 1_000_000

# Only formats that browsers or annotation tools show; Pillow's rarer decoders stay unreached.
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")

# 16-bit and floating point modes, which Pillow's own conversion to 8 bits would cut off.
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


class ImageError(ValueError):
    """The bytes are no image that can be read; the message says why."""


def read_image(content: bytes) -> FloatArray:
    """The first frame, upright, on white, as (SIDE * SIDE * 3,) values of red, green, blue in 0..1.

    The picture is stretched to a square. Images of more than 8 bits a channel are stretched from
    their own darkest to their own lightest value.

    Raises
        ImageError: no image, a broken one, or one larger than ``MAX_BYTES`` or ``MAX_PIXELS``.
    """
    if len(content) > MAX_BYTES:
        raise ImageError(f"the file has {len(content):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        return _pixels(content)
    except ImageError:
        raise
    except Image.DecompressionBombWarning as error:  # an error only where warnings are errors
        raise _too_large(str(error)) from error
    except Image.DecompressionBombError as error:
        raise _too_large(str(error)) from error
    # On broken files Pillow's decoders raise OSError, SyntaxError, struct.error, zlib.error, ...
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = f"it is none of {', '.join(_FORMATS)}"
        raise ImageError(f"broken image: {reason}") from error


def _pixels(content: bytes) -> FloatArray:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as check:
        width, height = check.size
        most = _MOST_PIXELS.get(check.format or "", MAX_PIXELS)
        if width * height > most:
            raise _too_large(f"{width} x {height} pixels", most)
        check.verify()  # checksums, which loading skips; the file must be opened anew afterwards
    with (
        _large if width * height > _LARGE_PIXELS else nullcontext(),
        Image.open(io.BytesIO(content), formats=_FORMATS) as image,
    ):
        image.draft("RGB", (SIDE * 4, SIDE * 4))  # JPEG: decode at a fraction of the size
        ImageOps.exif_transpose(image, in_place=True)  # without, a copy even of what stands upright
        small = _in_colour(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float64).ravel() / 255.0


def _in_colour(image: Image.Image) -> Image.Image:
    """8 bits of red, green and blue; what is transparent shows white."""
    if image.mode in _DEEP_MODES:
        return _by_strips(image, "L", _stretching(image)).convert("RGB")
    if image.has_transparency_data:
        return _by_strips(image, "RGB", _on_white)
    return image.convert("RGB")


def _by_strips(
    image: Image.Image, mode: str, change: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """The image changed strip by strip: whole copies in between would take ten times as much."""
    changed = Image.new(mode, image.size)
    for box in _strips(image):
        changed.paste(change(image.crop(box)), box)
    return changed


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _stretching(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """From the image's own darkest value to its own lightest one."""
    ends = [
        (float(values.min()), float(values.max()))
        for values in (_finite(image.crop(box)) for box in _strips(image))
    ]
    low, high = min(each[0] for each in ends), max(each[1] for each in ends)

    def stretched(strip: Image.Image) -> Image.Image:
        values = _finite(strip)
        scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
        return Image.fromarray(np.rint(scaled * 255).astype(np.uint8))

    return stretched


def _finite(strip: Image.Image) -> FloatArray:
    return np.nan_to_num(np.asarray(strip, dtype=np.float64))


def _on_white(strip: Image.Image) -> Image.Image:
    layered = strip.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")


def _too_large(what: str, most: int = MAX_PIXELS) -> ImageError:
    return ImageError(f"the image is too large to decode ({what}; at most {most:,} pixels)")
