"""A chat model as a source of answers: asked for each task, and what that cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from backend.predictors.foreign.questions import (
    ReadAnswer,
    UnreadableAnswerError,
    not_asked,
    probability_of,
    question_of,
    read_answer,
)
from backend.predictors.foreign.source import Answer, predicted, unanswered
from backend.predictors.protocol import Asked, Predicted
from connectors.label_studio.labeling import Labeling
from connectors.model_servers.chat import ChatAnswer, ChatEndpoint, Question, Usage, usage_of
from connectors.model_servers.server import ModelServerDownError, ModelServerError
from policies import models

# Called with what a batch of questions took, once it is known.
Spent = Callable[[Usage], None]
# Fewer usable answers than this share of the samples say nothing.
_LEAST_USABLE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSource:
    """The chat model that a policy names."""

    model: models.Llm
    endpoint: ChatEndpoint = field(repr=False)
    spent: Spent = field(repr=False)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.model.model

    def reported(self, label_config: str) -> str:
        """Its name: what an endpoint serves under it is the endpoint's affair."""
        del label_config
        return self.model.model

    def answers(self, asked: Asked) -> Predicted:
        """Ask about each task, several at the same time."""
        refused = not_asked(asked.labeling)
        if refused is not None:
            return unanswered(len(asked.task_ids), refused)
        questions = [question_of(self.model, asked.labeling, data) for data in asked.data]
        ask = partial(self._task, asked.labeling)
        with ThreadPoolExecutor(max_workers=self.model.parallel) as pool:
            asked_all = list(pool.map(ask, questions))
        usage = sum((each.usage for each in asked_all), Usage())
        if usage.questions:
            self.spent(usage)
        return predicted([each.answer for each in asked_all])

    def _task(self, labeling: Labeling, question: Question | str) -> _Task:
        if isinstance(question, str):
            return _Task(answer=question, usage=Usage())
        if self.model.samples is None:
            return self._once(labeling, question)
        return self._sampled(labeling, question, self.model.samples)

    def _once(self, labeling: Labeling, question: Question) -> _Task:
        said = self._ask(labeling, question)
        if isinstance(said, _Task):
            return said
        chat, read = said
        if chat.tokens is None:
            problem = (
                f"{self._who} gave no log-probabilities of its tokens: set model.samples in the "
                "policy"
            )
            return _Task(answer=problem, usage=chat.usage)
        score = probability_of(chat.text, chat.tokens, read)
        return _Task(answer=Answer(text=read.text, score=score), usage=chat.usage)

    def _sampled(self, labeling: Labeling, question: Question, samples: int) -> _Task:
        """The most frequent of several answers; its share is the score. Ties: the first given."""
        usage, texts, problem = Usage(), list[str](), ""
        for _ in range(samples):
            said = self._ask(labeling, question)
            if isinstance(said, _Task):
                usage, problem = usage + said.usage, str(said.answer)
                if said.down:
                    break
            else:
                chat, read = said
                usage += chat.usage
                texts.append(read.text)
        if len(texts) < _LEAST_USABLE * samples:
            return _Task(answer=problem, usage=usage)
        text, votes = Counter(texts).most_common(1)[0]
        return _Task(answer=Answer(text=text, score=votes / samples), usage=usage)

    def _ask(self, labeling: Labeling, question: Question) -> tuple[ChatAnswer, ReadAnswer] | _Task:
        """One question; a problem with what it took where there is no usable answer."""
        try:
            chat = self.endpoint.answer(question)
        except ModelServerError as error:
            down = isinstance(error, ModelServerDownError)
            return _Task(answer=f"{self._who} {error}", usage=usage_of(error), down=down)
        try:
            return chat, read_answer(labeling, chat.text)
        except UnreadableAnswerError as error:
            return _Task(answer=f"{self._who}: {error}", usage=chat.usage)

    @property
    def _who(self) -> str:
        return f"the chat model {self.model.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What came of a task: an answer or a problem, and what it took."""

    answer: Answer | str
    usage: Usage
    down: bool = False
