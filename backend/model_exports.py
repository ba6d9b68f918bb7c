"""Use case: a version in a folder, with all that it takes to understand it and to make it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from backend.predictors.model_files import Artifact, check
from backend.runtime import Runtime
from backend.store.lineages import Lineage, lineage_of, policy_text
from backend.store.models import ModelVersion
from backend.store.projects import ConnectedProject


class ExportError(Exception):
    """The folder cannot take an export; the message says why."""


def export_version(
    runtime: Runtime, project: ConnectedProject, model: ModelVersion, folder: Path
) -> list[str]:
    """Write the model file, its lineage, examples, policy and config; the names, in order.

    The folder is made; one that holds something is refused. A version from before lineages were
    kept has its file and ``version.json`` alone, one that answers elsewhere has no file.

    Raises
        ExportError: the folder holds something, or cannot be written.
        ArtifactError: the version's file is not what it was.
        LineageError: what is stored of its making is damaged.
    """
    contents: dict[str, bytes] = {}
    if model.path:
        check(runtime.settings.models_dir, Artifact(path=model.path, sha256=model.sha256))
        contents["model.skops"] = (runtime.settings.models_dir / model.path).read_bytes()
    with runtime.reads() as session:
        lineage = lineage_of(session, project.id, model.version)
        policy = None if lineage is None else policy_text(session, lineage.policy_hash)
    contents["version.json"] = orjson.dumps(_described(project, model), option=orjson.OPT_INDENT_2)
    if lineage is not None:
        contents["examples.jsonl"] = _examples(lineage)
        contents["label_config.xml"] = lineage.label_config.encode()
    if policy is not None:
        contents["policy.yaml"] = policy.encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ExportError(f"{folder} is not empty: name a new folder")
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written ({error.strerror}): name another") from error
    return list(contents)


def _described(project: ConnectedProject, model: ModelVersion) -> dict[str, Any]:
    return {
        "project": project.id,
        "title": project.title,
        "version": model.version,
        "sha256": model.sha256,
        "labels": list(model.labels),
        "state": model.state,
        "trained_at": model.trained_at,
        "promoted_at": model.promoted_at,
        "lineage": model.lineage,
        "verdict": model.verdict,
    }


def _examples(lineage: Lineage) -> bytes:
    return b"".join(
        orjson.dumps(
            {
                "task": each.task_id,
                "answer": each.answer,
                "weight": each.weight,
                "annotations": list(each.annotation_ids),
                "data_sha256_12": each.data,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for each in sorted(lineage.examples, key=lambda each: each.task_id)
    )
