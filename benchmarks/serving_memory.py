"""What a serving process takes with three projects, against one, and against its libraries alone.

``labelgate web`` as a real process, asked about each project's tasks until all models are loaded;
the peer is a Python process that has imported what the server imports and done nothing. Models are
of 5,000 texts in 30 topics with a vocabulary of 20,000 words, one file for each project.
Run: ``python -m benchmarks.serving_memory``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import orjson

from backend.bootstrap import build_runtime
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.protocol import Examples
from backend.predictors.trainable import Lesson, fit_control
from backend.settings import Settings
from benchmarks.predict import post, store_project_with_model
from benchmarks.processes import running
from benchmarks.results import at_most, finish, told
from benchmarks.stage import choices_config
from connectors.label_studio.labeling import parse_labeling
from connectors.loopback import free_port

PROJECTS = 3
TEXTS, TOPICS, WORDS, VOCABULARY = 5_000, 30, 14, 20_000
LABELS = tuple(f"topic {number}" for number in range(TOPICS))
CONFIG = choices_config(LABELS)
# The server is two processes, of which the worker reads models with all that this takes.
MOST_OF_LIBRARIES = 2.5
_IDLE = "import backend.app, backend.web.server, sys; print('ready', flush=True); sys.stdin.read()"


def text(seed: int) -> tuple[str, str]:
    """A text of rare and frequent words, some of its topic, and that topic."""
    rng = np.random.default_rng(seed)
    topic = int(rng.integers(TOPICS))
    places = (VOCABULARY * rng.random(WORDS) ** 3).astype(int)
    own = rng.random(WORDS) < 0.3
    words = [
        f"w{place}t{topic}" if mine else f"w{place}"
        for place, mine in zip(places.tolist(), own.tolist(), strict=True)
    ]
    return " ".join(words), LABELS[topic]


def trained_model(place: int) -> EmbeddedPredictor:
    """A model of texts that no other place has."""
    seeds = range(place * TEXTS, (place + 1) * TEXTS)
    texts, topics = zip(*(text(seed) for seed in seeds), strict=True)
    (control,) = parse_labeling(CONFIG).controls
    trained = fit_control(control, Examples.alike(texts, topics), Lesson(seed=1))
    return EmbeddedPredictor(version="v1", controls={control.name: trained})


def megabytes(pid: int) -> float:
    """What the process and its children take together; what they share counts once on Linux."""
    listing = subprocess.run(
        ["/bin/ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    ).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
    return sum(_share(own, rss) for own, parent, rss in rows if pid in (own, parent)) / 1_000


def _share(pid: int, resident: int) -> int:
    """The proportional share of the pages in kB; all that is resident where it is not told."""
    told = Path(f"/proc/{pid}/smaps_rollup")
    found = None
    if told.exists():
        found = re.search(r"^Pss:\s+(\d+) kB", told.read_text("utf-8"), re.MULTILINE)
    return resident if found is None else int(found[1])


def libraries_alone() -> float:
    """A process that has imported the server and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", _IDLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        found = megabytes(process.pid)
        process.communicate()
    return found


def serving(models: Sequence[EmbeddedPredictor]) -> float:
    """``labelgate web`` with a project for each model, each asked ten times about 1,000 tasks."""
    with tempfile.TemporaryDirectory() as name:
        runtime = build_runtime(Settings(data_dir=Path(name)))
        for project, model in enumerate(models, start=1):
            store_project_with_model(runtime, model, project)
        runtime.sessions.kw["bind"].dispose()
        port = free_port()
        with running("labelgate", port, ["-m", "labelgate", "web"], Path(name)) as server:
            connection = HTTPConnection("127.0.0.1", server.port)
            for _ in range(10):
                for project in range(1, len(models) + 1):
                    answered = post(connection, body(project))["results"]
                    assert any(answered)
            return megabytes(server.pid)


def body(project: int) -> bytes:
    """A question of Label Studio about 1,000 tasks."""
    tasks = [{"id": seed, "data": {"text": text(10**6 + seed)[0]}} for seed in range(1, 1_001)]
    return orjson.dumps({"tasks": tasks, "project": f"{project}.1", "label_config": CONFIG})


def main() -> None:
    """Measure and print; exit code 1 where the limit is exceeded."""
    models = [trained_model(place) for place in range(PROJECTS)]
    alone = libraries_alone()
    taken = {projects: serving(models[:projects]) for projects in (1, PROJECTS)}
    more = (taken[PROJECTS] - taken[1]) / (PROJECTS - 1)
    ratio = taken[PROJECTS] / alone
    kept = ratio <= MOST_OF_LIBRARIES
    print(f"libraries alone: {alone:.0f} MB")
    for projects, found in taken.items():
        print(
            f"serving {projects} project(s): {found:.0f} MB, {found / alone:.2f} of the libraries"
        )
    print(
        f"each further project: {more:.0f} MB; {PROJECTS} projects / libraries alone: {ratio:.2f} "
        f"(at most {MOST_OF_LIBRARIES:.1f}{'' if kept else ': EXCEEDED'})"
    )
    finish(
        [
            told("serving one project", figure=f"{taken[1]:.0f} MB", ratio=taken[1] / alone),
            at_most(
                f"serving {PROJECTS} projects",
                figure=f"{taken[PROJECTS]:.0f} MB, {more:.0f} MB for each further project",
                peer=f"the libraries alone {alone:.0f} MB",
                ratio=ratio,
                limit=MOST_OF_LIBRARIES,
            ),
        ]
    )


if __name__ == "__main__":
    main()
