"""Taking in what deployed models answered: on disk before the sender is told so, each id once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from backend.inferences.validation import intake_rules, read_inferences
from backend.runtime import Runtime
from backend.store.inference_batches import KnownBatch, known_batch, store_batch
from backend.store.inferences import (
    Inference,
    ready_rows,
    store_inferences,
    write_alone,
)
from backend.store.projects import ConnectedProject

MOST_IN_BATCH = 10_000
_IDS_SHOWN = 10


class KeyTakenError(Exception):
    """Another batch came under this key; nothing of this one is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchKey:
    """What a sender calls a batch, and the SHA-256 of the batch as it was sent."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a batch; ``conflicting`` are the first ids of ``conflicts``.

    Each inference is stored, or known (the same id with the same content), or in conflict (the same
    id with other content; what was first stays).
    """

    received: int
    stored: int
    known: int
    conflicts: int
    conflicting: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What the sender is told."""
        return {
            "received": self.received,
            "stored": self.stored,
            "known": self.known,
            "conflicts": self.conflicts,
            "conflicting": list(self.conflicting),
        }


def receipt_of_known(
    session: Session, project_id: int, key: BatchKey | None
) -> dict[str, Any] | None:
    """What was answered when this very batch came before; None where it is new.

    Raises ``KeyTakenError`` where another batch came under the key.
    """
    known = None if key is None else known_batch(session, project_id, key.name)
    if key is None or known is None:
        return None
    if known.sha256 != key.sha256:
        raise KeyTakenError(
            f"another batch came under the key {key.name!r}: send each batch under a key of its "
            "own, and the same batch again under the same key and byte for byte"
        )
    return known.answer


def read_batch(
    runtime: Runtime, project: ConnectedProject, items: Sequence[Any]
) -> list[Inference]:
    """The inferences as this project keeps them. Raises ``InferencesError`` where one is wrong."""
    rules = intake_rules(project.policy_text, project.label_config)
    return read_inferences(items, rules, runtime.now())


def take_in(
    runtime: Runtime,
    project: ConnectedProject,
    inferences: Sequence[Inference],
    key: BatchKey | None = None,
) -> dict[str, Any]:
    """Store a batch in one transaction; once this returns, it is on disk. What to tell the sender.

    Raises ``KeyTakenError`` as ``receipt_of_known`` does.
    """
    now = runtime.now()
    # Before the lock is taken: other writers wait for what is written alone.
    rows = ready_rows(runtime.sessions.kw["bind"].dialect, project.id, inferences, now)
    with runtime.sessions.begin() as session:
        write_alone(session, project.id)
        answer = receipt_of_known(session, project.id, key)  # somebody may have been faster
        if answer is not None:
            return answer
        intake = store_inferences(session, project.id, inferences, now, rows)
        receipt = Receipt(
            received=len(inferences),
            stored=intake.stored,
            known=intake.known,
            conflicts=intake.conflicts,
            conflicting=intake.conflicting[:_IDS_SHOWN],
        ).as_json()
        if key is not None:
            told = KnownBatch(sha256=key.sha256, answer=receipt)
            store_batch(session, project.id, key.name, told, now)
    return receipt
