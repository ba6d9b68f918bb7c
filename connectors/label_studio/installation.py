"""Where Label Studio's own program is installed on this machine, and which version it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

EXECUTABLE_VARIABLE = "LABELGATE_LABEL_STUDIO_BIN"


class LocalLabelStudioError(Exception):
    """Label Studio could not be found or started; the message names the way out."""


def find_executable(given: Path | None = None) -> Path:
    """The label-studio program: the argument, the environment, the cache, else the PATH."""
    named = given or os.environ.get(EXECUTABLE_VARIABLE)
    if named:
        program = Path(named)
        if not os.access(program, os.X_OK):
            raise LocalLabelStudioError(
                f"{EXECUTABLE_VARIABLE} = {str(program)!r} is not an executable file: "
                "run `make label-studio`, or name the label-studio program of your own install"
            )
        return program.absolute()
    # `make label-studio` writes the stamp last, so a half-made environment is not taken.
    ready = cache_folder().glob("label-studio-*/ready")
    for stamp in sorted(ready, key=lambda path: path.stat().st_mtime, reverse=True):
        program = stamp.parent / "venv" / "bin" / "label-studio"
        if os.access(program, os.X_OK):
            return program
    found = shutil.which("label-studio")
    if found is None:
        raise LocalLabelStudioError(
            "Label Studio is not installed: run `make label-studio`, or set "
            f"{EXECUTABLE_VARIABLE} to the label-studio program of your own install"
        )
    return Path(found)


def cache_folder() -> Path:
    """Where installs and migrated data are kept between runs, outside of any work tree."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "labelgate"


def installed_version(program: Path) -> str:
    """The version of this label-studio program, read beside it (itself it takes 10 s to tell)."""
    python = program.resolve().parent / "python"
    question = "from importlib.metadata import version; print(version('label-studio'))"
    try:
        answer = subprocess.run(  # noqa: S603 -- the Python of the environment it stands in
            [str(python), "-c", question], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalLabelStudioError(
            f"cannot read the version of {program}: {error}; run `make label-studio`, or set "
            f"{EXECUTABLE_VARIABLE} to a label-studio program inside its own virtual environment"
        ) from error
    return answer.stdout.strip()
