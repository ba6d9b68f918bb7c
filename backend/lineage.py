"""What a version is made of, written down so that it can be made again."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.orm import Session

import backend
from backend.predictors.memory.kept import KEEPS, wanted_of
from backend.slices import LabelledSlices
from backend.store.lineages import Example, Lineage, annotations_of, data_hash
from backend.store.models import EXAMPLES_BY_LABEL
from backend.store.projects import ConnectedProject
from backend.store.tasks import stored_tasks
from policies.schema import Policy

# What decides which numbers a training comes to; those that are not installed are left out.
LIBRARIES = ("labelgate", "numpy", "scipy", "scikit-learn", "skops", "tokenizers", "torch")
# Of a lineage: accuracies by number of labels, and what to expect of more.
LEARNING_CURVE = "learning_curve"
# And whose sentence vectors it reads, where it reads any.
ENCODER = "encoder"
_CHUNK = 2_000
# What turns labels into a predictor: a change in here may change the model of the same lineage.
_CODE = ("fitting.py", "predictors", "embeddings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a version comes from beside its data: its seed, the version before it, and why."""

    seed: int
    parent: str | None
    reason: str


def learned_from(
    session: Session, project: ConnectedProject, slices: LabelledSlices
) -> tuple[Example, ...]:
    """The training slice with all that it takes to have it again, by task.

    ``session`` is the one that the slices were read in, so that answers and annotations agree.
    """
    ids = sorted(slices.training)
    examples: list[Example] = []
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        annotations = annotations_of(session, project.id, chunk)
        examples += [
            Example(
                task_id=task.id,
                answer=slices.training[task.id],
                weight=float(slices.weights.get(task.id, 1.0)),
                data=data_hash(task.data),
                annotation_ids=annotations.get(task.id, ()),
            )
            for task in stored_tasks(session, project.id, chunk)
        ]
    return tuple(examples)


def lineage_of_project(project: ConnectedProject, examples: Sequence[Example]) -> Lineage:
    """The examples with the policy and the labelling config that hold now."""
    return Lineage(
        policy_hash=project.policy_hash,
        label_config=project.label_config,
        examples=tuple(examples),
    )


def described(policy: Policy, lineage: Lineage, origin: Origin) -> dict[str, Any]:
    """A version's lineage as its row says it: hashes, counts, seed, code and libraries."""
    examples = lineage.examples
    tasks = [each.task_id for each in examples]
    annotations = sorted(number for each in examples for number in each.annotation_ids)
    return {
        "examples": len(examples),
        EXAMPLES_BY_LABEL: dict(sorted(Counter(each.answer for each in examples).items())),
        "weighted": sum(each.weight < 1 for each in examples),
        "data_sha256": lineage.sha256,
        "tasks_sha256": _hash_of(sorted(tasks)),
        "annotations": len(annotations),
        "annotations_sha256": _hash_of(annotations),
        KEEPS: list(wanted_of(policy)),
        "policy_hash": lineage.policy_hash,
        "label_config_sha256": hashlib.sha256(lineage.label_config.encode()).hexdigest(),
        "seed": origin.seed,
        "parent": origin.parent,
        "reason": origin.reason,
        "code_sha256": code_hash(),
        "python": platform.python_version(),
        "libraries": libraries(),
    }


def libraries() -> dict[str, str]:
    """The versions of the libraries that a training's numbers come from, those installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = installed_version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_hash() -> str:
    """The sha256 of the source that turns labels into a predictor."""
    root = Path(backend.__file__).parent
    files = sorted(
        file
        for part in _CODE
        for file in ([root / part] if part[-3:] == ".py" else _all(root, part))
    )
    found = hashlib.sha256()
    for file in files:
        found.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def _all(root: Path, folder: str) -> list[Path]:
    return list((root / folder).rglob("*.py"))


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What two versions' lineages say differently, by name; what only one says is None beside it.

    >>> differences({"seed": 1, "parent": None}, {"seed": 2, "parent": None})
    {'seed': (1, 2)}
    """
    names = [*one, *(name for name in other if name not in one)]
    return {
        name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)
    }


def _hash_of(numbers: Sequence[int]) -> str:
    return hashlib.sha256(orjson.dumps(list(numbers))).hexdigest()
