"""The documentation as a site, built strictly: a warning is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.guides.written import ROOT


def build_site(folder: Path) -> Path:
    """Build it into the folder, from the pages as they stand."""
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder
