"""The shell of a new user who follows a guide."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.guides.written import ROOT


@dataclass(kw_only=True)
class Shell:
    """The shell of a new user: a folder, and variables that stay."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def type(self, line: str, **instead: str) -> str:
        """Type a line of the guide; what is the user's own stands in ``instead``."""
        words = shlex.split(line)
        if words[0] == "export":
            named = dict(word.split("=", 1) for word in words[1:])
            self.variables |= {name: instead.get(name, value) for name, value in named.items()}
            return ""
        ended = subprocess.run(
            self.program(words),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, f"{line}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    @property
    def environment(self) -> dict[str, str]:
        """The machine's own, but nothing of Labelgate's that the guide does not set."""
        own = {name: each for name, each in os.environ.items() if not name.startswith("LABELGATE_")}
        return {**own, "PYTHONPATH": str(ROOT), **self.variables}

    def program(self, words: list[str]) -> list[str]:
        assert words[0] == "labelgate", words
        return [sys.executable, "-m", "labelgate", *words[1:]]

    @contextmanager
    def serving(self, line: str) -> Iterator[None]:
        """A line that goes on in a shell of its own; ended as by Ctrl-C."""
        with (
            (self.folder / "serve.log").open("ab") as log,
            subprocess.Popen(
                self.program(shlex.split(line)),
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)
