"""Tasks whose true label is known to the demo, and to nobody else."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

MOST_CLASSES = 500


class DatasetError(ValueError):
    """A data file that the demo cannot use; names file, line and what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Task data with the true label of each, by the key ``id`` in the data."""

    title: str
    label_config: str
    labels: tuple[str, ...]
    tasks: list[dict[str, Any]]
    truth: dict[str, str]


def digits(tasks: int | None, seed: int) -> Dataset:
    """Scanned digits (UCI, 1,797 images of 8 x 8 pixels, carried by scikit-learn) as PNG images."""
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.images))[:tasks]
    labels = tuple(str(digit) for digit in range(10))
    rows = [
        {"id": f"scan-{place}", "image": _png(data.images[place]), "batch": _batch(place)}
        for place in order.tolist()
    ]
    return Dataset(
        title="Labelgate demo: scanned digits",
        label_config=_config('<Image name="item" value="$image" width="128px"/>', labels),
        labels=labels,
        tasks=rows,
        truth={f"scan-{place}": str(data.target[place]) for place in order.tolist()},
    )


def from_csv(file: Path, tasks: int | None, seed: int) -> Dataset:
    """A CSV file with the columns ``id``, ``text`` and ``label``: the user's own labelled text."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}: is not UTF-8 (byte {error.start})") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = {"id", "text", "label"} - set(reader.fieldnames or ())
    if missing:
        raise DatasetError(
            f"{file}:1  has no column {', '.join(sorted(missing))}; it has "
            f"{', '.join(reader.fieldnames or ['nothing'])}, and id, text and label are needed"
        )
    rows = [_csv_row(file, reader.line_num, row) for row in reader]
    _check(file, rows)
    order = np.random.default_rng(seed).permutation(len(rows))[:tasks].tolist()
    labels = tuple(sorted({row["label"] for row in rows}))
    return Dataset(
        title=f"Labelgate demo: {file.stem}"[:50],
        label_config=_config('<Text name="item" value="$text"/>', labels),
        labels=labels,
        tasks=[
            {"id": rows[place]["id"], "text": rows[place]["text"], "batch": _batch(place)}
            for place in order
        ],
        truth={rows[place]["id"]: rows[place]["label"] for place in order},
    )


def _csv_row(file: Path, line: int, row: dict[str, Any]) -> dict[str, str]:
    if None in row or None in row.values():
        raise DatasetError(f"{file}:{line}  has another number of columns than the first line")
    for name in ("id", "text", "label"):
        if not row[name].strip():
            raise DatasetError(f"{file}:{line}  {name} is empty")
    return row


def _check(file: Path, rows: list[dict[str, str]]) -> None:
    classes = len({row["label"] for row in rows})
    if not 2 <= classes <= MOST_CLASSES:
        raise DatasetError(
            f"{file}  has {classes} different labels; the demo takes 2 to {MOST_CLASSES}"
        )
    if len({row["id"] for row in rows}) != len(rows):
        raise DatasetError(f"{file}  has an id twice; each line needs an id of its own")


def _config(shown: str, labels: tuple[str, ...]) -> str:
    choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    return (
        f'<View>{shown}<Choices name="label" toName="item" choice="single" showInline="true">'
        f"{choices}</Choices></View>"
    )


def _png(pixels: Any) -> str:
    image = Image.fromarray((np.asarray(pixels) * (255 / 16)).astype(np.uint8))
    content = io.BytesIO()
    image.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _batch(place: int) -> str:
    # A task field for the policy to look at: every fiftieth item came from a worse source.
    return "rescan" if place % 50 == 0 else "regular"
