"""Classes in the styles of label-studio-ml's examples; see tests/backend/hosting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from label_studio_sdk.label_interface.objects import PredictionValue

_weights: str | None = None  # as examples keep a model that was loaded once


def weights() -> str:
    """What the last training wrote; read once by each process."""
    global _weights  # noqa: PLW0603  # what the examples do
    if _weights is None:
        path = Path(os.environ["MODEL_DIR"], "weights.txt")
        _weights = path.read_text(encoding="utf-8") if path.exists() else ""
    return _weights


class Letters(LabelStudioMLBase):  # type: ignore[misc]  # the base is not on our path
    """A list of dicts with numpy's numbers; "A" for a text with an a. Keeps one version name."""

    def setup(self) -> None:
        self.set("model_version", "Letters-v0.0.1")
        print("set up", self.extra_params)

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        del context, kwargs
        self.from_name, self.to_name, self.value = self.label_interface.get_first_tag_occurence(
            "Choices", "Text"
        )
        return [self.one(task) for task in tasks]

    def one(self, task: dict[str, Any]) -> dict[str, Any]:
        assert not task["annotations"], "what people answered is not handed over"
        text = task["data"][self.value]
        if text == "raise":
            raise ValueError("no letter in it")
        if text == "exit":
            sys.exit(7)
        if text == "end":
            os._exit(7)
        if text == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if text == "wait":
            threading.Event().wait()
        if text == "child":  # which holds all that it inherits open
            subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
        label = weights() or ("A" if "a" in text else "B")
        score = np.float32(self.extra_params.get("score", 0.75))
        item = {
            "from_name": self.from_name,
            "to_name": self.to_name,
            "type": "choices",
            "value": {"choices": [label]},
        }
        return {"result": [item], "score": score, "model_version": Path("any object")}

    def fit(self, event: str, data: dict[str, Any], **kwargs: Any) -> None:
        del kwargs
        assert event == "START_TRAINING"
        assert data["annotation"]["project"] == data["project"]["id"] == int(self.project_id)
        self.set("held_out", str(data["held_out_tasks"]))
        path = Path(os.environ["MODEL_DIR"], "weights.txt")
        path.write_text("B", encoding="utf-8")


class Regions(LabelStudioMLBase):  # type: ignore[misc]  # see above
    """A response with regions of the SDK; counts in its state; bumps its version in fit."""

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        del context, kwargs
        self.set("asked", str(int(self.get("asked") or 0) + len(tasks)))
        control = self.label_interface.get_control("label")
        values = [
            PredictionValue(result=[control.label(["B"])], score=0.25 + int(self.get("asked")) / 10)
            for _ in tasks
        ]
        return ModelResponse(predictions=values, model_version=self.get("model_version"))

    def fit(self, event: str, data: dict[str, Any], **kwargs: Any) -> None:
        del event, data, kwargs
        assert os.environ["LABEL_STUDIO_URL"] == os.environ["LABEL_STUDIO_HOST"]
        self.set("trained_with", os.environ["LABEL_STUDIO_API_KEY"])
        self.set("model_version", f"{self.get('model_version')}-trained")


class OneDict(LabelStudioMLBase):  # type: ignore[misc]  # see above
    """One prediction by itself, whatever it is asked, as classes do that look at tasks[0] alone."""

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        del context, kwargs
        value = {"choices": ["A" if "a" in tasks[0]["data"]["text"] else "B"]}
        item = {"from_name": "label", "to_name": "text", "type": "choices", "value": value}
        secrets = [name for name in os.environ if name.startswith(("LABELGATE_", "LABEL_STUDIO_"))]
        return {"result": [item], "score": 0.5 + len(secrets)}


class Untrainable(OneDict):
    """Says nothing, and its fit is the one of a fresh project."""

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        del tasks, context, kwargs

    def fit(self, event: str, data: dict[str, Any], **kwargs: Any) -> None:
        raise NotImplementedError("Training is not implemented yet")


class Unmade(LabelStudioMLBase):  # type: ignore[misc]  # see above
    """Suits no labelling config."""

    def setup(self) -> None:
        raise ValueError("No suitable control tags")


class Slow(LabelStudioMLBase):  # type: ignore[misc]  # see above
    """Loads for a second when it is made, and answers at once."""

    def setup(self) -> None:
        threading.Event().wait(1.0)

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        del context, kwargs
        value = {"choices": ["B"]}
        item = {"from_name": "label", "to_name": "text", "type": "choices", "value": value}
        return [[{"result": [item], "score": 0.5}] for _ in tasks]


class Hungry(LabelStudioMLBase):  # type: ignore[misc]  # see above
    """Loads far too much."""

    def setup(self) -> None:
        self.loaded = np.ones(500_000_000)


class NoModel:
    """On no base class."""
