"""A file of inferences taken in batch by batch; repeated, it goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from backend.inferences.intake import read_batch, take_in
from backend.inferences.validation import InferenceProblem, InferencesError
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from connectors.inference_files import InferenceFileError, Record, read_records

_BATCH = 1_000  # few enough that a webhook does not wait for long
_IDS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of the records so far; in words as ``backend.inferences.intake.Receipt``."""

    received: int = 0
    stored: int = 0
    known: int = 0
    conflicts: int = 0
    conflicting: tuple[str, ...] = ()

    def with_batch(self, answer: dict[str, Any]) -> Imported:
        """This and one more batch."""
        return Imported(
            received=self.received + answer["received"],
            stored=self.stored + answer["stored"],
            known=self.known + answer["known"],
            conflicts=self.conflicts + answer["conflicts"],
            conflicting=(*self.conflicting, *answer["conflicting"])[:_IDS_SHOWN],
        )


def import_file(
    runtime: Runtime, project: ConnectedProject, file: Path, tell: Callable[[Imported], None]
) -> Imported:
    """Take in a file; ``tell`` is told how far it is after every batch.

    A file that was cut off, or corrected, is simply imported again: ids that are known count as
    known. Raises ``InferenceFileError`` at the first batch with a mistake in it, with the line of
    each; the batches before are stored.
    """
    found = Imported()
    records = read_records(file)
    while batch := _next(records, found):
        try:
            inferences = read_batch(runtime, project, [record.inference for record in batch])
        except InferencesError as error:
            said = _said(file, batch, error)
            raise InferenceFileError(f"{said}\n{_stored(found)}") from None
        found = found.with_batch(take_in(runtime, project, inferences))
        tell(found)
    return found


def _next(records: Iterator[Record], found: Imported) -> list[Record]:
    try:
        return list(islice(records, _BATCH))
    except InferenceFileError as error:
        raise InferenceFileError(f"{error}\n{_stored(found)}") from None


def _said(file: Path, batch: Sequence[Record], error: InferencesError) -> str:
    def line(problem: InferenceProblem) -> str:
        return f"{file}:{batch[problem.index].line}  {problem.field} {problem.message}"

    lines = [*map(line, error.problems)]
    if error.count > len(lines):
        lines.append(f"and {error.count - len(lines):,} more in the same {len(batch):,} records")
    return "\n".join(lines)


def _stored(found: Imported) -> str:
    if not found.received:
        return "nothing is stored: correct the file and import it again"
    return (
        f"the {found.received:,} records before are stored: correct the file and import it again, "
        "what is known is not doubled"
    )
