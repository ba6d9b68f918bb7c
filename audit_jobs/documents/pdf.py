"""HTML to PDF by a program that the machine has: a browser, WeasyPrint or LibreOffice."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge")
_OFFICES = ("soffice", "libreoffice")
_LONGEST_S = 120


class PdfError(Exception):
    """No program here makes a PDF, or the one that is here failed."""


def converter() -> str | None:
    """The program that would be asked, with its path; None where there is none."""
    return next(filter(None, map(shutil.which, (*_BROWSERS, "weasyprint", *_OFFICES))), None)


def draws_charts() -> bool:
    """Whether the program that would be asked gives drawings in a page the page's own style.

    WeasyPrint and the offices do not (https://github.com/Kozea/WeasyPrint/issues/1761): their
    charts would be black shapes.
    """
    program = converter()
    return program is None or Path(program).name in _BROWSERS


def pdf_of(html: str) -> bytes:
    """The page as a PDF. Nothing is fetched: the page holds all that it shows.

    Raises
        PdfError: there is no converter, or it failed; the message says what to do.
    """
    program = converter()
    if program is None:
        raise PdfError(
            "no program here makes a PDF: install weasyprint, Chromium or LibreOffice, or write "
            "--out FILE.html and print it from a browser"
        )
    with tempfile.TemporaryDirectory(prefix="labelgate-pdf-") as folder:
        source, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(html, encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - found on the PATH, and given two files of ours
                _command(program, source, made),
                capture_output=True,
                text=True,
                timeout=_LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PdfError(f"{program} took longer than {_LONGEST_S} s to make a PDF") from error
        if done.returncode != 0 or not made.exists():
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise PdfError(
                f"{program} made no PDF ({said}): write --out FILE.html and print it from a browser"
            )
        return made.read_bytes()


def _command(program: str, source: Path, made: Path) -> list[str]:
    name = Path(program).name
    if name == "weasyprint":
        return [program, str(source), str(made)]
    if name in _OFFICES:
        folder = str(made.parent)
        return [program, "--headless", "--convert-to", "pdf", "--outdir", folder, str(source)]
    # A browser's sandbox cannot be had by root; the page has no script, and is our own.
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [
        program,
        "--headless",
        *root,
        "--disable-gpu",
        "--disable-background-networking",
        f"--user-data-dir={made.parent / 'profile'}",
        "--no-pdf-header-footer",
        f"--print-to-pdf={made}",
        source.as_uri(),
    ]
