"""Bytes of an image -> a small array of pixels that a model can read."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from policies.domain import FloatArray

SIDE = 16
"""Pixels a side of what the model sees."""

MAX_BYTES = 50_000_000
MAX_PIXELS = 50_000_000

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
        if width * height > MAX_PIXELS:
            raise _too_large(f"{width} x {height} pixels")
        check.verify()  # checksums, which loading skips; the file must be opened anew afterwards
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        image.draft("RGB", (SIDE * 4, SIDE * 4))  # JPEG: decode at a fraction of the size
        upright = ImageOps.exif_transpose(image)
        small = _in_colour(upright).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float64).ravel() / 255.0


def _in_colour(image: Image.Image) -> Image.Image:
    """8 bits of red, green and blue; what is transparent shows white."""
    if image.mode in _DEEP_MODES:
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        low, high = values.min(), values.max()
        scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
        return Image.fromarray(np.rint(scaled * 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _too_large(what: str) -> ImageError:
    return ImageError(f"the image is too large to decode ({what}; at most {MAX_PIXELS:,} pixels)")
