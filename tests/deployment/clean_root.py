"""Builds the image from its Dockerfile in a clean root, and runs it as compose.yaml says, by root.

No registry of images is asked and no Docker engine is needed: the Python image that the Dockerfile
stands on is replaced by Debian's own Python on a root that debootstrap makes. buildah carries out
the Dockerfile, podman and runc run what it made. Debian: debootstrap buildah podman runc.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAMS = ("debootstrap", "buildah", "podman", "runc")
BASE, IMAGE = "localhost/labelgate-base", "localhost/labelgate-clean-root"
_SUITE = "bookworm"  # that of the Python image
_CONTEXT = ("policies", "connectors", "backend", "audit_jobs", "requirements", "docker")
_FILES = ("pyproject.toml", "README.md", "LICENSE", "labelgate.py", ".dockerignore")
_LIMIT = 4_096  # open files, and processes: plenty
_CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")


def what_is_missing() -> str | None:
    """What this machine lacks, with the way out; None where it lacks nothing."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"install {' '.join(lacking)} (Debian's packages of these names)"
    return None if os.geteuid() == 0 else "run it as root, in a virtual machine or a container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """buildah and podman on a store of their own, below one folder."""

    folder: Path

    def build_base(self) -> None:
        """Debian with its Python in the place where the Python image has it; made once a folder."""
        if BASE in self.podman("images", "--format", "{{.Repository}}"):
            return
        root = self.folder / "root"
        packages = "--include=python3,python3-venv,ca-certificates"
        _run(["debootstrap", "--variant=minbase", packages, _SUITE, str(root)])
        _run(["chroot", str(root), "python3", "-m", "venv", "/usr/local"])
        own = os.environ.get("PIP_CERT")  # of a network that has certificates of its own
        if own:
            shutil.copyfile(own, root / _CERTIFICATES)
        container = self._buildah("from", "scratch").strip()
        self._buildah("add", "--quiet", container, str(root), "/")
        path = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        self._buildah("config", "--env", path, container)
        self._buildah("config", "--env", f"PIP_CERT=/{_CERTIFICATES}", container)
        self._buildah("commit", "--quiet", "--rm", container, BASE)
        shutil.rmtree(root)

    def build(self, context: Path, arguments: Mapping[str, str]) -> str:
        """Every step of the Dockerfile, in order; what the builder said."""
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        return self._buildah(
            *("build", "--isolation", "chroot", "--format", "docker", "--layers", "--tag", IMAGE),
            *("--build-arg", f"PYTHON_IMAGE={BASE}", *given),
            *("--file", str(context / "docker" / "Dockerfile"), str(context)),
        )

    def inspect(self, field: str) -> str:
        """A field of the image, by a template of Go."""
        return self.podman("image", "inspect", "--format", field, IMAGE).strip()

    @contextmanager
    def run(
        self, service: Mapping[str, Any], environment: Mapping[str, str], data: Path
    ) -> Iterator[str]:
        """A container of a service of the compose file, on the host's network; its id."""
        container = self.podman(
            *("run", "--detach", "--network", "host", "--no-healthcheck", *ulimits()),
            *flags_of(service, data),
            *(f"--env={name}={value}" for name, value in environment.items()),
            *(IMAGE, *service["command"]),
        ).strip()
        try:
            yield container
        finally:
            self.podman("rm", "--force", "--time", "30", container)

    def ended(self, container: str) -> tuple[int, str]:
        """Its exit code and all that it said, once it has ended."""
        code = int(self.podman("wait", container).strip())
        return code, self.podman("logs", container)

    def podman(self, *arguments: str, check: bool = True) -> str:
        """What podman printed, errors included."""
        place = ["--root", str(self.folder / "store"), "--runroot", str(self.folder / "run")]
        options = ["--runtime", str(shutil.which("runc")), "--cgroup-manager", "cgroupfs"]
        return _run(["podman", *place, *options, *arguments], check=check)

    def _buildah(self, *arguments: str) -> str:
        place = ["--root", str(self.folder / "store"), "--runroot", str(self.folder / "run")]
        return _run(["buildah", *place, *arguments])


def ulimits() -> list[str]:
    """Limits that this machine lets a container have: podman's own may be beyond them."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    hard = {name: resource.getrlimit(kind)[1] for name, kind in limits.items()}
    return [
        f"--ulimit={name}={_LIMIT if most < 0 else min(most, _LIMIT)}"
        for name, most in hard.items()
    ]


def flags_of(service: Mapping[str, Any], data: Path) -> list[str]:
    """What compose.yaml says of a container, in podman's words."""
    flags = ["--user", service["user"]]
    flags += ["--read-only"] if service["read_only"] else []
    flags += ["--init"] if service.get("init") and shutil.which("catatonit") else []
    flags += [f"--cap-drop={each}" for each in service["cap_drop"]]
    flags += [f"--security-opt={each.replace(':true', '')}" for each in service["security_opt"]]
    flags += [f"--tmpfs={each}" for each in service["tmpfs"]]
    return [*flags, "--volume", f"{data}:/data"]


def copied_context(folder: Path) -> Path:
    """The tree as it stands, without what is no part of it."""
    for name in _CONTEXT:
        ignored = shutil.ignore_patterns("__pycache__", "*.whl", ".env")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in _FILES:
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def steps_of(said: str) -> list[str]:
    """The instructions that the builder says it carried out, in order."""
    return re.findall(r"^(?:\[\d+/\d+\] )?STEP \d+/\d+: (\w+)", said, re.MULTILINE)


def until(look: Any, seconds: float, what: str) -> None:
    """Ask until it is so. Raises ``TimeoutError`` that names what did not come."""
    ends = time.monotonic() + seconds
    while not look():
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.5)


def _run(command: Sequence[str], *, check: bool = True) -> str:
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if check and ended.returncode:
        said = "\n".join(ended.stdout.splitlines()[-40:])
        raise RuntimeError(f"{command[0]} ended with {ended.returncode}: {said}")
    return ended.stdout
