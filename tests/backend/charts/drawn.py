"""Charts read back: as XML, so that what is not well formed fails, and by what the style knows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from markupsafe import Markup

from backend import web

# Words as any others of a drawing, a rectangle that its pattern fills, and what other rules style.
_UNSTYLED = {"row-name", "value", "mark", "wide", "pattern"}
STYLE = (Path(web.__file__).parent / "static" / "charts.css").read_text("utf-8")


def read(markup: Markup) -> ET.Element:
    """The figure's root element."""
    return ET.fromstring(f"<root>{markup}</root>")[0]  # noqa: S314 - our own markup


def svg_of(markup: Markup) -> ET.Element:
    """The drawing."""
    found = next(each for each in read(markup).iter("svg") if each.get("role") == "img")
    assert isinstance(found, ET.Element)
    return found


def with_class(root: ET.Element, name: str) -> list[ET.Element]:
    """Every element of this class."""
    return [each for each in root.iter() if name in (each.get("class") or "").split()]


def texts(root: ET.Element, name: str) -> list[str]:
    """What the elements of a class say, without the whole text behind a cut one."""
    return [(each.text or "") for each in with_class(root, name)]


def places(element: ET.Element) -> list[tuple[float, float]]:
    """The points of a line or an area."""
    pairs = (pair.split(",") for pair in (element.get("points") or "").split())
    return [(float(x), float(y)) for x, y in pairs]


def start(element: ET.Element) -> tuple[float, float]:
    """Where a form's outline begins."""
    found = re.match(r"M(-?[\d.]+) (-?[\d.]+)", element.get("d") or "")
    assert found is not None
    return float(found[1]), float(found[2])


def numbers(markup: Markup) -> list[list[str]]:
    """The rows of the table beside a chart."""
    rows = read(markup).iter("tr")
    return [[(cell.text or "") for cell in row] for row in rows]


def check_safe_and_named(markup: Markup) -> None:
    """No inline style, every name resolves, every class has a rule, everything is inside."""
    root = read(markup)
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    for each in root.iter():
        assert "style" not in each.attrib
        assert each.tag not in {"script", "style", "foreignObject", "image"}
        assert not [name for name in each.attrib if name.startswith("on")]
        for name in (each.get("aria-labelledby") or "").split():
            assert name in ids
        for name in (each.get("class") or "").split():
            assert f".{name}" in STYLE or name in _UNSTYLED, name
    for svg in root.iter("svg"):
        if svg.get("role") == "img":
            title = svg.find("title")
            assert title is not None
            assert title.text
        _check_inside(svg)


def _check_inside(svg: ET.Element) -> None:
    _, _, width, height = (float(each) for each in (svg.get("viewBox") or "").split())
    for each in svg.iter():
        for key, most in (("x", width), ("x1", width), ("x2", width), ("y", height)):
            if each.get(key) is not None and each.tag in {"line", "text", "rect"}:
                assert -1 <= float(each.get(key) or 0) <= most + 1
        for x, y in places(each):
            assert 0 <= x <= width
            assert 0 <= y <= height
