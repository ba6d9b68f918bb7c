"""What a test itself did to an installation: the truth that the stores are held to."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person submitted: the task, and the topic that was chosen."""

    task_id: int
    topic: str


@dataclass(slots=True)
class Oracle:
    """What was asked of the installation, and what of that it has said it took.

    Whatever was acknowledged must be there once. What was sent and got no answer may be there, at
    most once. ``answers`` are by the word that stands in the annotation itself, ``places`` by the
    number in a task's data, ``inferences`` by the sender's id. ``chain`` holds ends of the ledger
    as they were seen: later ledgers must go on from them. ``opened`` are the tasks that somebody
    opened, for which Label Studio may have asked the model itself.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    acknowledged_answers: set[str] = field(default_factory=set)
    places: set[int] = field(default_factory=set)
    acknowledged_places: set[int] = field(default_factory=set)
    inferences: set[str] = field(default_factory=set)
    acknowledged_inferences: set[str] = field(default_factory=set)
    trainings: set[int] = field(default_factory=set)
    jobs: set[int] = field(default_factory=set)
    opened: set[int] = field(default_factory=set)
    chain: dict[int, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def new_places(self, count: int) -> list[int]:
        """Numbers for texts that nobody has used yet; from now on they may be there."""
        with self.lock:
            first = max(self.places, default=-1) + 1
            found = list(range(first, first + count))
            self.places.update(found)
        return found
