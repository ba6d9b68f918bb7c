"""A server of label-studio-ml 1.0.9 with a model in the style of its time, as a process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.label_studio.installation import cache_folder

# Says "B" to every text until it was trained, and then what the first letter says.
PROGRAM = """
import sys
from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase
from werkzeug.serving import make_server


class Letters(LabelStudioMLBase):
    TRAIN_EVENTS = LabelStudioMLBase.TRAIN_EVENTS + ("START_TRAINING",)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.from_name, info = list(self.parsed_label_config.items())[0]
        self.to_name = info["to_name"][0]
        self.key = info["inputs"][0]["value"]
        self.labels = info["labels"]

    def predict(self, tasks, **kwargs):
        assert not any(task["annotations"] for task in tasks)
        return [self.one(task["data"][self.key]) for task in tasks]

    def one(self, text):
        trained = self.train_output.get("by")
        label = self.labels[-1]
        if trained and text[:1].upper() in self.labels:
            label = text[:1].upper()
        item = {
            "from_name": self.from_name,
            "to_name": self.to_name,
            "type": "choices",
            "value": {"choices": [label]},
        }
        return {"result": [item], "score": 0.9 if trained else 0.5}

    def fit(self, tasks, workdir=None, **kwargs):
        return {"by": "first letter"}


server = make_server("127.0.0.1", 0, init_app(Letters, model_dir=sys.argv[1]), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


def environment() -> Path:
    """The Python of the newest install of `make label-studio-ml`."""
    ready = sorted(cache_folder().glob("ml-backend-*/ready"), key=lambda path: path.stat().st_mtime)
    assert ready, "label-studio-ml is not installed: run `make label-studio-ml`"
    return ready[-1].parent / "venv" / "bin" / "python"


@contextmanager
def label_studio_ml(folder: Path) -> Iterator[str]:
    """Its address, while it runs."""
    program = folder / "letters.py"
    program.write_text(PROGRAM, encoding="utf-8")
    models = folder / "models"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(environment()), str(program), str(models)],
            stdout=subprocess.PIPE,
            stderr=log,
            # A library of ours on the path would be one that its own libraries do not expect.
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().decode().strip()
        assert port, (folder / "log").read_text(encoding="utf-8")[-2000:]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)
