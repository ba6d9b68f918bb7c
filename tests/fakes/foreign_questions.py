"""What foreign models are asked in tests: a few texts, under a config of one choice."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from backend.predictors.protocol import Asked, Predicted
from connectors.label_studio.labeling import parse_labeling

LABEL_CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="A"/><Choice value="B"/></Choices></View>'
)


def no_download(path: str) -> bytes:
    raise AssertionError(f"nothing is fetched: {path}")


def asked(texts: Sequence[object], label_config: str = LABEL_CONFIG) -> Asked:
    return Asked(
        labeling=parse_labeling(label_config),
        label_config=label_config,
        task_ids=list(range(1, len(texts) + 1)),
        data=[{"text": text} for text in texts],
        download=no_download,
    )


def rows(said: Predicted) -> list[tuple[str | None, float | None, str | None]]:
    """Text, score (None for NaN) and problem, by task."""
    scores = [None if isnan(score) else round(score, 9) for score in said.scores.tolist()]
    return list(zip(said.texts.tolist(), scores, said.problems.tolist(), strict=True))
