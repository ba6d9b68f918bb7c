"""Classes hosted inside a process, and what is counted as a training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.hosting.trainings import counted_training, trainings_of
from tests.fakes.hosted import PATH, ROOT

# label-studio-ml keeps its state in globals of the process, so not in that of the tests.
PROGRAM = """
import os, sys
from pathlib import Path
from backend.hosting.hosts import host_of
from backend.hosting.spec import host_spec
from backend.predictors.foreign.hosted import HostedSource
from backend.settings import Settings
from policies.models import Hosted
from tests.fakes.foreign_questions import LABEL_CONFIG, asked, rows
from tests.fakes.hosted import model

settings = Settings(data_dir=Path(sys.argv[1]))


def source(name, project_id):
    hosted = model(name, process="inside")
    spec = host_spec(settings, project_id, hosted)
    host = host_of(spec, "inside")
    return HostedSource(model=hosted, host=host, folder=spec.folder, project_id=project_id)


letters, regions, same = source("Letters", 7), source("Regions", 7), source("Regions", 8)
for each in (letters, regions, same):
    print(each.reported(LABEL_CONFIG))
for each in (regions, letters, same, regions):
    print(*rows(each.answers(asked(["an a"])))[0])
print(rows(letters.answers(asked(["raise", "exit"]))))
print(sorted(name for name in ("MODEL_DIR", "CACHE_TYPE") if name in os.environ))
print(source("Unmade", 7).answers(asked(["a"])).problems[0])
"""


def test_classes_inside_one_process_keep_their_states_apart(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": PATH}
    for name in ("MODEL_DIR", "CACHE_TYPE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line for line in done.stdout.splitlines() if not line.startswith("set up")]
    assert said == [
        *("Letters-v0.0.1", "0.0.1", "0.0.1"),
        *("B 0.35 None", "A 0.75 None", "B 0.35 None", "B 0.45 None"),
        (
            "[(None, None, 'the class hosted_classes:Letters failed: ValueError: no letter in "
            "it'), (None, None, 'the class hosted_classes:Letters failed: SystemExit: 7')]"
        ),
        "[]",
        (
            "the class hosted_classes:Unmade cannot be made for this labelling config: ValueError: "
            "No suitable control tags"
        ),
    ]


def test_a_training_counts_once_it_is_done(tmp_path: Path) -> None:
    assert trainings_of(tmp_path / "nowhere") == 0
    with counted_training(tmp_path):
        assert trainings_of(tmp_path) == 0
    assert trainings_of(tmp_path) == 1


@pytest.mark.parametrize(("writes", "count"), [(True, 1), (False, 0)])
def test_one_that_fails_counts_where_it_has_changed_something(
    tmp_path: Path, *, writes: bool, count: int
) -> None:
    def fail() -> None:
        if writes:
            (tmp_path / "weights").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), counted_training(tmp_path):
        fail()
    assert trainings_of(tmp_path) == count


def test_a_count_that_cannot_be_read_starts_again(tmp_path: Path) -> None:
    (tmp_path / "labelgate.trainings").write_text("many", encoding="ascii")
    assert trainings_of(tmp_path) == 0
    with counted_training(tmp_path):
        pass
    assert trainings_of(tmp_path) == 1
