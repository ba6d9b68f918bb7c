"""A foreign model that is paid for each question is asked once about each task.

The control slice is asked about when a version is registered and when it is certified, the open
tasks when thresholds are placed and when they are decided, a task again when Label Studio shows
it: all of these are one question, and one bill.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import OperationalError

from backend.predictors.foreign.predictor import part_of_asked
from backend.predictors.foreign.source import Answer, Source, predicted
from backend.predictors.protocol import Asked, Predicted
from backend.runtime import Runtime
from backend.store.model_answers import KeptAnswer, keep_answers, kept_answers
from connectors.label_studio.labeling import Labeling
from policies.answer_texts import json_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSource:
    """A source behind its own earlier answers.

    ``fingerprint`` names what it is asked under a labelling config, and how.

    Problems are not kept: those tasks are asked about again.
    """

    source: Source
    runtime: Runtime
    project_id: int
    fingerprint: Callable[[Labeling], str]

    @property
    def name(self) -> str:
        """The source's own."""
        return self.source.name

    def reported(self, label_config: str) -> str:
        """The source's own."""
        return self.source.reported(label_config)

    def answers(self, asked: Asked) -> Predicted:
        """What was answered before, and the source's answers to the rest."""
        shown = [_shown(asked.labeling, data) for data in asked.data]
        fingerprint = self.fingerprint(asked.labeling)
        with self.runtime.reads() as session:
            kept = kept_answers(session, self.project_id, fingerprint, asked.task_ids)
        found: list[Answer | str | None] = [
            Answer(text=before.text, score=before.score)
            if (before := kept.get(task_id)) is not None and before.shown == digest
            else None
            for task_id, digest in zip(asked.task_ids, shown, strict=True)
        ]

        rows = [place for place, answer in enumerate(found) if answer is None]
        said = self.source.answers(part_of_asked(asked, rows))
        new = []
        for row, text, score, problem in zip(
            rows, said.texts, said.scores, said.problems, strict=True
        ):
            found[row] = str(problem) if text is None else Answer(text=text, score=float(score))
            if text is not None:
                task_id = asked.task_ids[row]
                new.append(
                    KeptAnswer(task_id=task_id, shown=shown[row], text=text, score=float(score))
                )

        self._keep(fingerprint, new)
        return predicted([each for each in found if each is not None])

    def _keep(self, fingerprint: str, answers: list[KeptAnswer]) -> None:
        if not answers:
            return
        try:
            with self.runtime.sessions.begin() as session:
                keep_answers(session, self.project_id, fingerprint, answers)
        except OperationalError as error:  # they are good all the same
            logger.warning("foreign.answers_not_kept project=%d error=%s", self.project_id, error)


def _shown(labeling: Labeling, data: Mapping[str, Any]) -> str:
    """The hash of what the model is shown of a task."""
    keys = sorted({key for control in labeling.controls for key in control.data_keys})
    words = json_text([[key, data.get(key)] for key in keys])
    return hashlib.sha256(words.encode(errors="replace")).hexdigest()[:32]
