"""Whether Python and the libraries are those that Labelgate was written for."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from backend.diagnosis.findings import Finding, Topic

TOPIC = Topic("versions")
OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLibrary:
    """A library that Labelgate asks for, and what is there; None: nothing."""

    wanted: str
    name: str
    found: str | None


def look() -> list[SeenLibrary]:
    """Every library of Labelgate's own list, and the version that is installed."""
    wanted = [Requirement(line) for line in requires("labelgate") or ()]
    needed = [each for each in wanted if each.marker is None or each.marker.evaluate()]
    return [
        SeenLibrary(wanted=str(each.specifier), name=each.name, found=_installed(each.name))
        for each in needed
    ]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def python(running: Sequence[int] = sys.version_info[:3]) -> Finding:
    """Judge the Python that runs this."""
    said = ".".join(map(str, running))
    if tuple(running[:2]) < OLDEST_PYTHON:
        return TOPIC.failed(
            "Python", f"{said}; 3.11 is the oldest that is supported", "install Python 3.11 to 3.13"
        )
    return TOPIC.ok("Python", f"{said} on {platform.system()} {platform.machine()}")


def libraries(seen: Sequence[SeenLibrary], own: str) -> Finding:
    """Judge the libraries by the ranges that Labelgate asks for; ``own`` is its own version."""
    problems: Mapping[str, str] = {
        each.name: "is missing" if each.found is None else f"{each.found} is not {each.wanted}"
        for each in seen
        if each.found is None or not _fits(each)
    }
    if problems:
        return TOPIC.failed(
            "libraries",
            "; ".join(f"{name} {problem}" for name, problem in problems.items()),
            "pip install --upgrade labelgate, or pip install "
            + " ".join(f"'{each.name}{each.wanted}'" for each in seen if each.name in problems),
        )
    return TOPIC.ok("libraries", f"labelgate {own}; its {len(seen)} libraries are in their ranges")


def _fits(library: SeenLibrary) -> bool:
    wanted = Requirement(f"{library.name}{library.wanted}").specifier
    return wanted.contains(library.found or "", prereleases=True)
