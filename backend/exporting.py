"""Use case: write every final label to a file, each with what it takes to trace it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import orjson

from backend.runtime import Runtime
from backend.spreadsheets import csv_line
from backend.store.exports import ACCEPTED, HUMAN, FinalLabel, labels_standing
from backend.store.projects import ConnectedProject
from backend.store.suspensions import suspensions
from backend.store.tasks import count_tasks
from connectors.label_studio.answers import plain_answer
from connectors.label_studio.labeling import parse_labeling
from policies.breaker import Suspension
from policies.loading import parse_policy
from policies.recalls import covers
from policies.schema import Policy

FORMATS = (".jsonl", ".csv")
_COLUMNS = (
    "task_id",
    "data",
    "label",
    "source",
    "tier",
    "people",
    "score",
    "model_version",
    "policy_hash",
    "freeze",
    "decision_seq",
    "decision_hash",
    "provisional",
)
# Beside the label, where answers are not one label of a list: the answer in plain values.
_ANSWER = "answer"


def export_labels(
    runtime: Runtime,
    project: ConnectedProject,
    file: Path,
    *,
    provisional: bool = False,
    fields: Sequence[str] = (),
) -> dict[str, int]:
    """Write one line for each final label; ``file`` is there whole or not at all.

    Accepts that no freeze took are left out unless ``provisional``, and so are those that a breaker
    puts in doubt. Of the task's data come the fields that name it (``id``, and those that end in
    ``_id``) and the ``fields`` that are asked for. An answer that is not one label of a list stands
    in plain values under ``answer`` too: a number, a list, or these by control. Returns how many
    labels of each source were written, how many accepts stand provisionally, and how many tasks are
    open.
    """
    counts: Counter[str] = Counter()
    labeling = parse_labeling(project.label_config)
    columns = _COLUMNS if labeling.is_list else (*_COLUMNS, _ANSWER)
    with runtime.reads() as session, _written(file) as text:
        write = _jsonl(text) if file.suffix == ".jsonl" else _csv(text, columns)
        tasks = count_tasks(session, project.id)
        policy = parse_policy(project.policy_text)
        tripped = [each for each in suspensions(session, project.id) if each.rearmed_at is None]
        for found in labels_standing(session, project.id):
            each = replace(found, provisional=True) if _doubted(found, tripped, policy) else found
            counts["provisional" if each.provisional else each.source] += 1
            if provisional or not each.provisional:
                line = _line(each, fields)
                answer = {} if labeling.is_list else {_ANSWER: plain_answer(labeling, each.label)}
                write(line | answer)
    return {
        HUMAN: counts[HUMAN],
        ACCEPTED: counts[ACCEPTED],
        "provisional": counts["provisional"],
        "open": tasks - counts.total(),
    }


def _doubted(found: FinalLabel, tripped: Sequence[Suspension], policy: Policy) -> bool:
    """Whether a breaker that tripped puts an accept in doubt that a freeze took along before."""
    return found.source == ACCEPTED and any(
        each.model_version == found.model_version
        and covers(each.group, (found.predictor, found.label), policy)
        and (
            each.good_until is None
            or found.decided_at is None
            or found.decided_at > each.good_until
        )
        for each in tripped
    )


def _line(each: FinalLabel, fields: Sequence[str]) -> dict[str, Any]:
    line = {name: getattr(each, name) for name in _COLUMNS}
    wanted = {
        name: value
        for name, value in each.data.items()
        if name == "id" or name.endswith("_id") or name in fields
    }
    return line | {"data": wanted}


@contextmanager
def _written(file: Path) -> Iterator[IO[str]]:
    """A file beside this one, which it replaces once all is written."""
    made = file.with_name(f".{file.name}.{os.getpid()}")
    with made.open("w", encoding="utf-8", newline="") as text:
        try:
            yield text
            text.flush()
            os.fsync(text.fileno())
        except BaseException:
            text.close()
            made.unlink()
            raise
    made.replace(file)


def _jsonl(text: IO[str]) -> Callable[[dict[str, Any]], object]:
    return lambda line: text.write(orjson.dumps(line).decode() + "\n")


def _csv(text: IO[str], columns: Sequence[str]) -> Callable[[dict[str, Any]], object]:
    text.write(csv_line(columns))
    as_text = {"data", _ANSWER} & set(columns)

    def write(line: dict[str, Any]) -> object:
        texts = line | {name: orjson.dumps(line[name]).decode() for name in as_text}
        return text.write(csv_line(texts[name] for name in columns))

    return write
