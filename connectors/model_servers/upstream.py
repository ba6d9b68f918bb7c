"""Label Studio's ML backend contract, spoken as Label Studio speaks it.

Two things are never handed over, although Label Studio does: the token of an admin (``/setup``),
and what people answered (``/predict``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.model_servers.server import ModelServer, ModelServerError, mapping_of

# A server that names no version of its own has this one, for ever.
UNVERSIONED = "unversioned"
_ASKING_S = 10.0  # health, setup and versions: some servers load their model first
_LONGEST_VERSION = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The backend of one project: ``project_id`` and the labelling config that it is asked with.

    ``hostname`` is where Label Studio is, so that a backend with a token of its own finds files.
    """

    server: ModelServer
    project_id: int
    label_config: str
    hostname: str
    timeout_s: float

    @property
    def project(self) -> str:
        """As Label Studio names a project: its id, and when it was made (never: the same always).

        Backends keep a model for each such name, and read the id from what stands before the dot.
        """
        return f"{self.project_id}.0"

    def version(self) -> str:
        """Set the backend up for this project; the version that it says it has.

        Raises ``ModelServerError`` where it is not in health, or refuses the project.
        """
        self.server.tell("GET", "/health", timeout_s=min(self.timeout_s, _ASKING_S))
        body = {
            "project": self.project,
            "schema": self.label_config,
            "hostname": self.hostname,
            "access_token": "",
        }
        answer = self.server.ask("POST", "/setup", body, timeout_s=max(self.timeout_s, _ASKING_S))
        said = mapping_of(answer).get("model_version")
        return version_text(said) or self._listed_version() or UNVERSIONED

    def _listed_version(self) -> str | None:
        """The newest version that ``/versions`` names; not every backend has that route."""
        try:
            answer = self.server.ask("GET", "/versions", timeout_s=min(self.timeout_s, _ASKING_S))
            versions = mapping_of(answer).get("versions")
        except ModelServerError:
            return None
        listed = versions if isinstance(versions, list) else []
        return next((text for each in reversed(listed) if (text := version_text(each))), None)

    def answers(self, tasks: Sequence[tuple[int, Mapping[str, Any]]]) -> list[Any]:
        """What it answers to tasks of (id, data), one entry for each, as it came.

        Raises ``ModelServerError`` where it is not as many, or not a list at all.
        """
        body = {
            "tasks": [task_body(self.project_id, task_id, data) for task_id, data in tasks],
            "project": self.project,
            "label_config": self.label_config,
            "params": {"login": None, "password": None, "context": None},
        }
        answer = self.server.ask("POST", "/predict", body, timeout_s=self.timeout_s)
        return entries_of(answer, len(tasks))

    def train(self) -> None:
        """Tell the backend to train, as Label Studio's button does; it fetches labels by itself."""
        body = {
            "action": "START_TRAINING",
            "project": {"id": self.project_id, "label_config": self.label_config},
        }
        self.server.tell("POST", "/webhook", body, timeout_s=max(self.timeout_s, _ASKING_S))


def task_body(project_id: int, task_id: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """A task as Label Studio hands it to a model, as if nobody had answered it."""
    return {
        "id": task_id,
        "data": dict(data),
        "meta": {},
        "project": project_id,
        "is_labeled": False,
        "total_annotations": 0,
        "annotations": [],
        "predictions": [],
    }


def entries_of(answer: Any, tasks: int) -> list[Any]:
    """The entries of an answer to so many tasks, one for each.

    It is a list by itself, under ``results``, or a ``ModelResponse`` as JSON. Raises
    ``ModelServerError`` where it is none, or one of another length.
    """
    for key in ("results", "predictions"):
        if isinstance(answer, dict) and key in answer:
            answer = answer[key]
    if not isinstance(answer, list):
        raise ModelServerError("answered without a list of results")
    if len(answer) != tasks:
        raise ModelServerError(f"gave {len(answer)} answers to {tasks} tasks")
    return answer


def version_text(value: Any) -> str | None:
    """A version as one printable line; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = " ".join("".join(each if each.isprintable() else " " for each in str(value)).split())
    return text[:_LONGEST_VERSION] or None
