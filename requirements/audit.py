# ruff: noqa: INP001 -- a script, not a package
"""Ask the index of advisories about every package that is shipped, and say so where it is silent.

Usage: audit.py [LOCK ...]; default: the locks of what is shipped. Ends with 1 where a package has a
known weakness. An index that cannot be reached is said, and is no failure: a change cannot mend it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOCKS = Path(__file__).resolve().parent
SHIPPED = ("runtime.txt", "embeddings.txt", "hosting.txt")
PATIENCE_S = 600
_ANSWER_S = "15"  # that one question may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How many packages were asked about, what is wrong, and which the index knew nothing of.

    ``silent`` is why nothing was answered at all, None where something was.
    """

    asked: int = 0
    weak: Sequence[str] = ()
    unknown: Sequence[str] = ()
    silent: str | None = None


@dataclass(frozen=True, slots=True)
class Auditor:
    """pip-audit, by its command."""

    command: Sequence[str] = field(
        default_factory=lambda: [str(Path(sysconfig.get_path("scripts")) / "pip-audit")]
    )

    def audit(self, lock: Path) -> Audit:
        """Everything that a lock pins. Nothing is installed: the lock names it all."""
        options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off"]
        options += ["--timeout", _ANSWER_S, "--format", "json", "--requirement", str(lock)]
        try:
            ended = subprocess.run(  # noqa: S603 - our own command
                [*self.command, *options],
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            return Audit(silent=f"no end within {PATIENCE_S} s")
        try:
            return read(json.loads(ended.stdout)["dependencies"])
        except (ValueError, KeyError):
            last = (ended.stderr.strip() or "it said nothing").splitlines()[-1]
            return Audit(silent=last[:200])


def read(dependencies: Sequence[dict[str, Any]]) -> Audit:
    """What pip-audit's JSON says."""
    unknown = [each["name"] for each in dependencies if "skip_reason" in each]
    weak = [
        f"{each['name']} {each['version']}: {found['id']}, mended in "
        f"{', '.join(found['fix_versions']) or 'no version yet'}"
        for each in dependencies
        for found in each.get("vulns", ())
    ]
    asked = len(dependencies) - len(unknown)
    silent = None if asked else "it knows none of the packages, not even by name"
    return Audit(asked=asked, weak=weak, unknown=unknown, silent=silent)


def first_pin(lock: Path) -> str:
    """The first package of a lock, with its hashes: one question says whether anybody answers."""
    lines = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if lines or line[:1].isalnum():
            lines.append(line)
        if lines and not line.endswith("\\"):
            return "\n".join(lines) + "\n"
    raise SystemExit(f"{lock} pins nothing: run `make lock`")


def main(names: Sequence[str], auditor: Auditor, draft: Path) -> int:
    """Audit these locks; ``draft`` is a file that may be written."""
    weak = 0
    for name in names:
        lock = LOCKS / name
        draft.write_text(first_pin(lock), encoding="utf-8")
        probe = auditor.audit(draft)
        found = probe if probe.silent is not None else auditor.audit(lock)
        if found.silent is not None:
            sys.stdout.write(f"{name}: NOT audited, the index of advisories is not to be had: ")
            sys.stdout.write(f"{found.silent}\n")
            continue
        sys.stdout.write(f"{name}: {found.asked} packages audited, {len(found.weak)} weaknesses")
        unknown = f"; unknown there: {', '.join(found.unknown)}" if found.unknown else ""
        sys.stdout.write(f"{unknown}\n")
        for line in found.weak:
            sys.stdout.write(f"  {line}\n")
        weak += len(found.weak)
    return 1 if weak else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        raise SystemExit(main(sys.argv[1:] or SHIPPED, Auditor(), Path(folder) / "one.txt"))
