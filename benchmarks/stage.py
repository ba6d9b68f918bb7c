"""What the benchmarks on a real Label Studio stand on: servers of their own, and a text project."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from audit_jobs.demo.servers import labelgate, settings_for, wait_until_healthy
from backend.bootstrap import build_runtime
from backend.connecting import connect_project
from backend.predictors.model_files import Artifact
from backend.runtime import Runtime
from backend.store.models import CHAMPION, ModelVersion
from backend.store.projects import ConnectedProject
from connectors.label_studio.answers import result_of
from connectors.label_studio.connection import Connection
from connectors.label_studio.labeling import parse_labeling
from connectors.label_studio.local_server import LocalLabelStudio, start_label_studio

IMPORT_CHUNK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running Label Studio and Labelgate beside it, which keeps its log in ``log``."""

    folder: Path
    label_studio: LocalLabelStudio
    runtime: Runtime
    admin: Connection
    log: Path


def set_up(folder: Path, servers: ExitStack, command: str) -> Stage:
    """Start both; ``command`` is what Labelgate runs: web, or serve. ``servers`` ends them."""
    label_studio = servers.enter_context(start_label_studio(folder / "label-studio"))
    settings = settings_for(folder, label_studio)
    log = folder / "labelgate.log"
    process = servers.enter_context(labelgate(settings, command, log))
    wait_until_healthy(settings.own_url, process, log)
    admin = Connection(label_studio.url, label_studio.token, setting="LABELGATE_LABEL_STUDIO_TOKEN")
    return Stage(
        folder=folder,
        label_studio=label_studio,
        runtime=build_runtime(settings),
        admin=admin,
        log=log,
    )


def choices_config(labels: Sequence[str]) -> str:
    """The labelling config: one choice among ``labels`` for a text."""
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    return (
        '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
        f"{choices}</Choices></View>"
    )


def text(seed: int, labels: Sequence[str], words: int) -> tuple[str, str]:
    """A text of so many words, half of them words of its topic, and that topic."""
    rng = np.random.default_rng(seed)
    topic = int(rng.integers(len(labels)))
    said = [
        f"word{number}t{topic}" if own else f"word{number}"
        for number, own in zip(rng.integers(200, size=words), rng.random(words) < 0.5, strict=True)
    ]
    return " ".join(said), labels[topic]


def champion(
    version: str, labels: Sequence[str], now: datetime, artifact: Artifact | None = None
) -> ModelVersion:
    """A first version that serves; one without an artifact cannot be loaded."""
    return ModelVersion(
        version=version,
        number=1,
        path="none" if artifact is None else artifact.path,
        sha256="none" if artifact is None else artifact.sha256,
        labels=tuple(labels),
        state=CHAMPION,
        verdict={},
        lineage={},
        trained_at=now,
        promoted_at=now,
    )


def make_project(stage: Stage, title: str, labels: Sequence[str]) -> int:
    """A project of Label Studio without tasks; its id."""
    body = {"title": title, "label_config": choices_config(labels)}
    return int(stage.admin.once("POST", "/api/projects/", body)["id"])


def task_rows(
    seeds: Sequence[int], labels: Sequence[str], words: int, *, labelled: bool = False
) -> list[dict[str, Any]]:
    """Rows for Label Studio's import; ``labelled`` ones carry the right answer of a person."""
    labeling = parse_labeling(choices_config(labels))
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        shown, topic = text(seed, labels, words)
        row: dict[str, Any] = {"data": {"text": shown}}
        if labelled:
            row["annotations"] = [{"result": result_of(labeling, topic), "lead_time": 3.5}]
        rows.append(row)
    return rows


def import_tasks(stage: Stage, project_id: int, rows: Sequence[dict[str, Any]]) -> None:
    """Import in chunks."""
    for start in range(0, len(rows), IMPORT_CHUNK):
        chunk = rows[start : start + IMPORT_CHUNK]
        stage.admin.once("POST", f"/api/projects/{project_id}/import", chunk)


def connect(stage: Stage, project_id: int, policy: str) -> ConnectedProject:
    """Connect the project with this policy's text, as ``labelgate connect`` does."""
    file = stage.folder / f"policy-{project_id}.yaml"
    file.write_text(policy, encoding="utf-8")
    return connect_project(stage.runtime, str(project_id), file)
